/**
 * What an operator does about the KMS of a tenant (docs/kms.md). Whatever changes the ways in takes a key of the tenant: a factor for
 * its slot, a slot that the KMS opens alone, the requirement of a KMS. Wrapping the secrets again takes the KMS alone: no key of the
 * tenant, and no object is touched.
 */
import type { KmsKeyName, KmsSecrets, KmsWrap } from '../../kms/kms-secrets.ts';
import type { AccessKey } from '../access-keys/access-key-id.ts';
import { apiKeyKmsSlot } from '../slots/api-key-kms-slot.ts';
import type { KmsFactor } from '../slots/kms-part.ts';
import { kmsSlot } from '../slots/kms-slot.ts';
import { nextKdf } from '../slots/requested-kdf.ts';
import { kmsSlots, labelOf, type Slot, type SlotOfKms, slotsOfType, typeOf } from '../slots/slot-types.ts';
import { checkTerms, type Keyring } from '../state/document.ts';
import { changeKeyring, KeyringConflict, type KeyringDeps, kmsOf, openKeyring, readKeyring } from './change-keyring.ts';
import { byId, sameSlot, unusedSlotId, withoutSlot, withReplaced } from './edit-slots.ts';
import { KeyError, UnknownKey } from './key-errors.ts';

/** A wrap of a tenant, and nothing that opens anything. */
export interface WrapDetails extends Omit<KmsWrap, 'blob'> {
  readonly tenant: string;
  readonly slot: string;
  readonly type: SlotOfKms['type'];
}

/** Slots would open without a KMS. */
export class WeakerSlots extends KeyError {
  readonly code = 'WEAKER_SLOTS';
  constructor(slots: readonly Slot[]) {
    const names = slots.map(
      (slot) => `${slot.id} (${[slot.type, labelOf(slot)].filter((one) => one !== '').join(' ')})`,
    );
    super(
      `These slots open without a KMS, so it cannot be required: ${names.join(', ')}. Give keys a factor with ` +
        "'sealgate key attach-kms', or take the slots away.",
    );
  }
}

export class TooManyKmsSlots extends KeyError {
  readonly code = 'TOO_MANY_KMS_SLOTS';
  constructor() {
    super(`The tenant has ${kmsSlot.most} slots that a KMS opens alone, the most there can be.`);
  }
}

export class KmsAdmin {
  readonly #deps: KeyringDeps;
  readonly #secrets: KmsSecrets;

  constructor(deps: KeyringDeps) {
    this.#deps = deps;
    this.#secrets = kmsOf(deps);
  }

