/**
 * Issues sessions from the keys of a tenant. The keyring is read afresh, the key must open its slot, and the token names the
 * present serial of the slot. The only record that is written is that of the day, and where a stronger KDF was requested for the
 * slot, the keyring: that the request has to wait for the session (requested-kdf.ts).
 */
import { randomBytes } from 'node:crypto';
import { S3Error } from '../../errors.ts';
import { SESSION_ISSUE_ATTEMPTS } from '../../session-limits.ts';
import { type AccessKey, fingerprintOf } from '../access-keys/access-key-id.ts';
import { changeKeyring, KeyringConflict, type KeyringDeps, readKeyring } from '../admin/change-keyring.ts';
import { withReplaced } from '../admin/edit-slots.ts';
import type { SignIn } from '../sign-in.ts';
import { slotSecretOf } from '../slots/api-key-slot.ts';
import { isDue, waitingFor } from '../slots/requested-kdf.ts';
import type { RoleSlot } from '../slots/role-slot.ts';
import { isInForce, isUsable } from '../slots/slot-terms.ts';
import { type KeySlot, keySlotOf, openSessionSlot, roleSlotOf } from '../slots/slot-types.ts';
import type { Keyring } from '../state/document.ts';
import { timestamp } from '../state/fields.ts';
import { KeyringTampered, UnknownTenant } from '../state/records.ts';
import type { SessionDays } from './day-records.ts';
import type { SessionDetails } from './details.ts';
import type { OpenedRole } from './issue-role-session.ts';
import { requireSessionApproval } from './session-approval.ts';
import { issueSession, packedPercent, type SessionCredentials } from './token.ts';

export interface IssuedSession extends SessionCredentials {
  readonly ends: Date;
  /** Share of the room in a token that policy, tags and names take. */
  readonly packedPercent: number;
}

/** The wanted content of a session. Uses get their id here. */
export type WantedDetails = Omit<SessionDetails, 'uses'> & { readonly maxUses?: number };

/** Seals a slot by the KDF that was requested for it, where that is due. Resolves also when it fails. */
type UpgradeKdf = (of: Pick<SignIn, 'key' | 'slot'>) => Promise<void>;

export class SessionIssuer {
  readonly #deps: KeyringDeps;
  readonly #days: Pick<SessionDays, 'current'>;
  readonly #upgradeKdf: UpgradeKdf;

  constructor(o: { deps: KeyringDeps; days: Pick<SessionDays, 'current'>; upgradeKdf: UpgradeKdf }) {
    this.#deps = o.deps;
    this.#days = o.days;
    this.#upgradeKdf = o.upgradeKdf;
  }

  /**
   * A session of `caller`'s slot, for `seconds`, or until the slot expires. With `role`: limited by that role of the tenant too.
   * @throws S3Error InvalidAccessKeyId, AccessDenied for a role that the slot may not take on, ServiceUnavailable, SlowDown;
   * SessionTooLarge; ApprovalNeeded, ApprovalRefused, ApproversTampered for a role whose sessions need approvals
   */
  async issue(
    caller: AccessKey,
    o: { seconds: number; details: WantedDetails; role?: string },
    signal: AbortSignal,
  ): Promise<IssuedSession> {
    for (let attempt = 0; attempt < SESSION_ISSUE_ATTEMPTS; attempt += 1) {
      try {
        return await this.#issueOnce(caller, o, signal);
      } catch (error) {
        // The slot was sealed anew after it was read.
        if (!(error instanceof KeyringConflict)) throw error;
      }
    }
    throw new S3Error('ServiceUnavailable');
  }

