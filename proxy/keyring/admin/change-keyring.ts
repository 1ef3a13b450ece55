/**
 * The one way to change a keyring (crypto/FORMAT.md, "Keyring and access key ids"): read it afresh, verify it, apply a
 * change, make the MACs, write it back by compare-and-swap. Nothing here comes from a cache.
 *
 * A change without the root keys is the operator's: it may take slots away and alter their terms, and the root MAC must hold
 * as it stands. With the root keys at hand the root MAC is made anew.
 */
import { S3Error } from '../../errors.ts';
import { type KmsSecrets, NO_KMS } from '../../kms/kms-secrets.ts';
import { KEPT_REMOVED_SLOTS, KEYRING_CHANGE_ATTEMPTS, KEYRING_LOOK_AFTER_MS } from '../../limits.ts';
import type { RecordEvent, SecurityEvent } from '../../observe/events.ts';
import type { AccessKey } from '../access-keys/access-key-id.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import type { KdfRunner } from '../slots/kdf.ts';
import { type KmsSlot, kmsSlot } from '../slots/kms-slot.ts';
import { isUsable } from '../slots/slot-terms.ts';
import type { RootKeys } from '../slots/slot-type.ts';
import { type KeySlot, keySlotOf, openKeySlot, type Slot, slotsOfType } from '../slots/slot-types.ts';
import { currentEpoch, type Keyring, type RemovedSlot } from '../state/document.ts';
import { timestamp } from '../state/fields.ts';
import type { Generations } from '../state/generations.ts';
import { hasRootMac, rootMac, rootMacInput } from '../state/macs.ts';
import { KeyringTampered, keyringName, tenantOfName, UnknownTenant, verifyKeyring } from '../state/records.ts';
import { signKeyring } from '../state/sign-keyring.ts';
import { StateConflict, type StateRecord, type StateStore } from '../state/state.ts';
import { announced, noteFailure } from './announce.ts';
import { forgetRemoved } from './forget-removed.ts';
import { NoKmsSlot } from './key-errors.ts';

export interface KeyringDeps {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly record: RecordEvent;
  readonly now: () => Date;
  readonly runner: KdfRunner;
  /** The key services that slots may need; absent where none is configured. */
  readonly kms?: KmsSecrets;
  /**
   * The generations that a serving process remembers, so that an older keyring that was put back cannot be the base of a change.
   */
  readonly generations?: Generations;
  /** Called after every change that was written. */
  readonly onChange?: (tenant: string, generation: number) => void;
}

export function kmsOf({ kms }: Pick<KeyringDeps, 'kms'>): KmsSecrets {
  return kms ?? NO_KMS;
}

/** A keyring as it stands in the state, its operator MAC verified. */
export interface StoredKeyring {
  readonly keyring: Keyring;
  readonly etag: string;
}

/** The same, opened: every root key in use, and the root MAC verified. `S`: the kind of slot that opened it. */
export interface OpenedKeyring<S extends Slot = KeySlot> extends StoredKeyring {
  readonly slot: S;
  readonly roots: RootKeys;
}

/** Another change of the same keyring was written first, and this one no longer fits. Nothing was written: run it again. */
export class KeyringConflict extends Error {
  readonly code = 'KEYRING_CONFLICT';
  constructor(tenant: string, options?: ErrorOptions) {
    super(
      `Another change of the keys of tenant ${tenant} was made at the same time. Look at them, and run again.`,
      options,
    );
    this.name = 'KeyringConflict';
  }
}

/** The state fell silent while a change was written: it may have been carried out, or not. To clients a 503. */
export class ChangeUncertain extends S3Error {
  constructor(tenant: string, options?: ErrorOptions) {
    const message = `The state does not answer: it is not known whether the keys of tenant ${tenant} were changed.`;
    super('ServiceUnavailable', message, options);
    this.name = 'ChangeUncertain';
  }
}

/** @throws UnknownTenant, KeyringTampered (with a security event), S3Error ServiceUnavailable */
export async function readKeyring(deps: KeyringDeps, tenant: string, signal: AbortSignal): Promise<StoredKeyring> {
  const name = keyringName(tenant);
  const record = tenantOfName(name) === undefined ? undefined : await deps.state.get(name, signal);
  if (record === undefined) throw new UnknownTenant(tenant);
  try {
    const keyring = verifyKeyring(record.body, { tenant, sealKeys: deps.sealKeys });
    if (deps.generations?.accept(tenant, keyring.generation, record.body) === false) {
      throw new KeyringTampered(`Generation ${keyring.generation} of the keyring is not the newest one seen.`);
    }
    return { keyring, etag: record.etag };
  } catch (error) {
    if (error instanceof KeyringTampered)
      await deps.record({ kind: 'keyring-tampered', detail: error.message, tenant });
    throw error;
  }
}

