/**
 * Protects: a workload gets a session of a role for a token that the role trusts, and for nothing else; the ARN that it sends opens
 * the tenant and says nothing to anybody else; and the session reaches what the role allows, by the claims of the token.
 */
import { describe, expect, test } from 'vitest';
import { parseIssuers } from '../../../proxy/access/oidc/issuers.ts';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { readKeyring } from '../../../proxy/keyring/admin/change-keyring.ts';
import { type NewRole, RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import type { RoleTrust } from '../../../proxy/keyring/slots/role-slot.ts';
import { keySlots } from '../../../proxy/keyring/slots/slot-types.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { roleTrust, sharedIssuer } from '../../helpers/issuer.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { asQueryReply, type QueryReply } from '../../helpers/query-api.ts';
import { sendRaw, sendSigned } from '../../helpers/raw-client.ts';
import { below, credentialsIn, keyOf, sessionOf, sts, type TestSession } from '../../helpers/sessions.ts';

const ISSUER = 'https://issuer.example/ci';
const AUDIENCE = 'sealgate-tests';
const issuer = sharedIssuer(ISSUER, AUDIENCE);
let time = Date.now();
const now = () => new Date(time);
const bench = sharedBench({ config: { oidcIssuers: parseIssuers(issuer.settings) }, now });
const signal = () => AbortSignal.timeout(60_000);

const admin = () => new RoleAdmin(deps());
const deps = () => {
  const { state, sealKeys } = bench.proxy;
  return { state, sealKeys, record: () => {}, now, runner: processKdfRunner };
};

const TRUST = roleTrust({ audiences: [AUDIENCE], issuer: ISSUER, subjects: ['repo:org/app:*'] });

let roles = 0;
async function role(o: Partial<Omit<NewRole, 'trust'>> & { trust?: Partial<RoleTrust>; as?: TestTenant } = {}) {
  const { as = bench.tenant, trust, ...rest } = o;
  const caller = unsealAccessKeyId(as.accessKeyId, bench.proxy.sealKeys);
  const name = `role-${roles++}`;
  return admin().create(caller, { name, managed: false, ...rest, trust: { ...TRUST, ...trust } }, signal());
}

function tokenOf(claims: Record<string, unknown> = {}): Promise<string> {
  const iat = Math.floor(time / 1000);
  return issuer.token({ sub: 'repo:org/app:main', iat, exp: iat + 3_600, jti: 'j', ...claims });
}

async function assume(
  arn: string,
  token: string,
  more: Record<string, string> = {},
  o: { method?: string; query?: string; type?: string } = {},
): Promise<QueryReply> {
  const parameters = { Action: 'AssumeRoleWithWebIdentity', Version: '2011-06-15', RoleSessionName: 'job-1' };
  const body = new URLSearchParams({ ...parameters, RoleArn: arn, WebIdentityToken: token, ...more }).toString();
  const { endpoint } = bench.proxy;
  return asQueryReply(
    await sendRaw(endpoint, {
      method: o.method ?? 'POST',
      target: `/${o.query ?? ''}`,
      headers: [
        ['host', new URL(endpoint).host],
        ['content-type', o.type ?? 'application/x-www-form-urlencoded; charset=utf-8'],
        ['content-length', String(Buffer.byteLength(body))],
      ],
      body,
    }),
  );
}

const session = (reply: QueryReply): TestSession => credentialsIn(reply, 'AssumeRoleWithWebIdentity');

async function outcome(as: TestSession, o: { method?: string; path?: string; body?: string } = {}): Promise<string> {
  const { method = 'GET', path: target = `/${bench.bucket}`, body } = o;
  const headers = [['x-amz-security-token', as.sessionToken]] as const;
  const given = body === undefined ? {} : { body };
  const reply = await sendSigned(bench.proxy.endpoint, as, { method, path: target, headers, date: now(), ...given });
  return reply.code || String(reply.status);
}

describe.each([false, true])('a role, managed: %s', (managed) => {
  test('gives a session for a token that it trusts, and the session works', async () => {
    const { arn, role: name } = await role({ managed });
    expect(arn).toMatch(
      managed
        ? /^arn:aws:iam::000000000000:role\/role-\d+$/
        : /^arn:aws:iam::000000000000:role\/role-\d+\/SGR1[\w-]{103}$/,
    );
    const reply = await assume(arn, await tokenOf());
    expect(reply.error).toBe('');
    const result = reply.root.child('AssumeRoleWithWebIdentityResult');
    const shown = `arn:aws:sts::000000000000:assumed-role/${name}/job-1`;
    expect(result?.child('AssumedRoleUser')?.value('Arn')).toBe(shown);
    expect(result?.value('SubjectFromWebIdentityToken')).toBe('repo:org/app:main');
    const credentials = session(reply);
    expect(await outcome(credentials, { method: 'PUT', path: `/${bench.bucket}/by-role`, body: 'x' })).toBe('200');
    const identity = await sts(bench.proxy.endpoint, credentials, { Action: 'GetCallerIdentity' });
    expect(identity.root.child('GetCallerIdentityResult')?.value('Arn')).toBe(shown);
    for (const text of [reply, identity]) expect(text.body.toString()).not.toContain('SGR1');
    for (const Action of ['GetSessionToken', 'AssumeRole']) {
      const parameters = {
        Action,
        ...(Action === 'AssumeRole'
          ? { RoleArn: `arn:aws:iam::000000000000:role/${name}`, RoleSessionName: 'x1' }
          : {}),
      };
      expect((await sts(bench.proxy.endpoint, credentials, parameters)).error).toBe('AccessDenied');
    }
  });

  test('stops within a minute when it is deleted, inactive, or its trust is changed', async () => {
    for (const how of ['delete', 'inactive', 'trust', 'end-sessions'] as const) {
      const { arn, role: name } = await role({ managed });
      const credentials = session(await assume(arn, await tokenOf()));
      expect(await outcome(credentials)).toBe('200');
      const of = { tenant: bench.tenant.tenant, name };
      const caller = unsealAccessKeyId(bench.tenant.accessKeyId, bench.proxy.sealKeys);
      if (how === 'delete') await admin().delete(of, signal());
      if (how === 'inactive') await admin().update({ ...of, change: { status: 'inactive' } }, signal());
      if (how === 'end-sessions') await admin().update({ ...of, change: { endSessions: true } }, signal());
      const change = (trust: RoleTrust) => ({ ...trust, subjects: ['repo:org/other'] });
      if (how === 'trust') await admin().trust(caller, { name, change }, signal());
      time += 60_000;
      expect([how, await outcome(credentials)]).toEqual([how, 'InvalidToken']);
      const again = (await assume(arn, await tokenOf())).error;
      expect([how, again]).toEqual([how, how === 'end-sessions' ? '' : 'AccessDenied']);
    }
    time = Date.now();
  });

  test('is given a new ARN under the same secret, and deep rotation takes it along by that ARN', async () => {
    const made = await role({ managed });
    const of = { tenant: made.tenant, name: made.role };
    const { arn } = await admin().reissue({ ...of, arn: managed ? undefined : made.arn }, signal());
    expect(arn === made.arn).toBe(managed);
    expect((await assume(arn, await tokenOf())).error).toBe('');
    const slot = await admin().show(of, signal());
    const secret = await admin().secretOf(slot, { tenant: made.tenant, arn }, signal());
    expect([secret.tenant, secret.slot, secret.slotSecret.length]).toEqual([made.tenant, made.slot, 32]);
    if (!managed) {
      const other = await role();
      await expect(admin().reissue({ ...of, arn: other.arn }, signal())).rejects.toThrow('not the ARN');
    }
  });
});

test('what is no token that the role trusts gets nothing, and the reason is said', async () => {
  const { arn } = await role({ trust: { conditions: [{ claim: 'ref', value: 'refs/heads/main' }] } });
  const good = { ref: 'refs/heads/main' };
  expect((await assume(arn, await tokenOf(good))).error).toBe('');
  const seconds = Math.floor(time / 1000);
  const refused: readonly (readonly [string, Record<string, unknown>])[] = [
    ['AccessDenied', {}],
    ['AccessDenied', { ref: 'refs/heads/other' }],
    ['AccessDenied', { ref: ['refs/heads/main'] }],
    ['AccessDenied', { ...good, sub: 'repo:org/app-evil:main' }],
    ['AccessDenied', { ...good, sub: 'repo:org/app' }],
    ['IDPRejectedClaim', { ...good, aud: 'sts.amazonaws.com' }],
    ['InvalidIdentityToken', { ...good, iss: 'https://elsewhere.example' }],
    ['ExpiredTokenException', { ...good, exp: seconds - 61 }],
  ];
  for (const [code, claims] of refused)
    expect([claims, (await assume(arn, await tokenOf(claims))).error]).toEqual([claims, code]);
  expect((await assume(arn, 'no.token.at-all')).error).toBe('InvalidIdentityToken');
  expect((await assume(arn, 'x'.repeat(20_001))).error).toBe('ValidationError');
});

test('an ARN counts whole, with its own name, and is no access key id', async () => {
  const token = await tokenOf();
  const one = await role();
  const managed = await role({ managed: true });
  const sealed = one.arn.slice(one.arn.indexOf('SGR1'));
  const prefix = 'arn:aws:iam::000000000000:role/';
  const wrong = [
    `${prefix}${one.role}`,
    `${prefix}other/${sealed}`,
    `${prefix}${managed.role}/${sealed}`,
    `${one.arn}A`,
    one.arn.slice(0, -1),
    `${one.arn}/x`,
    one.arn.replace('SGR1', 'SG1'),
    `${prefix}nobody`,
    `${prefix}../keyrings/x`,
    'arn:aws:iam::000000000000:user/x',
    `${prefix}${one.role}/${bench.tenant.accessKeyId}`,
  ];
  for (const arn of wrong) expect([arn, (await assume(arn, token)).error]).toEqual([arn, 'AccessDenied']);
  for (const accessKeyId of [sealed, `SG1${sealed.slice(4)}`]) {
    const reply = await sendSigned(
      bench.proxy.endpoint,
      { accessKeyId, secretAccessKey: 'x' },
      { method: 'GET', path: '/' },
    );
    expect(reply.code).toBe('InvalidAccessKeyId');
  }
});

test("an ARN of one tenant's role opens that tenant and no other, whoever sends it", async () => {
  const stranger = await bench.proxy.createTenant();
  await sendSigned(bench.proxy.endpoint, bench.tenant, {
    method: 'PUT',
    path: `/${bench.bucket}/owned`,
    body: 'x',
    date: now(),
  });
  const { arn } = await role({ as: stranger });
  const credentials = session(await assume(arn, await tokenOf()));
  expect(await outcome(credentials, { path: `/${bench.bucket}/owned` })).toBe('AccessDenied');
});

test('isolates each wallet by a claim, over what is read, written and listed', async () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the policy language
  const policy = below(bench.bucket, '${aws:PrincipalTag/wallet}/');
  const { arn } = await role({ policy, trust: { tags: [{ claim: 'wallet', name: 'wallet' }] } });
  const of = async (wallet: unknown) => assume(arn, await tokenOf({ wallet }));
  const credentials = session(await of('w1'));
  const at = (key: string, method = 'PUT') =>
    outcome(credentials, { method, path: `/${bench.bucket}/${key}`, ...(method === 'PUT' ? { body: 'x' } : {}) });
  expect(await at('w1/a')).toBe('200');
  for (const method of ['PUT', 'GET', 'DELETE'])
    expect([method, await at('w2/a', method)]).toEqual([method, 'AccessDenied']);
  expect(await outcome(credentials)).toBe('AccessDenied');
  // A wildcard in a claim is a character like any other.
  const star = session(await of('*'));
  expect(await outcome(star, { path: `/${bench.bucket}/w1/a` })).toBe('AccessDenied');
  for (const wallet of [undefined, '', ['w1'], { a: 1 }, 'w'.repeat(257)]) {
    expect([wallet, (await of(wallet)).error]).toEqual([wallet, 'IDPRejectedClaim']);
  }
});

