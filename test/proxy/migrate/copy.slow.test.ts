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
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { runProgram } from '../../e2e/support/program.ts';
import { KiB, MiB } from '../../helpers/bytes.ts';
import type { ChildServer } from '../../helpers/child-server.ts';
import { startMinio } from '../../helpers/minio.ts';
import { startTestProxy, type TestProxy, type TestTenant } from '../../helpers/proxy.ts';
import { storedObject } from '../../helpers/stored.ts';
import { serveBare } from '../../twin/bare-server.ts';
import { uploadParts } from '../verify/objects.ts';

let directory: string;
let settings: Record<string, string>;
let proxy: TestProxy;
let tenant: TestTenant;
let s3: S3Client;
let bare: S3Client;
const closers: (() => Promise<void>)[] = [];

async function serve(store: string, sealKeys = settings['SEALGATE_SEAL_KEYS'] ?? ''): Promise<TestProxy> {
  const backend = await openLocalBackend({ directory: join(directory, store) });
  closers.push(() => backend.close());
  const started = await startTestProxy({ backend, sealKeys: SealKeys.parse(sealKeys) });
  closers.push(() => started.close());
  return started;
}

async function serveMinio(minio: ChildServer, sealKeys: string): Promise<TestProxy> {
  const backend = openS3Backend({ ...minio, region: 'us-east-1', pathStyle: true });
  closers.push(() => backend.close());
  const started = await startTestProxy({ backend, sealKeys: SealKeys.parse(sealKeys) });
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

test.each(['an embedded store', 'MinIO'])(
  'the whole store into %s: every bucket opens there with the same keys',
  async (kind) => {
    const minio = kind === 'MinIO' ? await startMinio() : undefined;
    if (kind === 'MinIO' && minio === undefined) return;
    if (minio !== undefined) closers.push(() => minio.stop());
    const place =
      minio === undefined
        ? {}
        : {
            SEALGATE_BACKEND_ACCESS_KEY_ID: minio.accessKeyId,
            SEALGATE_BACKEND_SECRET_ACCESS_KEY: minio.secretAccessKey,
            SEALGATE_BACKEND_PATH_STYLE: 'true',
          };
    const sealgate = (...args: readonly string[]) =>
      runProgram(['migrate', 'copy', ...args], { directory, settings: { ...settings, ...place } });
    const raw = [
      '--raw',
      '--from',
      'local:one',
      '--to-backend',
      minio?.endpoint.origin ?? 'local:two',
      '--json',
    ] as const;
    const copied = await sealgate(...raw);
    expect([copied.code, copied.stderr]).toEqual([0, expect.any(String)]);
    const other =
      minio === undefined ? await serve('two') : await serveMinio(minio, settings['SEALGATE_SEAL_KEYS'] ?? '');
    const client = other.client(tenant);
    for (const bucket of ['kept', 'flat', 'locked', 'kept-copy']) {
      expect([bucket, await seen(client, bucket)]).toEqual([bucket, await seen(s3, bucket)]);
    }
    client.destroy();
    const again = await sealgate(...raw, '--restart');
    expect(again.code).toBe(0);
    for (const line of again.stdout.trim().split('\n')) expect(JSON.parse(line).counts.copied).toBeUndefined();
  },
  300_000,
);

describe.each(['an embedded store', 'MinIO'])(
  'another deployment, on %s, with its own seal keys and tenant',
  (kind) => {
    const sealKeys = SealKeys.generate();
    let other: TestProxy;
    let theirs: TestTenant;
    let client: S3Client;
    let isThere = true;
    const config = `${kind.replaceAll(' ', '-')}.yaml`;

    beforeAll(async () => {
      const minio = kind === 'MinIO' ? await startMinio() : undefined;
      isThere = kind !== 'MinIO' || minio !== undefined;
      if (!isThere) return;
      const place =
        minio === undefined
          ? { SEALGATE_BACKEND: 'local:elsewhere' }
          : {
              SEALGATE_BACKEND: minio.endpoint.origin,
              SEALGATE_BACKEND_ACCESS_KEY_ID: minio.accessKeyId,
              SEALGATE_BACKEND_SECRET_ACCESS_KEY: minio.secretAccessKey,
              SEALGATE_BACKEND_PATH_STYLE: 'true',
            };
      if (minio !== undefined) closers.push(() => minio.stop());
      other = minio === undefined ? await serve('elsewhere', sealKeys) : await serveMinio(minio, sealKeys);
      theirs = await other.createTenant();
      client = other.client(theirs);
      closers.push(async () => client.destroy());
      const values = { ...place, SEALGATE_STATE: 'sealgate-state', SEALGATE_SEAL_KEYS: sealKeys };
      await writeFile(
        join(directory, config),
        Object.entries(values)
          .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
          .join(''),
      );
      await writeFile(join(directory, 'theirs.json'), JSON.stringify(theirs));
    });

    test.each(['kept', 'flat', 'locked'])(
      '%s goes there through the keys of both, twice, and never over an object',
      async (bucket) => {
        if (!isThere) return;
        const target = ['--to-config', config, '--to-credentials', 'theirs.json'] as const;
        const args = ['--from', bucket, '--to', bucket, '--credentials', 'key.json', ...target, '--json'] as const;
        const copied = await sealgate(...args);
        expect([copied.code, copied.stderr]).toEqual([0, expect.any(String)]);
        // ETags of objects of parts too, plain ones included.
        expect(await seen(client, bucket)).toEqual(await seen(s3, bucket));
        for (const key of ['words', 'plain', 'parts']) {
          const { metadata } = await storedObject(other.backend, bucket, key);
          expect(metadata['enc-tenant']).toBe(theirs.tenant);
        }
        const again = JSON.parse((await sealgate(...args, '--restart')).stdout);
        expect([again.exitCode, again.counts.copied]).toEqual([0, undefined]);
        await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'words', Body: 'of somebody else' }));
        const refused = JSON.parse((await sealgate(...args, '--restart')).stdout);
        expect([refused.exitCode, refused.counts.failed, refused.findings[0].key]).toEqual([4, 1, 'words']);
      },
      300_000,
    );

    test('a damaged object is named and does not go there', async () => {
      if (!isThere) return;
      const Bucket = `damaged-${kind === 'MinIO' ? 'one' : 'two'}`;
      await s3.send(new CreateBucketCommand({ Bucket }));
      for (const [Key, size] of [
        ['small', 1_000],
        ['long', 3 * MiB],
      ] as const) {
        await s3.send(new PutObjectCommand({ Bucket, Key, Body: randomBytes(size) }));
        const { body, metadata } = await storedObject(proxy.backend, Bucket, Key);
        body[500] = (body[500] ?? 0) ^ 1;
        await bare.send(new PutObjectCommand({ Bucket, Key, Body: body, Metadata: metadata }));
      }
      const target = ['--to-config', config, '--to-credentials', 'theirs.json'] as const;
      const copied = await sealgate('--from', Bucket, '--to', Bucket, '--credentials', 'key.json', ...target, '--json');
      expect([copied.code, JSON.parse(copied.stdout).counts]).toEqual([3, { damaged: 2 }]);
      expect((await client.send(new ListObjectVersionsCommand({ Bucket }))).Versions ?? []).toEqual([]);
    });
  },
);

test('wrong usage is refused', async () => {
  for (const args of [
    ['--from', 'kept'],
    ['--from', 'kept', '--to', 'kept'],
    ['--from', 'kept', '--to', 'x', '--to-backend', 'local:x'],
    ['--raw', '--from', 'kept', '--to-backend', 'local:x'],
    ['--raw', '--from', 'local:one'],
    ['--raw', '--from', 'local:one', '--to-backend', 'local:x', '--prefix', 'p'],
    ['--from', 'kept', '--to', 'sealgate-state', '--credentials', 'key.json'],
    ['--from', 'kept', '--to', 'x', '--to-config', 'none.yaml'],
    ['--from', 'kept', '--to', 'x', '--to-credentials', 'key.json'],
    ['--from', 'kept', '--to', 'x', '--rate', '1MiB'],
  ]) {
    expect([args, (await sealgate(...args)).code]).toEqual([args, 2]);
  }
});
