/**
 * Protects copies against what happens meanwhile: a source replaced between look and copy, a target that somebody else wrote,
 * backends that cannot pin a source, that report a failure under 200, or that refuse late.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { PutBucketVersioningCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BackendRequest } from '../../../proxy/backend/backend.ts';
import { errorReply } from '../../helpers/backend-reply.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { storedKeys, storedObject } from '../../helpers/stored.ts';
import { copied, md5, read } from './copy-suite.ts';

const SIZES = [500, 1024 * 1024 + 9];
const isCopy = (request: BackendRequest) => request.headers?.['x-amz-copy-source'] !== undefined;

function put(bench: Bench, key: string, body: Buffer, extra: object = {}) {
  return bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: key, Body: body, ...extra }));
}

/** Runs `meanwhile` once, just before the first backend request that `matches`. */
function justBefore(bench: Bench, matches: (request: BackendRequest) => boolean, meanwhile: () => Promise<unknown>) {
  let done = false;
  bench.backend.intercept = async (request, next) => {
    if (!done && matches(request)) {
      done = true;
      await meanwhile();
    }
    return next(request);
  };
  return () => done;
}

describe('on a backend that pins sources', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await openBench();
  });
  afterEach(() => {
    bench.backend.intercept = (request, next) => next(request);
  });
  afterAll(() => bench.close());

  it.each(SIZES)('copies the new object when the source of %i bytes is replaced in between', async (size) => {
    const [first, second] = [randomBytes(size), randomBytes(size)];
    await put(bench, 'from', first);
    const wasReplaced = justBefore(bench, isCopy, () => put(bench, 'from', second));
    const answer = await copied(bench, 'from', 'to');
    expect(wasReplaced()).toBe(true);
    expect(answer.CopyObjectResult?.ETag).toBe(`"${md5(second)}"`);
    expect((await read(bench, 'to')).bytes.equals(second)).toBe(true);
  });

  it('answers NoSuchKey when the source vanishes in between', async () => {
    await put(bench, 'vanishing', Buffer.from('x'));
    justBefore(bench, isCopy, async () => {
      const signal = AbortSignal.timeout(60_000);
      await bench.backend.inner.send({ method: 'DELETE', bucket: bench.bucket, key: 'vanishing', signal });
    });
    await expect(copied(bench, 'vanishing', 'never')).rejects.toMatchObject({ name: 'NoSuchKey' });
    expect(await storedKeys(bench.backend, bench.bucket)).not.toContain('never');
  });

  it('does not undo a PUT when an object gets new metadata in place', async () => {
    const newer = randomBytes(300);
    await put(bench, 'raced', randomBytes(200));
    justBefore(bench, isCopy, () => put(bench, 'raced', newer));
    await copied(bench, 'raced', 'raced', { MetadataDirective: 'REPLACE', Metadata: { set: 'later' } });
    const now = await read(bench, 'raced');
    expect([now.bytes.equals(newer), now.Metadata]).toEqual([true, { set: 'later' }]);
  });

  it('evaluates If-Match and If-None-Match on the target against its plaintext ETag', async () => {
    const target = Buffer.from('target');
    await put(bench, 'source', Buffer.from('source'));
    await put(bench, 'target', target);
    for (const condition of [
      { IfNoneMatch: '*' },
      { IfMatch: '"other"' },
      { IfMatch: `"${md5(Buffer.from('source'))}"` },
    ]) {
      await expect(copied(bench, 'source', 'target', condition)).rejects.toMatchObject({ name: 'PreconditionFailed' });
    }
    expect((await read(bench, 'target')).bytes.equals(target)).toBe(true);
    await expect(copied(bench, 'source', 'no target', { IfMatch: '"x"' })).rejects.toMatchObject({ name: 'NoSuchKey' });
    await copied(bench, 'source', 'target', { IfMatch: `"${md5(target)}"` });
    await copied(bench, 'source', 'fresh', { IfNoneMatch: '*' });
    for (const key of ['target', 'fresh']) expect((await read(bench, key)).bytes.toString()).toBe('source');
  });

  it('lets exactly one of many concurrent copies create the target', async () => {
    await put(bench, 'source', Buffer.from('source'));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => copied(bench, 'source', 'only once', { IfNoneMatch: '*' })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason.name);
    expect(new Set(failed)).toEqual(new Set(['PreconditionFailed']));
  });

  it('reports a failure that the backend tells under 200', async () => {
    await put(bench, 'source', Buffer.from('source'));
    bench.backend.intercept = (request, next) =>
      isCopy(request) ? Promise.resolve(errorReply(request, { status: 200, code: 'InternalError' })) : next(request);
    await expect(copied(bench, 'source', 'failed')).rejects.toMatchObject({
      name: 'ServiceUnavailable',
      $metadata: { httpStatusCode: 503 },
    });
  });

  it('gives up with 412 when the backend keeps refusing', async () => {
    await put(bench, 'source', Buffer.from('source'));
    let copies = 0;
    bench.backend.intercept = (request, next) => {
      if (!isCopy(request)) return next(request);
      copies += 1;
      return Promise.resolve(errorReply(request, { status: 412, code: 'PreconditionFailed' }));
    };
    await expect(copied(bench, 'source', 'refused')).rejects.toMatchObject({ name: 'PreconditionFailed' });
    expect(copies).toBe(2);
  });
});

