/**
 * The first step of a deep rotation, one compare-and-swap of the keyring: a new root key, the older epochs draining, every slot
 * for which that takes nothing, or what it takes is at hand, sealed again for all of them, the others gone, the caller's own replaced by a new key unless it is to
 * stay. From then on servers wrap new objects under the new root key.
 */
import type { AccessKey } from '../keyring/access-keys/access-key-id.ts';
import {
  changeKeyring,
  KeyringConflict,
  type KeyringDeps,
  kmsOf,
  type OpenedKeyring,
} from '../keyring/admin/change-keyring.ts';
import { sameSlot, unusedSlotId, withoutSlot, withReplaced, withSlot } from '../keyring/admin/edit-slots.ts';
import { prepareId, withId } from '../keyring/admin/issue-key.ts';
import type { IssuedKey, KeepKey } from '../keyring/admin/key-admin.ts';
import { generateApiKey, secretAccessKeyOf } from '../keyring/slots/api-key.ts';
import { DEFAULT_KDFS } from '../keyring/slots/kdf.ts';
import { inheritedFactor, sealKeySlot } from '../keyring/slots/seal-key-slot.ts';
import type { AtHand, RootKeys } from '../keyring/slots/slot-type.ts';
import { type KeySlot, keySlotOf } from '../keyring/slots/slot-types.ts';
import { currentEpoch, type Epoch, type Keyring } from '../keyring/state/document.ts';
import { timestamp } from '../keyring/state/fields.ts';
import { newRootKey } from '../keyring/state/sign-keyring.ts';
import { KEPT_RETIRED_EPOCHS } from '../limits.ts';
import { planSlots, type SlotPlan, SlotsWouldBeDropped, slotsAtStake } from './keep-slots.ts';

export interface BeginOptions {
  /** The caller's, and others of the tenant that are to go along. */
  readonly keys: readonly AccessKey[];
  /** Secrets of roles that are to go along, by slot. */
  readonly roleSecrets?: AtHand['roleSecrets'];
  /** Keep the caller's API key in place of making a new one. */
  readonly keepKey: boolean;
  /** Drop the slots whose keys are not at hand. */
  readonly dropSlots: boolean;
  /**
   * Told of the new key before anything is changed, to put it where it survives: afterwards the old one opens nothing. Given
   * up when it throws.
   */
  readonly keep: KeepKey;
}

export interface BegunEpoch {
  readonly opened: OpenedKeyring;
  readonly epoch: number;
  readonly dropped: readonly string[];
  /** Absent with `keepKey`. */
  readonly issued: IssuedKey | undefined;
}

/** @throws SlotsWouldBeDropped, KeyMismatch, KeyringConflict, KeyringMalformed beyond the bounds; S3Error */
export async function beginEpoch(
  deps: KeyringDeps,
  opened: OpenedKeyring,
  o: BeginOptions,
  signal: AbortSignal,
): Promise<BegunEpoch> {
  const atHand = { keys: o.keys, roleSecrets: o.roleSecrets ?? new Map<string, Buffer>() };
  const plan = planSlots(opened.keyring, atHand);
  if (plan.dropped.length > 0 && !o.dropSlots) throw new SlotsWouldBeDropped(plan.dropped);
  const epoch = currentEpoch(opened.keyring) + 1;
  const roots: RootKeys = new Map([...opened.roots, [epoch, newRootKey()]]);
  const step = { plan, epoch, roots, atHand };
  if (o.keepKey) return write(deps, opened, { ...step, issued: undefined, fresh: undefined }, signal);
  const { tenant } = opened.keyring;
  const apiKey = generateApiKey();
  const slotId = unusedSlotId(opened.keyring);
  const kind = opened.slot.accessKeyId;
  const id = await prepareId(deps, { kind, tenant, slot: slotId, apiKey }, signal);
  return withId(id, async () => {
    const terms = { ...opened.slot, kdfUpgrade: null, ...id.terms, id: slotId, created: timestamp(deps.now()) };
    const kdf = DEFAULT_KDFS['hkdf-sha256'];
    const factor = inheritedFactor([opened.slot], kmsOf(deps));
    const fresh = await sealKeySlot({ tenant, terms, apiKey, kdf, roots, runner: deps.runner, factor }, signal);
    const issued = { tenant, slot: slotId, accessKeyId: id.accessKeyId, secretAccessKey: secretAccessKeyOf(apiKey) };
    await o.keep(issued);
    return write(deps, opened, { ...step, issued, fresh }, signal);
  });
}

interface Step {
  readonly atHand: AtHand;
  readonly plan: SlotPlan;
  readonly epoch: number;
  readonly roots: RootKeys;
  readonly issued: IssuedKey | undefined;
  /** In the place of the caller's slot. */
  readonly fresh: KeySlot | undefined;
}

async function write(deps: KeyringDeps, opened: OpenedKeyring, o: Step, signal: AbortSignal): Promise<BegunEpoch> {
  const { plan, epoch, roots, fresh } = o;
  const replaced = fresh === undefined ? [] : [opened.slot];
  const gone = [...plan.dropped, ...replaced];
  const { tenant } = opened.keyring;
  const detail = `Epoch ${epoch}; ${plan.dropped.length} slots dropped`;
  const event = { kind: 'epoch-begun', detail, tenant } as const;
  const stored = await changeKeyring(
    deps,
    { ...opened, roots },
    async (keyring) => {
      // What was agreed to is this set of slots at this epoch, and no other. A slot that goes along by itself is at no stake.
      const agreed = slotsAtStake(opened.keyring);
      const isSame = slotsAtStake(keyring).length === agreed.length && currentEpoch(keyring) === epoch - 1;
      if (!isSame) throw new KeyringConflict(keyring.tenant);
      for (const slot of agreed) sameSlot(keyring, slot);
      let next: Keyring = keyring;
      for (const { id } of gone) next = withoutSlot(next, id, deps.now());
      const sealing = { tenant: keyring.tenant, roots, runner: deps.runner, kms: kmsOf(deps), now: deps.now() };
      for (const { slot, reseal } of planSlots(keyring, o.atHand).kept) {
        if (gone.some(({ id }) => id === slot.id)) continue;
        next = withReplaced(next, await reseal(sealing, signal));
      }
      if (fresh !== undefined) next = withSlot(next, fresh, deps.now());
      return withEpoch(next, { created: timestamp(deps.now()), epoch, state: 'current' });
    },
    { signal, event },
  );
  const slot = keySlotOf(stored.keyring, (fresh ?? opened.slot).id);
  if (slot === undefined) throw new Error('the slot that began an epoch is not in its keyring');
  return { opened: { ...stored, slot, roots }, epoch, dropped: plan.dropped.map(({ id }) => id), issued: o.issued };
}

/** The older epochs are draining from then on; of those that are retired, the oldest are forgotten. */
function withEpoch(keyring: Keyring, begun: Epoch): Keyring {
  const older = keyring.epochs.map((epoch) =>
    epoch.state === 'current' ? { ...epoch, state: 'draining' as const } : epoch,
  );
  const retired = older.filter(({ state }) => state === 'retired').slice(-KEPT_RETIRED_EPOCHS);
  const inUse = older.filter(({ state }) => state !== 'retired');
  return { ...keyring, epochs: [...retired, ...inUse, begun] };
}
