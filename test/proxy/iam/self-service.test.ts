/**
 * Protects: tenants manage their own keys over IAM's API, and nothing beyond: a new key opens the tenant's data at once and
 * has its maker's grants, a removed or inactive one is refused at once, no restricted key widens what it can reach, the last
 * key stays, other tenants are out of sight, and no request makes two keys.
 */
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { KeyAdmin } from '../../../proxy/keyring/admin/key-admin.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin/tenant-admin.ts';
import type { Grant } from '../../../proxy/keyring/grants.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { MAX_KEYRING_SLOTS } from '../../../proxy/limits.ts';
import { alterSlot } from '../../helpers/alter-slot.ts';
import { sharedBench } from '../../helpers/bench.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { asQueryReply, type QueryReply, sendQuery, signedQuery } from '../../helpers/query-api.ts';
import { sendRaw } from '../../helpers/raw-client.ts';

const bench = sharedBench();
/** Turns with each request, so that no two of one test are the same: they would carry the same signature. */
let time = Date.now();

type Parameters = Readonly<Record<string, string>>;

async function iam(as: TestTenant, Action: string, parameters: Parameters = {}): Promise<QueryReply> {
  time += 1000;
  // Within the fifteen minutes that clocks may differ.
  const date = new Date(time - 400_000).toISOString().replace(/[-:]|\.\d{3}/g, '');
  return sendQuery(bench.proxy.endpoint, as, {
    parameters: { Action, ...parameters },
    headers: { 'X-Amz-Date': date },
  });
}

async function create(as: TestTenant): Promise<TestTenant> {
  const reply = await iam(as, 'CreateAccessKey');
  expect(reply.error).toBe('');
  const key = reply.root.child('CreateAccessKeyResult')?.child('AccessKey');
  const value = (name: string) => key?.value(name) ?? '';
  expect(value('Status')).toBe('Active');
  expect(value('UserName')).toBe(as.tenant);
  return { tenant: as.tenant, accessKeyId: value('AccessKeyId'), secretAccessKey: value('SecretAccessKey') };
}

interface Listed {
  readonly handle: string;
  readonly status: string;
}

async function list(
  as: TestTenant,
  parameters: Parameters = {},
): Promise<{ keys: Listed[]; marker: string | undefined }> {
  const reply = await iam(as, 'ListAccessKeys', parameters);
  expect(reply.error).toBe('');
  const result = reply.root.child('ListAccessKeysResult');
  const members = result?.child('AccessKeyMetadata')?.children('member') ?? [];
  const keys = members.map((one) => ({ handle: one.value('AccessKeyId') ?? '', status: one.value('Status') ?? '' }));
  expect(result?.value('IsTruncated')).toBe(String(result?.value('Marker') !== undefined));
  return { keys, marker: result?.value('Marker') };
}

/** The handle of a key: the one that was not there before it was made. */
async function createdHandle(as: TestTenant): Promise<{ key: TestTenant; handle: string }> {
  const before = new Set((await list(as)).keys.map(({ handle }) => handle));
  const key = await create(as);
  const [handle = ''] = (await list(as)).keys.map((one) => one.handle).filter((one) => !before.has(one));
  return { key, handle };
}

const put = (as: TestTenant, key: string, bucket = bench.bucket) =>
  bench.send({ method: 'PUT', path: `/${bucket}/${key}`, body: 'content' }, as);
const get = (as: TestTenant, key: string) => bench.send({ method: 'GET', path: `/${bench.bucket}/${key}` }, as);

