/**
 * The approvals of a request: a detached Ed25519 signature for each approver, in a record of its own. Only approvers who are in force
 * now count, each once and by the key that stands in the operator's record, and never the one who asked.
 */
import { z } from 'zod';
import { MAX_APPROVAL_RECORD_BYTES } from '../../approval-limits.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { base64 } from '../state/fields.ts';
import { StateConflict, type StateStore } from '../state/state.ts';
import { type ApprovalRequest, signatureName, signedBytes } from './approval-request.ts';
import { isSignedBy, SIGNATURE_BYTES } from './approver-key.ts';
import { type Approver, type Approvers, isApproverOf } from './approvers-record.ts';

const FORMAT = 'sealgate-approval-signature/1' as const;
const recordSchema = z.strictObject({ format: z.literal(FORMAT), signature: base64(SIGNATURE_BYTES) });

/** The approvers whose approval counts, by name. */
export async function countedApprovals(
  state: StateStore,
  { request, approvers }: { request: ApprovalRequest; approvers: Approvers },
  signal: AbortSignal,
): Promise<readonly string[]> {
  const counted: string[] = [];
  for (const approver of approvers.approvers) {
    if (isApproverOf(approver, request.requester)) continue;
    const stored = await state.get(signatureName(request.id, approver.name), signal);
    if (stored !== undefined && isValid(stored.body, request, approver)) counted.push(approver.name);
  }
  return counted;
}

/** @returns false when the approver has approved before */
export async function storeApproval(
  state: StateStore,
  o: { request: ApprovalRequest; approver: Approver; signature: Buffer },
  signal: AbortSignal,
): Promise<boolean> {
  const name = signatureName(o.request.id, o.approver.name);
  const body = canonicalJson({ format: FORMAT, signature: o.signature.toString('base64') });
  try {
    await state.put(name, body, { ifAbsent: true }, signal);
    return true;
  } catch (error) {
    if (!(error instanceof StateConflict)) throw error;
  }
  const stored = await state.get(name, signal);
  if (stored !== undefined && isValid(stored.body, o.request, o.approver)) return false;
  // What stands there approves nothing: another's bytes, or made under a key that the approver has no more.
  await state.replace(name, body, signal);
  return true;
}

function isValid(body: Buffer, request: ApprovalRequest, { publicKey }: Approver): boolean {
  const signature = parse(body);
  return signature !== undefined && isSignedBy(publicKey, signedBytes(request), signature);
}

function parse(body: Buffer): Buffer | undefined {
  if (body.length > MAX_APPROVAL_RECORD_BYTES) return undefined;
  try {
    return Buffer.from(recordSchema.parse(JSON.parse(body.toString('utf8'))).signature, 'base64');
  } catch {
    return undefined;
  }
}
