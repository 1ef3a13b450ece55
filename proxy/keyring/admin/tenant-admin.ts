/**
 * The work of an operator on tenants, for the command line and the quickstart. It works on the same state as running servers and is
 * safe beside them, because every write is a compare-and-swap (docs/architecture.md, state).
 */
import { S3Error } from '../../errors.ts';
import { type KmsKeyName, type KmsSecrets, NO_KMS } from '../../kms/kms-secrets.ts';
import type { RecordEvent } from '../../observe/events.ts';
import { resolveAccessKey } from '../access-keys/registered-ids.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import { checkGrants, type Grant } from '../grants.ts';
import { newSlotId, newTenantId } from '../ids.ts';
import { generateApiKey, secretAccessKeyOf } from '../slots/api-key.ts';
import { DEFAULT_KDFS, type KdfName, type KdfRunner, processKdfRunner } from '../slots/kdf.ts';
import { isInForce, isUsable, newSlotTerms } from '../slots/slot-terms.ts';
import { keySlotOf, keySlots, openKeySlot, slotsOfType, typeOf } from '../slots/slot-types.ts';
import { checkTerms, type Epoch, type Keyring } from '../state/document.ts';
import { hasRootMac } from '../state/macs.ts';
import {
  KEYRING_NAMES,
  KeyringTampered,
  keyringName,
  SealKeyMissing,
  tenantOfName,
  verifyKeyring,
} from '../state/records.ts';
import { StateConflict, type StateStore } from '../state/state.ts';
import { announced } from './announce.ts';
import { type KeyringDeps, kmsOf, readKeyring } from './change-keyring.ts';
import { describeKeys, describeOtherSlots, type KeyDetails, type OtherSlotDetails } from './describe-key.ts';
import { prepareId, withId } from './issue-key.ts';
import { kmsKeyName } from './kms-key-name.ts';
import { newKeyring } from './new-keyring.ts';
import { claimName, renameTenant, resolveTenant } from './tenant-names.ts';

export interface TenantCredentials {
  /** 24 hex digits. */
  readonly tenant: string;
  readonly accessKeyId: string;
  /** The secret is stored nowhere. Who loses every key of a tenant loses its data. */
  readonly secretAccessKey: string;
}

/** One row of a listing. A keyring that does not verify has no further members: nothing in it can be believed. */
export type TenantSummary =
  | { readonly tenant: string; readonly status: 'tampered'; readonly detail: string }
  /** Signed under a seal key that is not configured. */
  | { readonly tenant: string; readonly status: 'seal-key-missing'; readonly sealKey: string; readonly detail: string }
  | {
      readonly tenant: string;
      readonly status: 'ok';
      /** For people; '' for none. */
      readonly name: string;
      readonly created: string;
      readonly updated: string;
      readonly generation: number;
      /** Keys in use: active, and not expired. */
      readonly keys: number;
      /** Id of the seal key that signed the keyring. */
      readonly sealKey: string;
      /** Whether state and seal keys together open it: one of its keys has a registered access key id. */
      readonly serverManaged: boolean;
      /** Of its keys, without repetition. */
      readonly labels: readonly string[];
      readonly grants: readonly Grant[];
      /** The latest day on which one of its keys was used; null when none is recorded. */
      readonly lastUsed: string | null;
      readonly escrowed: boolean;
    };

/** What the operator can see of a tenant. Nothing in it opens the tenant. */
export interface TenantDetails {
  readonly tenant: string;
  readonly name: string;
  readonly created: string;
  readonly updated: string;
  readonly generation: number;
  /** Id of the seal key that signed the keyring. */
  readonly sealKey: string;
  /** Whether state and seal keys together open it: one of its slots is server-managed. */
  readonly serverManaged: boolean;
  /** Whether every way in must need a KMS. */
  readonly requiresKms: boolean;
  readonly epochs: readonly Epoch[];
  readonly keys: readonly KeyDetails[];
  /** Slots that are not keys, such as an escrow. */
  readonly otherSlots: readonly OtherSlotDetails[];
  readonly removedKeys: readonly { readonly slot: string; readonly removed: string }[];
}

export class TenantAdmin {
  readonly #deps: KeyringDeps;
  readonly #escrowPublicKey: Buffer | undefined;