test('ends with its token, unless the role says otherwise, and never after twelve hours', async () => {
  const [plain, outliving] = [await role(), await role({ trust: { outlivesToken: 'yes' } })];
  const token = await tokenOf({ exp: Math.floor(time / 1000) + 1_000 });
  const lives = async (arn: string) =>
    Math.round((session(await assume(arn, token, { DurationSeconds: '43200' })).expiration.getTime() - time) / 1000);
  expect(await lives(plain.arn)).toBeLessThanOrEqual(1_000);
  expect(await lives(outliving.arn)).toBeGreaterThan(43_190);
  expect((await assume(plain.arn, token, { DurationSeconds: '43201' })).error).toBe('ValidationError');
  expect((await assume(plain.arn, token, { Policy: '' })).error).toBe('ValidationError');
});

test('one token is so many uses, however often it is exchanged, and must have an id', async () => {
  const { arn } = await role({ trust: { maxUses: 2 } });
  const token = await tokenOf({ jti: 'uses' });
  const sessions = [
    session(await assume(arn, token)),
    session(await assume(arn, token)),
    session(await assume(arn, token)),
  ];
  const first = await Promise.all(sessions.map((one) => outcome(one)));
  expect(first.sort()).toEqual(['200', '200', 'AccessDenied']);
  expect((await Promise.all(sessions.map((one) => outcome(one)))).every((code) => code === 'AccessDenied')).toBe(true);
  expect((await assume(arn, await tokenOf({ jti: undefined }))).error).toBe('InvalidIdentityToken');
});

