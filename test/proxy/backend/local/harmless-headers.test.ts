// Protects: headers that ask for what holds anyway are accepted and answered, and the expected owner is compared, whatever
// the operation.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BackendMethod } from '../../../../proxy/backend/backend.ts';
import { type Call, openTestStore, type TestStore } from './harness.ts';

const bucket = 'harmless';
const AES256 = { 'x-amz-server-side-encryption': 'AES256' };
const copied = { 'x-amz-copy-source': `${bucket}/k` };
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket });
  await store.put({ bucket, key: 'k', body: 'x' });
});
afterAll(() => store[Symbol.asyncDispose]());

test('a bucket is made without locks, as was asked', async () => {
  const made = await store.put({ bucket: 'without-locks', headers: { 'x-amz-bucket-object-lock-enabled': 'false' } });
  expect(made.status).toBe(200);
});

test('a bypass of retention is accepted where nothing is retained', async () => {
  await store.put({ bucket, key: 'gone', body: 'x' });
  const headers = { 'x-amz-bypass-governance-retention': 'true' };
  expect((await store.delete({ bucket, key: 'gone', headers })).status).toBe(204);
  expect((await store.get({ bucket, key: 'gone' })).code).toBe('NoSuchKey');
});

test('SSE-S3 is answered on every write and read, asked for or not', async () => {
  const says = async (method: BackendMethod, call: Call): Promise<void> => {
    const answer = await store.send(method, call);
    expect([method, call, answer.status, answer.headers]).toEqual([method, call, 200, expect.objectContaining(AES256)]);
  };
  for (const headers of [AES256, {}]) {
    await says('PUT', { bucket, key: 'put', body: 'x', headers });
    await says('PUT', { bucket, key: 'copy', headers: { ...headers, ...copied } });
    await says('POST', { bucket, key: 'parts', query: { uploads: '' }, headers });
    await says('GET', { bucket, key: 'put' });
    await says('HEAD', { bucket, key: 'copy' });
  }
  // Naming the encryption is a change, so an object may be copied onto itself.
  await says('PUT', { bucket, key: 'k', headers: { ...AES256, ...copied } });
  expect((await store.put({ bucket, key: 'k', headers: copied })).code).toBe('InvalidRequest');
  const kms = { ...copied, 'x-amz-server-side-encryption': 'aws:kms' };
  expect((await store.put({ bucket, key: 'kms', headers: kms })).status).toBe(501);
});

test('the expected owner is compared before anything is done', async () => {
  const calls: readonly (readonly [BackendMethod, Call])[] = [
    ['GET', { bucket, key: 'k' }],
    ['HEAD', { bucket, key: 'k' }],
    ['PUT', { bucket, key: 'k', body: 'other' }],
    ['PUT', { bucket, key: 'copy-of-k', headers: copied }],
    ['POST', { bucket, key: 'k', query: { uploads: '' } }],
    ['GET', { bucket }],
    ['GET', { bucket, query: { versions: '' } }],
    ['HEAD', { bucket }],
    ['DELETE', { bucket, key: 'k' }],
  ];
  const owned = async (owner: string, name = 'x-amz-expected-bucket-owner'): Promise<number[]> => {
    const statuses: number[] = [];
    for (const [method, call] of calls) {
      statuses.push((await store.send(method, { ...call, headers: { ...call.headers, [name]: owner } })).status);
    }
    return statuses;
  };
  expect(await owned('111122223333')).toEqual(calls.map(() => 403));
  expect(await owned('111122223333', 'x-amz-source-expected-bucket-owner')).toEqual(calls.map(() => 403));
  expect((await store.get({ bucket, key: 'k' })).text).toBe('x');
  const headers = { 'x-amz-expected-bucket-owner': '111122223333' };
  expect((await store.get({ bucket, key: 'k', headers })).code).toBe('AccessDenied');
  expect((await store.get({ bucket: 'absent', key: 'k', headers })).code).toBe('NoSuchBucket');
  const id = (await store.get({})).xml.child('Owner')?.value('ID') ?? '';
  expect(await owned(id)).toEqual([200, 200, 200, 200, 200, 200, 200, 200, 204]);
});
