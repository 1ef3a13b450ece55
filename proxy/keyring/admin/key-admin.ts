/**
 * The life of the API keys of a tenant (docs/keys.md): made, changed, rotated, given a new access key id, revoked. Adding a way
 * into the tenant takes one of the tenant's own keys. The operator does the rest alone. Each change is one compare-and-swap of the
 * keyring, so it is safe beside running servers and beside other changes.
 */
import type { KmsKeyName } from '../../kms/kms-secrets.ts';
import { MAX_REGISTERED_IDS } from '../../limits.ts';
import type { SecurityEvent } from '../../observe/events.ts';
import type { AccessKey } from '../access-keys/access-key-id.ts';
import { checkGrants, type Grant } from '../grants.ts';
import { type ApiKey, generateApiKey, secretAccessKeyOf } from '../slots/api-key.ts';
import { DEFAULT_KDFS, isStronger, type Kdf } from '../slots/kdf.ts';
import { type RequestedKdf, requestKdf, withoutWait } from '../slots/requested-kdf.ts';
import { inheritedFactor, sealKeySlot } from '../slots/seal-key-slot.ts';
import { MAX_SESSION_SERIAL, newSlotTerms, type OperatorTerms } from '../slots/slot-terms.ts';
import type { KeySlot } from '../slots/slot-types.ts';
import { checkTerms, type Keyring } from '../state/document.ts';
import { timestamp } from '../state/fields.ts';
import {
  changeKeyring,
  type KeyringDeps,
  kmsOf,
  type OpenedKeyring,
  openKeyring,
  readKeyring,
} from './change-keyring.ts';
import { describeKeys, type KeyDetails } from './describe-key.ts';
import { hasOtherInForce, sameSlot, slotOf, unusedSlotId, withoutSlot, withSlot, withTerms } from './edit-slots.ts';
import { prepareId, withId } from './issue-key.ts';
import { LastKey, TooManyIds, UnsuitableTerms } from './key-errors.ts';

/** A key as it is handed out, once. */
export interface IssuedKey {
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits. */
  readonly slot: string;
  readonly accessKeyId: string;
  /** The secret is stored nowhere. Absent for a key that the caller brought: its owner has it. */
  readonly secretAccessKey?: string;
}

export interface NewKey {
  /** Grants or a policy. Default: those of the caller. */
  readonly grants?: readonly Grant[];
  /** As `checkedPolicy` gives it. */
  readonly policy?: string;
  readonly label?: string;
  /** As `timestamp` writes it. */
  readonly expires?: string | null;
  readonly registered?: boolean;
  /** A key that the caller brings; its strength is checked. Default: a generated key. */
  readonly apiKey?: ApiKey;
  /** hkdf-sha256 for a generated key, argon2id for another, unless given. */
  readonly kdf?: Kdf;
  /** A key of a KMS that must agree whenever the new key is used; that of the caller's key unless given. */
  readonly kms?: KmsKeyName | undefined;
  readonly keep?: KeepKey;
}

/**
 * Called with a new key or access key id before the keyring is changed, to store it where a crash does not lose it: afterwards it
 * may be the only one. The change is given up when the function throws.
 */
export type KeepKey = (issued: IssuedKey) => Promise<void>;

export interface RotatedKey extends IssuedKey {
  readonly replaced: string;
  /** Until when the replaced key still works; `null`: it is gone. */
  readonly replacedUntil: string | null;
}

/** What the operator changes of a key, without any key of the tenant. */
export interface KeyChange extends Partial<Pick<OperatorTerms, 'status' | 'grants' | 'policy' | 'expires' | 'label'>> {
  /** Requests a stronger KDF; `null` takes a request back. */
  readonly kdfUpgrade?: Kdf | null;
  /** Ends the sessions that were issued from the key. */
  readonly endSessions?: true;
}

export class KeyAdmin {
  readonly #deps: KeyringDeps;

