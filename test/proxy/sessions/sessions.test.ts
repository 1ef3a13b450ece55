/**
 * Protects: temporary credentials do what the key may that they were issued from, or the part that a policy names, until they end,
 * on every replica; nothing else does, whatever is sent beside an access key id; and no session gets further than itself.
 */
import { randomBytes } from 'node:crypto';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KeyAdmin } from '../../../proxy/keyring/admin/key-admin.ts';
import { SESSION_DAY_NAMES, SessionDays } from '../../../proxy/keyring/sessions/day-records.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { startTestProxy, type TestProxy } from '../../helpers/proxy.ts';
import { sendQuery } from '../../helpers/query-api.ts';
import { presignQuery, sendRaw, sendSigned, signedForm, signHeaders } from '../../helpers/raw-client.ts';
import {
  below,
  credentialsIn,
  keyOf,
  sessionClient,
  sessionOf,
  sts,
  type TestSession,
} from '../../helpers/sessions.ts';

/** Of both replicas. */
let time = Date.now();
const now = () => new Date(time);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const bench = sharedBench({ now });
/** A second one on the same store, with the same seal keys. */
let other: TestProxy;

beforeAll(async () => {
  const { backend, capabilities, proxy } = bench;
  other = await startTestProxy({ backend, capabilities, sealKeys: proxy.sealKeys, now });
});
afterAll(() => other.close());

const HOST = () => [['host', new URL(bench.proxy.endpoint).host] as const];

const issue = (parameters?: Record<string, string>, as = keyOf(bench.tenant)) =>
  sessionOf(bench.proxy.endpoint, as, parameters);

/** S3's code, or the status of what was allowed. */
async function outcome(
  session: Partial<TestSession> & { accessKeyId: string; secretAccessKey: string },
  o: { method?: string; path?: string; endpoint?: string; body?: string } = {},
): Promise<string> {
  const { method = 'GET', path = `/${bench.bucket}`, endpoint = bench.proxy.endpoint, body } = o;
  const { sessionToken } = session;
  const headers = sessionToken === undefined ? [] : [['x-amz-security-token', sessionToken] as const];
  const reply = await sendSigned(endpoint, session, {
    method,
    path,
    headers,
    date: now(),
    ...(body === undefined ? {} : { body }),
  });
  return reply.code || String(reply.status);
}