  async #issueOnce(
    caller: AccessKey,
    o: { seconds: number; details: WantedDetails; role?: string },
    signal: AbortSignal,
  ): Promise<IssuedSession> {
    const { runner, kms } = this.#deps;
    const { tenant } = caller;
    // Counted from before the keyring is read: a KDF that is requested after that waits for the longest session from then on.
    const at = this.#deps.now();
    const { slot, keyring } = await this.#upgradedSlotOf(caller, signal);
    const role = o.role === undefined ? undefined : this.#roleFor(keyring, slot, o.role);
    const callerSecret = await slotSecretOf({ tenant, slot, secret: caller.secret, runner }, signal);
    try {
      if ('failure' in (await openSessionSlot({ tenant, slot, slotSecret: callerSecret, kms }, signal))) {
        throw new S3Error('InvalidAccessKeyId');
      }
      const details = role === undefined ? o.details : { ...o.details, role: role.name };
      const until = Math.min(secondsOf(slot.expires), secondsOf(role?.expires ?? null));
      const endsAt = endOf({ at, until, seconds: o.seconds });
      await this.#holdKdf({ tenant, slot, endsAt }, signal);
      return await this.#issue(
        { tenant, slot, role, callerSecret },
        { seconds: o.seconds, at, endsAt, details },
        signal,
      );
    } finally {
      callerSecret.fill(0);
    }
  }

  /** A session of a role itself, until `until` at the latest. @throws as `issue` */
  issueForRole(
    { tenant, slot, callerSecret }: OpenedRole,
    o: { seconds: number; until: number; details: WantedDetails; uses?: { id: string; until: number } },
    signal: AbortSignal,
  ): Promise<IssuedSession> {
    const at = this.#deps.now();
    const endsAt = endOf({ at, until: Math.min(o.until, secondsOf(slot.expires)), seconds: o.seconds });
    const details = { ...o.details, role: slot.name };
    return this.#issue({ tenant, slot, role: slot, callerSecret }, { ...o, at, endsAt, details }, signal);
  }

  async #issue(
    of: { tenant: string; slot: KeySlot | RoleSlot; role: RoleSlot | undefined; callerSecret: Buffer },
    o: { at: Date; seconds: number; endsAt: number; details: WantedDetails; uses?: { id: string; until: number } },
    signal: AbortSignal,
  ): Promise<IssuedSession> {
    const { tenant, slot, role, callerSecret } = of;
    if (role?.approvals !== undefined) await requireSessionApproval(this.#deps, { tenant, slot, role, ...o }, signal);
    const { at, endsAt } = o;
    const issuedAt = Math.floor(at.getTime() / 1000);
    const details = withUses(o.details, o.uses ?? { id: randomBytes(16).toString('hex'), until: endsAt });
    const session = {
      callerSecret,
      tenant,
      slot: slot.id,
      slotSerial: slot.sessionSerial,
      roleSerial: role?.sessionSerial ?? 0,
      issuedAt,
      endsAt,
      details,
    };
    const credentials = issueSession(session, await this.#days.current(at, signal));
    await this.#deps.record({
      kind: 'session-issued',
      detail: `By slot ${slot.id}${role === undefined ? '' : `, of role ${role.name}`}, until ${timestamp(new Date(1000 * endsAt))}`,
      tenant,
      accessKey: fingerprintOf(credentials.accessKeyId),
    });
    return { ...credentials, ends: new Date(1000 * endsAt), packedPercent: packedPercent(details) };
  }

  /**
   * Makes a requested KDF wait for a session that ends at `endsAt`. Most often it does already.
   * @throws KeyringConflict when the slot was sealed anew, or its sessions were ended, since it was read
   */
  async #holdKdf(
    { tenant, slot, endsAt }: { tenant: string; slot: KeySlot; endsAt: number },
    signal: AbortSignal,
  ): Promise<void> {
    if (slot.kdfUpgrade === null || waitingFor(slot.kdfUpgrade, endsAt) === undefined) return;
    const hold = (keyring: Keyring) => {
      const now = keySlotOf(keyring, slot.id);
      const isSame = now?.commitment === slot.commitment && now.sessionSerial === slot.sessionSerial;
      if (!isSame) throw new KeyringConflict(tenant);
      const kdfUpgrade = now.kdfUpgrade === null ? undefined : waitingFor(now.kdfUpgrade, endsAt);
      return kdfUpgrade && withReplaced(keyring, { ...now, kdfUpgrade });
    };
    const detail = `Slot ${slot.id}: the requested key derivation waits for a session that was asked for`;
    const change = { signal, event: { kind: 'key-changed', detail, tenant } as const };
    await changeKeyring(this.#deps, tenant, hold, change).catch(refuseAsToClients);
  }

  /** The role says which keys may assume it. A role that does not exist and a role that refuses this key give the same error. */
  #roleFor(keyring: Keyring, slot: KeySlot, name: string): RoleSlot {
    const role = roleSlotOf(keyring, name);
    const takes = role !== undefined && (role.assumableBy === '*' || role.assumableBy.includes(slot.id));
    if (role === undefined || !takes || !isInForce(role, this.#deps.now())) throw new S3Error('AccessDenied');
    return role;
  }

  async #slotOf(caller: AccessKey, signal: AbortSignal): Promise<{ keyring: Keyring; slot: KeySlot }> {
    const keyring = await this.#keyring(caller.tenant, signal);
    const slot = keySlotOf(keyring, caller.slot);
    if (slot === undefined || !isUsable(slot, caller, this.#deps.now())) throw new S3Error('InvalidAccessKeyId');
    return { keyring, slot };
  }

  /** A key that does nothing but give sessions would never be upgraded: each session would make the request wait again. */
  async #upgradedSlotOf(caller: AccessKey, signal: AbortSignal): Promise<{ keyring: Keyring; slot: KeySlot }> {
    const found = await this.#slotOf(caller, signal);
    const { slot } = found;
    if (slot.kdfUpgrade === null || !isDue(slot.kdfUpgrade, this.#deps.now())) return found;
    await this.#upgradeKdf({ key: caller, slot });
    return this.#slotOf(caller, signal);
  }

  async #keyring(tenant: string, signal: AbortSignal): Promise<Keyring> {
    return (await readKeyring(this.#deps, tenant, signal).catch(refuseAsToClients)).keyring;
  }
}

function refuseAsToClients(cause: unknown): never {
  if (cause instanceof UnknownTenant) throw new S3Error('InvalidAccessKeyId', undefined, { cause });
  if (cause instanceof KeyringTampered) throw new S3Error('AccessDenied', undefined, { cause });
  throw cause;
}

/** Seconds since 1970. `until`: the same. */
function endOf({ at, until, seconds }: { at: Date; until: number; seconds: number }): number {
  return Math.min(Math.floor(at.getTime() / 1000) + seconds, until);
}

/** `of`: what they are counted under. */
function withUses({ maxUses, ...details }: WantedDetails, of: { id: string; until: number }): SessionDetails {
  return maxUses === undefined ? details : { ...details, uses: { ...of, max: maxUses } };
}

/** Whole seconds until an instant, forever for none. */
function secondsOf(expires: string | null): number {
  return expires === null ? Number.POSITIVE_INFINITY : Math.floor(Date.parse(expires) / 1000);
}