  constructor(o: {
    state: StateStore;
    sealKeys: SealKeys;
    record: RecordEvent;
    /** 32 bytes: new tenants are escrowed to it. */
    escrowPublicKey?: Buffer | undefined;
    now?: () => Date;
    runner?: KdfRunner;
    kms?: KmsSecrets | undefined;
  }) {
    const { state, sealKeys, record, kms = NO_KMS } = o;
    const runner = o.runner ?? processKdfRunner;
    this.#deps = { state, sealKeys, record, now: o.now ?? (() => new Date()), runner, kms };
    this.#escrowPublicKey = o.escrowPublicKey;
  }

  /**
   * Makes a tenant with one generated API key. `kdf` defaults to hkdf-sha256: a generated key has 256 bits already.
   * `registered`: under an access key id of 20 characters; the tenant is server-managed then.
   * @throws InvalidGrant for the state bucket; KeyringMalformed for a label or grants beyond the bounds; S3Error
   * ServiceUnavailable when the state cannot be written: then nothing was made that anyone holds a key to.
   */
  async create(o: {
    grants: readonly Grant[];
    label?: string;
    /** Unique among the tenants. */
    name?: string;
    kdf?: KdfName;
    registered?: boolean;
    /** A key of a KMS that must agree whenever the API key is used; and whether every further way in must need one. */
    kms?: KmsKeyName | undefined;
    requireKms?: boolean | undefined;
    signal?: AbortSignal;
  }): Promise<TenantCredentials> {
    const { state, sealKeys, record, now: clock, runner } = this.#deps;
    checkGrants(o.grants, state.bucket);
    const label = o.label ?? '';
    checkTerms({ grants: o.grants, policy: null, label });
    const signal = o.signal ?? new AbortController().signal;
    const [tenant, slot, apiKey] = [newTenantId(), newSlotId(), generateApiKey()];
    const kdf = DEFAULT_KDFS[o.kdf ?? 'hkdf-sha256'];
    const now = clock();
    const kind = o.registered === true ? 'registered' : 'sealed';
    const id = await prepareId(this.#deps, { kind, tenant, slot, apiKey }, signal);
    const terms = { ...newSlotTerms({ id: slot, now, grants: o.grants, label, idKid: '' }), ...id.terms };
    const escrowPublicKey = this.#escrowPublicKey;
    const { name = '' } = o;
    if (name !== '') await claimName(this.#deps, name, tenant, signal);
    const factor = o.kms && { secrets: kmsOf(this.#deps), key: o.kms };
    const ways = { escrowPublicKey, factor, requireKms: o.requireKms };
    const made = { tenant, name, terms, apiKey, kdf, now, sealKey: sealKeys.active, runner, ...ways };
    await withId(id, async () => {
      const body = await newKeyring(made, signal);
      await this.#checkOpens(id.accessKeyId, body, signal);
      const detail = `Slot ${slot}, ${kdf.name}, a ${kind} access key id`;
      const event = { kind: 'tenant-created', detail, tenant } as const;
      await announced(record, event, () => this.#putNew(keyringName(tenant), body, signal));
    });
    return { tenant, accessKeyId: id.accessKeyId, secretAccessKey: secretAccessKeyOf(apiKey) };
  }

  /** A key of a KMS by its reference, `NAME/KEY`. @throws UnknownKms */
  kmsKey(reference: string): KmsKeyName {
    return kmsKeyName(kmsOf(this.#deps), reference);
  }

  /** Every keyring in the state, in the order of tenant ids. One that does not verify is a row, not an error. */
  async *list(signal: AbortSignal = new AbortController().signal): AsyncIterable<TenantSummary> {
    const { state } = this.#deps;
    for await (const name of state.list(KEYRING_NAMES, signal)) {
      const tenant = tenantOfName(name);
      const record = tenant === undefined ? undefined : await state.get(name, signal);
      if (tenant !== undefined && record !== undefined) yield await this.#summarize(tenant, record.body, signal);
    }
  }

  /** Finds a tenant by its id or its name. @throws UnknownTenant */
  resolve(text: string, signal: AbortSignal = new AbortController().signal): Promise<string> {
    return resolveTenant(this.#deps, text, signal);
  }

  /** @throws TenantNameTaken, UnknownTenant, KeyringTampered, KeyringConflict */
  rename(tenant: string, name: string, signal: AbortSignal = new AbortController().signal): Promise<void> {
    return renameTenant(this.#deps, tenant, name, signal);
  }

  /** @throws UnknownTenant, KeyringTampered */
  async show(tenant: string, signal: AbortSignal = new AbortController().signal): Promise<TenantDetails> {
    const { keyring } = await readKeyring(this.#deps, tenant, signal);
    const { created, updated, generation, epochs, operatorKid: sealKey } = keyring;
    const keys = await describeKeys(this.#deps, keyring, signal);
    const removedKeys = keyring.removed.map(({ id, removed }) => ({ slot: id, removed }));
    return {
      tenant,
      name: keyring.name,
      created,
      updated,
      generation,
      sealKey,
      serverManaged: isServerManaged(keyring),
      requiresKms: keyring.requireKms === 'yes',
      epochs,
      keys,
      otherSlots: describeOtherSlots(keyring),
      removedKeys,
    };
  }

  async #summarize(tenant: string, body: Buffer, signal: AbortSignal): Promise<TenantSummary> {
    const { sealKeys, record, now } = this.#deps;
    try {
      const keyring = verifyKeyring(body, { tenant, sealKeys });
      const { name, created, updated, generation, operatorKid: sealKey } = keyring;
      const details = await describeKeys(this.#deps, keyring, signal);
      const keys = keySlots(keyring).filter((slot) => isInForce(slot, now())).length;
      const serverManaged = isServerManaged(keyring);
      return {
        tenant,
        status: 'ok',
        name,
        created,
        updated,
        generation,
        keys,
        sealKey,
        serverManaged,
        labels: [...new Set(details.flatMap(({ label }) => (label === '' ? [] : [label])))],
        grants: distinct(details.flatMap(({ grants }) => grants)),
        lastUsed: details.reduce<string | null>((last, { lastUsed }) => later(last, lastUsed), null),
        escrowed: slotsOfType(keyring, 'escrow').length > 0,
      };
    } catch (error) {
      if (error instanceof SealKeyMissing) {
        return { tenant, status: 'seal-key-missing', sealKey: error.kid, detail: error.message };
      }
      if (!(error instanceof KeyringTampered)) throw error;
      await record({ kind: 'keyring-tampered', detail: error.message, tenant });
      return { tenant, status: 'tampered', detail: error.message };
    }
  }

  /** The keyring is stored only after its key was seen to open it. */
  async #checkOpens(accessKeyId: string, body: Buffer, signal: AbortSignal): Promise<void> {
    const { sealKeys, runner, now, kms } = this.#deps;
    const key = await resolveAccessKey(this.#deps, accessKeyId, signal);
    const { tenant, slot: id, secret } = key;
    const keyring = verifyKeyring(body, { tenant, sealKeys });
    const slot = keySlotOf(keyring, id);
    const isOpen = slot !== undefined && isUsable(slot, key, now());
    const opened = isOpen && (await openKeySlot({ tenant, slot, secret, runner, kms }, signal));
    const root = opened !== false && 'roots' in opened ? opened.roots.get(1) : undefined;
    if (root === undefined || !hasRootMac(keyring, root)) throw new Error('A new keyring does not open with its key.');
  }

  /** A conflict may be with our own write, when the request was sent twice. The bytes tell, because they hold fresh salts. */
  async #putNew(name: string, body: Buffer, signal: AbortSignal): Promise<void> {
    try {
      await this.#deps.state.put(name, body, { ifAbsent: true }, signal);
    } catch (error) {
      if (!(error instanceof StateConflict)) throw error;
      const stored = await this.#deps.state.get(name, signal);
      if (!stored?.body.equals(body)) throw new S3Error('ServiceUnavailable', undefined, { cause: error });
    }
  }
}

function isServerManaged({ slots }: Keyring): boolean {
  return slots.some((slot) => typeOf(slot).serverManaged(slot));
}

function distinct(grants: readonly Grant[]): readonly Grant[] {
  return [...new Map(grants.map((grant) => [JSON.stringify(grant), grant])).values()];
}

/** Days as YYYY-MM-DD. */
function later(a: string | null, b: string | null): string | null {
  return a === null || (b !== null && b > a) ? b : a;
}