/**
 * Opens a tenant's keyring with one of its API keys.
 * @throws S3Error InvalidAccessKeyId: no such tenant or slot, inactive, expired, or another key than the slot's;
 * KeyringTampered; ServiceUnavailable or SlowDown.
 */
export async function openKeyring(deps: KeyringDeps, key: AccessKey, signal: AbortSignal): Promise<OpenedKeyring> {
  const { tenant } = key;
  const stored = await readKeyring(deps, tenant, signal).catch((cause: unknown) => {
    throw cause instanceof UnknownTenant ? new S3Error('InvalidAccessKeyId', undefined, { cause }) : cause;
  });
  const slot = keySlotOf(stored.keyring, key.slot);
  if (slot === undefined || !isUsable(slot, key, deps.now())) throw new S3Error('InvalidAccessKeyId');
  const opened = await openKeySlot({ tenant, slot, secret: key.secret, runner: deps.runner, kms: deps.kms }, signal);
  if (!('roots' in opened)) {
    if (opened.failure === 'wrong-key') throw new S3Error('InvalidAccessKeyId');
    throw await tampered(deps, tenant, 'A root key does not unwrap.');
  }
  await checkRootMac(deps, stored.keyring, opened.roots);
  return { ...stored, slot, roots: opened.roots };
}

/** What a change is told as, before it is made; `announced` by the caller where more than the keyring changes. */
export type ChangeEvent = SecurityEvent | 'announced';

/**
 * Opens a tenant's keyring by a key of a KMS alone, for work that runs unattended.
 * @throws UnknownTenant; NoKmsSlot: the tenant has no such way in; KeyringTampered; S3Error ServiceUnavailable
 */
export async function openKeyringByKms(
  deps: KeyringDeps,
  tenant: string,
  signal: AbortSignal,
): Promise<OpenedKeyring<KmsSlot>> {
  const stored = await readKeyring(deps, tenant, signal);
  const slots = slotsOfType(stored.keyring, 'kms');
  const configured = new Set(kmsOf(deps).providers.map(({ name }) => name));
  const slot = slots.find(({ kms }) => configured.has(kms.provider)) ?? slots[0];
  if (slot === undefined) throw new NoKmsSlot(tenant);
  const opened = await kmsSlot.open({ tenant, slot, kms: deps.kms }, signal);
  if (!('roots' in opened)) throw await tampered(deps, tenant, 'The secret of a slot of type kms does not open it.');
  await checkRootMac(deps, stored.keyring, opened.roots);
  return { ...stored, slot, roots: opened.roots };
}

/**
 * Writes `change` of a tenant's keyring: of one opened before, whose roots then make the root MAC (add the root key of a new
 * epoch to them), or of the tenant named, by the operator alone. `change` is given the keyring as it stands now and returns
 * the new one, or `undefined` when there is nothing to do; it may be called again after a conflict, and throws
 * KeyringConflict when it no longer fits. `generation`, `updated` and both MACs are made here, and the records of what it took
 * away are removed.
 * @returns what stands in the state afterwards
 * @throws KeyringConflict, UnknownTenant, KeyringTampered, KeyringMalformed beyond the bounds, S3Error ServiceUnavailable when
 * nothing was written, ChangeUncertain when that is not known
 */
export async function changeKeyring(
  deps: KeyringDeps,
  target: OpenedKeyring<Slot> | string,
  change: (keyring: Keyring) => Keyring | undefined | Promise<Keyring | undefined>,
  { signal, event }: { signal: AbortSignal; event: ChangeEvent },
): Promise<StoredKeyring> {
  const opened = typeof target === 'string' ? undefined : target;
  const tenant = typeof target === 'string' ? target : target.keyring.tenant;
  const stored: StoredKeyring = opened ?? (await readKeyring(deps, tenant, signal));
  const first = await change(stored.keyring);
  if (first === undefined) return stored;
  const overtaken = async () => {
    if (event !== 'announced') await noteFailure(deps.record, event, 'another was first');
  };
  const carryOut = () => write(deps, { opened, tenant, stored, first, change, overtaken }, signal);
  return event === 'announced' ? carryOut() : announced(deps.record, event, carryOut);
}

