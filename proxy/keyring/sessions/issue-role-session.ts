/**
 * Issues sessions of roles to workloads that bring a token. The secret of the role comes from its ARN, or for a managed role from
 * the state. The keyring is read afresh, the secret must open the slot of the role, and the role must trust the token.
 */
import { createHash } from 'node:crypto';
import { frame } from '../../../crypto/keys.ts';
import { S3Error } from '../../errors.ts';
import { openRoleArn, openRoleRecord, type RoleArn, type RoleSecret, roleRecordName } from '../access-keys/role-arn.ts';
import { type KeyringDeps, readKeyring } from '../admin/change-keyring.ts';
import type { RoleSlot } from '../slots/role-slot.ts';
import { isInForce } from '../slots/slot-terms.ts';
import { openSessionSlot, roleSlotOf } from '../slots/slot-types.ts';
import { KeyringTampered, UnknownTenant } from '../state/records.ts';

/** A role whose secret is at hand. */
export interface OpenedRole {
  /** 24 hex digits. */
  readonly tenant: string;
  readonly slot: RoleSlot;
  /** 32 bytes, for the caller to wipe. */
  readonly callerSecret: Buffer;
}

/**
 * Opens a role. `undefined`: there is no such role, or it is not in force; the caller does not learn which.
 * @throws S3Error ServiceUnavailable
 */
export async function openRole(deps: KeyringDeps, arn: RoleArn, signal: AbortSignal): Promise<OpenedRole | undefined> {
  const secret = await secretOf(deps, arn, signal);
  if (secret === undefined) return undefined;
  const { tenant, slotSecret } = secret;
  const slot = await slotOf(deps, arn, secret, signal);
  const { kms } = deps;
  if (slot === undefined || 'failure' in (await openSessionSlot({ tenant, slot, slotSecret, kms }, signal))) {
    slotSecret.fill(0);
    return undefined;
  }
  return { tenant, slot, callerSecret: slotSecret };
}

async function secretOf(
  deps: KeyringDeps,
  { name, sealed }: RoleArn,
  signal: AbortSignal,
): Promise<RoleSecret | undefined> {
  const { sealKeys, state } = deps;
  if (sealed !== undefined) return openRoleArn(sealed, { name, sealKeys });
  const record = await state.get(roleRecordName(name), signal);
  return record && openRoleRecord(record.body, { name, sealKeys });
}

async function slotOf(
  deps: KeyringDeps,
  { name, sealed }: RoleArn,
  { tenant, slot: id }: RoleSecret,
  signal: AbortSignal,
): Promise<RoleSlot | undefined> {
  try {
    const { keyring } = await readKeyring(deps, tenant, signal);
    const slot = roleSlotOf(keyring, name);
    const kept = sealed === undefined ? 'state' : 'arn';
    return slot?.id === id && slot.kept === kept && isInForce(slot, deps.now()) ? slot : undefined;
  } catch (cause) {
    if (cause instanceof UnknownTenant) return undefined;
    if (cause instanceof KeyringTampered) throw new S3Error('AccessDenied', undefined, { cause });
    throw cause;
  }
}

/** The id under which the uses of one token are counted, however often it is exchanged. */
export function usesIdOf(o: { tenant: string; slot: string; issuer: string; tokenId: string }): string {
  const bytes = frame(
    Buffer.from(o.tenant, 'hex'),
    Buffer.from(o.slot, 'hex'),
    Buffer.from(o.issuer),
    Buffer.from(o.tokenId),
  );
  return createHash('sha256').update(bytes).digest('hex');
}
