/**
 * Protects copies of multipart objects: parts, ETag and checksums survive, no data move through the proxy when the backend can
 * copy them, and a copy that fails leaves nothing behind.
 */

import { randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { errorReply } from '../../helpers/backend-reply.ts';
import { type Bench, sharedBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { storedKeys } from '../../helpers/stored.ts';
import { copied, LONG_METADATA, read } from './copy-suite.ts';

/** An upload of parts with these sizes. @returns the whole plaintext */
async function upload(bench: Bench, key: string, sizes: readonly number[]): Promise<Buffer> {
  const { s3, bucket } = bench;
  const at = { Bucket: bucket, Key: key };
  const { UploadId } = await s3.send(
    new CreateMultipartUploadCommand({ ...at, ChecksumAlgorithm: 'SHA256', Metadata: { from: 'parts' } }),
  );
  const bodies = sizes.map((size) => randomBytes(size));
  const parts: { PartNumber: number; ETag: string | undefined; ChecksumSHA256: string | undefined }[] = [];
  for (const [index, body] of bodies.entries()) {
    const part = { ...at, UploadId, PartNumber: index + 1, Body: body, ChecksumAlgorithm: 'SHA256' as const };
    const { ETag, ChecksumSHA256 } = await s3.send(new UploadPartCommand(part));
    parts.push({ PartNumber: index + 1, ETag, ChecksumSHA256 });
  }
  await s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: parts } }));
  return Buffer.concat(bodies);
}

describe('multipart objects', () => {
  const bench = sharedBench();
  let body: Buffer;
  let etag: string | undefined;
  const attributesOf = (key: string) =>
    bench.s3.send(
      new GetObjectAttributesCommand({
        Bucket: bench.bucket,
        Key: key,
        ObjectAttributes: ['ETag', 'Checksum', 'ObjectParts', 'ObjectSize'],
      }),
    );
  const comparable = async (key: string) => {
    const { ETag, Checksum, ObjectParts, ObjectSize } = await attributesOf(key);
    return { ETag, Checksum, ObjectParts, ObjectSize };
  };
  beforeAll(async () => {
    body = await upload(bench, 'parts', [5 * MiB, 5 * MiB + 3, 7]);
    etag = (await read(bench, 'parts', { Range: 'bytes=0-0' })).ETag;
  });

  it('keep ETag, parts and checksums, and are copied inside the backend', async () => {
    const { result, requests } = await bench.watch(() => copied(bench, 'parts', 'copy of parts'));
    expect(result.CopyObjectResult?.ETag).toBe(etag);
    expect(result.CopyObjectResult?.ChecksumType).toBe('COMPOSITE');
    expect(result.CopyObjectResult?.ChecksumSHA256).toMatch(/-3$/);
    expect(requests.reduce((sum, request) => sum + request.bodyBytes, 0)).toBe(0);
    expect(await comparable('copy of parts')).toEqual(await comparable('parts'));
    expect((await read(bench, 'copy of parts')).bytes.equals(body)).toBe(true);
    const third = await read(bench, 'copy of parts', { PartNumber: 3 });
    expect([third.bytes.equals(body.subarray(-7)), third.PartsCount]).toEqual([true, 3]);
  });

  it('get a new footer behind copied parts when the metadata do not fit', async () => {
    const { requests } = await bench.watch(() =>
      copied(bench, 'parts', 'long parts', { MetadataDirective: 'REPLACE', Metadata: LONG_METADATA }),
    );
    const sent = requests.reduce((sum, request) => sum + request.bodyBytes, 0);
    expect(requests.some(({ headers }) => headers['x-amz-copy-source-range'] !== undefined)).toBe(true);
    // The footer, whose early attributes take more than its room, and so the pad of an exception.
    expect(sent).toBeLessThan(128 * 1024);
    expect(await comparable('long parts')).toEqual(await comparable('parts'));
    const long = await read(bench, 'long parts');
    expect([long.Metadata, long.bytes.equals(body)]).toEqual([LONG_METADATA, true]);
  });

  it('may have another checksum in place of their composite one', async () => {
    const answer = await copied(bench, 'parts', 'crc parts', { ChecksumAlgorithm: 'CRC32' });
    const got = await read(bench, 'crc parts');
    expect([got.ChecksumType, got.ChecksumCRC32]).toEqual(['FULL_OBJECT', answer.CopyObjectResult?.ChecksumCRC32]);
    expect(got.bytes.equals(body)).toBe(true);
    expect((await attributesOf('crc parts')).ObjectParts?.TotalPartsCount).toBe(3);
  });

  it('under 5 MiB are relayed with their new footer', async () => {
    const small = await upload(bench, 'one part', [MiB + 5]);
    const etagOf = async (key: string) => (await attributesOf(key)).ETag;
    await copied(bench, 'one part', 'one long', { MetadataDirective: 'REPLACE', Metadata: LONG_METADATA });
    expect(await etagOf('one long')).toBe(await etagOf('one part'));
    const got = await read(bench, 'one long');
    expect([got.Metadata, got.bytes.equals(small)]).toEqual([LONG_METADATA, true]);
  });

  it('leave no upload behind when a part cannot be copied', async () => {
    const { backend, bucket } = bench;
    const passed = backend.intercept;
    backend.intercept = (request, next) =>
      request.headers?.['x-amz-copy-source-range'] === undefined
        ? next(request)
        : Promise.resolve(errorReply(request, { status: 500, code: 'InternalError' }));
    const copy = copied(bench, 'parts', 'failed', { MetadataDirective: 'REPLACE', Metadata: LONG_METADATA });
    await expect(copy).rejects.toMatchObject({ name: 'ServiceUnavailable' });
    backend.intercept = passed;
    const uploads = await backend.send({
      method: 'GET',
      bucket,
      query: [['uploads', '']],
      signal: AbortSignal.timeout(60_000),
    });
    const document = Buffer.concat(await uploads.body.toArray()).toString();
    expect(document).toContain('ListMultipartUploadsResult');
    expect(document).not.toContain('<UploadId>');
    expect(await storedKeys(backend, bucket)).not.toContain('failed');
  });
});
