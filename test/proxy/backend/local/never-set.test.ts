// Protects: reads of what was never set answer S3's own codes and documents, and ACLs show the owner's full control: clients
// that look before they write take anything else for a broken store.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openTestStore, type TestStore } from './harness.ts';

const bucket = 'never-set';
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket });
  await store.put({ bucket, key: 'k', body: 'x' });
});
afterAll(() => store[Symbol.asyncDispose]());

test.each([
  ['cors', 'NoSuchCORSConfiguration'],
  ['encryption', 'ServerSideEncryptionConfigurationNotFoundError'],
  ['lifecycle', 'NoSuchLifecycleConfiguration'],
  ['object-lock', 'ObjectLockConfigurationNotFoundError'],
  ['ownershipControls', 'OwnershipControlsNotFoundError'],
  ['policy', 'NoSuchBucketPolicy'],
  ['policyStatus', 'NoSuchBucketPolicy'],
  ['publicAccessBlock', 'NoSuchPublicAccessBlockConfiguration'],
  ['tagging', 'NoSuchTagSet'],
  ['website', 'NoSuchWebsiteConfiguration'],
])('GET ?%s: %s', async (name, code) => {
  const answer = await store.get({ bucket, query: { [name]: '' } });
  expect([answer.status, answer.code, answer.xml.value('BucketName')]).toEqual([404, code, bucket]);
  expect((await store.get({ bucket: 'absent', query: { [name]: '' } })).code).toBe('NoSuchBucket');
});

test.each([
  ['accelerate', 'AccelerateConfiguration', ''],
  ['logging', 'BucketLoggingStatus', ''],
  ['notification', 'NotificationConfiguration', ''],
  ['requestPayment', 'RequestPaymentConfiguration', '<Payer>BucketOwner</Payer>'],
])('GET ?%s: the document of a bucket for which nobody has set it', async (name, root, content) => {
  const answer = await store.get({ bucket, query: { [name]: '' } });
  expect(answer.status).toBe(200);
  expect(answer.text).toContain(`<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</${root}>`);
  expect((await store.get({ bucket: 'absent', query: { [name]: '' } })).code).toBe('NoSuchBucket');
});

test('ACLs of bucket and object: full control of the owner, and no other grant', async () => {
  const owner = (await store.get({})).xml.child('Owner')?.value('ID');
  expect(owner).not.toBeUndefined();
  for (const target of [{ bucket }, { bucket, key: 'k' }]) {
    const { status, xml } = await store.get({ ...target, query: { acl: '' } });
    const grants = xml.child('AccessControlList')?.children('Grant') ?? [];
    expect([status, xml.child('Owner')?.value('ID'), grants.length]).toEqual([200, owner, 1]);
    const grantee = grants[0]?.child('Grantee');
    expect([grantee?.type, grantee?.value('ID')]).toEqual(['CanonicalUser', owner]);
    expect(grants[0]?.value('Permission')).toBe('FULL_CONTROL');
  }
  expect((await store.get({ bucket, key: 'absent', query: { acl: '' } })).code).toBe('NoSuchKey');
});
