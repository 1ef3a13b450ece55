// Protects: configurations that a store of one owner can honestly keep come back as they were set, are gone when deleted, and refuse
// what they cannot mean; deletes of what nobody can have set succeed, as they do on S3.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestStore, type TestStore } from './harness.ts';

const bucket = 'settings';
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket });
  await store.put({ bucket, key: 'k', body: 'x' });
});
afterAll(() => store[Symbol.asyncDispose]());

const block = (values: string) => `<PublicAccessBlockConfiguration>${values}</PublicAccessBlockConfiguration>`;
const ALL_BLOCKED = ['BlockPublicAcls', 'IgnorePublicAcls', 'BlockPublicPolicy', 'RestrictPublicBuckets'].map(
  (name) => `<${name}>true</${name}>`,
);
const owned = (by: string) =>
  `<OwnershipControls><Rule><ObjectOwnership>${by}</ObjectOwnership></Rule></OwnershipControls>`;
const encrypted = (by: string) =>
  '<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>' +
  `<SSEAlgorithm>${by}</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`;
const shared =
  '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>';

test.each([
  ['ownershipControls', owned('BucketOwnerPreferred'), 'OwnershipControlsNotFoundError'],
  ['publicAccessBlock', block(ALL_BLOCKED.join('')), 'NoSuchPublicAccessBlockConfiguration'],
  ['encryption', encrypted('AES256'), 'ServerSideEncryptionConfigurationNotFoundError'],
  ['cors', shared, 'NoSuchCORSConfiguration'],
])('?%s is kept, outlives the process, and is taken away', async (name, body, absent) => {
  const query = { [name]: '' };
  expect((await store.put({ bucket: 'absent', query, body })).code).toBe('NoSuchBucket');
  expect((await store.put({ bucket, query, body: '<Other/>' })).code).toBe('MalformedXML');
  expect((await store.get({ bucket, query })).code).toBe(absent);
  expect((await store.put({ bucket, query, body })).status).toBe(200);
  await store.reopen();
  const { text } = await store.get({ bucket, query });
  const [, inside = ''] = /^<[^>]*>(.*)<\/[^>]*>$/s.exec(body) ?? [];
  expect(text).toContain(name === 'encryption' ? '<SSEAlgorithm>AES256</SSEAlgorithm>' : inside);
  expect((await store.delete({ bucket, query })).status).toBe(204);
  expect((await store.get({ bucket, query })).code).toBe(absent);
  expect((await store.delete({ bucket, query })).status).toBe(204);
  expect((await store.delete({ bucket: 'absent', query })).code).toBe('NoSuchBucket');
});

test.each(['lifecycle', 'policy', 'website'])('DELETE ?%s, which nobody can have set', async (name) => {
  expect((await store.delete({ bucket, query: { [name]: '' } })).status).toBe(204);
  expect((await store.delete({ bucket: 'absent', query: { [name]: '' } })).code).toBe('NoSuchBucket');
});

test.each(['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'])('a bucket is made for %s', async (by) => {
  const named = `made-for-${by.toLowerCase()}`;
  expect((await store.put({ bucket: named, headers: { 'x-amz-object-ownership': by } })).status).toBe(200);
  const { xml } = await store.get({ bucket: named, query: { ownershipControls: '' } });
  expect(xml.child('Rule')?.value('ObjectOwnership')).toBe(by);
});

test('values that do not exist are refused', async () => {
  const headers = { 'x-amz-object-ownership': 'Nobody' };
  expect((await store.put({ bucket: 'made-for-nobody', headers })).code).toBe('InvalidArgument');
  for (const [name, body] of [
    ['ownershipControls', owned('Nobody')],
    ['ownershipControls', '<OwnershipControls></OwnershipControls>'],
    ['publicAccessBlock', block('<BlockPublicAcls>perhaps</BlockPublicAcls>')],
    ['cors', '<CORSConfiguration></CORSConfiguration>'],
  ] as const) {
    expect((await store.put({ bucket, query: { [name]: '' }, body })).code).toBe('MalformedXML');
  }
  expect((await store.put({ bucket, query: { encryption: '' }, body: encrypted('aws:kms') })).status).toBe(501);
});

test('what a public access block leaves out is off, and it turns public ACLs away', async () => {
  const query = { publicAccessBlock: '' };
  const acl = (value: string) => store.put({ bucket, key: 'k', body: 'x', headers: { 'x-amz-acl': value } });
  expect((await acl('public-read')).code).toBe('AccessControlListNotSupported');
  await store.put({ bucket, query, body: block('<BlockPublicAcls>true</BlockPublicAcls>') });
  const { xml } = await store.get({ bucket, query });
  expect([xml.value('BlockPublicAcls'), xml.value('RestrictPublicBuckets')]).toEqual(['true', 'false']);
  expect((await acl('public-read')).code).toBe('AccessDenied');
  expect((await acl('aws-exec-read')).code).toBe('AccessControlListNotSupported');
  expect((await acl('private')).status).toBe(200);
});

test('an ACL that leaves everything to the owner is taken, and any other is refused', async () => {
  const named = 'with-acls';
  await store.put({ bucket: named });
  await store.put({ bucket: named, key: 'k', body: 'x' });
  const own = (await store.get({ bucket: named, query: { acl: '' } })).text;
  const to = (grantee: string) => own.replace(/<Grantee [^>]*>.*<\/Grantee>/, `<Grantee>${grantee}</Grantee>`);
  const everybody = to('<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>');
  for (const target of [{ bucket: named }, { bucket: named, key: 'k' }]) {
    const set = async (body: string, acl?: string) => {
      const headers = acl === undefined ? {} : { 'x-amz-acl': acl };
      const { status, code } = await store.put({ ...target, query: { acl: '' }, body, headers });
      return code === '' ? status : code;
    };
    expect(await set('', 'private')).toBe(200);
    expect(await set(own)).toBe(200);
    expect(await set('')).toBe('MissingSecurityHeader');
    expect(await set('<AccessControlPolicy></AccessControlPolicy>')).toBe('MalformedACLError');
    expect(await set(to('<ID>another</ID>'))).toBe('AccessControlListNotSupported');
    expect(await set(everybody)).toBe('AccessControlListNotSupported');
    expect(await set('', 'public-read')).toBe('AccessControlListNotSupported');
    await store.put({ bucket: named, query: { publicAccessBlock: '' }, body: block(ALL_BLOCKED.join('')) });
    expect(await set(everybody)).toBe('AccessDenied');
    expect(await set('', 'public-read')).toBe('AccessDenied');
    await store.delete({ bucket: named, query: { publicAccessBlock: '' } });
    expect((await store.get({ ...target, query: { acl: '' } })).text).toBe(own);
  }
  expect((await store.put({ bucket: named, key: 'absent', query: { acl: '' }, body: own })).code).toBe('NoSuchKey');
});

test('a bucket that is made again has nothing of the one before', async () => {
  const named = 'made-again';
  for (const time of [1, 2]) {
    expect([time, (await store.put({ bucket: named })).status]).toEqual([time, 200]);
    expect((await store.get({ bucket: named, query: { cors: '' } })).code).toBe('NoSuchCORSConfiguration');
    await store.put({ bucket: named, query: { cors: '' }, body: shared });
    await store.put({ bucket: named, query: { ownershipControls: '' }, body: owned('ObjectWriter') });
    expect((await store.delete({ bucket: named })).status).toBe(204);
  }
});
