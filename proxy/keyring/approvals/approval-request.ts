/**
 * A request for approval: what is to be done, by whom it was asked for, and until when it may be done (crypto/FORMAT.md, "Approvals").
 * Approvers sign all of that. A MAC under a subkey of the seal key shows that this deployment made the request.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { utf8 } from '../../../crypto/bytes.ts';
import { frame } from '../../../crypto/keys.ts';
import {
  APPROVAL_LIFETIME_SECONDS,
  MAX_APPROVAL_DELAY_SECONDS,
  MAX_APPROVAL_PARAMETERS_BYTES,
  MAX_APPROVAL_REASON_CHARACTERS,
  MAX_APPROVAL_RECORD_BYTES,
  MAX_APPROVALS_NEEDED,
} from '../../approval-limits.ts';
import type { SealKey, SealKeys } from '../access-keys/seal-keys.ts';
import { canonicalJson, isPlainText, type JsonValue } from '../state/canonical-json.ts';
import { base64, hex, sealKeyId, tenantId, time } from '../state/fields.ts';
import { readRecord } from '../state/read-record.ts';
import { APPROVAL_ACTIONS } from './actions.ts';
import { DEPLOYMENT_BYTES, isPrincipalText } from './approvers-record.ts';

export const APPROVALS_NAMES = 'approvals/';
const FORMAT = 'sealgate-approval/1' as const;
const ID_BYTES = 12;

export type Parameters = Readonly<Record<string, JsonValue>>;

const recordSchema = z.strictObject({
  action: z.enum(APPROVAL_ACTIONS),
  /** Generation of the approvers' record when the request was made. */
  approvers: z.int().min(1),
  /** What was found when the request was made: another basis is another decision. */
  basis: z.string().min(1).max(80).refine(isPlainText),
  created: time,
  delaySeconds: z.int().min(0).max(MAX_APPROVAL_DELAY_SECONDS),
  deployment: hex(DEPLOYMENT_BYTES),
  expires: time,
  format: z.literal(FORMAT),
  id: hex(ID_BYTES),
  kid: sealKeyId,
  mac: base64(32),
  needed: z.int().min(1).max(MAX_APPROVALS_NEEDED),
  /** Checked by the canonical form of the whole. */
  parameters: z.record(
    z.string(),
    z.custom<JsonValue>(() => true),
  ),
  reason: z.string().refine(isReason),
  requester: z.string().refine(isPrincipalText),
  tenant: z.union([z.literal(''), tenantId]),
});

export type ApprovalRequest = Omit<z.infer<typeof recordSchema>, 'mac' | 'format' | 'kid'>;

export function isReason(text: string): boolean {
  return text.length <= MAX_APPROVAL_REASON_CHARACTERS && isPlainText(text);
}

export function isApprovalId(text: string): boolean {
  return /^[0-9a-f]{24}$/.test(text);
}

export function requestName(id: string): string {
  return `${APPROVALS_NAMES}${id}/request`;
}

/** Whoever writes it first has carried the request out, or withdrawn it. */
export function usedName(id: string): string {
  return `${APPROVALS_NAMES}${id}/used`;
}

export function signatureName(id: string, approver: string): string {
  return `${APPROVALS_NAMES}${id}/by/${approver}`;
}

/** What an approver signs. */
export function signedBytes(request: ApprovalRequest): Buffer {
  const { deployment, tenant, id, action, parameters, basis, requester, reason, expires } = request;
  return frame(
    utf8(FORMAT),
    Buffer.from(deployment, 'hex'),
    Buffer.from(tenant, 'hex'),
    Buffer.from(id, 'hex'),
    utf8(action),
    canonicalJson(parameters),
    utf8(basis),
    utf8(requester),
    utf8(reason),
    utf8(expires),
  );
}

/** The record's bytes, signed under `sealKey`. @throws NotCanonical for parameters without a canonical form */
export function sealRequest(request: ApprovalRequest, sealKey: SealKey): Buffer {
  const covered = { ...request, format: FORMAT, kid: sealKey.kid };
  return canonicalJson({ ...covered, mac: macOf(covered, sealKey).toString('base64') });
}

/** `undefined`: this deployment did not make it under that id. */
export function openRequest(body: Buffer, id: string, sealKeys: SealKeys): ApprovalRequest | undefined {
  const record = readRecord(body, recordSchema, MAX_APPROVAL_RECORD_BYTES);
  const sealKey = record && sealKeys.withId(record.kid);
  if (record === undefined || sealKey === undefined || record.id !== id) return undefined;
  const { mac, ...covered } = record;
  if (!timingSafeEqual(Buffer.from(mac, 'base64'), macOf(covered, sealKey))) return undefined;
  const { format: _format, kid: _kid, ...request } = covered;
  return isBounded(request) ? request : undefined;
}

function isBounded({ parameters, created, expires }: ApprovalRequest): boolean {
  const seconds = (Date.parse(expires) - Date.parse(created)) / 1000;
  return (
    canonicalJson(parameters).length <= MAX_APPROVAL_PARAMETERS_BYTES &&
    seconds > 0 &&
    seconds <= APPROVAL_LIFETIME_SECONDS
  );
}

function macOf(covered: Omit<z.infer<typeof recordSchema>, 'mac'>, sealKey: SealKey): Buffer {
  return createHmac('sha256', sealKey.approvalKey(covered.id)).update(canonicalJson(covered)).digest();
}
