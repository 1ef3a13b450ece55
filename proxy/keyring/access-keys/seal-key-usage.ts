/**
 * Shows what each seal key is still needed for, and moves keyrings and records to the active one, so that an old seal key can be
 * dropped (docs/keys.md, rotating the seal key). Access key ids cannot be moved: their holders must get new ones.
 */

import { auditKeyKids, resealAuditKeys } from '../../audit/audit-keys.ts';
import { mapBounded } from '../../concurrency/map-bounded.ts';
import { LAST_USED_READS_AT_ONCE } from '../../limits.ts';
import { type KeyringDeps, readKeyring } from '../admin/change-keyring.ts';
import { KeyAdmin } from '../admin/key-admin.ts';
import { RoleAdmin, WrongRoleArn } from '../admin/role-admin.ts';
import { ApproversConflict, ApproversTampered } from '../approvals/approval-errors.ts';
import { readApprovers, resignApprovers } from '../approvals/approver-admin.ts';
import { listBucketRecords, resignBucketRecord } from '../buckets/bucket-admin.ts';
import { sessionEnds } from '../sessions/day-records.ts';
import { keySlots, slotsOfType, typeOf } from '../slots/slot-types.ts';
import type { Keyring } from '../state/document.ts';
import { timestamp } from '../state/fields.ts';
import { KEYRING_NAMES, KeyringTampered, SealKeyMissing, tenantOfName, UnknownTenant } from '../state/records.ts';
import { StateConflict, type StateRecord } from '../state/state.ts';
import { fetchLastUsed, lastUsedName, sealLastUsed, type TenantSlot } from '../uses/last-used.ts';
import { openRegistered, registeredName, sealRegistered } from './registered-id.ts';

export interface SealKeyUsage {
  readonly kid: string;
  readonly active: boolean;
  /** False: keyrings name the seal key, and the server does not have it. Those keyrings are useless until the key is back. */
  readonly configured: boolean;
  /** Keyrings that it signed. */
  readonly keyrings: number;
  /** Keys in use whose access key id was made under this seal key: `tenant/slot`. They stop working when it is dropped. */
  readonly ids: readonly string[];
  /** Roles in use whose ARN or record was made under this seal key: `tenant/name`. They stop working when it is dropped. */
  readonly arns: readonly string[];
  /** Records of last use that this seal key signed. They are forgotten when it is dropped. */
  readonly lastUses: number;
  /** Records of buckets that it signed. Requests to these buckets are refused when it is dropped. */
  readonly buckets: number;
  /** 1 when it signed the record of the approvers. What needs approvals is refused when it is dropped. */
  readonly approvers: number;
  /** Audit keys that it seals. What was written under them is unreadable when it is dropped. */
  readonly auditKeys: number;
  /** Until when sessions that were issued under it may live: they end when it is dropped. Null: none lives. */
  readonly sessionsUntil: string | null;
}

/** What does not verify, and was left alone. */
export interface Tampered {
  /** Tenants, by their keyring. */
  readonly tampered: readonly string[];
  readonly tamperedBuckets: readonly string[];
}

