// Protects: a locked version stays. Retention, legal hold and the default of a bucket protect versions as S3 says, GOVERNANCE gives
// way to a bypass alone and COMPLIANCE to nothing, and no way round versioning takes a locked version.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LOCAL_MAX_RETENTION_DAYS } from '../../../../proxy/store-limits.ts';
import { type Answer, md5Base64, openTestStore, pattern, type TestStore } from './harness.ts';
import { indexProblems } from './store-files.ts';

const DAY_MS = 86_400_000;
const BYPASS = { 'x-amz-bypass-governance-retention': 'true' };
const LOCKED = { 'x-amz-bucket-object-lock-enabled': 'true' };
let now = Date.parse('2026-11-27T12:00:00Z');
let store: TestStore;
let made = 0;
beforeAll(async () => {
  store = await openTestStore({ now: () => new Date(now) });
});
afterAll(async () => {
  expect(indexProblems(store.directory)).toEqual([]);
  await store[Symbol.asyncDispose]();
});

async function lockedBucket(): Promise<string> {
  const bucket = `locked-${made++}`;
  expect((await store.put({ bucket, headers: LOCKED })).status).toBe(200);
  return bucket;
}

const inDays = (days: number) => new Date(now + days * DAY_MS).toISOString();
const asked = (mode: string, days: number) => ({
  'x-amz-object-lock-mode': mode,
  'x-amz-object-lock-retain-until-date': inDays(days),
});
const versionOf = ({ headers }: Answer) => headers['x-amz-version-id'] ?? '';

async function put(bucket: string, key: string, headers: Record<string, string> = {}): Promise<string> {
  const answer = await store.put({ bucket, key, body: key, headers });
  expect([answer.status, answer.text]).toEqual([200, '']);
  return versionOf(answer);
}

const configure = (bucket: string, rule: string, enabled = 'Enabled') =>
  store.put({
    bucket,
    query: { 'object-lock': '' },
    body: `<ObjectLockConfiguration><ObjectLockEnabled>${enabled}</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`,
  });
const ruleOf = (retention: string) => `<Rule><DefaultRetention>${retention}</DefaultRetention></Rule>`;

interface Version {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string;
}

const queryOf = (name: string, versionId: string | undefined) => ({
  [name]: '',
  ...(versionId === undefined ? {} : { versionId }),
});
const retain = ({ bucket, key, versionId }: Version, content: string, headers: Record<string, string> = {}) =>
  store.put({
    bucket,
    key,
    query: queryOf('retention', versionId),
    body: `<Retention>${content}</Retention>`,
    headers,
  });
const retention = (mode: string, days: number) =>
  `<Mode>${mode}</Mode><RetainUntilDate>${inDays(days)}</RetainUntilDate>`;
const hold = ({ bucket, key, versionId }: Version, status: string) =>
  store.put({
    bucket,
    key,
    query: queryOf('legal-hold', versionId),
    body: `<LegalHold><Status>${status}</Status></LegalHold>`,
  });
const remove = ({ bucket, key, versionId }: Version, headers: Record<string, string> = {}) =>
  store.delete({ bucket, key, query: versionId === undefined ? {} : { versionId }, headers });
const outcome = ({ status, code }: Answer) => (code === '' ? `${status}` : `${status} ${code}`);

