/**
 * Protects: a key with an IAM policy may do what the policy says and nothing else, over every way to name an object; it hands the
 * policy on to keys that it makes; and a policy that cannot be understood allows nothing.
 */
import { hash } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { KeyAdmin } from '../../../proxy/keyring/admin/key-admin.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { UNKNOWN_SLOT_RECHECK_MS } from '../../../proxy/limits.ts';
import { alterSlot } from '../../helpers/alter-slot.ts';
import { setVersioning, sharedBench } from '../../helpers/bench.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { sendQuery } from '../../helpers/query-api.ts';
import { objectPath, type RawRequest } from '../../helpers/raw-client.ts';

/** Ahead of the real one by some seconds for each new key: a keyring that was just read is not read again for a key it lacks. */
let aheadMs = 0;
const bench = sharedBench({ now: () => new Date(Date.now() + aheadMs) });
const signal = () => AbortSignal.timeout(60_000);

type Statement = Record<string, unknown>;
const policyText = (...statements: Statement[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements });
const allow = (Action: unknown, Resource: unknown, Condition?: unknown): Statement => ({
  Effect: 'Allow',
  Action,
  Resource,
  ...(Condition === undefined ? {} : { Condition }),
});
const deny = (Action: unknown, Resource: unknown, Condition?: unknown): Statement => ({
  ...allow(Action, Resource, Condition),
  Effect: 'Deny',
});

const admin = () => {
  const { state, sealKeys } = bench.proxy;
  return new KeyAdmin({ state, sealKeys, record: () => {}, now: () => new Date(), runner: processKdfRunner });
};

async function keyWith(...statements: Statement[]): Promise<TestTenant & { slot: string }> {
  const caller = unsealAccessKeyId(bench.tenant.accessKeyId, bench.proxy.sealKeys);
  const made = await admin().create(caller, { policy: policyText(...statements) }, signal());
  aheadMs += UNKNOWN_SLOT_RECHECK_MS;
  const { tenant, slot, accessKeyId, secretAccessKey = '' } = made;
  return { tenant, slot, accessKeyId, secretAccessKey };
}

async function outcome(as: TestTenant, request: RawRequest): Promise<number> {
  const { status, code } = await bench.send(request, as);
  if (status === 403) expect(code === '' || code === 'AccessDenied').toBe(true);
  return status;
}

const arn = (rest = '') => `arn:aws:s3:::${bench.bucket}${rest}`;
const get = (key: string) => ({ method: 'GET', path: objectPath(bench.bucket, key) }) as const;
const put = (key: string) => ({ method: 'PUT', path: objectPath(bench.bucket, key), body: Buffer.from('x') }) as const;
const remove = (key: string) => ({ method: 'DELETE', path: objectPath(bench.bucket, key) }) as const;
const list = (prefix: string) =>
  ({ method: 'GET', path: `/${bench.bucket}`, query: `list-type=2&prefix=${encodeURIComponent(prefix)}` }) as const;

beforeAll(async () => {
  for (const key of ['blue/a', 'red/a', 'blue/*']) expect((await bench.send(put(key))).status).toBe(200);
});

