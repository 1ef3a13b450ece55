/** What approvers and operators do with requests: see them, approve them, withdraw them. And what is done with old ones. */
import { APPROVALS_KEPT_MS } from '../../approval-limits.ts';
import { announced } from '../admin/announce.ts';
import type { StateStore } from '../state/state.ts';
import { ApprovalRefused, UnknownApproval } from './approval-errors.ts';
import { described, isOver, markUsed, ofTenant } from './approval-gate.ts';
import {
  APPROVALS_NAMES,
  type ApprovalRequest,
  isApprovalId,
  openRequest,
  requestName,
  signedBytes,
  usedName,
} from './approval-request.ts';
import { type ApprovalDeps, readApprovers } from './approver-admin.ts';
import { isSignedBy } from './approver-key.ts';
import { type Approver, isApproverOf } from './approvers-record.ts';
import { docketName, removeOpen } from './open-requests.ts';
import { countedApprovals, storeApproval } from './signatures.ts';

export interface ShownApproval {
  readonly request: ApprovalRequest;
  readonly status: 'open' | 'approved' | 'used' | 'expired';
  /** Names of the approvers whose approval counts. */
  readonly approvedBy: readonly string[];
}

/** @throws UnknownApproval */
export async function showApproval(deps: ApprovalDeps, id: string, signal: AbortSignal): Promise<ShownApproval> {
  const request = await readRequest(deps, id, signal);
  const approvers = await readApprovers(deps, signal);
  const approvedBy = approvers === undefined ? [] : await countedApprovals(deps.state, { request, approvers }, signal);
  const isUsed = (await deps.state.get(usedName(id), signal)) !== undefined;
  const status = isUsed
    ? 'used'
    : isOver(request, deps.now())
      ? 'expired'
      : approvedBy.length >= request.needed
        ? 'approved'
        : 'open';
  return { request, status, approvedBy };
}

/** Every request that is kept and verifies. */
export async function* listApprovals(deps: ApprovalDeps, signal: AbortSignal): AsyncGenerator<ShownApproval> {
  for await (const id of idsIn(deps.state, signal)) {
    try {
      yield await showApproval(deps, id, signal);
    } catch (error) {
      if (!(error instanceof UnknownApproval)) throw error;
    }
  }
}

/**
 * Adds an approval. `sign` gives the approver's public key or name, and the signature of the bytes that it is given.
 * @returns the approver's name. @throws UnknownApproval, ApprovalRefused
 */
export async function approve(
  deps: ApprovalDeps,
  id: string,
  by: { readonly publicKey: string } | { readonly name: string },
  sign: (bytes: Buffer, request: ApprovalRequest) => Buffer,
  signal: AbortSignal,
): Promise<string> {
  const request = await readRequest(deps, id, signal);
  const approvers = (await readApprovers(deps, signal))?.approvers ?? [];
  const approver = approvers.find((one) => ('name' in by ? one.name === by.name : one.publicKey === by.publicKey));
  if (approver === undefined) throw new ApprovalRefused('The key is none of an approver.');
  if (isApproverOf(approver, request.requester)) {
    throw new ApprovalRefused(`Approver ${approver.name} is ${request.requester}, who asked for it.`);
  }
  if (isOver(request, deps.now())) throw new ApprovalRefused(`Request ${id} stood until ${request.expires}.`);
  if ((await deps.state.get(usedName(id), signal)) !== undefined) {
    throw new ApprovalRefused(`Request ${id} was carried out, or withdrawn, before.`);
  }
  const bytes = signedBytes(request);
  const signature = sign(bytes, request);
  if (!isSignedBy(approver.publicKey, bytes, signature)) {
    throw new ApprovalRefused(`The signature is not approver ${approver.name}'s of request ${id}.`);
  }
  await give(deps, { request, approver, signature }, signal);
  return approver.name;
}

async function give(
  deps: ApprovalDeps,
  o: { request: ApprovalRequest; approver: Approver; signature: Buffer },
  signal: AbortSignal,
): Promise<void> {
  const detail = `${described(o.request)}; approved by ${o.approver.name}`;
  await announced(deps.record, { kind: 'approval-given', detail, ...ofTenant(o.request) }, async () => {
    if (await storeApproval(deps.state, o, signal)) return;
    throw new ApprovalRefused(`Approver ${o.approver.name} has approved request ${o.request.id} before.`);
  });
}

/** Nobody can carry it out any more. @throws UnknownApproval, ApprovalRefused when it was carried out */
export async function withdraw(deps: ApprovalDeps, o: { id: string; by: string }, signal: AbortSignal): Promise<void> {
  const request = await readRequest(deps, o.id, signal);
  const event = {
    kind: 'approval-withdrawn',
    detail: `${described(request)}; by ${o.by}`,
    ...ofTenant(request),
  } as const;
  await announced(deps.record, event, () => markUsed(deps, { ...o, outcome: 'withdrawn' }, signal));
  for (const scope of scopesOf(request)) {
    await removeOpen(deps.state, docketName(request.tenant, scope), o.id, signal);
  }
}

/** The list that a request is on. */
function scopesOf({ action, parameters }: ApprovalRequest): readonly string[] {
  const { role } = parameters;
  return action.startsWith('assume-role') && typeof role === 'string' ? [`role-${role}`] : ['commands'];
}

/** Deletes the records of requests that ended long ago. @returns how many requests */
export async function removeOldApprovals(deps: ApprovalDeps, signal: AbortSignal): Promise<number> {
  const old: string[] = [];
  for await (const id of idsIn(deps.state, signal)) {
    const stored = await deps.state.get(requestName(id), signal);
    const request = stored && openRequest(stored.body, id, deps.sealKeys);
    if (request !== undefined && deps.now().getTime() >= Date.parse(request.expires) + APPROVALS_KEPT_MS) old.push(id);
  }
  for (const id of old) {
    // The request goes last: what is left after a failure is found again.
    const names: string[] = [];
    for await (const name of deps.state.list(`${APPROVALS_NAMES}${id}/`, signal)) names.push(name);
    const last = requestName(id);
    for (const name of [...names.filter((one) => one !== last), last]) await deps.state.delete(name, signal);
  }
  return old.length;
}

async function readRequest(deps: ApprovalDeps, id: string, signal: AbortSignal): Promise<ApprovalRequest> {
  const stored = isApprovalId(id) ? await deps.state.get(requestName(id), signal) : undefined;
  const request = stored && openRequest(stored.body, id, deps.sealKeys);
  if (request === undefined) throw new UnknownApproval(id);
  return request;
}

async function* idsIn(state: StateStore, signal: AbortSignal): AsyncGenerator<string> {
  let last = '';
  for await (const name of state.list(APPROVALS_NAMES, signal)) {
    const id = name.slice(APPROVALS_NAMES.length).split('/')[0] ?? '';
    if (id === last || !isApprovalId(id)) continue;
    last = id;
    yield id;
  }
}
