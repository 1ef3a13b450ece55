/**
 * Protects: a bucket copied into another one, and a whole embedded store copied into another store, hold what the source holds: every
 * version in its order, delete markers, tags, locks and ETags. A copy that was stopped is gone on with, and nothing is written over.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { runProgram } from '../../e2e/support/program.ts';
import { KiB, MiB } from '../../helpers/bytes.ts';
import { startTestProxy, type TestProxy, type TestTenant } from '../../helpers/proxy.ts';
import { serveBare } from '../../twin/bare-server.ts';
import { uploadParts } from '../verify/objects.ts';

let directory: string;
let settings: Record<string, string>;
let proxy: TestProxy;
let tenant: TestTenant;
let s3: S3Client;
let bare: S3Client;
const closers: (() => Promise<void>)[] = [];

async function serve(store: string): Promise<TestProxy> {
  const backend = await openLocalBackend({ directory: join(directory, store) });
  closers.push(() => backend.close());
  const started = await startTestProxy({ backend, sealKeys: SealKeys.parse(settings['SEALGATE_SEAL_KEYS'] ?? '') });
  closers.push(() => started.close());
  return started;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-copy-'));
  settings = {
    SEALGATE_BACKEND: 'local:one',
    SEALGATE_STATE: 'sealgate-state',
    SEALGATE_SEAL_KEYS: SealKeys.generate(),
  };
  proxy = await serve('one');
  tenant = await proxy.createTenant();
  await writeFile(join(directory, 'key.json'), JSON.stringify(tenant));
  s3 = proxy.client(tenant);
  const server = await serveBare(proxy.backend, { checksums: [] });
  closers.push(() => server.close());
  bare = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  for (const Bucket of ['kept', 'flat', 'locked']) {
    await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: Bucket === 'locked' }));
  }
  const VersioningConfiguration = { Status: 'Enabled' } as const;
  await s3.send(new PutBucketVersioningCommand({ Bucket: 'kept', VersioningConfiguration }));
  for (const Bucket of ['kept', 'flat', 'locked']) {
    const put = (Key: string, Body: Buffer | string, o: object = {}) =>
      s3.send(new PutObjectCommand({ Bucket, Key, Body, ...o }));
    for (const body of ['1', '2', '3']) await put('a/versions', body, { Metadata: { body } });
    await put('deleted', 'x');
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'deleted' }));
    await put('empty', '');
    await put('words', randomBytes(200 * KiB), { ContentType: 'text/plain', Tagging: 'a=1&b=2' });
    await put('large', randomBytes(3 * MiB), { Metadata: { long: 'x'.repeat(1_800) } });
    await uploadParts(s3, { bucket: Bucket, key: 'parts', parts: [randomBytes(5 * MiB), randomBytes(300)] });
    await bare.send(new PutObjectCommand({ Bucket, Key: 'plain', Body: randomBytes(5_000), ContentType: 'text/css' }));
  }
  await uploadParts(bare, { bucket: 'kept', key: 'plain parts', parts: [randomBytes(5 * MiB), randomBytes(300)] });
  const lock = { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: new Date(Date.now() + 86_400_000) } as const;
  await s3.send(new PutObjectCommand({ Bucket: 'locked', Key: 'under lock', Body: 'x', ...lock }));
}, 300_000);

afterAll(async () => {
  s3.destroy();
  bare.destroy();
  for (const close of closers.reverse()) await close();
  await rm(directory, { recursive: true });
});

const sealgate = (...args: readonly string[]) => runProgram(['migrate', 'copy', ...args], { directory, settings });

/** Every version, as clients see it, but for ids and times. */
async function seen(client: S3Client, Bucket: string) {
  const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
  const versions = await Promise.all(
    Versions.map(async ({ Key, VersionId, ETag, Size, IsLatest }) => {
      const about = { Bucket, Key, ...(VersionId === 'null' ? {} : { VersionId }) };
      const got = await client.send(new GetObjectCommand(about));
      const body = createHash('sha256')
        .update((await got.Body?.transformToByteArray()) ?? '')
        .digest('hex');
      const { TagSet } = await client.send(new GetObjectTaggingCommand(about));
      const { Metadata, ContentType, ObjectLockMode, ObjectLockRetainUntilDate } = got;
      return {
        Key,
        ETag,
        Size,
        IsLatest,
        body,
        TagSet,
        Metadata,
        ContentType,
        ObjectLockMode,
        ObjectLockRetainUntilDate,
      };
    }),
  );
  return { versions, markers: DeleteMarkers.map(({ Key, IsLatest }) => ({ Key, IsLatest })) };
}

test.each(['kept', 'flat', 'locked'])('%s into another bucket, twice, and never over an object', async (from) => {
  const args = ['--from', from, '--to', `${from}-copy`, '--credentials', 'key.json', '--json'] as const;
  const copied = await sealgate(...args);
  expect([copied.code, copied.stderr]).toEqual([0, expect.any(String)]);
  const source = await seen(s3, from);
  const target = await seen(s3, `${from}-copy`);
  // A plain object is sealed on the way. One of parts becomes one without parts, as with any copy.
  const known = ({ versions, markers }: typeof source) => ({
    markers,
    versions: versions.map((row) => (row.Key === 'plain parts' ? { ...row, ETag: '' } : row)),
  });
  expect(known(target)).toEqual(known(source));
  expect(source.versions.length).toBeGreaterThan(5);
  const again = JSON.parse((await sealgate(...args, '--restart')).stdout);
  expect([again.exitCode, again.counts.copied]).toEqual([0, undefined]);
  await s3.send(new PutObjectCommand({ Bucket: `${from}-copy`, Key: 'words', Body: 'of somebody else' }));
  const refused = JSON.parse((await sealgate(...args, '--restart')).stdout);
  expect([refused.exitCode, refused.counts.failed, refused.findings[0].key]).toEqual([4, 1, 'words']);
});

test('the whole store into another one: every bucket opens there with the same keys', async () => {
  const raw = ['--raw', '--from', 'local:one', '--to-backend', 'local:two', '--json'] as const;
  const copied = await sealgate(...raw);
  expect([copied.code, copied.stderr]).toEqual([0, expect.any(String)]);
  const other = await serve('two');
  const client = other.client(tenant);
  for (const bucket of ['kept', 'flat', 'locked', 'kept-copy']) {
    expect([bucket, await seen(client, bucket)]).toEqual([bucket, await seen(s3, bucket)]);
  }
  client.destroy();
  const again = await sealgate(...raw, '--restart');
  expect(again.code).toBe(0);
  for (const line of again.stdout.trim().split('\n')) expect(JSON.parse(line).counts.copied).toBeUndefined();
}, 300_000);

test('wrong usage is refused', async () => {
  for (const args of [
    ['--from', 'kept'],
    ['--from', 'kept', '--to', 'kept'],
    ['--from', 'kept', '--to', 'x', '--to-backend', 'local:x'],
    ['--raw', '--from', 'kept', '--to-backend', 'local:x'],
    ['--raw', '--from', 'local:one'],
    ['--raw', '--from', 'local:one', '--to-backend', 'local:x', '--prefix', 'p'],
    ['--from', 'kept', '--to', 'sealgate-state', '--credentials', 'key.json'],
  ]) {
    expect([args, (await sealgate(...args)).code]).toEqual([args, 2]);
  }
});