describe('a policy', () => {
  test('limits objects by their keys, and listings by their prefix', async () => {
    const key = await keyWith(
      allow(['s3:GetObject', 's3:PutObject'], arn('/blue/*')),
      allow('s3:ListBucket', arn(), { StringLike: { 's3:prefix': 'blue/*' } }),
    );
    expect(await outcome(key, get('blue/a'))).toBe(200);
    expect(await outcome(key, put('blue/b'))).toBe(200);
    expect(await outcome(key, list('blue/'))).toBe(200);
    for (const request of [get('red/a'), put('red/b'), put('blue'), remove('blue/a'), list(''), list('red/')]) {
      expect([request, await outcome(key, request)]).toEqual([request, 403]);
    }
    const copy = (from: string) => ({
      ...put('blue/copy'),
      headers: [['x-amz-copy-source', `${bench.bucket}/${from}`]] as const,
    });
    expect(await outcome(key, { ...copy('blue/a'), body: Buffer.alloc(0) })).toBe(200);
    expect(await outcome(key, { ...copy('red/a'), body: Buffer.alloc(0) })).toBe(403);
  });

  test('takes stars of a key for what they are', async () => {
    const key = await keyWith(allow('s3:GetObject', arn('/blue/${*}')));
    expect(await outcome(key, get('blue/*'))).toBe(200);
    expect(await outcome(key, get('blue/a'))).toBe(403);
  });

  test('lets a Deny win, also of what a body names', async () => {
    const key = await keyWith(allow('s3:*', [arn(), arn('/*')]), deny('s3:DeleteObject*', arn('/red/*')));
    expect(await outcome(key, remove('red/a'))).toBe(403);
    const body = '<Delete><Object><Key>red/a</Key></Object><Object><Key>blue/none</Key></Object></Delete>';
    const headers = [['content-md5', hash('md5', body, 'base64')]] as const;
    const reply = await bench.send(
      { method: 'POST', path: `/${bench.bucket}`, query: 'delete', body: Buffer.from(body), headers },
      key,
    );
    expect(reply.body.toString()).toMatch(/<Error><Key>red\/a<\/Key>.*AccessDenied/);
    expect(reply.body.toString()).toContain('<Deleted><Key>blue/none</Key></Deleted>');
    expect((await bench.send(get('red/a'))).status).toBe(200);
  });

  test('can hang on address, agent, transport, time and kind of signature', async () => {
    const when = async (Condition: unknown, request: RawRequest = get('blue/a')) =>
      outcome(await keyWith(allow('s3:GetObject', arn('/*'), Condition)), request);
    expect(await when({ IpAddress: { 'aws:SourceIp': '127.0.0.0/8' } })).toBe(200);
    expect(await when({ NotIpAddress: { 'aws:SourceIp': '127.0.0.0/8' } })).toBe(403);
    expect(await when({ Bool: { 'aws:SecureTransport': 'true' } })).toBe(403);
    expect(await when({ DateGreaterThan: { 'aws:CurrentTime': '2020-01-01T00:00:00Z' } })).toBe(200);
    expect(await when({ DateLessThan: { 'aws:EpochTime': '1600000000' } })).toBe(403);
    expect(await when({ StringEquals: { 's3:authType': 'REST-HEADER' } })).toBe(200);
    expect(await when({ StringEquals: { 's3:authType': 'REST-QUERY-STRING' } })).toBe(403);
    expect(await when({ NumericLessThan: { 's3:signatureAge': 600_000 } })).toBe(200);
    expect(await when({ StringEquals: { 'aws:userid': bench.tenant.tenant } })).toBe(200);
    expect(await when({ Null: { 'aws:TokenIssueTime': 'true' } })).toBe(200);
    const agent = [['user-agent', 'job/1']] as const;
    expect(await when({ StringLike: { 'aws:UserAgent': 'job/*' } }, { ...get('blue/a'), headers: agent })).toBe(200);
    expect(await when({ StringLike: { 'aws:UserAgent': 'job/*' } })).toBe(403);
  });

  test('tells versions apart', async () => {
    await setVersioning(bench, 'Enabled');
    const version = (await bench.send(put('versioned'))).headers['x-amz-version-id'] ?? '';
    const key = await keyWith(
      allow('s3:GetObjectVersion', arn('/*'), { StringEquals: { 's3:VersionId': version } }),
      allow('s3:GetObject', arn('/*')),
    );
    expect(await outcome(key, { ...get('versioned'), query: `versionId=${version}` })).toBe(200);
    const [other] = [(await bench.send(put('versioned'))).headers['x-amz-version-id']];
    expect(await outcome(key, { ...get('versioned'), query: `versionId=${other}` })).toBe(403);
    expect(await outcome(key, get('versioned'))).toBe(200);
    await setVersioning(bench, 'Suspended');
  });

  test('says which buckets are shown', async () => {
    const names = async (key: TestTenant) =>
      [...(await bench.send({ method: 'GET', path: '/' }, key)).body.toString().matchAll(/<Name>([^<]*)/g)].map(
        ([, name]) => name,
      );
    const listing = allow('s3:ListAllMyBuckets', '*');
    expect(await names(await keyWith(listing, allow('s3:GetObject', arn('/blue/*'))))).toEqual([bench.bucket]);
    expect(await names(await keyWith(listing, allow('s3:GetObject', 'arn:aws:s3:::elsewhere/*')))).toEqual([]);
    expect(
      await names(
        await keyWith(listing, { ...allow('s3:GetObject', '*'), Resource: undefined, NotResource: arn('*') }),
      ),
    ).toEqual([]);
    expect(await outcome(await keyWith(allow('s3:GetObject', '*')), { method: 'GET', path: '/' })).toBe(403);
  });

  test('never reaches the state bucket, and never another tenant', async () => {
    const key = await keyWith(allow('*', '*'));
    expect(await outcome(key, { method: 'GET', path: '/sealgate-state', query: 'list-type=2' })).toBe(403);
    const other = await bench.proxy.createTenant();
    expect((await bench.send(put('of-another'), other)).status).toBe(200);
    expect(await outcome(key, get('of-another'))).toBe(403);
  });
});

