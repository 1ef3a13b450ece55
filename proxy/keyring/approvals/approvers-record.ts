/**
 * The approvers of a deployment: one record in the state (crypto/FORMAT.md, "Approvals"). Each has an Ed25519 public key, and a list
 * of the principals that the same person is elsewhere: without the list nobody could tell that an approver is the one who asked. A MAC
 * under a subkey of the seal key keeps anybody without the seal key from making an approver up.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import {
  MAX_APPROVAL_DELAY_SECONDS,
  MAX_APPROVAL_RECORD_BYTES,
  MAX_APPROVALS_NEEDED,
  MAX_APPROVER_PRINCIPALS,
  MAX_APPROVERS,
  MAX_PRINCIPAL_CHARACTERS,
} from '../../approval-limits.ts';
import type { SealKey, SealKeys } from '../access-keys/seal-keys.ts';
import { canonicalJson, isPlainText } from '../state/canonical-json.ts';
import { base64, hex, sealKeyId, time } from '../state/fields.ts';
import { readRecord } from '../state/read-record.ts';
import { ApproversTampered } from './approval-errors.ts';

export const APPROVERS_NAME = 'approvals/approvers.json';
export const DEPLOYMENT_BYTES = 12;
const FORMAT = 'sealgate-approvers/1' as const;
const APPROVER = /^[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?$/;
/** Somebody at the command line, a key of a tenant, or the subject of an issuer's tokens. */
const PRINCIPAL = /^(operator:[^\s@]+(@\S+)?|key:[0-9a-f]{24}\/[0-9a-f]{8}|oidc:\S+#.+)$/;

const approverSchema = z.strictObject({
  added: time,
  name: z.string().regex(APPROVER),
  principals: z
    .array(z.string().max(MAX_PRINCIPAL_CHARACTERS).refine(isPrincipalText))
    .min(1)
    .max(MAX_APPROVER_PRINCIPALS)
    .refine(isAscending),
  publicKey: base64(32),
});

const recordSchema = z
  .strictObject({
    approvers: z.array(approverSchema).max(MAX_APPROVERS),
    delaySeconds: z.int().min(0).max(MAX_APPROVAL_DELAY_SECONDS),
    deployment: hex(DEPLOYMENT_BYTES),
    format: z.literal(FORMAT),
    generation: z.int().min(1),
    kid: sealKeyId,
    mac: base64(32),
    required: z.int().min(0).max(MAX_APPROVALS_NEEDED),
    updated: time,
  })
  .refine(isConsistent);

export type Approver = z.infer<typeof approverSchema>;
export type Approvers = Omit<z.infer<typeof recordSchema>, 'mac' | 'format'>;

export function isApproverName(text: string): boolean {
  return APPROVER.test(text);
}

export function isPrincipalText(text: string): boolean {
  return PRINCIPAL.test(text) && isPlainText(text);
}

/** Whether an approver is the one who asked. `operator:NAME` is that person on every host. */
export function isApproverOf({ principals }: Pick<Approver, 'principals'>, requester: string): boolean {
  return principals.some(
    (principal) =>
      principal === requester || (principal.startsWith('operator:') && requester.startsWith(`${principal}@`)),
  );
}

/** The record's bytes, signed under `sealKey`. */
export function signApprovers(record: Omit<Approvers, 'kid'>, sealKey: SealKey): Buffer {
  const { approvers, delaySeconds, deployment, generation, required, updated } = record;
  const covered = {
    ...{ approvers, delaySeconds, deployment, format: FORMAT, generation, kid: sealKey.kid, required, updated },
  };
  return canonicalJson({ ...covered, mac: macOf(covered, sealKey).toString('base64') });
}

/** @throws ApproversTampered */
export function openApprovers(body: Buffer, sealKeys: SealKeys): Approvers {
  const record = readRecord(body, recordSchema, MAX_APPROVAL_RECORD_BYTES);
  if (record === undefined) throw new ApproversTampered('The record of the approvers is malformed.');
  const sealKey = sealKeys.withId(record.kid);
  if (sealKey === undefined) {
    const message = `The record of the approvers is signed under seal key '${record.kid}', which is not configured.`;
    throw new ApproversTampered(message, { missingKid: record.kid });
  }
  const { mac, ...covered } = record;
  if (!timingSafeEqual(Buffer.from(mac, 'base64'), macOf(covered, sealKey))) {
    throw new ApproversTampered('The MAC of the record of the approvers does not match.');
  }
  const { format: _format, ...rest } = covered;
  return rest;
}

/** Whether the record could be one: for what an operator asks for, before it is signed. */
export function isValidApprovers(record: Omit<Approvers, 'kid'>): boolean {
  const filled = { ...record, format: FORMAT, kid: 'k', mac: Buffer.alloc(32).toString('base64') };
  return recordSchema.safeParse(filled).success;
}

function macOf(covered: Omit<z.infer<typeof recordSchema>, 'mac'>, sealKey: SealKey): Buffer {
  return createHmac('sha256', sealKey.approversKey()).update(canonicalJson(covered)).digest();
}

/** One person is one approver: no name, key or principal stands twice. As many are there as are required. */
function isConsistent({ approvers, required }: { approvers: readonly Approver[]; required: number }): boolean {
  const keys = approvers.map(({ publicKey }) => publicKey);
  const principals = approvers.flatMap((approver) => approver.principals);
  return (
    isAscending(approvers.map(({ name }) => name)) &&
    new Set(keys).size === keys.length &&
    new Set(principals).size === principals.length &&
    required <= approvers.length
  );
}

function isAscending(names: readonly string[]): boolean {
  return names.every((name, at) => at === 0 || (names[at - 1] ?? '') < name);
}
