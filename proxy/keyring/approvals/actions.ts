/** What can need approvals, and which of it always does once there are approvers. */

/** Needs approvals wherever the operator has put approvers in force. */
const ALWAYS = ['tenant-delete', 'key-rotate-deep', 'tenant-recover', 'approvers-change', 'role-approvals'] as const;
/** Needs approvals where SEALGATE_APPROVALS names it. */
const NAMED = ['key-revoke', 'role-delete', 'escrow-remove'] as const;
/** Needs approvals where the role says so. */
const SESSIONS = ['assume-role', 'assume-role-with-web-identity'] as const;

export const APPROVAL_ACTIONS = [...ALWAYS, ...NAMED, ...SESSIONS] as const;
export type ApprovalAction = (typeof APPROVAL_ACTIONS)[number];

/** What SEALGATE_APPROVALS takes. */
export const NAMEABLE_ACTIONS: readonly ApprovalAction[] = [...ALWAYS, ...NAMED];

export function alwaysNeedsApprovals(action: ApprovalAction): boolean {
  return (ALWAYS as readonly ApprovalAction[]).includes(action);
}
