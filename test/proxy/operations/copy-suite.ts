/**
 * What a client sees of CopyObject, whatever the store: everything is kept or replaced as asked, and both objects read. Runs
 * on every kind of store; what depends on one store's abilities is in copy-object.test.ts.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  CopyObjectCommand,
  type CopyObjectCommandInput,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { expect, it } from 'vitest';
import type { Bench } from '../../helpers/bench.ts';
import { percentEncode } from '../../helpers/raw-client.ts';
import { referenceChecksum } from '../../helpers/reference-checksums.ts';
import { storedObject } from '../../helpers/stored.ts';

export const AWKWARD_KEYS = [
  'plain',
  'a b+ü%.txt',
  'a//b',
  '/lead',
  'tail/',
  '%2F%2e%2e',
  'q?versionId=x&y=z#f',
  "quote'(!*)~.txt",
  'ключ/鍵/🔑',
  '+plus+',
  'k'.repeat(1024),
];

export const md5 = (data: Buffer): string => createHash('md5').update(data).digest('hex');

export interface Described {
  readonly ContentType: string;
  readonly CacheControl: string;
  readonly ContentDisposition: string;
  readonly ContentEncoding: string;
  readonly ContentLanguage: string;
  readonly Metadata: Record<string, string>;
}

export const DESCRIBED: Described = {
  ContentType: 'text/x-test; charset=utf-8',
  CacheControl: 'max-age=77',
  ContentDisposition: 'attachment; filename="a.txt"',
  ContentEncoding: 'gzip',
  ContentLanguage: 'de-AT',
  Metadata: { first: 'one', md5chksum: 'XrY7u+Ae7tCTyyK7j1rNww==' },
};

/** Metadata that S3 allows and a sealed header has no room for. */
export const LONG_METADATA: Record<string, string> = { long: 'x'.repeat(1900) };

export const copySourceOf = (bucket: string, key: string): string => `${bucket}/${percentEncode(key, '/')}`;

export async function copied(bench: Bench, from: string, to: string, extra: Partial<CopyObjectCommandInput> = {}) {
  const { s3, bucket } = bench;
  return s3.send(new CopyObjectCommand({ Bucket: bucket, Key: to, CopySource: copySourceOf(bucket, from), ...extra }));
}

export async function read(bench: Bench, key: string, extra: { PartNumber?: number; Range?: string } = {}) {
  const { s3, bucket } = bench;
  const reply = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key, ChecksumMode: 'ENABLED', ...extra }));
  return { ...reply, bytes: Buffer.from((await reply.Body?.transformToByteArray()) ?? []) };
}

