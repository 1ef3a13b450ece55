// Protects: an operation is told by method, level and sub-resource alone; what the store does not serve is refused, never
// taken for something else.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BackendMethod } from '../../../../proxy/backend/backend.ts';
import { SUBRESOURCES } from '../../../../proxy/subresources.ts';
import { openTestStore, type TestStore } from './harness.ts';

const bucket = 'dispatch';
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket });
  await store.put({ bucket, key: 'k', body: 'x' });
});
afterAll(() => store[Symbol.asyncDispose]());

const SERVED = ['delete', 'list-type', 'location', 'tagging', 'uploadId', 'uploads', 'versioning', 'versions'];
/** What is served of further sub-resources: by which methods, on the level of buckets. */
const READ = ['accelerate', 'logging', 'notification', 'policyStatus', 'requestPayment'];
const CLEARED = ['lifecycle', 'policy', 'website'];
const CONFIGURED = ['cors', 'encryption', 'ownershipControls', 'publicAccessBlock'];
const ON_BUCKETS: ReadonlyMap<string, readonly BackendMethod[]> = new Map<string, readonly BackendMethod[]>([
  ...READ.map((name) => [name, ['GET']] as const),
  ...CLEARED.map((name) => [name, ['GET', 'DELETE']] as const),
  ...CONFIGURED.map((name) => [name, ['GET', 'PUT', 'DELETE']] as const),
  ['acl', ['GET', 'PUT']],
  ['object-lock', ['GET', 'PUT']],
]);
const ON_OBJECTS: ReadonlyMap<string, readonly BackendMethod[]> = new Map<string, readonly BackendMethod[]>([
  ['acl', ['GET', 'PUT']],
  ['legal-hold', ['GET', 'PUT']],
  ['retention', ['GET', 'PUT']],
]);
const UNSERVED = [...SUBRESOURCES].filter((name) => !SERVED.includes(name));
const METHODS: readonly BackendMethod[] = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'];

test('sub-resources that are not served are 501 on every level and method', async () => {
  let ran = 0;
  for (const name of UNSERVED) {
    for (const method of METHODS) {
      for (const target of [{}, { bucket }, { bucket, key: 'k' }]) {
        const served = 'key' in target ? ON_OBJECTS : 'bucket' in target ? ON_BUCKETS : undefined;
        if (served?.get(name)?.includes(method) === true) continue;
        const answer = await store.send(method, { ...target, query: { [name]: '' } });
        expect([name, method, answer.status]).toEqual([name, method, 501]);
        ran++;
      }
    }
  }
  expect(ran).toBeGreaterThan(30 * METHODS.length * 3);
  expect((await store.get({ bucket, key: 'k' })).text).toBe('x');
});

test('served sub-resources on the wrong level or method are 501, plain ones 405', async () => {
  const cases: readonly (readonly [BackendMethod, 'service' | 'bucket' | 'object', string])[] = [
    ['PUT', 'object', 'uploads'],
    ['DELETE', 'bucket', 'uploads'],
    ['GET', 'object', 'versions'],
    ['PUT', 'object', 'versioning'],
    ['POST', 'object', 'delete'],
    ['DELETE', 'bucket', 'delete'],
    ['GET', 'object', 'location'],
    ['DELETE', 'object', 'list-type'],
    ['GET', 'service', 'list-type'],
    ['HEAD', 'object', 'tagging'],
  ];
  for (const [method, level, name] of cases) {
    const target = { service: {}, bucket: { bucket }, object: { bucket, key: 'k' } }[level];
    const answer = await store.send(method, { ...target, query: { [name]: '' } });
    expect([method, level, name, answer.status]).toEqual([method, level, name, 501]);
  }
  expect(cases).toHaveLength(10);
  for (const [method, target] of [
    ['POST', {}],
    ['POST', { bucket }],
    ['POST', { bucket, key: 'k' }],
    ['PUT', {}],
  ] as const) {
    expect((await store.send(method, target)).status).toBe(405);
  }
  expect((await store.get({ bucket, key: 'k' })).text).toBe('x');
});

test('two sub-resources exclude each other, whatever their order', async () => {
  for (const query of [
    { uploads: '', tagging: '' },
    { tagging: '', uploads: '' },
    { versions: '', 'list-type': '2' },
  ]) {
    expect((await store.get({ bucket, query })).code).toBe('InvalidArgument');
  }
});

test('parameters that mean nothing are ignored', async () => {
  expect((await store.get({ bucket, key: 'k', query: { 'x-id': 'GetObject', nonsense: '1' } })).text).toBe('x');
});

test('headers that the store cannot honour are refused', async () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['x-amz-checksum-crc32', 'AAAAAA==', 501],
    ['x-amz-checksum-algorithm', 'CRC32', 501],
    ['x-amz-trailer', 'x-amz-checksum-crc32', 501],
    ['x-amz-server-side-encryption', 'aws:kms', 501],
    ['x-amz-server-side-encryption', 'aws:kms:dsse', 501],
    ['x-amz-server-side-encryption', 'AES256', 200],
    ['x-amz-server-side-encryption-aws-kms-key-id', 'id', 501],
    ['x-amz-server-side-encryption-bucket-key-enabled', 'true', 501],
    ['x-amz-server-side-encryption-bucket-key-enabled', 'false', 200],
    ['x-amz-bucket-object-lock-enabled', 'true', 501],
    ['x-amz-bucket-object-lock-enabled', 'false', 200],
    ['x-amz-bypass-governance-retention', 'true', 200],
    ['x-amz-server-side-encryption-customer-key', 'k', 501],
    ['x-amz-object-ownership', 'ObjectWriter', 501],
    ['x-amz-object-lock-mode', 'COMPLIANCE', 400],
    ['x-amz-object-lock-legal-hold', 'ON', 400],
    ['x-amz-grant-read', 'id=1', 501],
    ['x-amz-write-offset-bytes', '0', 501],
    ['x-amz-if-match-size', '1', 501],
    ['x-amz-acl', 'public-read', 400],
    ['x-amz-acl', 'private', 200],
    ['x-amz-checksum-mode', 'ENABLED', 200],
  ];
  for (const [name, value, status] of cases) {
    const answer = await store.put({ bucket, key: 'headers', body: 'x', headers: { [name]: value } });
    expect([name, answer.status]).toEqual([name, status]);
  }
  expect(cases).toHaveLength(22);
});