/** By seal key, the active one first; those that are named in keyrings and not configured come last. */
export async function sealKeyUsage(
  deps: KeyringDeps,
  signal: AbortSignal,
): Promise<{ usage: readonly SealKeyUsage[] } & Tampered> {
  const { active, all } = deps.sealKeys;
  const counts = { keyrings: 0, lastUses: 0, buckets: 0, approvers: 0, auditKeys: 0 };
  const none = () => ({ ...counts, ids: new Set<string>(), arns: new Set<string>() });
  const found = new Map(all.map(({ kid }) => [kid, none()]));
  const entry = (kid: string) => {
    const known = found.get(kid) ?? none();
    found.set(kid, known);
    return known;
  };
  const tampered: string[] = [];
  const tamperedBuckets: string[] = [];
  for await (const tenant of tenants(deps, signal)) {
    const keyring = await readOrNote(
      deps,
      tenant,
      {
        tampered,
        missing: (kid) => {
          entry(kid).keyrings += 1;
        },
      },
      signal,
    );
    if (keyring === undefined) continue;
    entry(keyring.operatorKid).keyrings += 1;
    for (const slot of keyring.slots) {
      const kids = typeOf(slot).sealKeyIds(slot, { sealKeys: deps.sealKeys, now: deps.now() });
      for (const kid of kids) {
        if (slot.type === 'role') entry(kid).arns.add(`${tenant}/${slot.name}`);
        else entry(kid).ids.add(`${tenant}/${slot.id}`);
      }
    }
    for (const kid of await lastUseKids(deps, keyring, signal)) entry(kid).lastUses += 1;
  }
  for await (const listed of listBucketRecords(deps, signal)) {
    const kid = listed.status === 'ok' ? listed.record.kid : listed.kid;
    if (kid === undefined) tamperedBuckets.push(listed.bucket);
    else entry(kid).buckets += 1;
  }
  const approversKid = await approversKidOf(deps, signal);
  if (approversKid !== undefined) entry(approversKid).approvers += 1;
  for (const kid of await auditKeyKids(deps, signal)) entry(kid).auditKeys += 1;
  const ends = await sessionEnds(deps, signal);
  const usage = [...found].map(([kid, { ids, arns, ...counts }]) => ({
    kid,
    active: kid === active.kid,
    configured: deps.sealKeys.withId(kid) !== undefined,
    ...counts,
    ids: [...ids],
    arns: [...arns],
    sessionsUntil: timestampOrNull(ends.get(kid)),
  }));
  return { usage, tampered, tamperedBuckets };
}

function timestampOrNull(date: Date | undefined): string | null {
  return date === undefined ? null : timestamp(date);
}

/** A record that does not verify is left alone, with a security event. */
async function resignApproversOrNote(deps: KeyringDeps, signal: AbortSignal): Promise<boolean> {
  try {
    return await resignApprovers(deps, signal);
  } catch (error) {
    if (error instanceof ApproversTampered || error instanceof ApproversConflict) return false;
    throw error;
  }
}

/** The seal key of the record of the approvers; `undefined` where there is none, or it does not verify. */
async function approversKidOf(deps: KeyringDeps, signal: AbortSignal): Promise<string | undefined> {
  try {
    return (await readApprovers(deps, signal))?.kid;
  } catch (error) {
    if (error instanceof ApproversTampered) return error.missingKid;
    throw error;
  }
}

/** The seal key of each record that verifies: one request for each key. */
async function lastUseKids(deps: KeyringDeps, keyring: Keyring, signal: AbortSignal): Promise<string[]> {
  const { tenant } = keyring;
  const found = await mapBounded(keySlots(keyring), LAST_USED_READS_AT_ONCE, ({ id: slot }) =>
    fetchLastUsed(deps, { tenant, slot }, signal),
  );
  return found.flatMap((record) => record?.kid ?? []);
}

/**
 * Signs every keyring, every record of a bucket and the record of the approvers, and seals every record of a registered id, of a managed role and of a last use,
 * under the active seal key. `tamperedRoles`: managed roles whose record does not open.
 */