describe('the configuration of a bucket', () => {
  test('a bucket that is made with locks has versions, which cannot be suspended', async () => {
    const bucket = await lockedBucket();
    expect((await store.get({ bucket, query: { versioning: '' } })).xml.value('Status')).toBe('Enabled');
    const { status, xml } = await store.get({ bucket, query: { 'object-lock': '' } });
    expect([status, xml.value('ObjectLockEnabled'), xml.child('Rule')]).toEqual([200, 'Enabled', undefined]);
    const body = '<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>';
    expect(outcome(await store.put({ bucket, query: { versioning: '' }, body }))).toBe('409 InvalidBucketState');
  });

  test('locks are allowed later where there are versions, and nowhere else', async () => {
    const bucket = `later-${made++}`;
    await store.put({ bucket });
    expect(outcome(await configure(bucket, ''))).toBe('409 InvalidBucketState');
    expect(outcome(await store.get({ bucket, query: { 'object-lock': '' } }))).toBe(
      '404 ObjectLockConfigurationNotFoundError',
    );
    for (const state of ['Suspended', 'Enabled']) {
      const body = `<VersioningConfiguration><Status>${state}</Status></VersioningConfiguration>`;
      await store.put({ bucket, query: { versioning: '' }, body });
      expect(outcome(await configure(bucket, ''))).toBe(state === 'Enabled' ? '200' : '409 InvalidBucketState');
    }
    const kept = { bucket, key: 'k', versionId: await put(bucket, 'k', asked('COMPLIANCE', 1)) };
    expect(outcome(await remove(kept, BYPASS))).toBe('403 AccessDenied');
  });

  test.each([
    [ruleOf('<Mode>GOVERNANCE</Mode><Days>1</Days>'), 'Enabled', '200'],
    [ruleOf('<Mode>COMPLIANCE</Mode><Years>100</Years>'), 'Enabled', '200'],
    ['', 'Enabled', '200'],
    [ruleOf('<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>'), 'Enabled', '400 MalformedXML'],
    [ruleOf('<Mode>GOVERNANCE</Mode>'), 'Enabled', '400 MalformedXML'],
    [ruleOf('<Days>1</Days>'), 'Enabled', '400 MalformedXML'],
    [ruleOf('<Mode>governance</Mode><Days>1</Days>'), 'Enabled', '400 MalformedXML'],
    [ruleOf('<Mode>GOVERNANCE</Mode><Days>one</Days>'), 'Enabled', '400 MalformedXML'],
    ['<Rule></Rule>', 'Enabled', '400 MalformedXML'],
    ['', 'Disabled', '400 MalformedXML'],
    [ruleOf('<Mode>GOVERNANCE</Mode><Days>0</Days>'), 'Enabled', '400 InvalidArgument'],
    [ruleOf('<Mode>GOVERNANCE</Mode><Years>-1</Years>'), 'Enabled', '400 InvalidArgument'],
    [ruleOf(`<Mode>GOVERNANCE</Mode><Days>${LOCAL_MAX_RETENTION_DAYS + 1}</Days>`), 'Enabled', '400 InvalidArgument'],
    [ruleOf('<Mode>GOVERNANCE</Mode><Years>101</Years>'), 'Enabled', '400 InvalidArgument'],
  ])('%s %s: %s', async (rule, enabled, expected) => {
    const bucket = await lockedBucket();
    expect(outcome(await configure(bucket, rule, enabled))).toBe(expected);
    const { text } = await store.get({ bucket, query: { 'object-lock': '' } });
    expect(text.includes(rule)).toBe(expected === '200' || rule === '');
  });

  test('a bucket header that says neither true nor false is refused', async () => {
    const headers = { 'x-amz-bucket-object-lock-enabled': 'maybe' };
    expect(outcome(await store.put({ bucket: `maybe-${made++}`, headers }))).toBe('400 InvalidArgument');
  });
});

