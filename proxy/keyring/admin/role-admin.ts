/**
 * The life of the roles of a tenant (docs/access.md): made, shown, changed, given a new ARN, deleted. Making a role, and changing
 * whom it trusts, takes one of the tenant's keys. The operator does the rest alone.
 */

import { randomBytes } from 'node:crypto';
import type { SecurityEvent } from '../../observe/events.ts';
import type { AccessKey } from '../access-keys/access-key-id.ts';
import {
  openRoleArn,
  openRoleRecord,
  parseRoleArn,
  type RoleSecret,
  roleRecordName,
  sealRoleArn,
  sealRoleRecord,
  shortArn,
} from '../access-keys/role-arn.ts';
import type { Grant } from '../grants.ts';
import { type RoleSlot, type RoleTerms, type RoleTrust, roleSlot } from '../slots/role-slot.ts';
import { MAX_SESSION_SERIAL } from '../slots/slot-terms.ts';
import { roleSlotOf, slotsOfType } from '../slots/slot-types.ts';
import type { Keyring } from '../state/document.ts';
import { StateConflict } from '../state/state.ts';
import { announced } from './announce.ts';
import { ChangeUncertain, changeKeyring, type KeyringDeps, openKeyring, readKeyring } from './change-keyring.ts';
import { byId, requireAllowed, unusedSlotId, withoutSlot, withReplaced } from './edit-slots.ts';
import { KeyError } from './key-errors.ts';

export interface NewRole {
  readonly name: string;
  readonly trust: RoleTrust;
  /** The policy of the role. Default: the grants of the key that makes the role. */
  readonly policy?: string;
  readonly expires?: string | null;
  readonly assumableBy?: RoleTerms['assumableBy'];
  /** Approvals that each session needs; 0: none. */
  readonly approvals?: number;
  /** True: the secret is kept in the state and the ARN is short. Such a role is server-managed. */
  readonly managed: boolean;
  readonly keep?: KeepRole;
}

export interface MadeRole {
  /** The role's name. */
  readonly role: string;
  readonly arn: string;
  readonly tenant: string;
  readonly slot: string;
}

/**
 * Told of a role's ARN before the keyring is changed: the secret in the ARN is kept nowhere else, so a lost reply, or a process that
 * ends, must not take the ARN along. The change is given up when it throws.
 */
export type KeepRole = (made: MadeRole) => Promise<void>;

/** The terms that the operator changes alone. `endSessions` ends the sessions of the role. */
export type RoleChange = Partial<Pick<RoleTerms, 'status' | 'expires' | 'policy' | 'assumableBy'>> & {
  /** 0: none. */
  readonly approvals?: number;
  readonly endSessions?: true;
};

export class UnknownRole extends KeyError {
  readonly code = 'UNKNOWN_ROLE';
  constructor(tenant: string, name: string) {
    super(`Tenant ${tenant} has no role '${name}'.`);
  }
}

export class RoleExists extends KeyError {
  readonly code = 'ROLE_EXISTS';
  constructor(name: string, where: string) {
    super(`There is a role '${name}' already, ${where}. Choose another name.`);
  }
}

export class TooManyRoles extends KeyError {
  readonly code = 'TOO_MANY_ROLES';
  constructor() {
    super(`The tenant has as many roles as it may have: ${roleSlot.most}.`);
  }
}

/** The ARN that was given is not one of this role. */
export class WrongRoleArn extends KeyError {
  readonly code = 'WRONG_ROLE_ARN';
}

export class RoleAdmin {
  readonly #deps: KeyringDeps;

  constructor(deps: KeyringDeps) {
    this.#deps = deps;
  }