export async function resignAll(
  deps: KeyringDeps,
  signal: AbortSignal,
): Promise<{ keyrings: number; records: number; tamperedRoles: readonly string[] } & Tampered> {
  const admin = new KeyAdmin(deps);
  const tampered: string[] = [];
  const tamperedBuckets: string[] = [];
  const tamperedRoles: string[] = [];
  const done = { keyrings: 0, records: 0 };
  for await (const tenant of tenants(deps, signal)) {
    const keyring = await readOrNote(deps, tenant, { tampered, missing: () => tampered.push(tenant) }, signal);
    if (keyring === undefined) continue;
    if (await admin.resign(tenant, signal)) done.keyrings += 1;
    for (const id of keySlots(keyring).flatMap(({ registeredIds }) => registeredIds)) {
      if (await resealRecord(deps, id, signal)) done.records += 1;
    }
    for (const { name, kept, idKid } of slotsOfType(keyring, 'role')) {
      if (kept !== 'state' || idKid === deps.sealKeys.active.kid) continue;
      if (await resealRole(deps, { tenant, name }, signal)) done.records += 1;
      else tamperedRoles.push(`${tenant}/${name}`);
    }
    for (const { id: slot } of keySlots(keyring)) {
      if (await resealLastUsed(deps, { tenant, slot }, signal)) done.records += 1;
    }
  }
  for await (const listed of listBucketRecords(deps, signal)) {
    if (listed.status !== 'ok') tamperedBuckets.push(listed.bucket);
    else if (await resignBucketRecord(deps, listed.record, signal)) done.records += 1;
  }
  done.records += (await resignApproversOrNote(deps, signal)) ? 1 : 0;
  done.records += await resealAuditKeys(deps, signal);
  return { ...done, tampered, tamperedBuckets, tamperedRoles };
}

/** The ARN stays. False: the record does not open under any configured seal key. */
async function resealRole(
  deps: KeyringDeps,
  of: { readonly tenant: string; readonly name: string },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await new RoleAdmin(deps).reissue({ ...of, arn: undefined }, signal);
    return true;
  } catch (error) {
    if (error instanceof WrongRoleArn) return false;
    throw error;
  }
}

/** Seals the record of last use of a slot anew. A record under another seal key is lost when that key is dropped. */
async function resealLastUsed(deps: KeyringDeps, of: TenantSlot, signal: AbortSignal): Promise<boolean> {
  const found = await fetchLastUsed(deps, of, signal);
  const sealKey = deps.sealKeys.active;
  if (found?.day === undefined || found.kid === sealKey.kid) return false;
  return replaceRecord(
    deps,
    lastUsedName(of),
    { body: sealLastUsed(of, found.day, sealKey), stored: found.stored },
    signal,
  );
}

/** @returns false when the record is under the active key already, is gone, or was changed meanwhile and is therefore new */
async function resealRecord(deps: KeyringDeps, id: string, signal: AbortSignal): Promise<boolean> {
  const name = registeredName(id);
  const stored = await deps.state.get(name, signal);
  const key = stored && openRegistered(stored.body, id, deps.sealKeys);
  if (stored === undefined || key === undefined) return false;
  const sealKey = deps.sealKeys.active;
  if (stored.body.readUInt8(0) === sealKey.tag && deps.sealKeys.withTag(sealKey.tag).length === 1) return false;
  const body = sealRegistered({ id, sealKey, tenant: key.tenant, slot: key.slot, apiKey: key.apiKey });
  return replaceRecord(deps, name, { body, stored }, signal);
}

async function replaceRecord(
  deps: KeyringDeps,
  name: string,
  o: { readonly body: Buffer; readonly stored: StateRecord },
  signal: AbortSignal,
): Promise<boolean> {
  try {
    await deps.state.put(name, o.body, { ifMatch: o.stored.etag }, signal);
  } catch (error) {
    if (error instanceof StateConflict) return false;
    throw error;
  }
  return true;
}

async function* tenants(deps: KeyringDeps, signal: AbortSignal): AsyncGenerator<string> {
  for await (const name of deps.state.list(KEYRING_NAMES, signal)) {
    const tenant = tenantOfName(name);
    if (tenant !== undefined) yield tenant;
  }
}

async function readOrNote(
  deps: KeyringDeps,
  tenant: string,
  o: { readonly tampered: string[]; readonly missing: (kid: string) => void },
  signal: AbortSignal,
) {
  try {
    return (await readKeyring(deps, tenant, signal)).keyring;
  } catch (error) {
    if (error instanceof SealKeyMissing) o.missing(error.kid);
    else if (error instanceof KeyringTampered) o.tampered.push(tenant);
    else if (!(error instanceof UnknownTenant)) throw error;
    return undefined;
  }
}
