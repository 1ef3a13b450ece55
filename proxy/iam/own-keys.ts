/**
 * Lets the holder of an API key manage the keys of its own tenant. A key acts only on keys whose permissions do not exceed its own.
 * Every change is decided on the keyring that is then written, the slot of the caller included: a key that was revoked a moment ago
 * manages nothing.
 */

import { createHash } from 'node:crypto';
import type { Gate } from '../access/gate.ts';
import { keyCovers } from '../access/reach.ts';
import { keyResource } from '../access/resource.ts';
import type { AccessKey } from '../keyring/access-keys/access-key-id.ts';
import { changeKeyring, type KeyringDeps, kmsOf, openKeyring, readKeyring } from '../keyring/admin/change-keyring.ts';
import { withoutSlot, withSlot, withTerms } from '../keyring/admin/edit-slots.ts';
import { prepareId, withId } from '../keyring/admin/issue-key.ts';
import { SLOT_BYTES } from '../keyring/ids.ts';
import { generateApiKey, secretAccessKeyOf } from '../keyring/slots/api-key.ts';
import { DEFAULT_KDFS } from '../keyring/slots/kdf.ts';
import { inheritedFactor, sealKeySlot } from '../keyring/slots/seal-key-slot.ts';
import { isInForce, isUsable, livesAsLong, newSlotTerms } from '../keyring/slots/slot-terms.ts';
import { type KeySlot, keySlotOf, keySlots, slotsOfType, typeOf } from '../keyring/slots/slot-types.ts';
import type { Keyring } from '../keyring/state/document.ts';
import { type LastUse, readLastUse } from '../keyring/uses/last-used.ts';
import type { SecurityEvent } from '../observe/events.ts';
import { QueryError } from './errors.ts';

export interface CreatedKey {
  readonly slot: string;
  readonly created: string;
  readonly accessKeyId: string;
  /** Kept nowhere. */
  readonly secretAccessKey: string;
}

/** A change of one key by another of the same tenant. */
interface KeyChange {
  readonly caller: AccessKey;
  readonly slot: string;
  readonly gate: Pick<Gate, 'decide'>;
  readonly signal: AbortSignal;
}

export class OwnKeys {
  readonly #deps: KeyringDeps;

  constructor(deps: KeyringDeps) {
    this.#deps = deps;
  }

  /**
   * Another API key with the caller's grants and expiry. One `signature` makes one key, on whatever replica: the slot's id is
   * its hash, so a request that is sent again finds its slot taken.
   * @throws QueryError LimitExceeded, Throttling for a request seen before
   */
  async create(o: { caller: AccessKey; signature: string; signal: AbortSignal }): Promise<CreatedKey> {
    const { caller, signal } = o;
    const deps = this.#deps;
    const opened = await openKeyring(deps, caller, signal);
    const { tenant } = opened.keyring;
    const { expires, grants, policy, id: maker } = opened.slot;
    const [id, apiKey, now] = [slotOfSignature(o.signature), generateApiKey(), deps.now()];
    refuseTakenOrFull(opened.keyring, opened.slot, id);
    // Clients that accept no long ids keep getting short ones.
    const prepared = await prepareId(deps, { kind: opened.slot.accessKeyId, tenant, slot: id, apiKey }, signal);
    const label = `made by key ${maker}`;
    const terms = { ...newSlotTerms({ id, now, grants, policy, idKid: '', label, expires }), ...prepared.terms };
    const kdf = DEFAULT_KDFS['hkdf-sha256'];
    const slot = await withId(prepared, async () => {
      const factor = inheritedFactor([opened.slot], kmsOf(deps));
      const { roots } = opened;
      const made = await sealKeySlot({ tenant, terms, apiKey, kdf, roots, runner: deps.runner, factor }, signal);
      const change = (keyring: Keyring) => {
        if (!keyCovers(callersSlot(keyring, caller, now), made)) throw new QueryError('ConcurrentModification');
        refuseTakenOrFull(keyring, made, id);
        return withSlot(keyring, made, now);
      };
      const event = eventOf('key-created', caller, `Slot ${id}, made by slot ${maker}`);
      await changeKeyring(deps, opened, change, { signal, event });
      return made;
    });
    const { accessKeyId } = prepared;
    return { slot: id, created: slot.created, accessKeyId, secretAccessKey: secretAccessKeyOf(apiKey) };
  }