  /** @throws S3Error InvalidAccessKeyId for a caller that does not open the tenant; RoleExists, TooManyRoles, KeyringConflict */
  async create(caller: AccessKey, o: NewRole, signal: AbortSignal): Promise<MadeRole> {
    const opened = await openKeyring(this.#deps, caller, signal);
    const { tenant } = opened.keyring;
    const id = unusedSlotId(opened.keyring);
    const secret = { tenant, slot: id, slotSecret: randomBytes(32) };
    const sealKey = this.#deps.sealKeys.active;
    const { grants, policy } = opened.slot;
    const terms = newTerms({ ...o, idKid: sealKey.kid, own: { grants, policy } });
    const { name, trust } = o;
    const kept = o.managed ? 'state' : 'arn';
    const sealing = { tenant, roots: opened.roots, id, name, kept, trust, terms, now: this.#deps.now() } as const;
    const slot = await roleSlot.seal({ ...sealing, slotSecret: secret.slotSecret });
    withRole(opened.keyring, slot);
    if (o.managed) await this.#keep(secret, name, signal);
    const arn = o.managed ? shortArn(name) : sealRoleArn(secret, { name, sealKey });
    secret.slotSecret.fill(0);
    const made = { role: name, arn, tenant, slot: id };
    const detail = `Role ${name}, slot ${id}${o.managed ? ', server-managed' : ''}, by slot ${opened.slot.id}`;
    const event = { kind: 'role-created', detail, tenant } as const;
    try {
      await o.keep?.(made);
      await changeKeyring(this.#deps, opened, (keyring) => withRole(keyring, slot), { signal, event });
    } catch (error) {
      // A record without a slot opens nothing, but it blocks the name for others.
      if (o.managed && !(error instanceof ChangeUncertain)) {
        await this.#deps.state.delete(roleRecordName(name), signal).catch(() => undefined);
      }
      throw error;
    }
    return made;
  }

  /** @throws UnknownTenant, KeyringTampered */
  async list(tenant: string, signal: AbortSignal): Promise<readonly RoleSlot[]> {
    return slotsOfType((await readKeyring(this.#deps, tenant, signal)).keyring, 'role');
  }

  /** @throws UnknownRole */
  async show(o: { tenant: string; name: string }, signal: AbortSignal): Promise<RoleSlot> {
    return roleIn((await readKeyring(this.#deps, o.tenant, signal)).keyring, o.name);
  }

  /** By the operator alone. @throws UnknownRole */
  async update(o: { tenant: string; name: string; change: RoleChange }, signal: AbortSignal): Promise<void> {
    const { endSessions, approvals, ...terms } = o.change;
    const change = (keyring: Keyring) => {
      const slot = roleIn(keyring, o.name);
      const changed = { ...slot, ...terms, ...(typeof terms.policy === 'string' ? { grants: [] } : {}) };
      const next = approvals === undefined ? changed : withApprovals(changed, approvals);
      return withReplaced(keyring, endSessions === true ? raised(next) : next);
    };
    const event = changed(o.tenant, `Role ${o.name}: ${Object.keys(o.change).sort().join(', ')}`);
    await changeKeyring(this.#deps, o.tenant, change, { signal, event });
  }

  /**
   * Changes whom the role trusts. Ends its sessions, because some may belong to somebody who is not trusted any more.
   * @throws UnknownRole
   */
  async trust(
    caller: AccessKey,
    o: { name: string; change: (trust: RoleTrust) => RoleTrust },
    signal: AbortSignal,
  ): Promise<void> {
    const opened = await openKeyring(this.#deps, caller, signal);
    const change = (keyring: Keyring) => {
      const slot = roleIn(keyring, o.name);
      return withReplaced(keyring, raised({ ...slot, trust: o.change(slot.trust) }));
    };
    const event = changed(opened.keyring.tenant, `Role ${o.name}: trust`);
    await changeKeyring(this.#deps, opened, change, { signal, event });
  }

  /**
   * The same secret sealed under the active seal key: another ARN, or the record of a managed role. `arn`: the role's present one,
   * which for a managed role is not needed. @throws WrongRoleArn, UnknownRole
   */
  async reissue(
    o: { tenant: string; name: string; arn: string | undefined; keep?: KeepRole },
    signal: AbortSignal,
  ): Promise<MadeRole> {
    const { tenant, name } = o;
    const slot = await this.show(o, signal);
    const secret = await this.secretOf(slot, { tenant, arn: o.arn }, signal);
    const sealKey = this.#deps.sealKeys.active;
    const isManaged = slot.kept === 'state';
    const record = isManaged ? sealRoleRecord(secret, { name, sealKey }) : undefined;
    const arn = isManaged ? shortArn(name) : sealRoleArn(secret, { name, sealKey });
    secret.slotSecret.fill(0);
    const made = { role: name, arn, tenant, slot: slot.id };
    const change = (keyring: Keyring) => withReplaced(keyring, { ...roleIn(keyring, name), idKid: sealKey.kid });
    await announced(this.#deps.record, changed(tenant, `Role ${name}: under seal key ${sealKey.kid}`), async () => {
      if (record !== undefined) await this.#deps.state.replace(roleRecordName(name), record, signal);
      await o.keep?.(made);
      await changeKeyring(this.#deps, tenant, change, { signal, event: 'announced' });
    });
    return made;
  }

  /** By the operator alone. The ARN opens nothing afterwards. @throws UnknownRole */
  async delete(o: { tenant: string; name: string }, signal: AbortSignal): Promise<void> {
    const { kept } = await this.show(o, signal);
    const now = this.#deps.now();
    const change = (keyring: Keyring) => withoutSlot(keyring, roleIn(keyring, o.name).id, now);
    const event = { kind: 'role-deleted', detail: `Role ${o.name}`, tenant: o.tenant } as const;
    await changeKeyring(this.#deps, o.tenant, change, { signal, event });
    if (kept === 'state') await this.#deps.state.shred(roleRecordName(o.name), signal);
  }

  /** The secret of a role, from its ARN or its record. The caller wipes it. @throws WrongRoleArn */
  async secretOf(
    slot: RoleSlot,
    o: { tenant: string; arn: string | undefined },
    signal: AbortSignal,
  ): Promise<RoleSecret> {
    const { sealKeys, state } = this.#deps;
    const { name, id } = slot;
    const secret =
      slot.kept === 'state'
        ? openStored((await state.get(roleRecordName(name), signal))?.body, name, sealKeys)
        : openGiven(o.arn, name, sealKeys);
    if (secret?.slot === id && secret.tenant === o.tenant) return secret;
    throw new WrongRoleArn(
      slot.kept === 'state' ? `The record of role '${name}' does not open.` : `That is not the ARN of role '${name}'.`,
    );
  }

  async #keep(secret: RoleSecret, name: string, signal: AbortSignal): Promise<void> {
    const record = sealRoleRecord(secret, { name, sealKey: this.#deps.sealKeys.active });
    try {
      await this.#deps.state.put(roleRecordName(name), record, { ifAbsent: true }, signal);
    } catch (error) {
      if (!(error instanceof StateConflict)) throw error;
      throw new RoleExists(name, 'a managed one, perhaps of another tenant');
    }
  }
}

function changed(tenant: string, detail: string): SecurityEvent {
  return { kind: 'role-changed', detail, tenant };
}

function openStored(body: Buffer | undefined, name: string, sealKeys: KeyringDeps['sealKeys']): RoleSecret | undefined {
  return body && openRoleRecord(body, { name, sealKeys });
}

function openGiven(arn: string | undefined, name: string, sealKeys: KeyringDeps['sealKeys']): RoleSecret | undefined {
  const parsed = arn === undefined ? undefined : parseRoleArn(arn);
  return parsed?.sealed && parsed.name === name ? openRoleArn(parsed.sealed, { name, sealKeys }) : undefined;
}

function newTerms(o: NewRole & { idKid: string; own: { grants: readonly Grant[]; policy: string | null } }): RoleTerms {
  const { policy, own } = o;
  const terms: RoleTerms = {
    assumableBy: o.assumableBy ?? [],
    expires: o.expires ?? null,
    grants: policy === undefined ? [...own.grants] : [],
    idKid: o.idKid,
    label: '',
    policy: policy ?? own.policy,
    sessionSerial: 0,
    status: 'active',
  };
  return withApprovals(terms, o.approvals ?? 0);
}

function roleIn(keyring: Keyring, name: string): RoleSlot {
  const slot = roleSlotOf(keyring, name);
  if (slot === undefined) throw new UnknownRole(keyring.tenant, name);
  return slot;
}

function withRole(keyring: Keyring, slot: RoleSlot): Keyring {
  requireAllowed(keyring, slot);
  if (roleSlotOf(keyring, slot.name) !== undefined) throw new RoleExists(slot.name, 'of the same tenant');
  if (slotsOfType(keyring, 'role').length >= roleSlot.most) throw new TooManyRoles();
  return { ...keyring, slots: byId([...keyring.slots, slot]) };
}

function withApprovals<T extends { readonly approvals?: number }>(terms: T, approvals: number): T {
  const { approvals: _before, ...others } = terms;
  return (approvals === 0 ? others : { ...others, approvals }) as T;
}

function raised(slot: RoleSlot): RoleSlot {
  if (slot.sessionSerial >= MAX_SESSION_SERIAL) throw new TooManyRoles();
  return { ...slot, sessionSerial: slot.sessionSerial + 1 };
}