  /**
   * The caller's API key opens its slot only together with a key of the KMS from now on. The access key id stays; sessions that were
   * issued from the key end, so a stronger KDF that was requested is taken up. A copy of the keyring from before still opens without the KMS: a deep rotation ends that.
   * @throws S3Error InvalidAccessKeyId, ServiceUnavailable; KeyringConflict
   */
  async attach(caller: AccessKey, key: KmsKeyName, signal: AbortSignal): Promise<WrapDetails> {
    const opened = await openKeyring(this.#deps, caller, signal);
    const { slot: old, roots } = opened;
    const { tenant } = opened.keyring;
    const factor = this.#factor(key);
    const { runner } = this.#deps;
    const terms = { ...old, kdfUpgrade: null };
    const sealing = { tenant, roots, runner, terms, apiKey: caller.apiKey, kdf: nextKdf(old), factor };
    const slot = await apiKeyKmsSlot.seal(sealing, signal);
    const replace = (keyring: Keyring) => {
      sameSlot(keyring, old);
      return withReplaced(keyring, slot);
    };
    const detail = `Slot ${slot.id} needs ${slot.kms.provider} ${slot.kms.key}`;
    await changeKeyring(this.#deps, opened, replace, { signal, event: { kind: 'kms-attached', detail, tenant } });
    return detailsOf(tenant, slot);
  }

  /** A slot that the KMS opens alone: server-managed. @throws as `attach`; TooManyKmsSlots */
  async add(caller: AccessKey, o: { key: KmsKeyName; label: string }, signal: AbortSignal): Promise<WrapDetails> {
    checkTerms({ grants: [], policy: null, label: o.label });
    const opened = await openKeyring(this.#deps, caller, signal);
    const { tenant } = opened.keyring;
    refuseFull(opened.keyring);
    const id = unusedSlotId(opened.keyring);
    const factor = this.#factor(o.key);
    const slot = await kmsSlot.seal(
      { tenant, roots: opened.roots, id, label: o.label, factor, now: this.#deps.now() },
      signal,
    );
    const add = (keyring: Keyring) => {
      refuseFull(keyring);
      return { ...keyring, slots: byId([...keyring.slots, slot]) };
    };
    const detail = `Slot ${id}: ${slot.kms.provider} ${slot.kms.key} opens the tenant alone`;
    await changeKeyring(this.#deps, opened, add, { signal, event: { kind: 'kms-added', detail, tenant } });
    return detailsOf(tenant, slot);
  }

  /** By the operator alone. @throws UnknownKey for a slot that is none of type kms */
  async remove(o: { tenant: string; slot: string }, signal: AbortSignal): Promise<void> {
    const now = this.#deps.now();
    const remove = (keyring: Keyring) => {
      if (slotsOfType(keyring, 'kms').every(({ id }) => id !== o.slot)) throw new UnknownKey(o.tenant, o.slot);
      return withoutSlot(keyring, o.slot, now);
    };
    const event = { kind: 'kms-removed', detail: `Slot ${o.slot}`, tenant: o.tenant } as const;
    await changeKeyring(this.#deps, o.tenant, remove, { signal, event });
  }

  /** Whether every way in must need a KMS from now on. @throws S3Error InvalidAccessKeyId; WeakerSlots */
  async require(caller: AccessKey, isRequired: boolean, signal: AbortSignal): Promise<{ tenant: string }> {
    const opened = await openKeyring(this.#deps, caller, signal);
    const { tenant } = opened.keyring;
    const change = (keyring: Keyring) => {
      if ((keyring.requireKms === 'yes') === isRequired) return undefined;
      const { requireKms: _before, ...others } = keyring;
      if (!isRequired) return others;
      const weaker = keyring.slots.filter((slot) => !typeOf(slot).needsKms);
      if (weaker.length > 0) throw new WeakerSlots(weaker);
      return { ...others, requireKms: 'yes' as const };
    };
    const detail = isRequired ? 'Every way in must need a KMS' : 'No KMS is required any more';
    await changeKeyring(this.#deps, opened, change, { signal, event: { kind: 'kms-required', detail, tenant } });
    return { tenant };
  }

  /** @throws UnknownTenant, KeyringTampered */
  async wraps(tenant: string, signal: AbortSignal): Promise<readonly WrapDetails[]> {
    const { keyring } = await readKeyring(this.#deps, tenant, signal);
    return kmsSlots(keyring).map((slot) => detailsOf(tenant, slot));
  }

  /**
   * Wraps every secret of a tenant again: under the present version of its key, or under `to`. Two calls to the KMS for each slot,
   * and one write for the tenant. @throws UnknownTenant, KeyringTampered, KeyringConflict, S3Error ServiceUnavailable
   */
  async rewrap(
    o: { tenant: string; to?: KmsKeyName | undefined },
    signal: AbortSignal,
  ): Promise<readonly WrapDetails[]> {
    const { tenant } = o;
    const { keyring: before } = await readKeyring(this.#deps, tenant, signal);
    const rewrapped: { readonly slot: SlotOfKms; readonly kms: KmsWrap }[] = [];
    for (const slot of kmsSlots(before)) {
      const owner = { purpose: slot.type, tenant, slot: slot.id };
      rewrapped.push({ slot, kms: await this.#secrets.rewrap(slot.kms, owner, signal, o.to) });
    }
    if (rewrapped.length === 0) return [];
    const change = (keyring: Keyring) => {
      let next = keyring;
      for (const { slot, kms } of rewrapped) {
        const now = kmsSlots(keyring).find(({ id }) => id === slot.id);
        // Sealed anew meanwhile, or wrapped again by somebody else: this secret may be another one by now.
        if (now?.kms.blob !== slot.kms.blob || now.commitment !== slot.commitment) throw new KeyringConflict(tenant);
        next = withReplaced(next, { ...now, kms });
      }
      return next;
    };
    const said = rewrapped.map(({ slot, kms }) =>
      `slot ${slot.id}: ${kms.provider} ${kms.key} ${kms.version}`.trimEnd(),
    );
    const event = { kind: 'kms-rewrapped', detail: said.join('; '), tenant } as const;
    const stored = await changeKeyring(this.#deps, tenant, change, { signal, event });
    return kmsSlots(stored.keyring).map((slot) => detailsOf(tenant, slot));
  }

  #factor(key: KmsKeyName): KmsFactor {
    return { secrets: this.#secrets, key };
  }
}

function refuseFull(keyring: Keyring): void {
  if (slotsOfType(keyring, 'kms').length >= kmsSlot.most) throw new TooManyKmsSlots();
}

function detailsOf(tenant: string, { id, type, kms }: SlotOfKms): WrapDetails {
  const { blob: _blob, ...shown } = kms;
  return { tenant, slot: id, type, ...shown };
}
