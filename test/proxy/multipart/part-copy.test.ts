/**
 * Protects UploadPartCopy: any range of any kind of object becomes a part that reads back; wrong ranges and failed conditions
 * make none; a source that changes meanwhile is read again, and a refused part leaves no connection open.
 */
import { randomBytes } from 'node:crypto';
import { CreateBucketCommand, PutBucketVersioningCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { errorReply } from '../../helpers/backend-reply.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { uniqueBucket } from '../../helpers/proxy.ts';
import { type Header, percentEncode } from '../../helpers/raw-client.ts';
import { referenceChecksum } from '../../helpers/reference-checksums.ts';
import { storeDirectly, storedObject } from '../../helpers/stored.ts';
import {
  beginUpload,
  elements,
  type Listed,
  MIN_PART,
  md5,
  outcome,
  type Upload,
  uploaded,
} from '../../helpers/uploads.ts';

const SOURCE = randomBytes(MIN_PART + 200_000);
const KINDS = {
  empty: SOURCE.subarray(0, 0),
  small: SOURCE.subarray(0, 70_000),
  large: SOURCE.subarray(1, 1024 * 1024 + 70_001),
  multipart: SOURCE.subarray(0, MIN_PART + 100_000),
  legacy: SOURCE.subarray(5, 200_005),
};
type Kind = keyof typeof KINDS;
const range = (text: string): Header => ['x-amz-copy-source-range', text];

describe('UploadPartCopy', () => {
  const bench = sharedBench();
  let upload: Upload;
  beforeAll(async () => {
    const { s3, bucket, backend } = bench;
    for (const kind of ['empty', 'small', 'large'] as const) {
      await s3.send(new PutObjectCommand({ Bucket: bucket, Key: kind, Body: KINDS[kind] }));
    }
    await uploaded(bench, 'multipart', [KINDS.multipart.subarray(0, MIN_PART), KINDS.multipart.subarray(MIN_PART)]);
    await storeDirectly(backend, { bucket, key: 'legacy', body: KINDS.legacy });
    upload = await beginUpload(bench, 'target');
  });

  async function expectCopied(source: string, wanted: Buffer, headers: readonly Header[] = []): Promise<void> {
    const reply = await upload.copy(1, source, headers);
    expect([outcome(reply), elements(reply, 'ETag')]).toEqual(['200', [`"${md5(wanted)}"`]]);
    const parts = await upload.list();
    expect([elements(parts, 'ETag'), elements(parts, 'Size')]).toEqual([[`"${md5(wanted)}"`], [String(wanted.length)]]);
  }

  it.each(Object.keys(KINDS) as Kind[])('the whole of an object that is %s, and it reads back', async (kind) => {
    const own = await beginUpload(bench, `from/${kind}`);
    const reply = await own.copy(1, `/${bench.bucket}/${kind}`);
    const etag = elements(reply, 'ETag')[0] ?? '';
    expect([outcome(reply), etag]).toEqual(['200', `"${md5(KINDS[kind])}"`]);
    const first: Listed = { number: 1, etag };
    const parts = KINDS[kind].length < MIN_PART ? [first] : [first, await own.put(2, KINDS.small)];
    expect(outcome(await own.complete(parts))).toBe('200');
    const wanted = parts.length === 1 ? KINDS[kind] : Buffer.concat([KINDS[kind], KINDS.small]);
    expect((await own.get()).body.equals(wanted)).toBe(true);
    const stored = await storedObject(bench.backend, bench.bucket, `from/${kind}`);
    if (wanted.length > 0) expect(stored.body.includes(wanted.subarray(0, 32))).toBe(false);
  });

  it.each(['small', 'large', 'multipart', 'legacy'] as const)('ranges of an object that is %s', async (kind) => {
    const body = KINDS[kind];
    const ends = [
      [0, 0],
      [0, body.length - 1],
      [body.length - 1, body.length - 1],
      [65_535, 65_536],
      [65_536, 65_537],
    ];
    if (kind === 'multipart') ends.push([MIN_PART - 1, MIN_PART], [MIN_PART, MIN_PART + 10]);
    for (const [first = 0, last = 0] of ends) {
      await expectCopied(`${bench.bucket}/${kind}`, body.subarray(first, last + 1), [range(`bytes=${first}-${last}`)]);
    }
  });

  it.each([
    ['bytes=0-70000', 'InvalidArgument'],
    ['bytes=70000-70000', 'InvalidArgument'],
    ['bytes=5-4', 'InvalidArgument'],
    ['bytes=0-', 'InvalidArgument'],
    ['bytes=-5', 'InvalidArgument'],
    ['0-5', 'InvalidArgument'],
    ['bytes=0-1,3-4', 'InvalidArgument'],
    ['bytes=0x0-0x5', 'InvalidArgument'],
    ['', 'InvalidArgument'],
  ])('the range %j is refused, and no part appears', async (text, code) => {
    const own = await beginUpload(bench, 'ranges');
    expect(outcome(await own.copy(1, `${bench.bucket}/small`, [range(text)]))).toBe(`400 ${code}`);
    expect(elements(await own.list(), 'PartNumber')).toEqual([]);
    await own.abort();
  });

  it('awkward keys and other buckets', async () => {
    const other = uniqueBucket();
    await bench.s3.send(new CreateBucketCommand({ Bucket: other }));
    const keys = ['a b+ü%.txt', 'q?versionId=x&y#f', '/lead//twice', '%2F', 'ключ/🔑', 'k'.repeat(1024)];
    for (const [at, key] of keys.entries()) {
      const body = SOURCE.subarray(at, at + 100);
      await bench.s3.send(new PutObjectCommand({ Bucket: other, Key: key, Body: body }));
      await expectCopied(`${other}/${percentEncode(key, '/')}`, body);
    }
  });

  it('conditions on the source: 412 when they do not hold, whatever they are', async () => {
    const etag = `"${md5(KINDS.small)}"`;
    const past = new Date(Date.now() - 3_600_000).toUTCString();
    const name = (condition: string) => `x-amz-copy-source-if-${condition}`;
    const hold: Header[][] = [
      [[name('match'), etag]],
      [[name('none-match'), '"x"']],
      [[name('modified-since'), past]],
      [
        [name('match'), etag],
        [name('unmodified-since'), past],
      ],
    ];
    const fail: Header[][] = [
      [[name('match'), '"x"']],
      [[name('none-match'), etag]],
      [[name('unmodified-since'), past]],
      [[name('modified-since'), new Date(Date.now() + 60_000).toUTCString()]],
    ];
    const own = await beginUpload(bench, 'conditions');
    for (const headers of fail) {
      expect(outcome(await own.copy(1, `${bench.bucket}/small`, headers))).toBe('412 PreconditionFailed');
    }
    expect(elements(await own.list(), 'PartNumber')).toEqual([]);
    for (const headers of hold) expect(outcome(await own.copy(1, `${bench.bucket}/small`, headers))).toBe('200');
    await own.abort();
  });

  it.each([
    ['nothing', '404 NoSuchKey', () => `${bench.bucket}/absent`],
    ['in no bucket', '404 NoSuchBucket', () => `${uniqueBucket()}/absent`],
    ['half a name', '400 InvalidArgument', () => bench.bucket],
    ['an empty version', '400 InvalidArgument', () => `${bench.bucket}/small?versionId=`],
  ])('a source that is %s', async (_name, wanted, source) => {
    expect(outcome(await upload.copy(2, source()))).toBe(wanted);
  });

  it('a version of the source, named and answered', async () => {
    const versioned = uniqueBucket();
    await bench.s3.send(new CreateBucketCommand({ Bucket: versioned }));
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await bench.s3.send(new PutBucketVersioningCommand({ Bucket: versioned, VersioningConfiguration }));
    const put = (Body: string) => bench.s3.send(new PutObjectCommand({ Bucket: versioned, Key: 'v', Body }));
    const [first, second] = [await put('first'), await put('second')];
    await expectCopied(`${versioned}/v?versionId=${first.VersionId}`, Buffer.from('first'));
    const latest = await upload.copy(1, `${versioned}/v`);
    expect(latest.headers['x-amz-copy-source-version-id']).toBe(second.VersionId);
    expect(elements(latest, 'ETag')).toEqual([`"${md5(Buffer.from('second'))}"`]);
  });

  it('the checksum of the upload is computed for the part', async () => {
    const own = await beginUpload(bench, 'sum', [['x-amz-checksum-algorithm', 'CRC32C']]);
    const reply = await own.copy(1, `${bench.bucket}/small`);
    const sum = referenceChecksum('CRC32C', KINDS.small);
    expect(elements(reply, 'ChecksumCRC32C')).toEqual([sum]);
    const done = await own.complete([{ number: 1, etag: elements(reply, 'ETag')[0] ?? '' }]);
    const composite = referenceChecksum('CRC32C', Buffer.from(sum, 'base64'));
    expect([outcome(done), elements(done, 'ChecksumCRC32C')]).toEqual(['200', [`${composite}-1`]]);
  });

  it.each([
    ['its attributes', 1],
    ['its bytes', 2],
  ])('a source that is replaced before %s are fetched is read again, whole', async (_name, which) => {
    const { s3, bucket, backend } = bench;
    const put = (Body: Buffer) => s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'moving', Body }));
    const later = KINDS.large.subarray(3 + which);
    await put(KINDS.large);
    const passed = backend.intercept;
    let gets = 0;
    backend.intercept = async (request, next) => {
      if (request.method === 'GET' && request.key === 'moving' && ++gets === which) await put(later);
      return next(request);
    };
    await expectCopied(`${bucket}/moving`, later);
    backend.intercept = passed;
    expect(gets).toBeGreaterThan(which);
  });

  it('a sealed body whose metadata were stripped is no legacy source', async () => {
    const { bucket, backend } = bench;
    const { body } = await storedObject(backend, bucket, 'large');
    await storeDirectly(backend, { bucket, key: 'stripped', body });
    const own = await beginUpload(bench, 'stripped target');
    expect(outcome(await own.copy(1, `${bucket}/stripped`))).toBe('500 InternalError');
    expect(elements(await own.list(), 'PartNumber')).toEqual([]);
  });

  it('a changed source makes no part', async () => {
    const { bucket, backend } = bench;
    const copy = await storedObject(backend, bucket, 'multipart');
    const body = Buffer.from(copy.body);
    body[MIN_PART >> 1] = (body[MIN_PART >> 1] ?? 0) ^ 1;
    await storeDirectly(backend, { bucket, key: 'multipart', body, metadata: copy.metadata });
    const own = await beginUpload(bench, 'changed');
    expect(outcome(await own.copy(1, `${bucket}/multipart`))).toBe('500 InternalError');
    expect(outcome(await own.copy(1, `${bucket}/multipart`, [range('bytes=0-10')]))).toBe('200');
    expect(elements(await own.list(), 'Size')).toEqual(['11']);
    await storeDirectly(backend, { bucket, key: 'multipart', body: copy.body, metadata: copy.metadata });
  });

  it('a part that the store refuses leaves the source closed', async () => {
    const { bucket, backend } = bench;
    const passed = backend.intercept;
    const bodies: { destroyed: boolean }[] = [];
    backend.intercept = async (request, next) => {
      if (request.method === 'PUT' && request.query?.some(([name]) => name === 'partNumber') === true) {
        return errorReply(request, { status: 503, code: 'SlowDown' });
      }
      const response = await next(request);
      if (request.method === 'GET' && request.key === 'multipart') bodies.push(response.body);
      return response;
    };
    const own = await beginUpload(bench, 'unread');
    expect(outcome(await own.copy(1, `${bucket}/multipart`))).toBe('503 SlowDown');
    backend.intercept = passed;
    expect(bodies.length).toBeGreaterThan(0);
    await expect.poll(() => bodies.every(({ destroyed }) => destroyed)).toBe(true);
    expect(elements(await own.list(), 'PartNumber')).toEqual([]);
  });
});