describe('a tenant', () => {
  test('rotates its own key: makes one, uses it, removes the old one, each with effect at once', async () => {
    const old = await bench.proxy.createTenant();
    await bench.proxy.client(old).send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'rotated', Body: 'kept' }));
    const next = await create(old);
    const found = await bench.proxy.client(next).send(new GetObjectCommand({ Bucket: bench.bucket, Key: 'rotated' }));
    expect(await found.Body?.transformToString()).toBe('kept');

    const { keys } = await list(next);
    expect(keys).toHaveLength(2);
    expect((await iam(next, 'UpdateAccessKey', { AccessKeyId: old.accessKeyId, Status: 'Inactive' })).error).toBe('');
    expect((await get(old, 'rotated')).code).toBe('InvalidAccessKeyId');
    expect((await iam(old, 'ListAccessKeys')).error).toBe('InvalidClientTokenId');
    expect((await list(next)).keys.map(({ status }) => status).sort()).toEqual(['Active', 'Inactive']);

    expect((await iam(next, 'UpdateAccessKey', { AccessKeyId: old.accessKeyId, Status: 'Active' })).error).toBe('');
    expect((await get(old, 'rotated')).status).toBe(200);

    expect((await iam(next, 'DeleteAccessKey', { AccessKeyId: old.accessKeyId })).error).toBe('');
    expect((await get(old, 'rotated')).code).toBe('InvalidAccessKeyId');
    expect((await get(next, 'rotated')).body.toString()).toBe('kept');
    expect((await list(next)).keys).toHaveLength(1);
    const kinds = bench
      .events()
      .filter(({ tenant }) => tenant === old.tenant)
      .map(({ securityEvent }) => securityEvent);
    const told = kinds.filter((kind) => String(kind).startsWith('key-'));
    expect(told).toEqual(['key-created', 'key-changed', 'key-changed', 'key-revoked']);
  });

  test('may remove the key it signs with, while another is in use', async () => {
    const own = await bench.proxy.createTenant();
    const other = await create(own);
    expect((await iam(own, 'DeleteAccessKey', { AccessKeyId: own.accessKeyId })).error).toBe('');
    expect((await iam(own, 'GetUser')).error).toBe('InvalidClientTokenId');
    expect((await list(other)).keys).toHaveLength(1);
  });

  test('cannot remove or switch off the last key in use, inactive ones notwithstanding', async () => {
    const own = await bench.proxy.createTenant();
    const { handle } = await createdHandle(own);
    expect((await iam(own, 'UpdateAccessKey', { AccessKeyId: handle, Status: 'Inactive' })).error).toBe('');
    const attempts: readonly [string, Parameters][] = [
      ['DeleteAccessKey', { AccessKeyId: own.accessKeyId }],
      ['UpdateAccessKey', { AccessKeyId: own.accessKeyId, Status: 'Inactive' }],
    ];
    for (const [action, parameters] of attempts) {
      const refused = await iam(own, action, parameters);
      expect([refused.error, refused.status]).toEqual(['DeleteConflict', 409]);
      expect(refused.root.child('Error')?.value('Message')).toContain('the last key in use');
    }
    expect((await put(own, 'still-works')).status).toBe(200);
    // An inactive key is no way in, so it may go.
    expect((await iam(own, 'DeleteAccessKey', { AccessKeyId: handle })).error).toBe('');
  });

  test('names a key by handle or by id, with its own user name or none', async () => {
    const own = await bench.proxy.createTenant();
    const { key, handle } = await createdHandle(own);
    expect(handle).toMatch(/^SEALGATE[0-9a-f]{8}$/);
    for (const AccessKeyId of [handle, key.accessKeyId]) {
      for (const named of [{}, { UserName: own.tenant }]) {
        const off = await iam(own, 'UpdateAccessKey', { AccessKeyId, Status: 'Inactive', ...named });
        expect(off.error).toBe('');
        expect((await list(own)).keys.find((one) => one.handle === handle)?.status).toBe('Inactive');
        expect((await iam(own, 'UpdateAccessKey', { AccessKeyId, Status: 'Active', ...named })).error).toBe('');
      }
      const used = await iam(own, 'GetAccessKeyLastUsed', { AccessKeyId });
      const result = used.root.child('GetAccessKeyLastUsedResult');
      expect(result?.value('UserName')).toBe(own.tenant);
      expect(result?.child('AccessKeyLastUsed')?.value('ServiceName')).toBe('N/A');
    }
    const user = (await iam(own, 'GetUser')).root.child('GetUserResult')?.child('User');
    expect(user?.value('Arn')).toBe(`arn:aws:iam::000000000000:user/${own.tenant}`);
    const { root } = await sendQuery(bench.proxy.endpoint, own, {
      service: 'sts',
      parameters: { Action: 'GetCallerIdentity' },
    });
    expect(root.child('GetCallerIdentityResult')?.value('UserId')).toBe(own.tenant);
  });

  test('that takes short access key ids only gets short ones, and their records go with them', async () => {
    const { state, sealKeys } = bench.proxy;
    const deps = { state, sealKeys, record: () => {}, now: () => new Date(), runner: processKdfRunner };
    const first = await bench.proxy.createTenant();
    const signal = AbortSignal.timeout(60_000);
    const caller = unsealAccessKeyId(first.accessKeyId, sealKeys);
    const issued = await new KeyAdmin(deps).create(caller, { registered: true }, signal);
    const own = { ...first, accessKeyId: issued.accessKeyId, secretAccessKey: issued.secretAccessKey ?? '' };
    const next = await create(own);
    expect(next.accessKeyId).toMatch(/^SGRK[A-Z2-7]{16}$/);
    expect((await put(next, 'short')).status).toBe(200);
    expect((await iam(next, 'DeleteAccessKey', { AccessKeyId: own.accessKeyId })).error).toBe('');
    expect((await get(own, 'short')).code).toBe('InvalidAccessKeyId');
    expect(await state.get(`ids/${own.accessKeyId}`, signal)).toBeUndefined();
    expect(await state.get(`ids/${next.accessKeyId}`, signal)).toBeDefined();
  });

  test('reads its keys page by page', async () => {
    const own = await bench.proxy.createTenant();
    for (let made = 0; made < 4; made++) await create(own);
    const whole = (await list(own)).keys.map(({ handle }) => handle);
    expect(whole).toHaveLength(5);
    const seen: string[] = [];
    let marker: string | undefined;
    let pages = 0;
    do {
      const page = await list(own, { MaxItems: '2', ...(marker === undefined ? {} : { Marker: marker }) });
      seen.push(...page.keys.map(({ handle }) => handle));
      marker = page.marker;
      pages += 1;
    } while (marker !== undefined);
    expect(pages).toBe(3);
    expect(seen).toEqual(whole);
    for (const MaxItems of ['0', '1001', '-1', 'x', '']) {
      expect((await iam(own, 'ListAccessKeys', { MaxItems })).error).toBe('InvalidParameterValue');
    }
  });

  test('has as many keys as a keyring takes, and then no more', async () => {
    const own = await bench.proxy.createTenant();
    for (let made = 1; made < MAX_KEYRING_SLOTS; made++) await create(own);
    const refused = await iam(own, 'CreateAccessKey');
    expect([refused.error, refused.status]).toEqual(['LimitExceeded', 409]);
    expect((await list(own)).keys).toHaveLength(MAX_KEYRING_SLOTS);
  });

  test('sees nothing of another tenant', async () => {
    const [own, other] = [await bench.proxy.createTenant(), await bench.proxy.createTenant()];
    const { handle } = await createdHandle(other);
    for (const AccessKeyId of [other.accessKeyId, handle, 'AKIAIOSFODNN7EXAMPLE', 'SG1'.padEnd(107, 'A'), '\u0000']) {
      for (const [action, more] of [
        ['DeleteAccessKey', {}],
        ['UpdateAccessKey', { Status: 'Inactive' }],
        ['GetAccessKeyLastUsed', {}],
      ] as const) {
        const refused = await iam(own, action, { AccessKeyId, ...more });
        expect([action, refused.error, refused.status]).toEqual([action, 'NoSuchEntity', 404]);
      }
    }
    for (const action of ['CreateAccessKey', 'ListAccessKeys', 'GetUser']) {
      expect((await iam(own, action, { UserName: other.tenant })).error).toBe('AccessDenied');
    }
    expect((await list(other)).keys).toHaveLength(2);
  });
});