/** `first`: what the change makes of `stored`. */
async function write(
  deps: KeyringDeps,
  o: {
    opened: OpenedKeyring<Slot> | undefined;
    tenant: string;
    stored: StoredKeyring;
    first: Keyring;
    change: (keyring: Keyring) => Keyring | undefined | Promise<Keyring | undefined>;
    /** Somebody else has made the same change. */
    overtaken: () => Promise<void>;
  },
  signal: AbortSignal,
): Promise<StoredKeyring> {
  const { opened, tenant } = o;
  let stored = o.stored;
  for (let attempt = 0; attempt < KEYRING_CHANGE_ATTEMPTS; attempt += 1) {
    const next = attempt === 0 ? o.first : await o.change(stored.keyring);
    if (next === undefined) {
      await o.overtaken();
      return stored;
    }
    const body =
      opened === undefined
        ? byOperator(deps, stored.keyring, next)
        : withRoots(deps, stored.keyring, next, opened.roots);
    const etag = await put(deps, { tenant, body, ifMatch: stored.etag }, signal);
    if (etag !== undefined) {
      const keyring = verifyKeyring(body, { tenant, sealKeys: deps.sealKeys });
      deps.generations?.accept(tenant, keyring.generation, body);
      deps.onChange?.(tenant, keyring.generation);
      await forgetRemoved(deps.state, { before: stored.keyring, after: keyring }, signal);
      return { keyring, etag };
    }
    stored = await readKeyring(deps, tenant, signal);
    if (opened !== undefined) await checkStillOpened(deps, stored.keyring, opened);
  }
  throw new KeyringConflict(tenant);
}

/** For the operator alone: what the root MAC covers must not change. */
function byOperator(deps: KeyringDeps, before: Keyring, next: Keyring): Buffer {
  if (!rootMacInput(next).equals(rootMacInput(before))) {
    throw new TypeError(
      'A change without the root key may only remove slots, of types that allow it, and alter their terms.',
    );
  }
  return sign(deps, { ...next, rootMac: before.rootMac }, before.generation);
}

/** Forgets the oldest removed slots. The operator alone cannot: this needs a new root MAC. */
function withRoots(deps: KeyringDeps, before: Keyring, next: Keyring, roots: RootKeys): Buffer {
  const root = roots.get(currentEpoch(next));
  if (root === undefined) throw new TypeError('The root key of the current epoch is missing.');
  const pruned = { ...next, removed: newest(next.removed) };
  return sign(deps, { ...pruned, rootMac: rootMac(pruned, root) }, before.generation);
}

function newest(removed: readonly RemovedSlot[]): RemovedSlot[] {
  const kept = removed.toSorted((a, b) => (a.removed < b.removed ? 1 : -1)).slice(0, KEPT_REMOVED_SLOTS);
  return kept.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function sign(deps: KeyringDeps, keyring: Keyring, generation: number): Buffer {
  const { operatorKid: _kid, operatorMac: _mac, ...rest } = keyring;
  return signKeyring({ ...rest, generation: generation + 1, updated: timestamp(deps.now()) }, deps.sealKeys.active);
}

/**
 * Writes the keyring. `undefined`: somebody else wrote first. A request that was sent twice conflicts with itself, and a request
 * whose answer was lost may have been carried out; the stored keyring tells which.
 */
async function put(
  deps: KeyringDeps,
  o: { tenant: string; body: Buffer; ifMatch: string },
  signal: AbortSignal,
): Promise<string | undefined> {
  const name = keyringName(o.tenant);
  try {
    return await deps.state.put(name, o.body, { ifMatch: o.ifMatch }, signal);
  } catch (error) {
    const isConflict = error instanceof StateConflict;
    const stored = await lookAfter(deps, o.tenant, error);
    if (stored?.body.equals(o.body) === true) return stored.etag;
    if (isConflict) return undefined;
    throw error;
  }
}

/** The caller may have given up. The fate of its write must be known all the same. */
async function lookAfter(deps: KeyringDeps, tenant: string, cause: unknown): Promise<StateRecord | undefined> {
  try {
    return await deps.state.get(keyringName(tenant), AbortSignal.timeout(KEYRING_LOOK_AFTER_MS));
  } catch {
    throw new ChangeUncertain(tenant, { cause });
  }
}

/**
 * After a conflict: the key that opened it still does, and the epochs in use are the same. Where one began or was retired, what
 * was sealed for them does not fit; and the root key that a second deep rotation made for the same number is another one.
 */
async function checkStillOpened(deps: KeyringDeps, fresh: Keyring, opened: OpenedKeyring<Slot>): Promise<void> {
  const { tenant } = fresh;
  if (fresh.slots.every((slot) => slot.id !== opened.slot.id)) throw new KeyringConflict(tenant);
  if (epochsInUse(fresh) !== epochsInUse(opened.keyring)) throw new KeyringConflict(tenant);
  await checkRootMac(deps, fresh, opened.roots);
}

function epochsInUse({ epochs }: Keyring): string {
  return epochs.flatMap(({ epoch, state }) => (state === 'retired' ? [] : [epoch])).join();
}

async function checkRootMac(deps: KeyringDeps, keyring: Keyring, roots: RootKeys): Promise<void> {
  const root = roots.get(currentEpoch(keyring));
  if (root !== undefined && hasRootMac(keyring, root)) return;
  throw await tampered(deps, keyring.tenant, "The keyring's root MAC does not match.");
}

async function tampered(deps: KeyringDeps, tenant: string, message: string): Promise<KeyringTampered> {
  await deps.record({ kind: 'keyring-tampered', detail: message, tenant });
  return new KeyringTampered(message);
}