  /** The keyring of the caller's tenant: slots ascending by id. */
  async keyring(o: { caller: AccessKey; signal: AbortSignal }): Promise<Keyring> {
    const { keyring } = await readKeyring(this.#deps, o.caller.tenant, o.signal);
    callersSlot(keyring, o.caller, this.#deps.now());
    return keyring;
  }

  /** When a key of the caller's tenant was last used. @throws QueryError NoSuchEntity; S3Error ServiceUnavailable */
  async lastUse(o: { caller: AccessKey; slot: string; signal: AbortSignal }): Promise<LastUse> {
    const keyring = await this.keyring(o);
    const { tenant } = keyring;
    if (keySlotOf(keyring, o.slot) === undefined) throw new QueryError('NoSuchEntity');
    return readLastUse(this.#deps, { tenant, slot: o.slot }, o.signal);
  }

  /** @throws QueryError NoSuchEntity, AccessDenied, DeleteConflict when no key would be left in use */
  async setStatus(o: KeyChange & { status: KeySlot['status'] }): Promise<void> {
    const event = eventOf('key-changed', o.caller, `Slot ${o.slot} is ${o.status}, by slot ${o.caller.slot}`);
    await this.#change(o, { action: 'iam:UpdateAccessKey', event }, (keyring, slot) => {
      if (slot.status === o.status) return undefined;
      if (o.status === 'inactive') refuseLastInUse(keyring, slot, this.#deps.now());
      return withTerms(keyring, slot.id, { status: o.status });
    });
  }

  /** @throws QueryError NoSuchEntity, AccessDenied, DeleteConflict when no key would be left in use */
  async remove(o: KeyChange): Promise<void> {
    const event = eventOf('key-revoked', o.caller, `Slot ${o.slot}, removed by slot ${o.caller.slot}`);
    await this.#change(o, { action: 'iam:DeleteAccessKey', event }, (keyring, slot) => {
      const now = this.#deps.now();
      if (isInForce(slot, now)) refuseLastInUse(keyring, slot, now);
      return withoutSlot(keyring, slot.id, now);
    });
  }

  /**
   * Needs only the operator's MAC: these changes touch terms and remove slots. The change is decided on the present keyring, and
   * written only where the decision still holds.
   */
  async #change(
    o: KeyChange,
    { action, event }: { action: 'iam:UpdateAccessKey' | 'iam:DeleteAccessKey'; event: SecurityEvent },
    change: (keyring: Keyring, slot: KeySlot) => Keyring | undefined,
  ): Promise<void> {
    const { tenant } = o.caller;
    const covers = (keyring: Keyring, slot: KeySlot) =>
      keyCovers(callersSlot(keyring, o.caller, this.#deps.now()), slot);
    const before = await this.keyring(o);
    const named = slotNamed(before, o.slot);
    const reach = () => (covers(before, named) ? 'within' : 'beyond');
    const demand = { action, resource: keyResource(tenant, o.slot) };
    const { effect } = await o.gate.decide(demand, { 'sealgate:KeyReach': reach });
    if (effect === 'deny') throw new QueryError('AccessDenied', 'That key reaches further than this one.');
    const apply = (keyring: Keyring) => {
      const slot = slotNamed(keyring, o.slot);
      if (!covers(keyring, slot)) throw new QueryError('ConcurrentModification');
      return change(keyring, slot);
    };
    await changeKeyring(this.#deps, tenant, apply, { signal: o.signal, event });
  }
}

function eventOf(
  kind: 'key-created' | 'key-changed' | 'key-revoked',
  { tenant, fingerprint: accessKey }: AccessKey,
  detail: string,
): SecurityEvent {
  return { kind, detail, tenant, accessKey };
}

/** First bytes of a hash of the signature. Ids are compared within one keyring of at most a few dozen slots. */
function slotOfSignature(signature: string): string {
  const hash = createHash('sha256').update('slot of a request\0').update(signature).digest('hex');
  return hash.slice(0, 2 * SLOT_BYTES);
}

function callersSlot(keyring: Keyring, caller: AccessKey, now: Date): KeySlot {
  const own = keySlotOf(keyring, caller.slot);
  if (own === undefined || !isUsable(own, caller, now)) throw new QueryError('InvalidClientTokenId');
  return own;
}

function slotNamed(keyring: Keyring, id: string): KeySlot {
  const slot = keySlotOf(keyring, id);
  if (slot === undefined) throw new QueryError('NoSuchEntity');
  return slot;
}

/** `like`: a slot of the type that the new one has. */
function refuseTakenOrFull(keyring: Keyring, like: KeySlot, id: string): void {
  if ([...keyring.slots, ...keyring.removed].some((slot) => slot.id === id)) throw new QueryError('Throttling');
  if (slotsOfType(keyring, like.type).length >= typeOf(like).most) throw new QueryError('LimitExceeded');
}

/** One key in use must remain, and it must live as long. Otherwise the data would be lost on the day the others expire. */
function refuseLastInUse(keyring: Keyring, slot: KeySlot, now: Date): void {
  const others = keySlots(keyring).filter((one) => one.id !== slot.id && isInForce(one, now));
  if (others.length === 0) throw new QueryError('DeleteConflict');
  if (others.some((one) => livesAsLong(one, slot))) return;
  throw new QueryError('DeleteConflict', 'Every other key in use expires earlier. Create one that stays first.');
}
