// Protects: deep rotations on real stores: one that ignores most conditions, and two that have versions and locks. Objects stay
// what they were, tags and locks included, and a version under a lock is named as what keeps the old root key.

import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { type Bench, type OpenedBackend, temporaryStore } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import type { ChildServer } from '../../helpers/child-server.ts';
import { startMinio } from '../../helpers/minio.ts';
import { startMoto } from '../../helpers/moto.ts';
import { uniqueBucket } from '../../helpers/proxy.ts';
import { openRotationBench, type Rotation } from './harness.ts';

async function overHttp(starting: Promise<ChildServer | undefined>): Promise<OpenedBackend | undefined> {
  const server = await starting;
  if (server === undefined) return undefined;
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const backend = openS3Backend({ endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true });
  return {
    backend,
    async close() {
      await backend.close();
      await server.stop();
    },
  };
}

const STORES: readonly (readonly [string, () => Promise<OpenedBackend | undefined>])[] = [
  ['the embedded store', temporaryStore],
  ['moto', () => overHttp(startMoto())],
  ['MinIO', () => overHttp(startMinio())],
];

for (const [name, open] of STORES) {
  const store = await open();
  describe(`on ${name}`, () => {
    if (store === undefined) {
      it('is not installed', () => undefined);
      return;
    }
    let bench: Bench;
    let rotation: Rotation;
    beforeAll(async () => {
      ({ bench, rotation } = await openRotationBench({ store }));
    });
    afterAll(() => bench.close());

    it('re-wraps objects of every kind, and retires the old epoch', async () => {
      const bodies = new Map<string, Buffer>([
        ['empty', Buffer.alloc(0)],
        ['a b+ü%.txt', Buffer.from('odd')],
        ['large', randomBytes(6 * MiB)],
      ]);
      for (const [Key, Body] of bodies) {
        const more = { Tagging: 'team=a%20b', ContentType: 'text/x-test', Metadata: { m: 'v' } };
        await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key, Body, ...more }));
      }
      const { opened } = await rotation.begin();
      const result = await rotation.drain(opened);
      expect(result).toMatchObject({ rewrapped: 3, retired: [1], blockers: [] });
      for (const [Key, body] of bodies) {
        const at = { Bucket: bench.bucket, Key };
        const found = await bench.s3.send(new GetObjectCommand(at));
        expect([Key, found.ContentType, found.Metadata]).toEqual([Key, 'text/x-test', { m: 'v' }]);
        expect(Buffer.from((await found.Body?.transformToByteArray()) ?? '').equals(body)).toBe(true);
        const { TagSet } = await bench.s3.send(new GetObjectTaggingCommand(at));
        expect([Key, TagSet]).toEqual([Key, [{ Key: 'team', Value: 'a b' }]]);
      }
    });

    it('keeps retention on the new version; the old one, under its lock, keeps the old epoch', async () => {
      const at = { Bucket: uniqueBucket(), Key: 'locked' };
      await bench.s3.send(new CreateBucketCommand({ Bucket: at.Bucket, ObjectLockEnabledForBucket: true }));
      const until = new Date(Math.floor(Date.now() / 1000) * 1000 + 3_600_000);
      const lock = { ObjectLockMode: 'COMPLIANCE' as const, ObjectLockRetainUntilDate: until };
      const first = await bench.s3.send(new PutObjectCommand({ ...at, Body: 'locked', ...lock }));
      const { opened } = await rotation.begin();
      // The three objects of the test before, and this one.
      for (const rewrapped of [4, 0]) {
        const result = await rotation.drain(opened, { purgeNoncurrent: true });
        expect(result).toMatchObject({ retired: [], pass: { rewrapped, noncurrent: 1, locked: 1 } });
        expect(result.blockers).toEqual(['1 older versions are kept by an object lock']);
      }
      const now = await bench.s3.send(new HeadObjectCommand(at));
      expect(now.VersionId).not.toBe(first.VersionId);
      expect([now.ObjectLockMode, now.ObjectLockRetainUntilDate]).toEqual(['COMPLIANCE', until]);
      const old = await bench.s3.send(new GetObjectCommand({ ...at, VersionId: first.VersionId }));
      expect(await old.Body?.transformToString()).toBe('locked');
    });
  });
}