describe('a session of a key', () => {
  test('reads and writes what its key may, through a stock client, on every replica', async () => {
    const session = await issue();
    for (const endpoint of [bench.proxy.endpoint, other.endpoint]) {
      const s3 = sessionClient(endpoint, session, { systemClockOffset: time - Date.now() });
      await s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'by/session', Body: endpoint }));
      const found = await bench.s3.send(new GetObjectCommand({ Bucket: bench.bucket, Key: 'by/session' }));
      expect(await found.Body?.transformToString()).toBe(endpoint);
      s3.destroy();
    }
  });

  test('is known by its own name, in events and to itself', async () => {
    const session = await issue();
    const reply = await sts(bench.proxy.endpoint, session, { Action: 'GetCallerIdentity' });
    expect(reply.root.child('GetCallerIdentityResult')?.value('Arn')).toBe(
      `arn:aws:iam::000000000000:user/${bench.tenant.tenant}`,
    );
    const [event] = bench.proxy.decisions.slice(-1);
    expect(event).toMatchObject({ action: 'sts:GetCallerIdentity', decision: 'allow', tenant: bench.tenant.tenant });
    expect(event?.accessKey).toMatch(/^[0-9a-f]{12}$/);
  });

  test('lasts as long as was asked for, an hour when nothing was, and no other time is taken', async () => {
    const seconds = async (DurationSeconds?: string) => {
      const parameters = { Action: 'GetSessionToken', ...(DurationSeconds === undefined ? {} : { DurationSeconds }) };
      return Math.round(((await issue(parameters)).expiration.getTime() - time) / 1000);
    };
    expect(await seconds()).toBeGreaterThan(3_598);
    expect(await seconds('900')).toBeLessThan(901);
    expect(await seconds('129600')).toBeGreaterThan(129_598);
    for (const wrong of ['899', '129601', '0', '-1', '1e3', '']) {
      await expect(seconds(wrong)).rejects.toThrow('ValidationError');
    }
  });

  test('ends with its time, also in a URL that was presigned for longer', async () => {
    const session = await issue({ Action: 'GetSessionToken', DurationSeconds: '900' });
    const s3 = sessionClient(bench.proxy.endpoint, session);
    await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'presigned', Body: 'x' }));
    const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket: bench.bucket, Key: 'presigned' }), {
      expiresIn: 86_400,
      signingDate: now(),
    });
    const fetched = async () => {
      const { pathname, search } = new URL(url);
      const reply = await sendRaw(bench.proxy.endpoint, { method: 'GET', target: pathname + search, headers: HOST() });
      return reply.code || String(reply.status);
    };
    expect(await fetched()).toBe('200');
    expect(await outcome(session)).toBe('200');
    const before = time;
    time += 15 * MINUTE_MS + 1000;
    expect(await fetched()).toBe('ExpiredToken');
    expect(await outcome(session)).toBe('ExpiredToken');
    // Whoever cannot sign is not told.
    expect(await outcome({ ...session, secretAccessKey: 'x'.repeat(43) })).toBe('SignatureDoesNotMatch');
    time = before;
    s3.destroy();
  });

  test('signs forms, whose policy must name its token', async () => {
    const session = await issue();
    const post = async (fields: Record<string, string>, as: TestSession = session) => {
      const form = signedForm({ bucket: bench.bucket, key: 'form', content: 'x', date: now(), fields }, as);
      const headers = [...HOST(), ...form.headers];
      const reply = await sendRaw(bench.proxy.endpoint, {
        method: 'POST',
        target: form.path,
        headers,
        body: form.body,
      });
      return reply.code || String(reply.status);
    };
    const token = (one: TestSession) => ({ 'x-amz-security-token': one.sessionToken });
    expect(await post(token(session))).toBe('204');
    expect(await post({})).toBe('InvalidAccessKeyId');
    expect(await post(token(await issue()))).toBe('InvalidToken');
    // Added to a form whose policy does not name it.
    const { path, headers, body } = signedForm(
      { bucket: bench.bucket, key: 'form', content: 'x', date: now() },
      session,
    );
    const field = `--form-boundary\r\nContent-Disposition: form-data; name="x-amz-security-token"\r\n\r\n${session.sessionToken}\r\n`;
    const added = Buffer.concat([Buffer.from(field), body]);
    const kept = headers.filter(([name]) => name !== 'content-length');
    const reply = await sendRaw(bench.proxy.endpoint, {
      method: 'POST',
      target: path,
      headers: [...HOST(), ...kept, ['content-length', String(added.length)]],
      body: added,
    });
    expect(reply.code).toBe('AccessDenied');
  });

  test('manages no keys and gets no further credentials', async () => {
    const session = await issue();
    const policy = below(bench.bucket, '');
    const sessionsOf: Record<string, string>[] = [
      { Action: 'GetSessionToken' },
      { Action: 'GetFederationToken', Name: 'again', Policy: policy },
    ];
    for (const parameters of sessionsOf) {
      expect((await sts(bench.proxy.endpoint, session, parameters)).error).toBe('AccessDenied');
    }
    for (const Action of ['CreateAccessKey', 'ListAccessKeys', 'GetUser', 'GetAccessKeyLastUsed']) {
      const parameters = {
        Action,
        ...(Action === 'GetAccessKeyLastUsed' ? { AccessKeyId: bench.tenant.accessKeyId } : {}),
      };
      expect((await sendQuery(bench.proxy.endpoint, session, { parameters })).error).toBe('AccessDenied');
    }
  });
});

