/**
 * What needs approvals passes here. The first time, a request is made and the caller is told its id. Once enough approvers have signed
 * the request, and nothing of it has changed, one caller claims it by compare-and-swap, and goes on. A claim is durable before what it
 * allows, and is never taken back.
 *
 * Servers and commands enforce this against whoever asks them. Whoever holds a seal key and writes to the state bucket goes round it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { utf8 } from '../../../crypto/bytes.ts';
import { frame } from '../../../crypto/keys.ts';
import {
  APPROVAL_LIFETIME_SECONDS,
  APPROVAL_SKEW_SECONDS,
  MAX_APPROVAL_PARAMETERS_BYTES,
  MAX_APPROVAL_REASON_CHARACTERS,
  MAX_APPROVALS_NEEDED,
} from '../../approval-limits.ts';
import { announced } from '../admin/announce.ts';
import { canonicalJson, NotCanonical } from '../state/canonical-json.ts';
import { timestamp } from '../state/fields.ts';
import { StateConflict } from '../state/state.ts';
import type { ApprovalAction } from './actions.ts';
import { ApprovalNeeded, ApprovalRefused, ApproversTampered } from './approval-errors.ts';
import {
  type ApprovalRequest,
  isReason,
  openRequest,
  type Parameters,
  requestName,
  sealRequest,
  usedName,
} from './approval-request.ts';
import { type ApprovalDeps, readApprovers } from './approver-admin.ts';
import { type Approvers, isApproverOf, isPrincipalText } from './approvers-record.ts';
import { addOpen, type Docket, docketName, findOpen, removeOpen } from './open-requests.ts';
import { countedApprovals } from './signatures.ts';

export interface Approvable {
  readonly action: ApprovalAction;
  /** '' for what is no tenant's. */
  readonly tenant: string;
  /** The list that its request is on: `commands`, or a role. */
  readonly scope: string;
  /** There is one open request for each of these: of a role for each subject; of a command for each action. */
  readonly subject: readonly string[];
  readonly parameters: Parameters;
  /** Generation of the keyring, or digest of the role, that the decision is about. */
  readonly basis: string;
  /** A principal, as approvers list theirs. */
  readonly requester: string;
  readonly reason: string;
  /** Approvals that it needs, at least 1. */
  readonly needed: number;
}

/** Claims the approval of `o`. @throws ApprovalNeeded, ApprovalRefused, ApproversTampered, S3Error ServiceUnavailable */
export async function requireApproval(deps: ApprovalDeps, o: Approvable, signal: AbortSignal): Promise<void> {
  const approvers = await readApprovers(deps, signal);
  const others = approvers?.approvers.filter((one) => !isApproverOf(one, o.requester)).length ?? 0;
  if (approvers === undefined || others < o.needed) {
    throw new ApprovalRefused(
      `${o.needed} approvals are needed, and there are ${others} approvers who did not ask for it: 'sealgate approver add' makes more.`,
    );
  }
  checkShown(o);
  const docket = docketOf(o, approvers);
  const open = await findOpen(deps.state, docket, { now: deps.now(), signal });
  const request = open === undefined ? undefined : await standing(deps, { id: open, approvers, of: o }, signal);
  if (request === undefined) throw needed(await ask(deps, { of: o, approvers, docket, instead: open }, signal), 0, o);
  checkSame(request, o);
  const least = Math.max(o.needed, request.needed);
  const counted = await countedApprovals(deps.state, { request, approvers }, signal);
  if (counted.length < least) throw needed(request, counted.length, { needed: least });
  checkTimes(deps.now(), request, approvers);
  await claim(deps, { request, by: o.requester, counted }, signal);
  await removeOpen(deps.state, docket.name, request.id, signal);
}

function docketOf({ action, tenant, scope, subject }: Approvable, { deployment }: Approvers): Docket {
  const named = frame(utf8(deployment), utf8(tenant), utf8(action), ...subject.map(utf8));
  return { name: docketName(tenant, scope), subject: createHash('sha256').update(named).digest('hex') };
}

/** The request of that id, if it may still be carried out. @throws ApproversTampered when the approvers are older than it */
async function standing(
  deps: ApprovalDeps,
  { id, approvers, of }: { id: string; approvers: Approvers; of: Approvable },
  signal: AbortSignal,
): Promise<ApprovalRequest | undefined> {
  const stored = await deps.state.get(requestName(id), signal);
  const request = stored && openRequest(stored.body, id, deps.sealKeys);
  if (request === undefined || request.deployment !== approvers.deployment) return undefined;
  if (request.approvers > approvers.generation) {
    const detail = `The record of the approvers is older than request ${id}, which was made under it.`;
    await deps.record({ kind: 'approvers-rollback', detail });
    throw new ApproversTampered(detail);
  }
  const isOfThis = request.action === of.action && request.tenant === of.tenant && request.basis === of.basis;
  if (!isOfThis || isOver(request, deps.now())) return undefined;
  return (await deps.state.get(usedName(id), signal)) === undefined ? request : undefined;
}

/** From its end on; and while its beginning is further ahead than clocks differ. */
export function isOver({ created, expires }: Pick<ApprovalRequest, 'created' | 'expires'>, now: Date): boolean {
  const at = now.getTime();
  return at >= Date.parse(expires) || Date.parse(created) > at + 1000 * APPROVAL_SKEW_SECONDS;
}