describe('keys', () => {
  test('hand their policy on, and change no key that reaches further', async () => {
    const own = await keyWith(allow(['s3:GetObject', 'iam:*'], '*'));
    const iam = (as: TestTenant, Action: string, parameters: Record<string, string> = {}) =>
      sendQuery(bench.proxy.endpoint, as, { parameters: { Action, ...parameters } });
    const created = await iam(own, 'CreateAccessKey');
    expect(created.error).toBe('');
    aheadMs += UNKNOWN_SLOT_RECHECK_MS;
    const made = created.root.child('CreateAccessKeyResult')?.child('AccessKey');
    const key = {
      tenant: own.tenant,
      accessKeyId: made?.value('AccessKeyId') ?? '',
      secretAccessKey: made?.value('SecretAccessKey') ?? '',
    };
    expect(await outcome(key, get('blue/a'))).toBe(200);
    expect(await outcome(key, put('blue/c'))).toBe(403);
    const wide = { AccessKeyId: bench.tenant.accessKeyId };
    expect((await iam(own, 'DeleteAccessKey', wide)).error).toBe('AccessDenied');
    expect((await iam(own, 'UpdateAccessKey', { ...wide, Status: 'Inactive' })).error).toBe('AccessDenied');
    expect((await iam(own, 'DeleteAccessKey', { AccessKeyId: key.accessKeyId })).error).toBe('');
    expect((await iam(await keyWith(allow('s3:*', '*')), 'ListAccessKeys')).error).toBe('AccessDenied');
  });

  test('change from grants to a policy and back, and rotate with it', async () => {
    const caller = unsealAccessKeyId(bench.tenant.accessKeyId, bench.proxy.sealKeys);
    const grants = [{ bucket: bench.bucket, prefix: 'red/', access: 'read-only' as const }];
    const { slot, tenant } = await admin().create(caller, { grants }, signal());
    const policy = policyText(allow('s3:GetObject', arn('/blue/*')));
    await admin().update({ tenant, slot, change: { grants: [], policy } }, signal());
    const shown = async (which: string) => (await admin().list(tenant, signal())).find((one) => one.slot === which);
    expect(await shown(slot)).toMatchObject({ grants: [], policy });
    const rotated = await admin().rotate(caller, { slot }, signal());
    expect(await shown(rotated.slot)).toMatchObject({ grants: [], policy });
    await admin().update({ tenant, slot: rotated.slot, change: { grants, policy: null } }, signal());
    expect(await shown(rotated.slot)).toMatchObject({ grants, policy: null });
    const both = { grants, policy };
    await expect(admin().update({ tenant, slot: rotated.slot, change: both }, signal())).rejects.toThrow();
  });

  test.each([
    '',
    '{}',
    '{"Version":"2012-10-17","Statement":[]}',
    'null',
    '{"Version":"2099-01-01","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
  ])('with a policy that nobody understands may do nothing: %s', async (policy) => {
    const own = await bench.proxy.createTenant();
    const { slot } = unsealAccessKeyId(own.accessKeyId, bench.proxy.sealKeys);
    await alterSlot(bench.proxy, own.tenant, slot, { grants: [], policy });
    expect(await outcome(own, { method: 'GET', path: '/' })).toBe(403);
    expect(await outcome(own, get('blue/a'))).toBe(403);
  });
});
