/**
 * Protects configuration through a stock client on real stores: what is put is what comes back, what was never put is the
 * store's own error, and object locks hold through the proxy.
 */
import {
  CreateBucketCommand,
  DeleteBucketCorsCommand,
  DeleteBucketEncryptionCommand,
  DeleteBucketLifecycleCommand,
  DeleteBucketPolicyCommand,
  DeleteBucketTaggingCommand,
  DeleteObjectCommand,
  GetBucketAclCommand,
  GetBucketCorsCommand,
  GetBucketEncryptionCommand,
  GetBucketLifecycleConfigurationCommand,
  GetBucketPolicyCommand,
  GetBucketTaggingCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectLockConfigurationCommand,
  GetObjectRetentionCommand,
  PutBucketCorsCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import type { ChildServer } from '../../helpers/child-server.ts';
import { startMinio } from '../../helpers/minio.ts';
import { startMoto } from '../../helpers/moto.ts';
import { uniqueBucket } from '../../helpers/proxy.ts';
import { sendRaw } from '../../helpers/raw-client.ts';

async function on(server: ChildServer): Promise<Bench> {
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const backend = openS3Backend({ endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true });
  return openBench({ store: { backend, close: () => backend.close() } });
}

interface StoreTraits {
  /** How it refuses to delete what is locked: AccessDenied in S3. */
  readonly denial: string;
  /** moto answers GET ?retention with the object. */
  readonly readsRetention: boolean;
}

/** Present on both stores. */
function commonSuite(bench: () => Bench, o: StoreTraits): void {
  it('bucket tags, policy, encryption and lifecycle come back as they were put', async () => {
    const { s3, bucket } = bench();
    const Bucket = bucket;
    const TagSet = [{ Key: 'team', Value: 'a b' }];
    await s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }));
    expect((await s3.send(new GetBucketTaggingCommand({ Bucket }))).TagSet).toEqual(TagSet);

    const Policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: ['*'] },
          Action: ['s3:GetObject'],
          Resource: [`arn:aws:s3:::${bucket}/*`],
        },
      ],
    });
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    const policy = JSON.parse((await s3.send(new GetBucketPolicyCommand({ Bucket }))).Policy ?? '');
    expect(policy.Statement[0].Resource).toEqual([`arn:aws:s3:::${bucket}/*`]);

    const Rules = [{ ID: 'r', Status: 'Enabled' as const, Filter: { Prefix: 'tmp/' }, Expiration: { Days: 7 } }];
    await s3.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules } }));
    const lifecycle = await s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }));
    expect(lifecycle.Rules?.[0]).toMatchObject({ ID: 'r', Expiration: { Days: 7 } });

    await s3.send(new DeleteBucketTaggingCommand({ Bucket }));
    await s3.send(new DeleteBucketPolicyCommand({ Bucket }));
    await s3.send(new DeleteBucketLifecycleCommand({ Bucket }));
    await expect(s3.send(new GetBucketTaggingCommand({ Bucket }))).rejects.toMatchObject({ name: 'NoSuchTagSet' });
    await expect(s3.send(new GetBucketPolicyCommand({ Bucket }))).rejects.toMatchObject({ name: 'NoSuchBucketPolicy' });
    await expect(s3.send(new GetBucketLifecycleConfigurationCommand({ Bucket }))).rejects.toMatchObject({
      name: 'NoSuchLifecycleConfiguration',
    });
  });

  it('ACLs are those of the store', async () => {
    const { s3, bucket } = bench();
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'acl', Body: 'x' }));
    expect((await s3.send(new GetObjectAclCommand({ Bucket: bucket, Key: 'acl' }))).Grants).not.toHaveLength(0);
    expect((await s3.send(new GetBucketAclCommand({ Bucket: bucket }))).Grants).not.toHaveLength(0);
  });

  it('locks hold: retention and legal hold refuse a delete by version with AccessDenied', async () => {
    const { s3 } = bench();
    const Bucket = uniqueBucket();
    await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }));
    const configuration = await s3.send(new GetObjectLockConfigurationCommand({ Bucket }));
    expect(configuration.ObjectLockConfiguration?.ObjectLockEnabled).toBe('Enabled');
    const { VersionId = '' } = await s3.send(new PutObjectCommand({ Bucket, Key: 'held', Body: 'held' }));
    const at = { Bucket, Key: 'held', VersionId };
    await s3.send(new PutObjectLegalHoldCommand({ ...at, LegalHold: { Status: 'ON' } }));
    expect((await s3.send(new GetObjectLegalHoldCommand(at))).LegalHold?.Status).toBe('ON');
    await expect(s3.send(new DeleteObjectCommand(at))).rejects.toMatchObject({ name: o.denial });
    await s3.send(new PutObjectLegalHoldCommand({ ...at, LegalHold: { Status: 'OFF' } }));

    const RetainUntilDate = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
    await s3.send(new PutObjectRetentionCommand({ ...at, Retention: { Mode: 'GOVERNANCE', RetainUntilDate } }));
    const retention = s3.send(new GetObjectRetentionCommand(at));
    if (o.readsRetention) expect((await retention).Retention).toEqual({ Mode: 'GOVERNANCE', RetainUntilDate });
    else await expect(retention).rejects.toMatchObject({ name: 'NotImplemented' });
    await expect(s3.send(new DeleteObjectCommand(at))).rejects.toMatchObject({ name: o.denial });
    const got = await s3.send(new GetObjectCommand(at));
    expect([await got.Body?.transformToString(), got.ObjectLockMode]).toEqual(['held', 'GOVERNANCE']);
    await s3.send(new DeleteObjectCommand({ ...at, BypassGovernanceRetention: true }));
    await expect(s3.send(new GetObjectCommand(at))).rejects.toMatchObject({ name: 'NoSuchVersion' });
  });
}

