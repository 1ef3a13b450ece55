/**
 * Protects: a bucket in plain text is sealed where it is and opened again, and clients see the same objects before, between and
 * after, ETags included. What a client stores, tags, locks or deletes meanwhile is never lost, and what the store damaged is never sealed as
 * if it were whole. On each store that it is given.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type BackendRequest, BackendUnavailable } from '../../../proxy/backend/backend.ts';
import type { Bench } from '../../helpers/bench.ts';
import { KiB, MiB } from '../../helpers/bytes.ts';
import { uniqueBucket } from '../../helpers/proxy.ts';
import { storedObject } from '../../helpers/stored.ts';
import { uploadParts } from '../verify/objects.ts';
import { migrate, verifyAll } from './harness.ts';

export interface MigrateSuite {
  readonly store: 'embedded' | 'MinIO';
  open(): Promise<{
    readonly bench: Bench;
    /** A client of the store itself. */
    readonly bare: S3Client;
    close(): Promise<void>;
  }>;
}

export function migrateSuite(o: MigrateSuite): void {
  let bench: Bench;
  let bare: S3Client;
  let close: () => Promise<void>;
  let bucket: string;

  beforeAll(async () => {
    ({ bench, bare, close } = await o.open());
  });
  afterAll(() => close());
  beforeEach(async () => {
    bench.backend.intercept = (request, next) => next(request);
    bucket = uniqueBucket();
    await bare.send(new CreateBucketCommand({ Bucket: bucket }));
  });

  const run = (direction: 'encrypt' | 'decrypt', more: Parameters<typeof migrate>[2] = {}) =>
    migrate(bench, direction, { bucket, ...more });

  const put = (s3: S3Client, Key: string, Body: Buffer | string, more: object = {}) =>
    s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body, ...more }));

  /** What a client is told and given of an object, but for times and versions. */
  async function seen(s3: S3Client, Key: string, which: object = {}) {
    const got = await s3.send(new GetObjectCommand({ Bucket: bucket, Key, ...which }));
    const body = Buffer.from((await got.Body?.transformToByteArray()) ?? []);
    const digest = createHash('sha256').update(body).digest('hex');
    const { ETag, ContentLength, ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage } =
      got;
    const { ExpiresString, Metadata, TagCount, PartsCount, ContentRange, WebsiteRedirectLocation, StorageClass } = got;
    const described = { ETag, ContentLength, ContentType, CacheControl, ContentDisposition, ContentEncoding };
    const more = { ContentLanguage, ExpiresString, Metadata, TagCount, PartsCount, ContentRange };
    return { digest, ...described, ...more, WebsiteRedirectLocation, StorageClass };
  }

  async function bodyOf(s3: S3Client, Key: string): Promise<Buffer> {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  const listed = async (s3: S3Client) => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket }));
    return Contents.map(({ Key, Size, ETag }) => ({ Key, Size, ETag }));
  };

  const WORDS = {
    ContentType: 'text/plain; charset=utf-8',
    CacheControl: 'no-cache',
    ContentDisposition: 'attachment; filename="a.txt"',
    ContentEncoding: 'gzip',
    ContentLanguage: 'de',
    Metadata: { colour: 'blue', name: 'a b+c' },
    Tagging: 'a=1&b=zwei%20drei',
  };

  const parts = [randomBytes(5 * MiB), randomBytes(5 * MiB), randomBytes(3_000)];
  const uneven = [randomBytes(5 * MiB), randomBytes(6 * MiB), randomBytes(10)];

  // MinIO knows a part by its number and shows the one of that place: of an object with gaps, the boundaries are hidden.
  const gaps = o.store === 'MinIO' ? [1, 2, 3] : [3, 41, 10_000];

  async function fill(): Promise<readonly string[]> {
    await put(bare, 'empty', '');
    await put(bare, 'one', '1');
    await put(bare, 'words', randomBytes(300 * KiB), WORDS);
    await put(bare, 'long metadata', randomBytes(10), { Metadata: { long: 'x'.repeat(1_900) } });
    await put(bare, 'edge', randomBytes(MiB));
    await put(bare, 'past edge', randomBytes(MiB + 1), WORDS);
    await put(bare, 'large', randomBytes(7 * MiB));
    // More than lies in buffers between a store and its reader.
    await put(bare, 'larger', randomBytes(48 * MiB));
    // MinIO takes no name with `..` in it.
    await put(bare, o.store === 'MinIO' ? 'a b+ü%/x' : 'a b+ü%/..//x', 'odd');
    await put(bare, 'folder/', '');
    await uploadParts(bare, { bucket, key: 'parts', parts, extra: WORDS });
    await uploadParts(bare, { bucket, key: 'uneven', parts: uneven });
    await uploadParts(bare, { bucket, key: 'gaps', parts: uneven, numbers: gaps });
    await uploadParts(bare, { bucket, key: 'one part', parts: [randomBytes(400)] });
    await uploadParts(bare, {
      bucket,
      key: 'long metadata parts',
      parts,
      extra: { Metadata: { long: 'x'.repeat(1_900) } },
    });
    return (await listed(bare)).map(({ Key = '' }) => Key);
  }

  describe('a bucket of every kind of object', () => {
    test('answers the same before, sealed, and after the way back', async () => {
      const keys = await fill();
      // MinIO counts parts by their place.
      const gaps = o.store === 'MinIO' ? [1, 3] : [3, 41];
      const storeSaid = await listed(bare);
      const look = async () => ({
        list: await listed(bench.s3),
        whole: await Promise.all(keys.map((key) => seen(bench.s3, key))),
        range: await seen(bench.s3, 'large', { Range: 'bytes=1000000-3000000' }),
        suffix: await seen(bench.s3, 'parts', { Range: 'bytes=-5' }),
        part: await Promise.all([1, 2, 3].map((PartNumber) => seen(bench.s3, 'uneven', { PartNumber }))),
        gaps: await Promise.all(gaps.slice(0, 2).map((PartNumber) => seen(bench.s3, 'gaps', { PartNumber }))),
        tags: (await bench.s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'parts' }))).TagSet,
      });
      const before = await look();
      expect(before.list.length).toBe(15);
      const there = await run('encrypt');
      expect([there.outcome, there.record.counts]).toEqual(['done', { encrypted: keys.length }]);
      expect(await look()).toEqual(before);
      expect(await verifyAll(bench, bucket)).toEqual({ ok: keys.length });
      const { body } = await storedObject(bench.backend, bucket, 'words');
      expect(body.includes((await bodyOf(bench.s3, 'words')).subarray(0, 64))).toBe(false);
      // Again, there is nothing to do.
      expect((await run('encrypt')).record.counts).toEqual({ already: keys.length });
      const back = await run('decrypt');
      expect([back.outcome, back.record.counts]).toEqual(['done', { decrypted: keys.length }]);
      expect(await look()).toEqual(before);
      // Without the proxy: the store's own ETags and headers are those of before.
      expect(await listed(bare)).toEqual(storeSaid);
      const plain = await Promise.all(keys.map((key) => seen(bare, key)));
      const asBefore = before.whole.map(({ digest, ETag, Metadata }) => ({ digest, ETag, Metadata }));
      expect(plain.map(({ digest, ETag, Metadata }) => ({ digest, ETag, Metadata }))).toEqual(asBefore);
      expect((await run('decrypt')).record.counts).toEqual({ already: keys.length });
    });

    test("leaves alone what is another tenant's, and what is archived", async () => {
      const other = bench.proxy.client(await bench.proxy.createTenant());
      await put(other, 'theirs', 'x');
      other.destroy();
      await put(bare, 'cold', 'x');
      bench.backend.intercept = async (request, next) => {
        const answer = await next(request);
        if (request.key !== 'cold' || request.method !== 'HEAD') return answer;
        return { ...answer, headers: { ...answer.headers, 'x-amz-storage-class': 'DEEP_ARCHIVE' } };
      };
      const end = await run('encrypt');
      expect(end.record.counts).toEqual({ foreign: 1, archived: 1 });
      expect(end.record.findings).toMatchObject([{ key: 'cold', state: 'archived' }]);
    });
  });

  /** Does `work` once, before or after the first request that fits. */
  function once(
    fits: (request: BackendRequest) => boolean,
    when: 'before' | 'after',
    work: () => Promise<unknown>,
  ): () => number {
    let times = 0;
    bench.backend.intercept = async (request, next) => {
      if (times > 0 || !fits(request)) return next(request);
      times += 1;
      if (when === 'before') await work();
      const answer = await next(request);
      if (when === 'after') await work();
      return answer;
    };
    return () => times;
  }

  const isPut = ({ method, query = [], key }: BackendRequest) => method === 'PUT' && query.length === 0 && key === 'k';
  const isRead = ({ method, query = [], key }: BackendRequest) => method === 'GET' && query.length === 0 && key === 'k';

  describe.each([
    ['small', 5 * KiB],
    ['large', 3 * MiB],
  ])('a %s object', (_, size) => {
    test.each([
      ['plain text, at the store', () => put(bare, 'k', 'new')],
      ['through Sealgate', () => put(bench.s3, 'k', 'new')],
    ])('that a client replaces meanwhile, with %s, is the new one', async (_how, replace) => {
      await put(bare, 'k', randomBytes(size));
      const times = once(isPut, 'before', replace);
      const end = await run('encrypt');
      expect(times()).toBe(1);
      expect(end.outcome).toBe('done');
      expect((await bodyOf(bench.s3, 'k')).toString()).toBe('new');
      expect(await verifyAll(bench, bucket)).toEqual({ ok: 1 });
    });

    test('that a client deletes meanwhile stays deleted', async () => {
      await put(bare, 'k', randomBytes(size));
      once(isPut, 'before', () => bare.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' })));
      expect((await run('encrypt')).record.counts).toEqual({ gone: 1 });
      expect(await listed(bare)).toEqual([]);
    });

    test('whose tags are changed while it is read keeps the new ones', async () => {
      await put(bare, 'k', randomBytes(size), { Tagging: 'a=1' });
      const Tagging = { TagSet: [{ Key: 'b', Value: '2 3' }] };
      const times = once(isRead, 'after', () =>
        bare.send(new PutObjectTaggingCommand({ Bucket: bucket, Key: 'k', Tagging })),
      );
      expect((await run('encrypt')).record.counts).toEqual({ encrypted: 1 });
      expect(times()).toBe(1);
      const { TagSet } = await bench.s3.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: 'k' }));
      expect(TagSet).toEqual(Tagging.TagSet);
    });

    test('whose metadata a copy onto itself replaces meanwhile has the new ones', async () => {
      await put(bare, 'k', randomBytes(size), { Metadata: { old: 'yes' } });
      const copy = () =>
        bench.send({
          method: 'PUT',
          path: `/${bucket}/k`,
          headers: [
            ['x-amz-copy-source', `${bucket}/k`],
            ['x-amz-metadata-directive', 'REPLACE'],
            ['x-amz-meta-new', 'yes'],
          ],
        });
      once(isPut, 'before', copy);
      await run('encrypt');
      const { Metadata } = await bench.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' }));
      expect(Metadata).toEqual({ new: 'yes' });
    });

    test('is opened again under the same rules', async () => {
      await put(bench.s3, 'k', randomBytes(size));
      once(isPut, 'before', () => put(bench.s3, 'k', 'new'));
      expect((await run('decrypt')).record.counts).toEqual({ decrypted: 1 });
      expect((await bodyOf(bare, 'k')).toString()).toBe('new');
    });

    test('whose bytes the store damaged is not sealed, and is named', async () => {
      await put(bare, 'k', randomBytes(size));
      bench.backend.intercept = async (request, next) => {
        const answer = await next(request);
        if (!isRead(request)) return answer;
        const { Readable } = await import('node:stream');
        const bytes = Buffer.concat(await answer.body.toArray());
        bytes[100] = (bytes[100] ?? 0) ^ 1;
        return { ...answer, body: Readable.from([bytes]) };
      };
      const end = await run('encrypt');
      expect(end.record.counts).toEqual({ damaged: 1 });
      bench.backend.intercept = (request, next) => next(request);
      const { metadata } = await storedObject(bench.backend, bucket, 'k');
      expect(Object.keys(metadata)).toEqual([]);
    });
  });

  describe('in a bucket with versions and locks', () => {
    beforeEach(async () => {
      bucket = uniqueBucket();
      await bare.send(new CreateBucketCommand({ Bucket: bucket, ObjectLockEnabledForBucket: true }));
    });

    const later = (days: number) => new Date(Math.floor(Date.now() / 1000) * 1000 + days * 86_400_000);
    const lock = (days: number) => ({
      ObjectLockMode: 'GOVERNANCE',
      ObjectLockRetainUntilDate: later(days),
      ContentMD5: undefined,
    });

    test.each([
      ['small', 5 * KiB],
      ['large', 3 * MiB],
      ['of several parts in memory', 20 * MiB],
    ])('a locked object, %s, stays locked, and the plain version is counted', async (_, size) => {
      const body = randomBytes(size);
      await put(bare, 'k', body, { ...lock(3), ObjectLockLegalHoldStatus: 'ON', ChecksumAlgorithm: undefined });
      const end = await run('encrypt');
      expect(end.record.counts).toEqual({ encrypted: 1 });
      const head = await bench.s3.send(new HeadObjectCommand({ Bucket: bucket, Key: 'k' }));
      expect([head.ObjectLockMode, head.ObjectLockLegalHoldStatus]).toEqual(['GOVERNANCE', 'ON']);
      expect((await bodyOf(bench.s3, 'k')).equals(body)).toBe(true);
      expect((await run('encrypt')).record.counts).toEqual({ already: 1, 'plaintext-version': 1 });
      const purged = await run('encrypt', { purge: true });
      expect(purged.record.counts).toEqual({ already: 1, 'kept-by-lock': 1 });
      expect(purged.record.written?.oldest.slice(0, 4)).toBe(String(new Date().getUTCFullYear()));
    });

    test.each([
      ['small', 5 * KiB],
      ['large', 3 * MiB],
    ])(
      'tags, retention and hold that are set on a %s object between reading and commit are carried over',
      async (_, size) => {
        await put(bare, 'k', randomBytes(size), { Tagging: 'a=1', ...lock(1) });
        const until = later(9);
        const change = async () => {
          const TagSet = [{ Key: 'new', Value: 'tag' }];
          await bare.send(new PutObjectTaggingCommand({ Bucket: bucket, Key: 'k', Tagging: { TagSet } }));
          const Retention = { Mode: 'GOVERNANCE', RetainUntilDate: until } as const;
          await bare.send(new PutObjectRetentionCommand({ Bucket: bucket, Key: 'k', Retention }));
          await bare.send(new PutObjectLegalHoldCommand({ Bucket: bucket, Key: 'k', LegalHold: { Status: 'ON' } }));
        };
        const times = once(isPut, 'before', change);
        expect((await run('encrypt')).record.counts).toEqual({ encrypted: 1 });
        expect(times()).toBe(1);
        const about = { Bucket: bucket, Key: 'k' };
        expect((await bench.s3.send(new GetObjectTaggingCommand(about))).TagSet).toEqual([
          { Key: 'new', Value: 'tag' },
        ]);
        const { Retention } = await bench.s3.send(new GetObjectRetentionCommand(about));
        expect(Retention?.RetainUntilDate).toEqual(until);
        expect((await bench.s3.send(new GetObjectLegalHoldCommand(about))).LegalHold?.Status).toBe('ON');
      },
    );

    test.each([
      ['for a moment: they are carried over', 1, { encrypted: 1 }, 'b'],
      ['for good: the object is named', Number.POSITIVE_INFINITY, { failed: 1 }, 'a'],
    ])(
      'tags are set before the commit, and behind it the store is out of order %s',
      async (_, failures, counts, tag) => {
        const about = { Bucket: bucket, Key: 'k' };
        await put(bare, 'k', 'x', { Tagging: 'a=1' });
        let [commits, failed] = [0, 0];
        bench.backend.intercept = async (request, next) => {
          const isAfter = commits > 0 && request.key === 'k' && request.query?.some(([name]) => name === 'versionId');
          if (isAfter === true && failed < failures) {
            failed += 1;
            throw new BackendUnavailable('reset');
          }
          if (!isPut(request) || commits > 0) return next(request);
          const Tagging = { TagSet: [{ Key: 'b', Value: '2' }] };
          await bare.send(new PutObjectTaggingCommand({ ...about, Tagging }));
          const answer = await next(request);
          commits += 1;
          return answer;
        };
        expect((await run('encrypt')).record.counts).toEqual(counts);
        expect(failed).toBeGreaterThan(0);
        bench.backend.intercept = (request, next) => next(request);
        const { TagSet } = await bench.s3.send(new GetObjectTaggingCommand(about));
        expect(TagSet?.map(({ Key }) => Key)).toEqual([tag]);
      },
    );

    test('a delete marker put on top meanwhile stays on top', async () => {
      await put(bare, 'k', randomBytes(10));
      once(isPut, 'before', () => bare.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'k' })));
      expect((await run('encrypt')).record.counts).toEqual({ gone: 1 });
      expect(await listed(bare)).toEqual([]);
    });

    test('older versions in plain text are counted with their dates, and purged when that is asked for', async () => {
      for (const body of ['1', '2', '3']) await put(bare, 'k', body);
      await put(bare, 'deleted', 'x');
      await bare.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'deleted' }));
      const first = await run('encrypt');
      expect(first.record.counts).toEqual({ encrypted: 1, 'plaintext-version': 3 });
      expect(first.rows.get('k')?.message).toContain('stays in plain text');
      const second = await run('encrypt', { purge: true });
      expect(second.record.counts).toEqual({ already: 1, purged: 4 });
      expect((await run('encrypt')).record.counts).toEqual({ already: 1 });
      expect((await bodyOf(bench.s3, 'k')).toString()).toBe('3');
    });

    test('in a suspended bucket the version null is replaced', async () => {
      bucket = uniqueBucket();
      await bare.send(new CreateBucketCommand({ Bucket: bucket }));
      await put(bare, 'k', 'before');
      const versioning = (Status: 'Enabled' | 'Suspended') =>
        bare.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status } }));
      await versioning('Enabled');
      await put(bare, 'k', 'middle');
      await versioning('Suspended');
      await put(bare, 'k', 'null');
      expect((await run('encrypt')).record.counts).toEqual({ encrypted: 1, 'plaintext-version': 1 });
      expect((await run('encrypt', { purge: true })).record.counts).toEqual({ already: 1, purged: 1 });
      expect((await bodyOf(bench.s3, 'k')).toString()).toBe('null');
    });
  });

  describe('what a store does not show or cannot do', () => {
    test('hidden boundaries: another ETag, said', async () => {
      await uploadParts(bare, { bucket, key: 'k', parts });
      bench.backend.intercept = async (request, next) => {
        const isPart = request.query?.some(([name]) => name === 'partNumber') === true && request.method === 'HEAD';
        return next(isPart ? { ...request, query: [] } : request);
      };
      const end = await run('encrypt');
      expect(end.record.counts).toEqual({ 'etag-changed': 1 });
      expect(end.rows.get('k')).toMatchObject({
        succeeded: true,
        message: expect.stringContaining('where its parts ended'),
      });
      expect((await bodyOf(bench.s3, 'k')).equals(Buffer.concat(parts))).toBe(true);
    });

    test('numbers of parts with gaps, at a store that knows parts by their place: another ETag, said', async () => {
      await uploadParts(bare, { bucket, key: 'k', parts: uneven, numbers: [3, 41, 10_000] });
      const end = await run('encrypt');
      expect(end.record.counts).toEqual(o.store === 'MinIO' ? { 'etag-changed': 1 } : { encrypted: 1 });
      expect((await bodyOf(bench.s3, 'k')).equals(Buffer.concat(uneven))).toBe(true);
    });

    test('an ETag that is no MD5: said, and that nothing confirmed the bytes', async () => {
      await put(bare, 'k', 'x');
      bench.backend.intercept = async (request, next) => {
        const answer = await next(request);
        if (request.key !== 'k' || request.method !== 'HEAD') return answer;
        return { ...answer, headers: { ...answer.headers, 'x-amz-server-side-encryption': 'aws:kms' } };
      };
      const refused = await run('encrypt');
      // The embedded store has no such keys: it refuses to write under one.
      expect(refused.record.counts).toEqual({ failed: 1 });
    });

    test('no conditional PUT: nothing is written unless nobody else writes', async () => {
      await put(bare, 'k', 'x');
      const without = { conditionalPutIfMatch: false, conditionalComplete: false };
      const context: Parameters<typeof migrate>[2] = {
        context: (own) => ({
          ...own,
          store: { ...own.store, capabilities: { ...own.store.capabilities, ...without } },
        }),
      };
      const refused = await run('encrypt', context);
      expect(refused.record.counts).toEqual({ failed: 1 });
      expect(refused.rows.get('k')?.message).toContain('--no-writers');
      expect((await run('encrypt', { ...context, noWriters: true })).record.counts).toEqual({ encrypted: 1 });
    });

    test('a sealed body whose metadata somebody took is not sealed again', async () => {
      await put(bench.s3, 'k', 'x');
      const { body } = await storedObject(bench.backend, bucket, 'k');
      await put(bare, 'k', body);
      expect((await run('encrypt')).record.counts).toEqual({ damaged: 1 });
    });

    test('an object that the store lists and does not give is not gone', async () => {
      await put(bench.s3, 'k', 'x');
      await put(bench.s3, 'other', 'x');
      bench.backend.intercept = (request, next) =>
        next(request.key === 'k' && request.method === 'HEAD' ? { ...request, key: 'lost' } : request);
      expect(await verifyAll(bench, bucket)).toEqual({ failed: 1, ok: 1 });
      const end = await run('encrypt');
      expect(end.record.counts).toEqual({ failed: 1, already: 1 });
      expect(end.record.findings).toMatchObject([{ key: 'k', message: expect.stringContaining('does not give it') }]);
    });

    test('a damaged sealed object is not opened', async () => {
      await put(bench.s3, 'k', randomBytes(3 * MiB));
      await put(bench.s3, 's', randomBytes(1000));
      for (const key of ['k', 's']) {
        const { body, metadata } = await storedObject(bench.backend, bucket, key);
        body[500] = (body[500] ?? 0) ^ 1;
        await put(bare, key, body, { Metadata: metadata });
      }
      expect((await run('decrypt')).record.counts).toEqual({ damaged: 2 });
      const { metadata } = await storedObject(bench.backend, bucket, 'k');
      expect(Object.keys(metadata)).toContain('enc-algo');
    });
  });
}
