// Protects: roles that need approvals, where many come: of two at once one gets the session, and open requests are bounded.
import { expect, test } from 'vitest';
import { MAX_OPEN_APPROVALS } from '../../../proxy/approval-limits.ts';
import { approved, assume, otherEndpoint, role, said } from './approved-roles-harness.ts';

test('of two at once on two replicas one wins, 20 times of 20', async () => {
  const { arn } = await role();
  for (let round = 0; round < 20; round += 1) {
    await approved(await said(assume(arn)));
    const both = await Promise.all([said(assume(arn)), said(assume(arn, { endpoint: otherEndpoint() }))]);
    expect(both.filter((one) => one === 'issued')).toHaveLength(1);
  }
});

test('opens as many requests as there may be, and no more', async () => {
  const { arn } = await role();
  const asked = (at: number) => said(assume(arn, { claims: { sub: `repo:org/app:${at}` } }));
  for (let at = 0; at < MAX_OPEN_APPROVALS; at += 1) expect(await asked(at)).toMatch(/^[0-9a-f]{24}$/);
  expect(await asked(-1)).toMatch(/There are 64 open requests already/);
  expect(await said(assume((await role()).arn))).toMatch(/^[0-9a-f]{24}$/);
});