  constructor(deps: KeyringDeps) {
    this.#deps = deps;
  }

  /**
   * Another key of the caller's tenant.
   * @throws S3Error InvalidAccessKeyId for a caller that does not open the tenant; TooManyKeys, UnsuitableTerms,
   * InvalidGrant, KeyringMalformed, KeyringConflict, KeyringTampered; S3Error ServiceUnavailable
   */
  async create(caller: AccessKey, o: NewKey, signal: AbortSignal): Promise<IssuedKey> {
    const opened = await openKeyring(this.#deps, caller, signal);
    const told = (slot: string) => eventOf('key-created', opened.keyring, `Slot ${slot}, by slot ${opened.slot.id}`);
    return this.#add(opened, { ...o, ...reachOf(o, opened.slot), told }, signal, (keyring, slot) =>
      withSlot(keyring, slot, this.#deps.now()),
    );
  }

  /**
   * A new key with the terms of an old one, which goes at once, or after `graceSeconds` at the latest. O(1): no object is
   * touched. `slot`: the caller's own unless given. A second rotation of the same key at the same time fails with
   * KeyringConflict, and leaves nothing behind.
   * @throws as `create`; UnknownKey
   */
  async rotate(
    caller: AccessKey,
    o: { slot?: string; graceSeconds?: number; registered?: boolean; kdf?: Kdf; keep?: KeepKey },
    signal: AbortSignal,
  ): Promise<RotatedKey> {
    const opened = await openKeyring(this.#deps, caller, signal);
    const old = slotOf(opened.keyring, o.slot ?? opened.slot.id);
    const now = this.#deps.now();
    const until =
      o.graceSeconds === undefined ? null : earlier(old.expires, new Date(now.getTime() + 1000 * o.graceSeconds));
    const { grants, policy, label, expires } = old;
    const registered = o.registered ?? old.accessKeyId === 'registered';
    const replaced = { replaced: old.id, replacedUntil: until };
    const { keep, kdf } = o;
    const wishes = {
      ...(kdf && { kdf }),
      ...(keep && { keep: (issued: IssuedKey) => keep({ ...issued, ...replaced }) }),
    };
    const ends = until === null ? '' : `, and works until ${until}`;
    const told = (slot: string) => eventOf('key-rotated', opened.keyring, `Slot ${old.id} replaced by ${slot}${ends}`);
    const issued = await this.#add(
      opened,
      { grants, policy, label, expires, registered, ...wishes, told, replaced: old },
      signal,
      (keyring, slot) => {
        sameSlot(keyring, old);
        if (until !== null) return withSlot(withTerms(keyring, old.id, { expires: until }), slot, now);
        return withSlot(withoutSlot(keyring, old.id, now), slot, now);
      },
    );
    return { ...issued, ...replaced };
  }

  /**
   * The caller's API key under a new access key id, made under the active seal key. A sealed id that is still about works
   * until its seal key is dropped; older registered ids until `dropOld`.
   * @throws as `create`; TooManyIds
   */
  async reissue(
    caller: AccessKey,
    o: { registered?: boolean; dropOld?: boolean; keep?: KeepKey },
    signal: AbortSignal,
  ): Promise<IssuedKey> {
    const { keyring, slot } = await openKeyring(this.#deps, caller, signal);
    const { tenant } = keyring;
    const kind = (o.registered ?? slot.accessKeyId === 'registered') ? 'registered' : 'sealed';
    const id = await prepareId(this.#deps, { kind, tenant, slot: slot.id, apiKey: caller.apiKey }, signal);
    const kept = kind === 'registered' && o.dropOld !== true ? slot.registeredIds : [];
    const registeredIds = [...kept, ...id.terms.registeredIds].sort();
    const issued = { tenant, slot: slot.id, accessKeyId: id.accessKeyId };
    const detail = `Slot ${slot.id}, a ${kind} access key id under seal key ${id.terms.idKid}`;
    const event = eventOf('key-reissued', keyring, detail);
    await withId(id, async () => {
      if (registeredIds.length > MAX_REGISTERED_IDS) throw new TooManyIds(slot.id);
      await o.keep?.(issued);
      await changeKeyring(
        this.#deps,
        tenant,
        (current) => withTerms(current, sameSlot(current, slot).id, { ...id.terms, registeredIds }),
        { signal, event },
      );
    });
    return issued;
  }

  /** By the operator alone. @throws UnknownTenant, UnknownKey, LastKey, KeyringTampered, KeyringConflict */
  async revoke(o: { tenant: string; slot: string; force?: boolean }, signal: AbortSignal): Promise<void> {
    const now = this.#deps.now();
    await changeKeyring(
      this.#deps,
      o.tenant,
      (keyring) => {
        const slot = slotOf(keyring, o.slot);
        if (o.force !== true && !hasOtherInForce(keyring, slot.id, now)) throw new LastKey(o.tenant, slot.id);
        return withoutSlot(keyring, slot.id, now);
      },
      { signal, event: eventOf('key-revoked', o, `Slot ${o.slot}`) },
    );
  }

  /** The tenant's keys, ascending by slot. @throws UnknownTenant, KeyringTampered, S3Error ServiceUnavailable */
  async list(tenant: string, signal: AbortSignal): Promise<readonly KeyDetails[]> {
    const { keyring } = await readKeyring(this.#deps, tenant, signal);
    return describeKeys(this.#deps, keyring, signal);
  }

  /**
   * By the operator alone. @returns the slot as it stands then
   * @throws UnknownTenant, UnknownKey, UnsuitableTerms, InvalidGrant, KeyringMalformed
   */
  async update(o: { tenant: string; slot: string; change: KeyChange }, signal: AbortSignal): Promise<KeySlot> {
    const { grants, policy } = o.change;
    const detail = `Slot ${o.slot}: ${Object.keys(o.change).sort().join(', ')}`;
    if (grants !== undefined && typeof policy !== 'string') checkGrants(grants, this.#deps.state.bucket);
    const stored = await changeKeyring(
      this.#deps,
      o.tenant,
      (keyring) => {
        const slot = slotOf(keyring, o.slot);
        const { kdfUpgrade, endSessions, ...terms } = o.change;
        if (kdfUpgrade !== undefined && kdfUpgrade !== null && !isStronger(kdfUpgrade, slot.kdf)) {
          throw new UnsuitableTerms(
            `Key ${slot.id} is derived by a KDF that is as strong already, or does not compare.`,
          );
        }
        const requested = requestedOf(slot, o.change, this.#deps.now());
        const ended = endSessions === true ? withoutSessions(slot) : {};
        return withTerms(keyring, slot.id, { ...terms, ...ended, kdfUpgrade: requested });
      },
      { signal, event: eventOf('key-changed', o, detail) },
    );
    return slotOf(stored.keyring, o.slot);
  }

  /** Signs a keyring under the active seal key. @returns false when it was already */
  async resign(tenant: string, signal: AbortSignal): Promise<boolean> {
    const { kid } = this.#deps.sealKeys.active;
    const before = await readKeyring(this.#deps, tenant, signal);
    if (before.keyring.operatorKid === kid) return false;
    const detail = `Under seal key ${kid}, before ${before.keyring.operatorKid}`;
    const change = (keyring: Keyring) => (keyring.operatorKid === kid ? undefined : keyring);
    await changeKeyring(this.#deps, tenant, change, { signal, event: eventOf('keyring-resigned', { tenant }, detail) });
    return true;
  }

  /** Seals a new slot for the opened roots, makes its id, and changes the keyring. */
  async #add(
    opened: OpenedKeyring,
    o: Omit<NewKey, 'policy'> &
      Reach & {
        readonly told: (slot: string) => SecurityEvent;
        /** The slot whose place the new one takes. */
        readonly replaced?: KeySlot;
      },
    signal: AbortSignal,
    change: (keyring: OpenedKeyring['keyring'], slot: KeySlot) => OpenedKeyring['keyring'],
  ): Promise<IssuedKey> {
    const deps = this.#deps;
    const { keyring, roots } = opened;
    const { tenant } = keyring;
    const { grants, policy } = o;
    if (policy === null) checkGrants(grants, deps.state.bucket);
    checkTerms({ grants, policy, label: o.label ?? '' });
    const apiKey = o.apiKey ?? generateApiKey();
    const kdf = o.kdf ?? DEFAULT_KDFS[apiKey.type === 'generated' ? 'hkdf-sha256' : 'argon2id'];
    if (kdf.name === 'hkdf-sha256' && apiKey.type !== 'generated') {
      throw new UnsuitableTerms('hkdf-sha256 is for generated keys: choose argon2id or pbkdf2-sha256.');
    }
    const slotId = unusedSlotId(keyring);
    const kind = o.registered === true ? 'registered' : 'sealed';
    const id = await prepareId(deps, { kind, tenant, slot: slotId, apiKey }, signal);
    return withId(id, async () => {
      const { label = '', expires = null } = o;
      const terms = {
        ...newSlotTerms({ id: slotId, now: deps.now(), grants, policy, label, expires, idKid: '' }),
        ...id.terms,
      };
      const factor = inheritedFactor([o.replaced, opened.slot], kmsOf(deps), o.kms);
      const slot = await sealKeySlot({ tenant, terms, apiKey, kdf, roots, runner: deps.runner, factor }, signal);
      const named = { tenant, slot: slotId, accessKeyId: id.accessKeyId };
      const issued = o.apiKey === undefined ? { ...named, secretAccessKey: secretAccessKeyOf(apiKey) } : named;
      // A change that cannot be made is refused before a key is handed out for it.
      change(keyring, slot);
      await o.keep?.(issued);
      const event = o.told(slotId);
      await changeKeyring(deps, opened, (current) => change(current, slot), { signal, event });
      return issued;
    });
  }
}

function eventOf(
  kind: 'key-created' | 'key-rotated' | 'key-reissued' | 'key-revoked' | 'key-changed' | 'keyring-resigned',
  { tenant }: { readonly tenant: string },
  detail: string,
): SecurityEvent {
  return { kind, detail, tenant };
}

type Reach = Readonly<Pick<OperatorTerms, 'policy'>> & { readonly grants: readonly Grant[] };

function reachOf({ grants, policy }: Pick<NewKey, 'grants' | 'policy'>, callers: Reach): Reach {
  if (policy !== undefined) return { grants: [], policy };
  return grants === undefined ? { grants: callers.grants, policy: callers.policy } : { grants, policy: null };
}

/** Sessions that are ended in the same change have not to be waited for. */
function requestedOf(slot: KeySlot, { kdfUpgrade, endSessions }: KeyChange, now: Date): RequestedKdf | null {
  const standing = slot.kdfUpgrade;
  if (kdfUpgrade === undefined) return endSessions === true && standing !== null ? withoutWait(standing) : standing;
  if (kdfUpgrade === null || endSessions === true) return kdfUpgrade;
  return requestKdf(kdfUpgrade, { now, standing });
}

/** A session token names the serial under which it was issued. */
function withoutSessions({ id, sessionSerial }: Pick<KeySlot, 'id' | 'sessionSerial'>): Pick<KeySlot, 'sessionSerial'> {
  if (sessionSerial >= MAX_SESSION_SERIAL) throw new UnsuitableTerms(`Key ${id} has no serial left: rotate it.`);
  return { sessionSerial: sessionSerial + 1 };
}

function earlier(expires: string | null, date: Date): string {
  const other = timestamp(date);
  return expires !== null && expires < other ? expires : other;
}
