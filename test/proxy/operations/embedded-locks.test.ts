/**
 * Protects: object locks of the embedded store through the proxy. What is encrypted is locked like anything else, a refusal reaches the
 * client as S3's, and what the proxy itself writes goes on under locks.
 */
import { randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { beforeAll, expect, test } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { uniqueBucket } from '../../helpers/proxy.ts';

const bench = sharedBench();
const Bucket = uniqueBucket();
const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 86_400_000);
const RETAINED = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until } as const;
const refusal = (error: { name?: string; $metadata?: { httpStatusCode?: number } }) =>
  `${error.$metadata?.httpStatusCode} ${error.name}`;

beforeAll(async () => {
  await bench.s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
});

test('the configuration goes in and comes out', async () => {
  const ObjectLockConfiguration = {
    ObjectLockEnabled: 'Enabled',
    Rule: { DefaultRetention: { Mode: 'GOVERNANCE', Days: 3 } },
  } as const;
  const named = { Bucket: uniqueBucket() };
  await bench.s3.send(new CreateBucketCommand({ ...named, ObjectLockEnabledForBucket: true }));
  await bench.s3.send(new PutObjectLockConfigurationCommand({ ...named, ObjectLockConfiguration }));
  const read = await bench.s3.send(new GetObjectLockConfigurationCommand(named));
  expect(read.ObjectLockConfiguration).toEqual(ObjectLockConfiguration);
  await bench.s3.send(new PutObjectCommand({ ...named, Key: 'k', Body: 'x' }));
  const { ObjectLockMode, ObjectLockRetainUntilDate } = await bench.s3.send(
    new HeadObjectCommand({ ...named, Key: 'k' }),
  );
  expect(ObjectLockMode).toBe('GOVERNANCE');
  expect(Number(ObjectLockRetainUntilDate)).toBeGreaterThan(Date.now() + 2.9 * 86_400_000);
});

test.each([
  ['small', randomBytes(1000)],
  ['streamed', randomBytes(3 * MiB)],
])('%s: locked by its PUT, refused to go, read as before', async (Key, Body) => {
  const { VersionId } = await bench.s3.send(new PutObjectCommand({ Bucket, Key, Body, ...RETAINED }));
  const remove = new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention: true });
  expect(await bench.s3.send(remove).catch(refusal)).toBe('403 AccessDenied');
  const many = { Objects: [{ Key, VersionId }] };
  const { Errors } = await bench.s3.send(new DeleteObjectsCommand({ Bucket, Delete: many }));
  expect(Errors?.map(({ Code }) => Code)).toEqual(['AccessDenied']);
  const got = await bench.s3.send(new GetObjectCommand({ Bucket, Key, VersionId }));
  expect(got).toMatchObject(RETAINED);
  expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(Body)).toBe(true);
});

test('an upload in parts and a copy are locked as their headers say', async () => {
  const Key = 'parts';
  const { UploadId } = await bench.s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...RETAINED }));
  const upload = { Bucket, Key, UploadId };
  const { ETag } = await bench.s3.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: 'part' }));
  await bench.s3.send(
    new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }),
  );
  expect(await bench.s3.send(new HeadObjectCommand({ Bucket, Key }))).toMatchObject(RETAINED);
  const CopySource = `${Bucket}/${Key}`;
  await bench.s3.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource, ObjectLockLegalHoldStatus: 'ON' }));
  const copy = await bench.s3.send(new HeadObjectCommand({ Bucket, Key: 'copy' }));
  expect([copy.ObjectLockMode, copy.ObjectLockLegalHoldStatus]).toEqual([undefined, 'ON']);
});

test('retention and legal hold of a stored version', async () => {
  const Key = 'later';
  const { VersionId } = await bench.s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
  const version = { Bucket, Key, VersionId };
  const Retention = { Mode: 'GOVERNANCE', RetainUntilDate: until } as const;
  expect(await bench.s3.send(new GetObjectRetentionCommand(version)).catch(refusal)).toBe(
    '404 NoSuchObjectLockConfiguration',
  );
  await bench.s3.send(new PutObjectRetentionCommand({ ...version, Retention }));
  expect((await bench.s3.send(new GetObjectRetentionCommand(version))).Retention).toEqual(Retention);
  await bench.s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'ON' } }));
  expect((await bench.s3.send(new GetObjectLegalHoldCommand(version))).LegalHold).toEqual({ Status: 'ON' });
  const bypass = new DeleteObjectCommand({ ...version, BypassGovernanceRetention: true });
  expect(await bench.s3.send(bypass).catch(refusal)).toBe('403 AccessDenied');
  await bench.s3.send(new PutObjectLegalHoldCommand({ ...version, LegalHold: { Status: 'OFF' } }));
  expect(await bench.s3.send(new DeleteObjectCommand(version)).catch(refusal)).toBe('403 AccessDenied');
  expect((await bench.s3.send(bypass)).$metadata.httpStatusCode).toBe(204);
});
