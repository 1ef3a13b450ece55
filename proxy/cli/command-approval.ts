/**
 * Asks for, or claims, the approval of a command: in one place for every command that can need one (docs/approvals.md). The requester
 * is who runs the command, as the operating system says.
 */
import { createHash } from 'node:crypto';
import { operatorName } from '../audit/operator-name.ts';
import { type KeyringDeps, readKeyring } from '../keyring/admin/change-keyring.ts';
import { type ApprovalAction, alwaysNeedsApprovals } from '../keyring/approvals/actions.ts';
import { ApprovalRefused } from '../keyring/approvals/approval-errors.ts';
import { requireApproval } from '../keyring/approvals/approval-gate.ts';
import type { Parameters } from '../keyring/approvals/approval-request.ts';
import { readApprovers } from '../keyring/approvals/approver-admin.ts';
import { KeyringTampered, keyringName, UnknownTenant } from '../keyring/state/records.ts';

export interface CommandDeps extends KeyringDeps {
  readonly approvals?: ApprovalTerms;
}

export interface ApprovalTerms {
  /** Of SEALGATE_APPROVALS. */
  readonly named: readonly ApprovalAction[];
  /** A principal. */
  readonly requester: string;
}

export interface ApprovedCommand {
  readonly action: ApprovalAction;
  readonly tenant: string;
  readonly parameters: Parameters;
  readonly basis: string;
  /** Of --reason. */
  readonly reason: string | undefined;
}

/** The command may go on when this resolves. @throws ApprovalNeeded, ApprovalRefused, ApproversTampered */
export async function requireCommandApproval(
  deps: CommandDeps,
  o: ApprovedCommand,
  signal: AbortSignal,
): Promise<void> {
  const { named, requester } = termsOf(deps);
  const isNamed = named.includes(o.action);
  if (!isNamed && !alwaysNeedsApprovals(o.action)) return;
  const needed = (await readApprovers(deps, signal))?.required ?? 0;
  if (needed === 0) {
    if (!isNamed) return;
    throw new ApprovalRefused(
      `SEALGATE_APPROVALS names ${o.action}, and no approvals are in force: see 'sealgate approver --help'.`,
    );
  }
  const about = { scope: 'commands', subject: [], reason: o.reason ?? '', requester, needed };
  await requireApproval(deps, { ...o, ...about }, signal);
}

export function termsOf({ approvals }: CommandDeps): ApprovalTerms {
  return approvals ?? { named: [], requester: thisOperator() };
}

export function thisOperator(): string {
  return `operator:${operatorName()}`;
}

/** What a decision about a tenant is based on: its keyring as it stands. `undefined`: it has none any more. */
export async function keyringBasis(
  deps: KeyringDeps,
  tenant: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    return basisOf((await readKeyring(deps, tenant, signal)).keyring);
  } catch (error) {
    if (error instanceof UnknownTenant) return undefined;
    if (!(error instanceof KeyringTampered)) throw error;
    const body = (await deps.state.get(keyringName(tenant), signal))?.body ?? Buffer.alloc(0);
    return `sha256:${createHash('sha256').update(body).digest('hex')}`;
  }
}

export function basisOf({ generation }: { readonly generation: number }): string {
  return `generation:${generation}`;
}