export function copySuite(bench: () => Bench, o: { keys: readonly string[] } = { keys: AWKWARD_KEYS }): void {
  const put = (key: string, body: Buffer, extra: object = {}) =>
    bench().s3.send(
      new PutObjectCommand({ Bucket: bench().bucket, Key: key, Body: body, ChecksumAlgorithm: 'SHA256', ...extra }),
    );
  const tags = async (key: string) =>
    (await bench().s3.send(new GetObjectTaggingCommand({ Bucket: bench().bucket, Key: key }))).TagSet;

  it.each([
    ['empty', 0],
    ['small', 1000],
    ['at the small limit', 1024 * 1024],
    ['large', 1024 * 1024 + 17],
  ])('keeps headers, metadata, tags, ETag and checksum of an object that is %s', async (name, size) => {
    const body = randomBytes(size);
    await put(`from ${name}`, body, { ...DESCRIBED, Tagging: 'a=1&b=x%20y' });
    const answer = await copied(bench(), `from ${name}`, `to ${name}`);
    expect(answer.CopyObjectResult?.ETag).toBe(`"${md5(body)}"`);
    const sha256 = createHash('sha256').update(body).digest('base64');
    expect(answer.CopyObjectResult?.ChecksumSHA256).toBe(sha256);
    const to = await read(bench(), `to ${name}`);
    expect(to.bytes.equals(body)).toBe(true);
    expect(to).toMatchObject({ ...DESCRIBED, ETag: `"${md5(body)}"`, ContentLength: size, ChecksumSHA256: sha256 });
    expect(await tags(`to ${name}`)).toEqual([
      { Key: 'a', Value: '1' },
      { Key: 'b', Value: 'x y' },
    ]);
    expect((await read(bench(), `from ${name}`)).bytes.equals(body)).toBe(true);
    const modified = Math.abs(Number(answer.CopyObjectResult?.LastModified) - Number(to.LastModified));
    expect(modified).toBeLessThan(5_000);
  });

  it('leaves the stored bytes as they are, under another header', async () => {
    const { backend, bucket } = bench();
    for (const size of [2000, 1024 * 1024 + 9]) {
      await put('bytes-from', randomBytes(size), DESCRIBED);
      await copied(bench(), 'bytes-from', 'bytes-to');
      const from = await storedObject(backend, bucket, 'bytes-from');
      const to = await storedObject(backend, bucket, 'bytes-to');
      expect(to.body.equals(from.body)).toBe(true);
      expect(to.metadata['enc-dek']).not.toBe(from.metadata['enc-dek']);
      expect(to.metadata['enc-attrs']).not.toBe(from.metadata['enc-attrs']);
      expect(to.headers['content-type']).toBe('application/octet-stream');
    }
  });

  it('takes every awkward key as source and as target', async () => {
    const body = Buffer.from('awkward');
    let count = 0;
    for (const [index, key] of o.keys.entries()) {
      await put(key, body);
      const there = `to-${index}`;
      await copied(bench(), key, there);
      expect((await read(bench(), there)).bytes.equals(body), `from ${key}`).toBe(true);
      await copied(bench(), there, key, { MetadataDirective: 'REPLACE', ContentType: 'a/b' });
      expect((await read(bench(), key)).ContentType, `to ${key}`).toBe('a/b');
      count += 1;
    }
    expect(count).toBe(o.keys.length);
  });

  it('replaces headers, metadata and tags when asked, one without the other', async () => {
    await put('replace', Buffer.from('body'), { ...DESCRIBED, Tagging: 'old=1' });
    await copied(bench(), 'replace', 'replaced', {
      MetadataDirective: 'REPLACE',
      ContentType: 'image/png',
      Metadata: { only: 'this' },
    });
    const { ContentType, CacheControl, Metadata } = await read(bench(), 'replaced');
    expect([ContentType, CacheControl, Metadata]).toEqual(['image/png', undefined, { only: 'this' }]);
    expect(await tags('replaced')).toEqual([{ Key: 'old', Value: '1' }]);
    await copied(bench(), 'replace', 'retagged', { TaggingDirective: 'REPLACE', Tagging: 'new=2' });
    expect(await read(bench(), 'retagged')).toMatchObject(DESCRIBED);
    expect(await tags('retagged')).toEqual([{ Key: 'new', Value: '2' }]);
  });

  it('ignores the headers of the request without REPLACE', async () => {
    await put('keep', Buffer.from('body'), DESCRIBED);
    await copied(bench(), 'keep', 'kept', { ContentType: 'image/png', Metadata: { only: 'this' }, Tagging: 'no=1' });
    expect(await read(bench(), 'kept')).toMatchObject(DESCRIBED);
    expect(await tags('kept')).toEqual([]);
  });

  it('changes the metadata of an object in place, and refuses a copy onto itself that changes nothing', async () => {
    const body = randomBytes(1024 * 1024 + 9);
    await put('itself', body, DESCRIBED);
    await read(bench(), 'itself');
    await expect(copied(bench(), 'itself', 'itself')).rejects.toMatchObject({ name: 'InvalidRequest' });
    for (const value of ['1', '2']) {
      await copied(bench(), 'itself', 'itself', { MetadataDirective: 'REPLACE', Metadata: { value } });
      const head = await bench().s3.send(new HeadObjectCommand({ Bucket: bench().bucket, Key: 'itself' }));
      expect(head.Metadata).toEqual({ value });
      const now = await read(bench(), 'itself');
      expect([now.Metadata, now.ETag]).toEqual([{ value }, `"${md5(body)}"`]);
      expect(now.bytes.equals(body)).toBe(true);
    }
  });

  it('stores metadata that do not fit the header, and gets them back into it', async () => {
    for (const size of [10, 1024 * 1024 + 9]) {
      const body = randomBytes(size);
      await put('fit', body, DESCRIBED);
      await copied(bench(), 'fit', 'unfit', { MetadataDirective: 'REPLACE', Metadata: LONG_METADATA });
      const { backend, bucket } = bench();
      expect((await storedObject(backend, bucket, 'unfit')).metadata['enc-attrs']).toBeUndefined();
      const unfit = await read(bench(), 'unfit');
      expect([unfit.Metadata, unfit.ETag]).toEqual([LONG_METADATA, `"${md5(body)}"`]);
      expect(unfit.bytes.equals(body)).toBe(true);
      await copied(bench(), 'unfit', 'unfit again');
      const again = await read(bench(), 'unfit again');
      expect(again.Metadata).toEqual(LONG_METADATA);
      expect(again.bytes.equals(body)).toBe(true);
      await copied(bench(), 'unfit', 'fits', { MetadataDirective: 'REPLACE', Metadata: { short: 'again' } });
      const fits = await read(bench(), 'fits');
      expect([fits.Metadata, fits.ETag]).toEqual([{ short: 'again' }, `"${md5(body)}"`]);
      expect(fits.bytes.equals(body)).toBe(true);
      expect((await storedObject(backend, bucket, 'fits')).metadata['enc-attrs']).toBeDefined();
    }
  });

  it('adds a checksum that the source has not, and keeps one that it has', async () => {
    for (const size of [10, 1024 * 1024 + 9]) {
      const body = randomBytes(size);
      await put('sums', body);
      const answer = await copied(bench(), 'sums', 'sums to', { ChecksumAlgorithm: 'SHA1' });
      const sha1 = createHash('sha1').update(body).digest('base64');
      expect(answer.CopyObjectResult?.ChecksumSHA1).toBe(sha1);
      const to = await read(bench(), 'sums to');
      expect([to.ChecksumSHA1, to.ChecksumSHA256, to.ETag]).toEqual([sha1, undefined, `"${md5(body)}"`]);
      for (const algorithm of ['SHA512', 'MD5', 'XXHASH64', 'XXHASH3', 'XXHASH128'] as const) {
        const newer = await copied(bench(), 'sums', 'sums newer', { ChecksumAlgorithm: algorithm });
        expect(newer.CopyObjectResult?.[`Checksum${algorithm}`]).toBe(referenceChecksum(algorithm, body));
      }
      const same = await copied(bench(), 'sums', 'sums same', { ChecksumAlgorithm: 'SHA256' });
      expect(same.CopyObjectResult?.ChecksumSHA256).toBe(createHash('sha256').update(body).digest('base64'));
    }
  });

  it('evaluates conditions on the source against the plaintext ETag: 412, and nothing is stored', async () => {
    const body = Buffer.from('conditional');
    await put('conditional', body);
    const etag = `"${md5(body)}"`;
    const past = new Date(Date.now() - 3_600_000);
    const holds: Partial<CopyObjectCommandInput>[] = [
      { CopySourceIfMatch: etag },
      { CopySourceIfNoneMatch: '"other"' },
      { CopySourceIfModifiedSince: past },
      { CopySourceIfMatch: etag, CopySourceIfUnmodifiedSince: past },
    ];
    const fails: Partial<CopyObjectCommandInput>[] = [
      { CopySourceIfMatch: '"other"' },
      { CopySourceIfNoneMatch: etag },
      { CopySourceIfUnmodifiedSince: past },
      { CopySourceIfNoneMatch: etag, CopySourceIfModifiedSince: past },
    ];
    for (const [index, condition] of fails.entries()) {
      const failed = copied(bench(), 'conditional', `none-${index}`, condition);
      await expect(failed).rejects.toMatchObject({ name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } });
      await expect(read(bench(), `none-${index}`)).rejects.toMatchObject({ name: 'NoSuchKey' });
    }
    for (const condition of holds) await copied(bench(), 'conditional', 'some', condition);
    expect((await read(bench(), 'some')).bytes.equals(body)).toBe(true);
  });

  it('answers NoSuchKey for a source that is not there', async () => {
    await expect(copied(bench(), 'nowhere', 'to')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });

  it('describes a copy as its source', async () => {
    const body = randomBytes(100);
    await put('described', body);
    await copied(bench(), 'described', 'described to');
    const attributes = await bench().s3.send(
      new GetObjectAttributesCommand({
        Bucket: bench().bucket,
        Key: 'described to',
        ObjectAttributes: ['ETag', 'Checksum', 'ObjectSize', 'StorageClass'],
      }),
    );
    expect(attributes).toMatchObject({
      ETag: md5(body),
      ObjectSize: 100,
      StorageClass: 'STANDARD',
      Checksum: { ChecksumSHA256: createHash('sha256').update(body).digest('base64') },
    });
  });
}
