/**
 * A session of a role that needs approvals (docs/approvals.md): approved is who gets it, with which tags and policy, and for how long.
 * One approval is one session. Names and ids of tokens, which differ from call to call, are no part of what is approved.
 */
import { createHash } from 'node:crypto';
import { requireApproval } from '../approvals/approval-gate.ts';
import type { Parameters } from '../approvals/approval-request.ts';
import type { ApprovalDeps } from '../approvals/approver-admin.ts';
import type { RoleSlot } from '../slots/role-slot.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import type { SessionDetails } from './details.ts';

interface WantedSession {
  readonly tenant: string;
  /** The key that takes the role on; or the role itself, for the subject of an issuer. */
  readonly slot: { readonly id: string };
  readonly role: RoleSlot;
  readonly seconds: number;
  readonly details: Omit<SessionDetails, 'uses'> & { readonly maxUses?: number };
}

/** @throws ApprovalNeeded, ApprovalRefused, ApproversTampered, S3Error ServiceUnavailable */
export async function requireSessionApproval(deps: ApprovalDeps, o: WantedSession, signal: AbortSignal): Promise<void> {
  const { tenant, slot, role } = o;
  const { issuer, subject = '' } = o.details;
  const isKey = issuer === undefined;
  const who = isKey ? slot.id : subject;
  const approvable = {
    action: isKey ? 'assume-role' : 'assume-role-with-web-identity',
    tenant,
    scope: `role-${role.name}`,
    subject: [issuer ?? '', who],
    parameters: parametersOf(o, who),
    basis: `role:${createHash('sha256').update(canonicalJson(role)).digest('hex')}`,
    requester: isKey ? `key:${tenant}/${slot.id}` : `oidc:${issuer}#${subject}`,
    reason: '',
    needed: role.approvals ?? 1,
  } as const;
  await requireApproval(deps, approvable, signal);
}

/** All that the session may do, and for how long. Tags that the caller chose stand apart: only its own policy sees them. */
function parametersOf({ role, seconds, details }: WantedSession, sub: string): Parameters {
  const { issuer = '', policy, tags = {}, callerTags = {}, maxUses = 0 } = details;
  return {
    callerTags,
    durationSeconds: seconds,
    iss: issuer,
    maxUses,
    // White space in a policy means nothing, and could hide what follows it.
    policy: policy === undefined ? '' : JSON.stringify(JSON.parse(policy)),
    role: role.name,
    sub,
    tags,
  };
}
