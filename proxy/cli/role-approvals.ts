/** How many approvals the sessions of a role need, as the command line says it. To need fewer takes approvals itself. */
import { MAX_APPROVALS_NEEDED } from '../approval-limits.ts';
import { RoleAdmin } from '../keyring/admin/role-admin.ts';
import { type CommandDeps, keyringBasis, requireCommandApproval } from './command-approval.ts';
import { UsageError } from './command-line.ts';

/** @throws UsageError */
export function approvalsOf(given: string): number {
  const approvals = /^\d$/.test(given) ? Number(given) : Number.NaN;
  if (approvals <= MAX_APPROVALS_NEEDED) return approvals;
  throw new UsageError(`--approvals is a number from 0 to ${MAX_APPROVALS_NEEDED}.`);
}

/** `approvals`: what the role is to need; undefined: as before. @throws UnknownRole, ApprovalNeeded, ApprovalRefused */
export async function requireApprovalOfFewer(
  deps: CommandDeps,
  o: { tenant: string; name: string; approvals: number | undefined; reason: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { tenant, name, approvals, reason } = o;
  if (approvals === undefined) return;
  const { approvals: before = 0 } = await new RoleAdmin(deps).show({ tenant, name }, signal);
  if (approvals >= before) return;
  const basis = (await keyringBasis(deps, tenant, signal)) ?? '';
  const parameters = { approvals, before, role: name };
  await requireCommandApproval(deps, { action: 'role-approvals', tenant, basis, parameters, reason }, signal);
}