describe('a token', () => {
  test('counts whole, beside its own id and signed, and in no other way', async () => {
    const [session, second] = [await issue(), await issue()];
    const stranger = await bench.proxy.createTenant();
    const token = session.sessionToken;
    const flipped = (at: number) => token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1);
    const refused: readonly (readonly [string, Parameters<typeof outcome>[0]])[] = [
      ['InvalidToken', { ...session, sessionToken: second.sessionToken }],
      ['InvalidToken', { ...session, accessKeyId: second.accessKeyId }],
      ['InvalidToken', { ...bench.tenant, sessionToken: token }],
      ['InvalidToken', { ...stranger, sessionToken: token }],
      ['InvalidToken', { ...session, sessionToken: `${token}A` }],
      ['InvalidToken', { ...session, sessionToken: token.slice(0, -1) }],
      ['InvalidToken', { ...session, sessionToken: 'SGS1' }],
      ['InvalidToken', { ...session, sessionToken: 'x'.repeat(5_000) }],
      ['SignatureDoesNotMatch', { ...session, secretAccessKey: second.secretAccessKey }],
      ['SignatureDoesNotMatch', { ...session, secretAccessKey: bench.tenant.secretAccessKey }],
      ['InvalidAccessKeyId', { accessKeyId: session.accessKeyId, secretAccessKey: session.secretAccessKey }],
      ...[4, 5, 8, 40, 100, token.length - 1].map(
        (at) => ['InvalidToken', { ...session, sessionToken: flipped(at) }] as const,
      ),
    ];
    for (const [code, credentials] of refused) {
      expect(await outcome(credentials)).toBe(code);
      expect(await outcome(credentials)).toBe(code);
    }
    expect(await outcome(session)).toBe('200');
  });

  test('is refused where the signature does not cover it, in a header and in a URL', async () => {
    const session = await issue();
    const path = `/${bench.bucket}`;
    const host = new URL(bench.proxy.endpoint).host;
    const headers = signHeaders({ method: 'GET', path, date: now() }, session, host);
    const token = ['x-amz-security-token', session.sessionToken] as const;
    const byHeader = await sendRaw(bench.proxy.endpoint, { method: 'GET', target: path, headers: [...headers, token] });
    expect(byHeader.code).toBe('AccessDenied');
    const query = presignQuery({ method: 'GET', path, date: now() }, session, host);
    const unsigned = `${path}?${query}`;
    const inUrl = `${unsigned}&X-Amz-Security-Token=${session.sessionToken}`;
    expect((await sendRaw(bench.proxy.endpoint, { method: 'GET', target: inUrl, headers: HOST() })).code).toBe(
      'SignatureDoesNotMatch',
    );
    const beside = await sendRaw(bench.proxy.endpoint, {
      method: 'GET',
      target: unsigned,
      headers: [...HOST(), token],
    });
    expect(beside.code).toBe('AccessDenied');
  });

  test('of a day that no session can be of costs no look-up', async () => {
    const session = await issue();
    const bytes = Buffer.from(session.sessionToken.slice(4), 'base64url');
    const mark = bench.backend.requests.length;
    for (const days of [-3, 2, 1_000]) {
      const altered = Buffer.from(bytes);
      altered.writeUInt16BE(bytes.readUInt16BE(1) + days, 1);
      const sessionToken = `SGS1${altered.toString('base64url')}`;
      expect(await outcome({ ...session, sessionToken })).toBe('InvalidToken');
    }
    expect(bench.backend.since(mark, 'sealgate-state')).toEqual([]);
  });

  test('is in no line of the log, and neither is what signs with it', async () => {
    const session = await issue();
    await outcome(session);
    await outcome({ ...session, secretAccessKey: 'x'.repeat(43) });
    await outcome({ ...bench.tenant, sessionToken: session.sessionToken });
    const lines = JSON.stringify([bench.proxy.log, bench.proxy.decisions]);
    for (const secret of [session.sessionToken, session.secretAccessKey, session.accessKeyId]) {
      expect(lines).not.toContain(secret);
      expect(lines).not.toContain(secret.slice(4, 30));
    }
  });
});

