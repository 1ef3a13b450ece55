/**
 * Protects: a role that needs approvals gives no session before as many approvers have signed the request, one session for one approved
 * request, to whom and as it was approved; on whatever replica, and by whatever way the role is taken on.
 */
import { createSecretKey } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { showApproval } from '../../../proxy/keyring/approvals/approval-admin.ts';
import { APPROVERS_NAME } from '../../../proxy/keyring/approvals/approvers-record.ts';
import { roleSlot } from '../../../proxy/keyring/slots/role-slot.ts';
import { checkState } from '../../../proxy/startup/check-state.ts';
import type { Finding } from '../../../proxy/startup/finding.ts';
import { sendRaw, sendSigned } from '../../helpers/raw-client.ts';
import { below, credentialsIn, keyOf, sts } from '../../helpers/sessions.ts';
import {
  approved,
  assume,
  bench,
  deps,
  ISSUER,
  now,
  role,
  said,
  setApprovers,
  signal,
  token,
} from './approved-roles-harness.ts';

describe('AssumeRoleWithWebIdentity', () => {
  test('names the request, and later issues a session that works: one', async () => {
    const { arn, name } = await role();
    const id = await said(assume(arn));
    expect(id).toMatch(/^[0-9a-f]{24}$/);
    const { request } = await showApproval(deps(), id, signal());
    expect(request).toMatchObject({
      action: 'assume-role-with-web-identity',
      tenant: bench.tenant.tenant,
      requester: `oidc:${ISSUER}#repo:org/app:main`,
      basis: expect.stringMatching(/^role:[0-9a-f]{64}$/),
      parameters: {
        ...{ callerTags: {}, durationSeconds: 3600, iss: ISSUER, maxUses: 0, policy: '', role: name },
        ...{ sub: 'repo:org/app:main', tags: { env: 'prod' } },
      },
    });
    await approved(id, ['ann']);
    expect(await said(assume(arn))).toBe(id);
    await approved(id, ['cat']);
    const session = credentialsIn(await assume(arn), 'AssumeRoleWithWebIdentity');
    const headers = [['x-amz-security-token', session.sessionToken]] as const;
    const reply = await sendSigned(bench.proxy.endpoint, session, {
      ...{ method: 'GET', path: `/${bench.bucket}`, headers, date: now() },
    });
    expect(reply.status).toBe(200);
    // Once: the next call is another request.
    const next = await said(assume(arn));
    expect([next.length, next === id]).toEqual([24, false]);
  });

  test('is not approved for another duration, policy, tag or subject', async () => {
    const { arn } = await role();
    const id = await said(assume(arn));
    await approved(id);
    for (const o of [
      { more: { DurationSeconds: '7200' } },
      { more: { Policy: below(bench.bucket, 'a/') } },
      { claims: { environment: 'test' } },
    ]) {
      expect(await said(assume(arn, o))).toBe(
        `Request ${id} about the same is open with other parameters, until ${await endOf(id)}: ask as it says, or let it be withdrawn.`,
      );
    }
    const ofAnother = await said(assume(arn, { claims: { sub: 'repo:org/app:other' } }));
    expect([ofAnother.length, ofAnother === id]).toEqual([24, false]);
    // Another name of the session, and another token, are the same wish.
    expect(await said(assume(arn, { more: { RoleSessionName: 'job-2' } }))).toBe('issued');
  });

  test('is approved with the policy as it was given, white space aside', async () => {
    const { arn } = await role();
    const Policy = below(bench.bucket, 'a/');
    const id = await said(assume(arn, { more: { Policy } }));
    await approved(id);
    expect((await showApproval(deps(), id, signal())).request.parameters['policy']).toBe(Policy);
    const spaced = JSON.stringify(JSON.parse(Policy), null, 1);
    expect(await said(assume(arn, { more: { Policy: spaced } }))).toBe('issued');
  });

  test('counts no approver who is the subject', async () => {
    await setApprovers({ ann: [`oidc:${ISSUER}#repo:org/app:main`] });
    const { arn } = await role();
    const id = await said(assume(arn));
    await expect(approved(id, ['ann'])).rejects.toThrow(/who asked/);
    await approved(id, ['bob', 'cat']);
    expect(await said(assume(arn))).toBe('issued');
    const { arn: three } = await role({ approvals: 3 });
    expect(await said(assume(three))).toMatch(/3 approvals are needed, and there are 2 approvers/);
  });

  test('is asked for anew when the role has changed', async () => {
    const { arn, name } = await role();
    const id = await said(assume(arn));
    await approved(id);
    const policy = below(bench.bucket, 'wider/');
    await new RoleAdmin(deps()).update({ tenant: bench.tenant.tenant, name, change: { policy } }, signal());
    expect(await said(assume(arn))).not.toBe(id);
  });

  test('is refused by a server that has seen newer approvers, or any', async () => {
    const { arn } = await role();
    const older = (await bench.proxy.state.get(APPROVERS_NAME, signal()))?.body ?? Buffer.alloc(0);
    await setApprovers();
    expect(await said(assume(arn))).toMatch(/^[0-9a-f]{24}$/);
    const newer = (await bench.proxy.state.get(APPROVERS_NAME, signal()))?.body ?? Buffer.alloc(0);
    const before = bench.events('approvers-rollback').length;
    await bench.proxy.state.replace(APPROVERS_NAME, older, signal());
    expect(await said(assume(arn))).toBe('The access key is not allowed to do that.');
    await bench.proxy.state.delete(APPROVERS_NAME, signal());
    expect(await said(assume(arn))).toBe('The access key is not allowed to do that.');
    expect(bench.events('approvers-rollback')).toHaveLength(before + 2);
    await bench.proxy.state.replace(APPROVERS_NAME, newer, signal());
  });

  test('asks nobody for a role that needs no approvals', async () => {
    const { arn } = await role({ approvals: 0 });
    expect(await said(assume(arn))).toBe('issued');
  });
});