describe('a restricted key', () => {
  const grant = (bucket: string, prefix = '', access: Grant['access'] = 'read-write'): Grant => ({
    bucket,
    prefix,
    access,
  });

  /** A tenant with one key of each set of grants, the widest first. */
  async function tenantWith(
    ...sets: readonly (readonly Grant[])[]
  ): Promise<readonly { key: TestTenant; handle: string }[]> {
    const first = await bench.proxy.createTenant(sets[0] ?? []);
    const own = { key: first, handle: (await list(first)).keys[0]?.handle ?? '' };
    const others = [];
    for (const grants of sets.slice(1)) {
      const made = await createdHandle(first);
      await setTerms(first.tenant, made.handle, { grants: [...grants] });
      others.push(made);
    }
    return [own, ...others];
  }

  async function setTerms(tenant: string, handle: string, terms: { grants?: Grant[]; expires?: string | null }) {
    await alterSlot(bench.proxy, tenant, handle.slice(-8), terms);
  }

  test('makes keys with exactly its own grants, and no later expiry', async () => {
    const [, narrow] = await tenantWith([grant('*')], [grant(bench.bucket, 'p/', 'read-write')]);
    if (narrow === undefined) throw new Error('There is no narrow key.');
    const expires = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000).toISOString().replace('.000', '');
    await setTerms(narrow.key.tenant, narrow.handle, { expires });
    const { key, handle } = await createdHandle(narrow.key);
    expect((await put(key, 'p/inside')).status).toBe(200);
    expect((await put(key, 'outside')).code).toBe('AccessDenied');
    const details = await new TenantAdmin({
      state: bench.proxy.state,
      sealKeys: bench.proxy.sealKeys,
      record: () => {},
    }).show(key.tenant);
    const made = details.keys.find(({ slot }) => slot === handle.slice(-8));
    expect(made).toMatchObject({ grants: [grant(bench.bucket, 'p/')], expires });
  });

  test.each([
    ['a prefix', [grant('data-one', 'p/')], [grant('data-one', '')]],
    ['another prefix', [grant('data-one', 'p/')], [grant('data-one', 'q/')]],
    ['another bucket', [grant('data-one')], [grant('data-two')]],
    ['every bucket', [grant('data-one')], [grant('*')]],
    ['reading only', [grant('data-one', '', 'read-only')], [grant('data-one')]],
    ['one of two grants', [grant('data-one')], [grant('data-one'), grant('data-two')]],
  ])('does not act on one that reaches further: %s', async (_name, own, wider) => {
    const [, narrow, wide] = await tenantWith([grant('*')], own, wider);
    if (narrow === undefined || wide === undefined) throw new Error('A key is missing.');
    for (const Status of ['Inactive', 'Active']) {
      const refused = await iam(narrow.key, 'UpdateAccessKey', { AccessKeyId: wide.handle, Status });
      expect([refused.error, refused.status]).toEqual(['AccessDenied', 403]);
    }
    const refused = await iam(narrow.key, 'DeleteAccessKey', { AccessKeyId: wide.handle });
    expect([refused.error, refused.status]).toEqual(['AccessDenied', 403]);
    expect((await list(narrow.key)).keys).toHaveLength(3);
    // The other way it may.
    const first = await iam(wide.key, 'DeleteAccessKey', { AccessKeyId: narrow.handle });
    expect(first.error).toBe(covers(wider, own) ? '' : 'AccessDenied');
  });

  const covers = (wide: readonly Grant[], narrow: readonly Grant[]) =>
    narrow.every((n) =>
      wide.some(
        (w) =>
          (w.bucket === '*' || w.bucket === n.bucket) &&
          n.prefix.startsWith(w.prefix) &&
          (w.access === 'read-write' || n.access === 'read-only'),
      ),
    );

  test('does not act on one that lives longer', async () => {
    const [stays, ends] = await tenantWith([grant('*')], [grant('*')]);
    if (stays === undefined || ends === undefined) throw new Error('A key is missing.');
    const expires = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000).toISOString().replace('.000', '');
    await setTerms(ends.key.tenant, ends.handle, { expires });
    expect((await iam(ends.key, 'DeleteAccessKey', { AccessKeyId: stays.handle })).error).toBe('AccessDenied');
    // Nor does the key that stays remove itself while only one that ends would be left.
    const last = await iam(stays.key, 'DeleteAccessKey', { AccessKeyId: stays.handle });
    expect([last.error, last.status]).toEqual(['DeleteConflict', 409]);
    expect((await iam(stays.key, 'DeleteAccessKey', { AccessKeyId: ends.handle })).error).toBe('');
  });
});