describe('a federated user', () => {
  const federate = (policy: string, more: Record<string, string> = {}) =>
    issue({ Action: 'GetFederationToken', Name: 'narrow', Policy: policy, ...more });

  test('reaches what its policy and its key both allow', async () => {
    const session = await federate(below(bench.bucket, 'mine/'));
    const s3 = sessionClient(bench.proxy.endpoint, session);
    await s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'mine/a', Body: 'x' }));
    const listed = await s3.send(new ListObjectsV2Command({ Bucket: bench.bucket, Prefix: 'mine/' }));
    expect(listed.Contents?.map(({ Key }) => Key)).toEqual(['mine/a']);
    expect(await outcome(session)).toBe('AccessDenied');
    expect(await outcome(session, { method: 'PUT', path: `/${bench.bucket}/other`, body: 'x' })).toBe('AccessDenied');
    expect(await outcome(session, { path: `/${bench.bucket}/mine/a` })).toBe('200');
    s3.destroy();

    const limited = await bench.proxy.createTenant([{ bucket: bench.bucket, prefix: 'a/', access: 'read-only' }]);
    const wide = JSON.stringify({
      Version: '2012-10-17',
      Statement: { Effect: 'Allow', Action: '*', Resource: '*' },
    });
    const wider = await issue({ Action: 'GetFederationToken', Name: 'wide', Policy: wide }, keyOf(limited));
    expect(await outcome(wider, { method: 'PUT', path: `/${bench.bucket}/a/x`, body: 'x' })).toBe('AccessDenied');
    expect(await outcome(wider, { path: `/${bench.bucket}/b/x` })).toBe('AccessDenied');
    expect(await outcome(wider, { path: `/${bench.bucket}/a/x` })).toBe('NoSuchKey');
    // The policy of a session says nothing about who the session is.
    const identity = await sts(bench.proxy.endpoint, session, { Action: 'GetCallerIdentity' });
    expect(identity.root.child('GetCallerIdentityResult')?.value('Arn')).toBe(
      'arn:aws:sts::000000000000:federated-user/narrow',
    );
  });

  test('needs a policy that can be understood: an empty one never means none', async () => {
    const of = (parameters: Record<string, string>) =>
      issue({ Action: 'GetFederationToken', Name: 'nobody', ...parameters });
    await expect(of({})).rejects.toThrow('ValidationError');
    await expect(of({ Policy: '' })).rejects.toThrow('ValidationError');
    await expect(of({ Policy: `${' '.repeat(2_048)}{}` })).rejects.toThrow('ValidationError');
    for (const Policy of [
      '{}',
      'null',
      'x',
      '{"Version":"2012-10-17","Statement":[]}',
      '{"Statement":{"Effect":"Allow"}}',
    ]) {
      await expect(of({ Policy })).rejects.toThrow('MalformedPolicyDocument');
    }
    const unknown =
      '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:Nonsense":"true"}}}}';
    await expect(of({ Policy: unknown })).rejects.toThrow('MalformedPolicyDocument');
    for (const Name of ['', 'a', 'a/b', 'x'.repeat(33), 'n ame']) {
      await expect(federate(below(bench.bucket, ''), { Name })).rejects.toThrow('ValidationError');
    }
  });

  test("names itself by tags that its own policy sees, and its key's policy does not", async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the policy language
    const policy = below(bench.bucket, '${aws:PrincipalTag/wallet}/');
    const session = await federate(policy, { 'Tags.member.1.Key': 'wallet', 'Tags.member.1.Value': 'w1' });
    expect(await outcome(session, { method: 'PUT', path: `/${bench.bucket}/w1/a`, body: 'x' })).toBe('200');
    expect(await outcome(session, { path: `/${bench.bucket}/w2/a` })).toBe('AccessDenied');
    const literal = await federate(policy, { 'Tags.member.1.Key': 'wallet', 'Tags.member.1.Value': '' });
    expect(await outcome(literal, { path: `/${bench.bucket}/w1/a` })).toBe('AccessDenied');
    const wrong: Record<string, string>[] = [
      { 'Tags.member.1.Key': 'sealgate:Other', 'Tags.member.1.Value': 'x' },
      { 'Tags.member.1.Key': 'aws:x', 'Tags.member.1.Value': 'x' },
      { 'Tags.member.1.Key': 'star', 'Tags.member.1.Value': '*' },
      { 'Tags.member.1.Value': 'no key' },
      { 'Tags.member.1.Key': 'k'.repeat(129), 'Tags.member.1.Value': 'x' },
      {
        'Tags.member.1.Key': 'twice',
        'Tags.member.1.Value': 'x',
        'Tags.member.2.Key': 'Twice',
        'Tags.member.2.Value': 'x',
      },
    ];
    for (const tags of wrong) await expect(federate(policy, tags)).rejects.toThrow('ValidationError');
  });

  test('is told how much of a token its policy and tags take, and refused what does not fit', async () => {
    const reply = await sts(bench.proxy.endpoint, keyOf(bench.tenant), {
      Action: 'GetFederationToken',
      Name: 'packed',
      Policy: below(bench.bucket, ''),
    });
    const percent = Number(reply.root.child('GetFederationTokenResult')?.value('PackedPolicySize'));
    expect(percent).toBeGreaterThan(5);
    expect(percent).toBeLessThan(20);
    const tags = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [
        [`Tags.member.${index + 1}.Key`, `tag${index}`],
        [`Tags.member.${index + 1}.Value`, 'v'.repeat(200)],
      ]).flat(),
    );
    await expect(federate(below(bench.bucket, ''), tags)).rejects.toThrow('PackedPolicyTooLarge');
  });
});