describe('what a write asks for', () => {
  test.each([
    [asked('GOVERNANCE', 1), '200'],
    [{ 'x-amz-object-lock-legal-hold': 'ON' }, '200'],
    [{ 'x-amz-object-lock-mode': 'GOVERNANCE' }, '400 InvalidArgument'],
    [{ 'x-amz-object-lock-retain-until-date': '2030-01-01T00:00:00Z' }, '400 InvalidArgument'],
    [asked('governance', 1), '400 InvalidArgument'],
    [asked('GOVERNANCE', -1), '400 InvalidArgument'],
    [asked('GOVERNANCE', LOCAL_MAX_RETENTION_DAYS + 2), '400 InvalidArgument'],
    [{ ...asked('GOVERNANCE', 1), 'x-amz-object-lock-retain-until-date': 'tomorrow' }, '400 InvalidArgument'],
    [{ ...asked('GOVERNANCE', 1), 'x-amz-object-lock-retain-until-date': '2060' }, '400 InvalidArgument'],
    [
      { ...asked('GOVERNANCE', 1), 'x-amz-object-lock-retain-until-date': '9999-12-31T23:59:59Z' },
      '400 InvalidArgument',
    ],
    [{ 'x-amz-object-lock-legal-hold': 'on' }, '400 InvalidArgument'],
  ])('%j: %s', async (headers, expected) => {
    const bucket = await lockedBucket();
    const plain = `plain-${made++}`;
    await store.put({ bucket: plain });
    await store.put({ bucket, key: 'source', body: 'x' });
    const copied = { ...headers, 'x-amz-copy-source': `${bucket}/source` };
    const refused = expected === '200' ? '400 InvalidRequest' : expected;
    for (const [where, said] of [
      [bucket, expected],
      [plain, refused],
    ] as const) {
      expect(outcome(await store.put({ bucket: where, key: 'put', body: 'x', headers }))).toBe(said);
      expect(outcome(await store.put({ bucket: where, key: 'copy', headers: copied }))).toBe(said);
      expect(outcome(await store.post({ bucket: where, key: 'parts', query: { uploads: '' }, headers }))).toBe(said);
    }
  });

  test.each([
    ['2060-01-01T00:00:00', '2060-01-01T00:00:00.000Z'],
    ['2060-01-01T00:00:00.5z', '2060-01-01T00:00:00.500Z'],
    ['2060-01-01T00:00:00+0200', '2059-12-31T22:00:00.000Z'],
  ])('until %s is until %s, wherever the server stands', async (given, expected) => {
    const bucket = await lockedBucket();
    const zone = process.env['TZ'];
    process.env['TZ'] = 'Pacific/Kiritimati';
    try {
      await put(bucket, 'k', { ...asked('COMPLIANCE', 1), 'x-amz-object-lock-retain-until-date': given });
    } finally {
      if (zone === undefined) delete process.env['TZ'];
      else process.env['TZ'] = zone;
    }
    const { headers } = await store.head({ bucket, key: 'k' });
    expect(headers['x-amz-object-lock-retain-until-date']).toBe(expected);
  });

  test('every way to make a version locks it, and none takes the lock of its source along', async () => {
    const bucket = await lockedBucket();
    const headers = { ...asked('COMPLIANCE', 2), 'x-amz-object-lock-legal-hold': 'OFF' };
    const begun = await store.post({ bucket, key: 'parts', query: { uploads: '' }, headers });
    const uploadId = begun.xml.value('UploadId') ?? '';
    const part = await store.put({ bucket, key: 'parts', query: { uploadId, partNumber: '1' }, body: 'part' });
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${part.headers['etag']}</ETag></Part></CompleteMultipartUpload>`;
    expect((await store.post({ bucket, key: 'parts', query: { uploadId }, body })).status).toBe(200);
    await put(bucket, 'put', headers);
    const copied = { ...headers, 'x-amz-copy-source': `${bucket}/put` };
    expect((await store.put({ bucket, key: 'copy', headers: copied })).status).toBe(200);
    expect((await store.put({ bucket, key: 'bare', headers: { 'x-amz-copy-source': `${bucket}/put` } })).status).toBe(
      200,
    );
    for (const key of ['put', 'copy', 'parts']) {
      for (const answer of [await store.head({ bucket, key }), await store.get({ bucket, key })]) {
        expect(answer.headers).toMatchObject(headers);
        const versionId = versionOf(answer);
        expect(outcome(await remove({ bucket, key, versionId }, BYPASS))).toBe('403 AccessDenied');
      }
    }
    expect(Object.keys((await store.head({ bucket, key: 'bare' })).headers).join()).not.toContain('object-lock');
  });

  test('headers of locks on other operations are refused', async () => {
    const bucket = await lockedBucket();
    for (const headers of [asked('GOVERNANCE', 1), { 'x-amz-object-lock-legal-hold': 'ON' }, LOCKED]) {
      expect((await store.get({ bucket, headers })).code).toBe('NotImplemented');
    }
  });
});

test('the default of a bucket locks what comes without a retention, from when it is made', async () => {
  const bucket = await lockedBucket();
  const before = await put(bucket, 'before');
  expect((await configure(bucket, ruleOf('<Mode>GOVERNANCE</Mode><Years>1</Years>'))).status).toBe(200);
  await put(bucket, 'after', { 'x-amz-object-lock-legal-hold': 'ON' });
  expect((await store.head({ bucket, key: 'after' })).headers).toMatchObject({
    ...asked('GOVERNANCE', 365),
    'x-amz-object-lock-legal-hold': 'ON',
  });
  await put(bucket, 'own', asked('COMPLIANCE', 1));
  expect((await store.head({ bucket, key: 'own' })).headers).toMatchObject(asked('COMPLIANCE', 1));
  expect(outcome(await remove({ bucket, key: 'before', versionId: before }))).toBe('204');
});

describe('a retention in force', () => {
  test.each([
    // from, days; to (undefined: taken off), days; without and with the bypass
    ['GOVERNANCE', 2, 'GOVERNANCE', 3, '200', '200'],
    ['GOVERNANCE', 2, 'GOVERNANCE', 1, '403 AccessDenied', '200'],
    ['GOVERNANCE', 2, 'COMPLIANCE', 3, '403 AccessDenied', '200'],
    ['GOVERNANCE', 2, undefined, 0, '403 AccessDenied', '200'],
    ['COMPLIANCE', 2, 'COMPLIANCE', 3, '200', '200'],
    ['COMPLIANCE', 2, 'COMPLIANCE', 1, '403 AccessDenied', '403 AccessDenied'],
    ['COMPLIANCE', 2, 'GOVERNANCE', 3, '403 AccessDenied', '403 AccessDenied'],
    ['COMPLIANCE', 2, undefined, 0, '403 AccessDenied', '403 AccessDenied'],
  ])('%s for %i days, then %s for %i: %s, with a bypass %s', async (from, days, to, later, without, withBypass) => {
    const bucket = await lockedBucket();
    for (const [headers, expected] of [
      [{}, without],
      [BYPASS, withBypass],
    ] as const) {
      const version = { bucket, key: 'k', versionId: await put(bucket, 'k', asked(from, days)) };
      expect(outcome(await retain(version, to === undefined ? '' : retention(to, later), headers))).toBe(expected);
      const got = await store.get({ bucket, key: 'k', query: queryOf('retention', version.versionId) });
      if (expected !== '200') expect(got.text).toContain(retention(from, days));
      else if (to === undefined) expect(outcome(got)).toBe('404 NoSuchObjectLockConfiguration');
      else expect(got.text).toContain(retention(to, later));
    }
  });

  test.each([
    ['<Mode>GOVERNANCE</Mode>', '400 MalformedXML'],
    [retention('abc', 1), '400 MalformedXML'],
    ['<Mode>GOVERNANCE</Mode><RetainUntilDate>x</RetainUntilDate>', '400 InvalidArgument'],
    ['<Mode>GOVERNANCE</Mode><RetainUntilDate>2020-01-01T00:00:00Z</RetainUntilDate>', '400 InvalidArgument'],
  ])('a document that is none: %s: %s', async (content, expected) => {
    const bucket = await lockedBucket();
    await put(bucket, 'k');
    expect(outcome(await retain({ bucket, key: 'k' }, content))).toBe(expected);
  });

  test('keeps its version until it ends; then it can go, and be locked anew', async () => {
    const bucket = await lockedBucket();
    const versionId = await put(bucket, 'k', asked('COMPLIANCE', 1));
    const version = { bucket, key: 'k', versionId };
    expect(outcome(await remove(version, BYPASS))).toBe('403 AccessDenied');
    now += DAY_MS + 1;
    expect(outcome(await retain(version, retention('GOVERNANCE', 1)))).toBe('200');
    expect(outcome(await remove(version))).toBe('403 AccessDenied');
    expect(outcome(await remove(version, { 'x-amz-bypass-governance-retention': 'false' }))).toBe('403 AccessDenied');
    expect((await store.get({ bucket, key: 'k', query: { versionId } })).text).toBe('k');
    expect(outcome(await remove(version, BYPASS))).toBe('204');
    expect((await store.get({ bucket, key: 'k', query: { versionId } })).code).toBe('NoSuchVersion');
  });

  test('does not hinder new versions and delete markers', async () => {
    const bucket = await lockedBucket();
    const versionId = await put(bucket, 'k', asked('COMPLIANCE', 1));
    await store.put({ bucket, key: 'k', body: pattern(100_000) });
    const marker = await remove({ bucket, key: 'k' });
    expect([marker.status, marker.headers['x-amz-delete-marker']]).toEqual([204, 'true']);
    expect(outcome(await remove({ bucket, key: 'k', versionId: versionOf(marker) }))).toBe('204');
    expect((await store.get({ bucket, key: 'k', query: { versionId } })).text).toBe('k');
    expect((await store.delete({ bucket })).code).toBe('BucketNotEmpty');
  });
});

test('a legal hold has no end and no bypass, and is taken off by itself alone', async () => {
  const bucket = await lockedBucket();
  const version = { bucket, key: 'k', versionId: await put(bucket, 'k') };
  const read = () => store.get({ bucket, key: 'k', query: queryOf('legal-hold', undefined) });
  expect(outcome(await read())).toBe('404 NoSuchObjectLockConfiguration');
  expect(outcome(await hold(version, 'ON'))).toBe('200');
  expect((await read()).xml.value('Status')).toBe('ON');
  expect(outcome(await hold(version, 'abc'))).toBe('400 MalformedXML');
  now += 10 * DAY_MS;
  expect(outcome(await remove(version, BYPASS))).toBe('403 AccessDenied');
  expect(outcome(await retain(version, retention('GOVERNANCE', 1)))).toBe('200');
  expect(outcome(await retain(version, '', BYPASS))).toBe('200');
  expect(outcome(await remove(version, BYPASS))).toBe('403 AccessDenied');
  expect(outcome(await hold(version, 'OFF'))).toBe('200');
  expect((await read()).xml.value('Status')).toBe('OFF');
  expect(outcome(await remove(version))).toBe('204');
});

test('DeleteObjects refuses locked versions one by one, and takes the others', async () => {
  const bucket = await lockedBucket();
  const names = {
    free: await put(bucket, 'free'),
    governed: await put(bucket, 'governed', asked('GOVERNANCE', 1)),
    complied: await put(bucket, 'complied', asked('COMPLIANCE', 1)),
    held: await put(bucket, 'held', { 'x-amz-object-lock-legal-hold': 'ON' }),
  };
  const run = async (headers: Record<string, string>) => {
    const objects = Object.entries(names).map(
      ([key, versionId]) => `<Object><Key>${key}</Key><VersionId>${versionId}</VersionId></Object>`,
    );
    const body = `<Delete>${objects.join('')}</Delete>`;
    const query = { delete: '' };
    const { xml } = await store.post({ bucket, query, body, headers: { ...headers, 'content-md5': md5Base64(body) } });
    return {
      deleted: xml.children('Deleted').map((row) => row.value('Key')),
      refused: xml.children('Error').map((row) => `${row.value('Key')} ${row.value('Code')}`),
    };
  };
  expect(await run({})).toEqual({
    deleted: ['free'],
    refused: ['governed AccessDenied', 'complied AccessDenied', 'held AccessDenied'],
  });
  expect(await run(BYPASS)).toEqual({
    deleted: ['free', 'governed'],
    refused: ['complied AccessDenied', 'held AccessDenied'],
  });
});

test('a bucket without locks has none to read or to set', async () => {
  const bucket = `without-${made++}`;
  await store.put({ bucket });
  await put(bucket, 'k');
  for (const answer of [
    await retain({ bucket, key: 'k' }, retention('GOVERNANCE', 1)),
    await hold({ bucket, key: 'k' }, 'ON'),
    await store.get({ bucket, key: 'k', query: { retention: '' } }),
    await store.get({ bucket, key: 'k', query: { 'legal-hold': '' } }),
  ]) {
    expect([outcome(answer), answer.xml.value('Message')]).toEqual([
      '400 InvalidRequest',
      'Bucket is missing Object Lock Configuration',
    ]);
  }
  const locked = await lockedBucket();
  expect(outcome(await hold({ bucket: locked, key: 'absent' }, 'ON'))).toBe('404 NoSuchKey');
  expect(outcome(await store.get({ bucket: locked, key: 'absent', query: { retention: '' } }))).toBe('404 NoSuchKey');
});

test('locks are there after the store was closed and opened again', async () => {
  await using other = await openTestStore();
  await other.put({ bucket: 'kept', headers: LOCKED });
  const headers = {
    'x-amz-object-lock-mode': 'COMPLIANCE',
    'x-amz-object-lock-retain-until-date': '2060-01-01T00:00:00Z',
  };
  const versionId = versionOf(await other.put({ bucket: 'kept', key: 'k', body: 'x', headers }));
  await other.reopen();
  expect(outcome(await other.delete({ bucket: 'kept', key: 'k', query: { versionId } }))).toBe('403 AccessDenied');
});