test('only the form is taken, and nothing of a token is logged', async () => {
  const { arn } = await role();
  const token = await tokenOf();
  const inUrl = `?Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=${encodeURIComponent(arn)}&WebIdentityToken=${token}&RoleSessionName=job`;
  expect((await assume(arn, token, {}, { query: inUrl })).error).toBe('InvalidQueryParameter');
  const get = await sendRaw(bench.proxy.endpoint, { method: 'GET', target: `/${inUrl}`, headers: [['host', 'x']] });
  expect(get.code).toBe('AccessDenied');
  expect((await assume(arn, token, {}, { type: 'application/x-www-form-urlencoded' })).error).toBe('');
  expect((await assume(arn, token, { Action: 'GetSessionToken' })).error).not.toBe('');
  const lines = JSON.stringify([bench.proxy.log, bench.proxy.decisions]);
  const [, payload = '', signature = ''] = token.split('.');
  for (const secret of [payload, signature, arn.slice(arn.indexOf('SGR1'))])
    expect(lines).not.toContain(secret.slice(0, 30));
});

describe('AssumeRole', () => {
  const assumed = (as: TestTenant, roleArn: string, more: Record<string, string> = {}) =>
    sessionOf(bench.proxy.endpoint, keyOf(as), {
      Action: 'AssumeRole',
      RoleArn: roleArn,
      RoleSessionName: 'agent',
      ...more,
    });

  test('gives a key that the role names what both of them allow', async () => {
    const { keyring } = await readKeyring(deps(), bench.tenant.tenant, signal());
    const own = keySlots(keyring)[0]?.id ?? '';
    const { role: name, arn: sealed } = await role({ policy: below(bench.bucket, 'mine/'), assumableBy: [own] });
    const arn = `arn:aws:iam::000000000000:role/${name}`;
    const credentials = await assumed(bench.tenant, arn);
    expect(await outcome(credentials, { method: 'PUT', path: `/${bench.bucket}/mine/a`, body: 'x' })).toBe('200');
    expect(await outcome(credentials, { path: `/${bench.bucket}/other` })).toBe('AccessDenied');
    await expect(assumed(bench.tenant, sealed)).rejects.toThrow('ValidationError');
    const closed = await role();
    await expect(assumed(bench.tenant, `arn:aws:iam::000000000000:role/${closed.role}`)).rejects.toThrow(
      'AccessDenied',
    );
    const stranger = await bench.proxy.createTenant();
    await expect(assumed(stranger, arn)).rejects.toThrow('AccessDenied');
    await admin().update({ tenant: bench.tenant.tenant, name, change: { endSessions: true } }, signal());
    time += 60_000;
    expect(await outcome(credentials)).toBe('InvalidToken');
    time = Date.now();
  });
});