describe('on a backend that ignores conditions on a copy', () => {
  let bench: Bench;
  beforeAll(async () => {
    const probe = await openBench();
    const { capabilities } = probe;
    await probe.close();
    bench = await openBench({
      capabilities: { ...capabilities, conditionalCopy: false, conditionalCopySource: false },
    });
  });
  afterEach(() => {
    bench.backend.intercept = (request, next) => next(request);
  });
  afterAll(() => bench.close());

  it.each(SIZES)('relays the stored bytes of %i bytes, and what was read is what is stored', async (size) => {
    const [first, second] = [randomBytes(size), randomBytes(size)];
    await put(bench, 'from', first, { Tagging: 'kept=1' });
    const stored = await storedObject(bench.backend, bench.bucket, 'from');
    const isPut = (request: BackendRequest) => request.method === 'PUT' && request.key === 'to';
    const wasReplaced = justBefore(bench, isPut, () => put(bench, 'from', second));
    const { result, requests } = await bench.watch(() => copied(bench, 'from', 'to'));
    expect(wasReplaced()).toBe(true);
    expect(requests.some(({ headers }) => headers['x-amz-copy-source'] !== undefined)).toBe(false);
    expect(result.CopyObjectResult?.ETag).toBe(`"${md5(first)}"`);
    const to = await read(bench, 'to');
    expect([to.bytes.equals(first), to.TagCount]).toEqual([true, 1]);
    expect((await storedObject(bench.backend, bench.bucket, 'to')).body.equals(stored.body)).toBe(true);
  });

  it('does not undo a PUT when an object gets new metadata in place', async () => {
    const newer = randomBytes(300);
    await put(bench, 'raced', randomBytes(200));
    let raced = false;
    bench.backend.intercept = async (request, next) => {
      if (!raced && request.method === 'PUT' && request.key === 'raced') {
        raced = true;
        await put(bench, 'raced', newer);
      }
      return next(request);
    };
    await copied(bench, 'raced', 'raced', { MetadataDirective: 'REPLACE', Metadata: { set: 'later' } });
    const now = await read(bench, 'raced');
    expect([now.bytes.equals(newer), now.Metadata]).toEqual([true, { set: 'later' }]);
  });

  it('stores nothing when the source breaks off on the way', async () => {
    await put(bench, 'breaking', randomBytes(1024 * 1024 + 9));
    let broken = 0;
    bench.backend.intercept = async (request, next) => {
      const answer = await next(request);
      if (request.method !== 'GET' || request.key !== 'breaking' || request.headers?.['range'] !== undefined)
        return answer;
      broken += 1;
      async function* half() {
        yield (await answer.body.take(1).toArray())[0];
        throw new Error('reset');
      }
      return { ...answer, body: Readable.from(half()) };
    };
    await expect(copied(bench, 'breaking', 'half')).rejects.toMatchObject({ $metadata: { httpStatusCode: 503 } });
    expect(broken).toBe(1);
    expect(await storedKeys(bench.backend.inner, bench.bucket)).not.toContain('half');
  });

  it('copies inside the backend all the same where a version pins the source', async () => {
    await bench.s3.send(
      new PutBucketVersioningCommand({ Bucket: bench.bucket, VersioningConfiguration: { Status: 'Enabled' } }),
    );
    await put(bench, 'versioned', Buffer.from('one'));
    const { result, requests } = await bench.watch(() => copied(bench, 'versioned', 'versioned to'));
    expect(requests.some(({ headers }) => /versionId=/.test(headers['x-amz-copy-source'] ?? ''))).toBe(true);
    expect(result.CopySourceVersionId).toBeDefined();
    expect((await read(bench, 'versioned to')).bytes.toString()).toBe('one');
  });
});