for (const [name, start, traits] of [
  ['moto', startMoto, { denial: 'AccessDenied', readsRetention: false }],
  ['MinIO', startMinio, { denial: 'InvalidRequest', readsRetention: true }],
] as const) {
  const server = await start();
  if (server === undefined) continue;
  describe(`on ${name}`, () => {
    let bench: Bench;
    beforeAll(async () => {
      bench = await on(server);
    });
    afterAll(async () => {
      await bench.close();
      await server.stop();
    });
    commonSuite(() => bench, traits);
    if (name !== 'moto') return;

    it('encryption and CORS rules come back, and preflights follow them', async () => {
      const { s3, bucket } = bench;
      const Bucket = bucket;
      const Rules = [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const } }];
      await s3.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } }));
      const { ServerSideEncryptionConfiguration } = await s3.send(new GetBucketEncryptionCommand({ Bucket }));
      expect(ServerSideEncryptionConfiguration?.Rules?.[0]).toMatchObject(Rules[0] ?? {});
      await s3.send(new DeleteBucketEncryptionCommand({ Bucket }));

      const CORSRules = [{ AllowedOrigins: ['https://app.example'], AllowedMethods: ['GET'], AllowedHeaders: ['*'] }];
      await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }));
      expect((await s3.send(new GetBucketCorsCommand({ Bucket }))).CORSRules).toEqual(CORSRules);
      const preflight = () =>
        sendRaw(bench.proxy.endpoint, {
          method: 'OPTIONS',
          target: `/${bucket}/key`,
          headers: [
            ['host', 'localhost'],
            ['origin', 'https://app.example'],
            ['access-control-request-method', 'GET'],
          ],
        });
      const allowed = await preflight();
      expect([allowed.status, allowed.headers['access-control-allow-origin']]).toEqual([200, 'https://app.example']);
      await s3.send(new DeleteBucketCorsCommand({ Bucket }));
      expect((await preflight()).status).toBe(403);
    });
  });
}