describe('a session ends early', () => {
  const revocations: Readonly<
    Record<string, (admin: KeyAdmin, of: { tenant: string; slot: string }) => Promise<unknown>>
  > = {
    'with its key': (admin, of) => admin.revoke({ ...of, force: true }, AbortSignal.timeout(MINUTE_MS)),
    'when its key is inactive': (admin, of) =>
      admin.update({ ...of, change: { status: 'inactive' } }, AbortSignal.timeout(MINUTE_MS)),
    'when the sessions of its key are ended': (admin, of) =>
      admin.update({ ...of, change: { endSessions: true } }, AbortSignal.timeout(MINUTE_MS)),
  };

  test.each(Object.keys(revocations))('%s, within a minute, on every replica', async (how) => {
    const tenant = await bench.proxy.createTenant();
    const session = await issue(undefined, keyOf(tenant));
    for (const { endpoint } of [bench.proxy, other]) expect(await outcome(session, { endpoint })).toBe('200');
    const { state, sealKeys } = bench.proxy;
    const deps = { state, sealKeys, record: () => {}, now, runner: processKdfRunner };
    const admin = new KeyAdmin(deps);
    const signal = AbortSignal.timeout(MINUTE_MS);
    const [slot] = await admin.list(tenant.tenant, signal);
    await revocations[how]?.(admin, { tenant: tenant.tenant, slot: slot?.slot ?? '' });
    time += MINUTE_MS;
    for (const { endpoint } of [bench.proxy, other]) expect(await outcome(session, { endpoint })).toBe('InvalidToken');
    if (how !== 'when the sessions of its key are ended') return;
    // The key itself goes on, and so do sessions that are issued after that.
    const next = await issue(undefined, keyOf(tenant));
    for (const { endpoint } of [bench.proxy, other]) expect(await outcome(next, { endpoint })).toBe('200');
  });

  test('never, over midnight, whichever replica issued it', async () => {
    const before = time;
    const midnight = Math.ceil(time / (24 * HOUR_MS)) * 24 * HOUR_MS;
    time = midnight - 2_000;
    const parameters = { Action: 'GetSessionToken', DurationSeconds: '129600' };
    const late = await sessionAt(other.endpoint, parameters);
    time = midnight + 1_000;
    const early = await sessionAt(bench.proxy.endpoint, parameters);
    for (const { endpoint } of [bench.proxy, other]) {
      for (const session of [late, early]) expect(await outcome(session, { endpoint })).toBe('200');
    }
    time = midnight + 35 * HOUR_MS;
    for (const { endpoint } of [bench.proxy, other]) expect(await outcome(late, { endpoint })).toBe('200');
    time = midnight + 36 * HOUR_MS;
    expect(await outcome(late)).toBe('ExpiredToken');
    time = before;
  });
});

/** Signed at the tests' own time. */
async function sessionAt(endpoint: string, parameters: Record<string, string>): Promise<TestSession> {
  const date = now()
    .toISOString()
    .replace(/[-:]|\.\d{3}/g, '');
  const headers = { 'X-Amz-Date': date };
  const reply = await sendQuery(endpoint, keyOf(bench.tenant), { service: 'sts', parameters, headers });
  return credentialsIn(reply, parameters['Action'] ?? '');
}

describe("the secret of a session's day", () => {
  const days = () => new SessionDays({ state: bench.proxy.state, sealKeys: bench.proxy.sealKeys, now });

  test('gone, and the token opens nothing', async () => {
    const session = await issue();
    expect(await outcome(session)).toBe('200');
    const signal = AbortSignal.timeout(MINUTE_MS);
    for await (const name of bench.proxy.state.list(SESSION_DAY_NAMES, signal))
      await bench.proxy.state.shred(name, signal);
    time += 2 * MINUTE_MS + 1000;
    expect(await outcome(session)).toBe('InvalidToken');
    expect(await outcome(session, { endpoint: other.endpoint })).toBe('InvalidToken');
    // A new day's secret is made for those who ask next; it opens none of the old tokens.
    const next = await issue();
    expect(await outcome(next)).toBe('200');
    expect(await outcome(session)).toBe('InvalidToken');
  });

  test('goes 72 hours after its day began, not before', async () => {
    await issue();
    const before = time;
    const start = Math.floor(time / (24 * HOUR_MS)) * 24 * HOUR_MS;
    const signal = AbortSignal.timeout(MINUTE_MS);
    time = start + 72 * HOUR_MS - 1000;
    expect((await days().removeOld(signal)).removed).toEqual([]);
    time = start + 72 * HOUR_MS;
    const { removed, left } = await days().removeOld(signal);
    expect(left).toEqual([]);
    expect(removed).toEqual([expect.stringMatching(/^sessions\/\d{4}-\d{2}-\d{2}\/s[0-9a-f]{8}$/)]);
    expect([...(await bench.proxy.state.listEver(SESSION_DAY_NAMES, signal))]).toEqual([]);
    time = before;
  });
});

test('what was made up costs nothing but a look at its own form', async () => {
  const made = { accessKeyId: `SGS${'A'.repeat(17)}`, secretAccessKey: 'x'.repeat(43) };
  const mark = bench.backend.requests.length;
  for (let at = 0; at < 20; at++) {
    const sessionToken = `SGS1${randomBytes(107).toString('base64url')}`;
    expect(await outcome({ ...made, sessionToken })).toBe('InvalidToken');
  }
  expect(bench.backend.since(mark, 'sealgate-state').length).toBeLessThan(2);
});