describe('AssumeRole', () => {
  const assumeByKey = (name: string, more: Record<string, string> = {}) =>
    sts(bench.proxy.endpoint, keyOf(bench.tenant), {
      ...{ Action: 'AssumeRole', RoleArn: `arn:aws:iam::000000000000:role/${name}`, RoleSessionName: 'me', ...more },
    });

  test('names the request, and later issues; tags of the caller are approved too', async () => {
    const { name } = await role({ managed: true });
    const tags = { 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'blue' };
    const id = await said(assumeByKey(name, tags));
    const { request } = await showApproval(deps(), id, signal());
    const { slot } = unsealAccessKeyId(bench.tenant.accessKeyId, bench.proxy.sealKeys);
    expect([request.action, request.requester, request.parameters['callerTags'], request.parameters['sub']]).toEqual([
      'assume-role',
      `key:${bench.tenant.tenant}/${slot}`,
      { team: 'blue' },
      slot,
    ]);
    await approved(id);
    expect(await said(assumeByKey(name))).toMatch(/is open with other parameters/);
    expect(await said(assumeByKey(name, tags))).toBe('issued');
  });

  test('is no way round for a token, nor the other way', async () => {
    const { arn, name } = await role();
    const byKey = await said(assumeByKey(name));
    await approved(byKey);
    expect(await said(assume(arn))).not.toBe('issued');
    expect(await said(assumeByKey(name))).toBe('issued');
  });
});

test('the container-credentials endpoint names the request too', async () => {
  const { arn } = await role();
  const path = arn.slice('arn:aws:iam::000000000000:role/'.length);
  const headers = [
    ['host', new URL(bench.proxy.endpoint).host],
    ['authorization', await token({ sub: 'repo:org/app:pod' })],
  ] as const;
  const reply = await sendRaw(bench.proxy.endpoint, { method: 'GET', target: `/v1/credentials/${path}`, headers });
  expect([reply.status, JSON.parse(reply.body.toString()).message]).toEqual([
    403,
    expect.stringMatching(/^Approval is needed: request [0-9a-f]{24} has 0 of 2 approvals/),
  ]);
});

test('no record and no event holds a token or the sealed part of an ARN', async () => {
  const { arn } = await role();
  const id = await said(assume(arn));
  await approved(id);
  expect(await said(assume(arn))).toBe('issued');
  const records: string[] = [];
  for await (const name of bench.proxy.state.list('approvals/', signal())) {
    records.push((await bench.proxy.state.get(name, signal()))?.body.toString() ?? '');
  }
  const text = records.join('\n') + JSON.stringify(bench.proxy.log);
  expect(text).toContain(id);
  expect(text).not.toMatch(/eyJ[\w-]+\.eyJ/);
  expect(text).not.toContain(arn.split('/SGR1')[1]);
});

test('a server starts beside all records of approvals', async () => {
  const { state } = bench.proxy;
  await approved(await said(assume((await role()).arn)));
  const findings: Finding[] = [];
  expect(await checkState({ backend: bench.backend, state }, '', (finding) => findings.push(finding))).toBe(true);
  expect(findings.map(({ level }) => level)).toEqual(['ok']);
});

test('a role keeps its approvals when it goes into another epoch', async () => {
  const { name } = await role();
  const { tenant } = bench.tenant;
  const slot = await new RoleAdmin(deps()).show({ tenant, name }, signal());
  const reseal = roleSlot.reseal(slot, { keys: [], roleSecrets: new Map([[slot.id, Buffer.alloc(32, 1)]]) });
  const roots = new Map([[2, createSecretKey(Buffer.alloc(32, 2))]]);
  const again = await reseal?.({ tenant, roots } as never, signal());
  expect([slot.approvals, again?.approvals, again?.wraps.map(({ epoch }) => epoch)]).toEqual([2, 2, [2]]);
});

async function endOf(id: string): Promise<string> {
  return (await showApproval(deps(), id, signal())).request.expires;
}