/** @throws ApprovalRefused: another request about the same is open, which says something else */
function checkSame(request: ApprovalRequest, o: Approvable): void {
  if (canonicalJson(request.parameters).equals(canonicalJson(o.parameters))) return;
  throw new ApprovalRefused(
    `Request ${request.id} about the same is open with other parameters, until ${request.expires}: ask as it says, or let it be withdrawn.`,
  );
}

/** @throws ApprovalNeeded before the delay is over */
function checkTimes(now: Date, request: ApprovalRequest, { delaySeconds }: Approvers): void {
  const delay = Math.max(delaySeconds, request.delaySeconds);
  const from = Date.parse(request.created) + 1000 * delay;
  if (delay === 0 || now.getTime() >= from) return;
  const { id } = request;
  throw new ApprovalNeeded(
    id,
    `Request ${id} is approved, and may be carried out from ${timestamp(new Date(from))} on.`,
  );
}

/** @throws ApprovalRefused for what cannot be shown to an approver, or is too much */
function checkShown({ parameters, reason, requester }: Approvable): void {
  if (!isReason(reason)) {
    throw new ApprovalRefused(
      `A reason has up to ${MAX_APPROVAL_REASON_CHARACTERS} characters, and no control characters.`,
    );
  }
  if (!isPrincipalText(requester)) throw new ApprovalRefused('Who asks cannot be named to an approver.');
  try {
    if (canonicalJson(parameters).length <= MAX_APPROVAL_PARAMETERS_BYTES) return;
  } catch (cause) {
    if (!(cause instanceof NotCanonical)) throw cause;
    throw new ApprovalRefused('Approvers cannot be shown control characters in what they are to approve.', { cause });
  }
  throw new ApprovalRefused(`What is to be approved is longer than ${MAX_APPROVAL_PARAMETERS_BYTES} bytes.`);
}

/** Makes the request, in the place of one that is void. @returns the one that stands: another's, where another was quicker */
async function ask(
  deps: ApprovalDeps,
  o: { of: Approvable; approvers: Approvers; docket: Docket; instead: string | undefined },
  signal: AbortSignal,
): Promise<Pick<ApprovalRequest, 'id' | 'expires'>> {
  const { of, approvers, docket } = o;
  const now = deps.now();
  const id = randomBytes(12).toString('hex');
  const request: ApprovalRequest = {
    action: of.action,
    approvers: approvers.generation,
    basis: of.basis,
    created: timestamp(now),
    delaySeconds: approvers.delaySeconds,
    deployment: approvers.deployment,
    expires: timestamp(new Date(now.getTime() + 1000 * APPROVAL_LIFETIME_SECONDS)),
    id,
    needed: Math.min(of.needed, MAX_APPROVALS_NEEDED),
    parameters: of.parameters,
    reason: of.reason,
    requester: of.requester,
    tenant: of.tenant,
  };
  const { expires } = request;
  const event = { kind: 'approval-requested', detail: described(request), ...ofTenant(request) } as const;
  return announced(deps.record, event, async () => {
    const added = await addOpen(deps.state, docket, { id, expires, instead: o.instead, now, signal });
    if (added === id) await deps.state.put(requestName(id), sealRequest(request, deps.sealKeys.active), NEW, signal);
    return { id: added, expires };
  });
}

const NEW = { ifAbsent: true } as const;

/** Only one can: on whatever replica, however often the request was sent. */
async function claim(
  deps: ApprovalDeps,
  { request, by, counted }: { request: ApprovalRequest; by: string; counted: readonly string[] },
  signal: AbortSignal,
): Promise<void> {
  const detail = `${described(request)}; approved by ${counted.join(', ')}`;
  const event = { kind: 'approval-used', detail, ...ofTenant(request) } as const;
  await announced(deps.record, event, () => markUsed(deps, { id: request.id, by, outcome: 'carried out' }, signal));
}

/** @throws ApprovalRefused when the request was carried out or withdrawn before */
export async function markUsed(
  { state, now }: ApprovalDeps,
  o: { id: string; by: string; outcome: 'carried out' | 'withdrawn' },
  signal: AbortSignal,
): Promise<void> {
  const nonce = randomBytes(12).toString('hex');
  const { by, outcome } = o;
  const body = canonicalJson({ at: timestamp(now()), by, format: 'sealgate-approval-used/1', nonce, outcome });
  try {
    await state.put(usedName(o.id), body, NEW, signal);
  } catch (error) {
    if (!(error instanceof StateConflict)) throw error;
    // A request that was sent twice conflicts with itself.
    if ((await state.get(usedName(o.id), signal))?.body.equals(body) === true) return;
    throw new ApprovalRefused(`Request ${o.id} was carried out, or withdrawn, before.`);
  }
}

/** For events: no parameter is told, some of them are a client's. */
export function described({ id, action, requester }: ApprovalRequest): string {
  return `Request ${id}: ${action}, by ${requester}`;
}

export function ofTenant({ tenant }: Pick<ApprovalRequest, 'tenant'>): { tenant?: string } {
  return tenant === '' ? {} : { tenant };
}

function needed(
  { id, expires }: Pick<ApprovalRequest, 'id' | 'expires'>,
  given: number,
  o: { needed: number },
): ApprovalNeeded {
  return new ApprovalNeeded(
    id,
    `Approval is needed: request ${id} has ${given} of ${o.needed} approvals. Ask again once it is approved, before ${expires}.`,
  );
}
