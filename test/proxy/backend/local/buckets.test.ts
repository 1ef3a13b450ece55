// Protects: bucket operations answer as S3 does, and a bucket that holds anything cannot be removed.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestStore, type TestStore } from './harness.ts';

let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ now: () => new Date(1_700_000_000_123) });
});
afterAll(() => store[Symbol.asyncDispose]());

const INVALID = [
  'ab',
  'a'.repeat(64),
  'UPPER',
  'a_b',
  '-ab',
  'ab-',
  'a..b',
  '192.168.5.4',
  'xn--abc',
  'abc-s3alias',
  'ab/c',
  'é',
];
const VALID = ['abc', 'a'.repeat(63), 'a.b-c', '1ab', '192.168.5.4a'];

test('names follow S3’s rules', async () => {
  let ran = 0;
  for (const bucket of INVALID) {
    const answer = await store.put({ bucket });
    expect([bucket, answer.status, answer.code]).toEqual([bucket, 400, 'InvalidBucketName']);
    ran++;
  }
  for (const bucket of VALID) {
    expect([bucket, (await store.put({ bucket })).status]).toEqual([bucket, 200]);
    expect((await store.delete({ bucket })).status).toBe(204);
    ran++;
  }
  expect(ran).toBe(INVALID.length + VALID.length);
});

test('a bucket lives from create to delete', async () => {
  const bucket = 'life';
  expect((await store.head({ bucket })).status).toBe(404);
  expect((await store.put({ bucket })).headers['location']).toBe('/life');
  const again = await store.put({ bucket });
  expect([again.status, again.code]).toEqual([409, 'BucketAlreadyOwnedByYou']);
  const head = await store.head({ bucket });
  expect([head.status, head.headers['x-amz-bucket-region']]).toEqual([200, 'us-east-1']);
  await store.put({ bucket, key: 'k', body: 'x' });
  const full = await store.delete({ bucket });
  expect([full.status, full.code]).toEqual([409, 'BucketNotEmpty']);
  await store.delete({ bucket, key: 'k' });
  expect((await store.delete({ bucket })).status).toBe(204);
  expect((await store.delete({ bucket })).code).toBe('NoSuchBucket');
});

test('a bucket of versions and delete markers alone is not empty', async () => {
  const bucket = 'versions';
  await store.put({ bucket });
  const body = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
  await store.put({ bucket, query: { versioning: '' }, body });
  const marker = await store.delete({ bucket, key: 'never-there' });
  expect((await store.delete({ bucket })).code).toBe('BucketNotEmpty');
  const versionId = marker.headers['x-amz-version-id'] ?? '';
  await store.delete({ bucket, key: 'never-there', query: { versionId } });
  expect((await store.delete({ bucket })).status).toBe(204);
});

test('uploads in progress go with their bucket', async () => {
  const bucket = 'uploads';
  await store.put({ bucket });
  const uploadId = (await store.post({ bucket, key: 'k', query: { uploads: '' } })).xml.value('UploadId') ?? '';
  await store.put({ bucket, key: 'k', query: { uploadId, partNumber: '1' }, body: Buffer.alloc(100_000) });
  expect((await store.delete({ bucket })).status).toBe(204);
  await store.put({ bucket });
  expect((await store.get({ bucket, key: 'k', query: { uploadId } })).code).toBe('NoSuchUpload');
  await store.delete({ bucket });
});

test('every operation on a bucket that is not there says so', async () => {
  const bucket = 'missing';
  const answers = [
    await store.get({ bucket }),
    await store.get({ bucket, query: { 'list-type': '2' } }),
    await store.get({ bucket, query: { versions: '' } }),
    await store.get({ bucket, query: { location: '' } }),
    await store.get({ bucket, query: { uploads: '' } }),
    await store.get({ bucket, query: { versioning: '' } }),
    await store.get({ bucket, query: { tagging: '' } }),
    await store.get({ bucket, key: 'k' }),
    await store.put({ bucket, key: 'k', body: 'x' }),
    await store.delete({ bucket, key: 'k' }),
    await store.post({ bucket, key: 'k', query: { uploads: '' } }),
    await store.post({ bucket, query: { delete: '' }, body: '<Delete/>' }),
  ];
  expect(answers.map(({ status, code }) => `${status} ${code}`)).toEqual(answers.map(() => '404 NoSuchBucket'));
});

test('the location given at creation is kept; the default is empty', async () => {
  await store.put({ bucket: 'default-place' });
  await store.put({
    bucket: 'other-place',
    body: '<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>',
  });
  expect((await store.get({ bucket: 'default-place', query: { location: '' } })).xml.text).toBe('');
  expect((await store.get({ bucket: 'other-place', query: { location: '' } })).xml.text).toBe('eu-west-1');
  expect((await store.put({ bucket: 'third-place', body: '<Nonsense/>' })).code).toBe('MalformedXML');
  for (const bucket of ['default-place', 'other-place']) await store.delete({ bucket });
});

test('ListBuckets pages in order, by prefix', async () => {
  const names = ['page-a', 'page-b', 'page-c', 'page-d', 'other'];
  for (const bucket of names) await store.put({ bucket });
  const seen: string[] = [];
  let token: string | undefined;
  let pages = 0;
  do {
    const query = {
      prefix: 'page-',
      'max-buckets': '3',
      ...(token === undefined ? {} : { 'continuation-token': token }),
    };
    const { xml } = await store.get({ query });
    const buckets = xml.child('Buckets')?.children('Bucket') ?? [];
    seen.push(...buckets.map((bucket) => bucket.value('Name') ?? ''));
    for (const bucket of buckets) expect(bucket.value('CreationDate')).toBe('2023-11-14T22:13:20.000Z');
    token = xml.value('ContinuationToken');
    pages++;
  } while (token !== undefined);
  expect([seen, pages]).toEqual([['page-a', 'page-b', 'page-c', 'page-d'], 2]);
  expect((await store.get({ query: { 'continuation-token': 'made up' } })).code).toBe('InvalidArgument');
  expect((await store.get({ query: { 'max-buckets': '0' } })).code).toBe('InvalidArgument');
});