describe('one request', () => {
  test('makes one key, however often and wherever it is sent', async () => {
    const own = await bench.proxy.createTenant();
    const request = signedQuery(bench.proxy.endpoint, own, { parameters: { Action: 'CreateAccessKey' } });
    const first = asQueryReply(await sendRaw(bench.proxy.endpoint, request));
    expect(first.error).toBe('');
    const again = await Promise.all([1, 2, 3].map(() => sendRaw(bench.proxy.endpoint, request)));
    expect(again.map((reply) => asQueryReply(reply).error)).toEqual(['Throttling', 'Throttling', 'Throttling']);
    // Removing the key does not make the request good again.
    const made = first.root.child('CreateAccessKeyResult')?.child('AccessKey')?.value('AccessKeyId') ?? '';
    expect((await iam(own, 'DeleteAccessKey', { AccessKeyId: made })).error).toBe('');
    expect(asQueryReply(await sendRaw(bench.proxy.endpoint, request)).error).toBe('Throttling');
    expect((await list(own)).keys).toHaveLength(1);
  });

  test('made at the same time as others loses nothing: five creations, five keys', async () => {
    const own = await bench.proxy.createTenant();
    const made = await Promise.all([1, 2, 3, 4, 5].map(() => create(own)));
    expect(new Set(made.map(({ accessKeyId }) => accessKeyId)).size).toBe(5);
    expect((await list(own)).keys).toHaveLength(6);
    for (const key of made) expect((await put(key, 'all-work')).status).toBe(200);
  });

  test('of two that each remove the other key, one is refused', async () => {
    const one = await bench.proxy.createTenant();
    const two = await create(one);
    const outcomes = await Promise.all([
      iam(one, 'DeleteAccessKey', { AccessKeyId: two.accessKeyId }),
      iam(two, 'DeleteAccessKey', { AccessKeyId: one.accessKeyId }),
    ]);
    expect(outcomes.map(({ error }) => error).filter((error) => error === '')).toHaveLength(1);
    const survivors = await Promise.all([put(one, 'who'), put(two, 'who')]);
    expect(survivors.map(({ status }) => status).sort()).toEqual([200, 403]);
  });
});

test('a new secret is in its reply and nowhere else: not in the log, and not to be kept on the way', async () => {
  const own = await bench.proxy.createTenant();
  const reply = await iam(own, 'CreateAccessKey');
  expect(reply.headers['cache-control']).toBe('no-store');
  expect(reply.headers['content-type']).toBe('text/xml');
  const key = reply.root.child('CreateAccessKeyResult')?.child('AccessKey');
  const log = JSON.stringify(bench.proxy.log);
  for (const name of ['SecretAccessKey', 'AccessKeyId']) {
    const value = key?.value(name) ?? '';
    expect(value.length).toBeGreaterThan(40);
    expect(log.includes(value)).toBe(false);
  }
  expect(bench.proxy.log.at(-1)).toMatchObject({ operation: 'CreateAccessKey', status: 200, tenant: own.tenant });
});
