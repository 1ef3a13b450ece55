/** A role as the command line shows it: what it trusts and allows, and nothing that opens it. */
import type { RoleSlot } from '../keyring/slots/role-slot.ts';
import { isInForce } from '../keyring/slots/slot-terms.ts';
import { describeGrant } from './describe-tenant.ts';

/** Nothing in it opens anything. */
export function detailsOf(slot: RoleSlot, now: Date) {
  const { name: role, id, created, expires, grants, policy, assumableBy, idKid: sealKey, trust } = slot;
  const { approvals = 0 } = slot;
  const status = slot.status === 'inactive' ? 'inactive' : isInForce(slot, now) ? 'active' : 'expired';
  const serverManaged = slot.kept === 'state';
  return {
    role,
    slot: id,
    status,
    serverManaged,
    created,
    expires,
    grants,
    policy,
    assumableBy,
    approvals,
    sealKey,
    trust,
  };
}

export function lineOf(slot: RoleSlot, now: Date): string {
  const { role, status, serverManaged, trust } = detailsOf(slot, now);
  return `${role}  ${status}${serverManaged ? '  server-managed' : ''}  ${trust.issuer}  ${trust.subjects.join(' ')}`;
}

export function linesOf(slot: RoleSlot, now: Date): readonly string[] {
  const { trust, grants, policy, expires, sealKey, assumableBy, approvals, created } = detailsOf(slot, now);
  return [
    `role        ${lineOf(slot, now)}`,
    `  created   ${created}`,
    `  expires   ${expires ?? 'never'}`,
    `  seal key  ${sealKey}`,
    `  audience  ${trust.audiences.join(' ')}`,
    ...trust.conditions.map(({ claim, value }) => `  condition ${claim}=${value}`),
    ...trust.tags.map(({ claim, name }) => `  tag       ${name}=${claim}`),
    `  keys      ${assumableBy === '*' ? 'any key of the tenant' : assumableBy.join(' ') || 'none'}`,
    ...(approvals === 0 ? [] : [`  approvals ${approvals} for each session`]),
    ...grants.map((grant) => `  grant     ${describeGrant(grant)}`),
    ...(policy === null ? [] : [`  policy    ${policy}`]),
  ];
}
