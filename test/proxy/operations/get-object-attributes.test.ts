/**
 * Protects GetObjectAttributes: what it says agrees with HEAD, parts come in pages by their numbers, and legacy objects are
 * described as the store has them.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectAttributesCommand,
  type GetObjectAttributesCommandInput,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import { storeDirectly } from '../../helpers/stored.ts';
import { md5 } from './copy-suite.ts';

const NUMBERS = [2, 5, 6, 9];
const MIN_PART = 5 * 1024 * 1024;

const bench = sharedBench();

const attributes = (key: string, extra: Partial<GetObjectAttributesCommandInput> = {}) =>
  bench.s3.send(
    new GetObjectAttributesCommand({
      Bucket: bench.bucket,
      Key: key,
      ObjectAttributes: ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'],
      ...extra,
    }),
  );

async function uploadParts(key: string, algorithm: 'CRC32' | undefined): Promise<Buffer[]> {
  const client = bench.proxy.client(bench.tenant, { requestChecksumCalculation: 'WHEN_REQUIRED' });
  const at = { Bucket: bench.bucket, Key: key };
  const sums = algorithm === undefined ? {} : { ChecksumAlgorithm: algorithm };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...at, ...sums }));
  const bodies: Buffer[] = [];
  const parts: object[] = [];
  for (const [index, PartNumber] of NUMBERS.entries()) {
    const Body = randomBytes(index === NUMBERS.length - 1 ? 11 : MIN_PART);
    const { ETag, ChecksumCRC32 } = await client.send(
      new UploadPartCommand({ ...at, UploadId, PartNumber, Body, ...sums }),
    );
    bodies.push(Body);
    parts.push({ PartNumber, ETag, ...(algorithm === undefined ? {} : { ChecksumCRC32 }) });
  }
  await client.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts: parts } }));
  client.destroy();
  return bodies;
}

describe('a single object', () => {
  it('has no parts, and says what HEAD says', async () => {
    for (const size of [0, 5, 1024 * 1024 + 1]) {
      const body = randomBytes(size);
      await bench.s3.send(
        new PutObjectCommand({ Bucket: bench.bucket, Key: 'single', Body: body, ChecksumAlgorithm: 'SHA256' }),
      );
      const found = await attributes('single');
      const head = await bench.s3.send(new HeadObjectCommand({ Bucket: bench.bucket, Key: 'single' }));
      expect(found).toMatchObject({ ETag: md5(body), ObjectSize: size, StorageClass: 'STANDARD' });
      expect([`"${found.ETag}"`, found.ObjectSize]).toEqual([head.ETag, head.ContentLength]);
      expect(found.LastModified).toEqual(head.LastModified);
      expect(found.Checksum?.ChecksumSHA256).toBe(createHash('sha256').update(body).digest('base64'));
      expect(found.Checksum?.ChecksumType).toBe('FULL_OBJECT');
      expect(found.ObjectParts).toBeUndefined();
    }
  });

  it('answers only what was asked for', async () => {
    const { $metadata, LastModified, ...found } = await attributes('single', { ObjectAttributes: ['ObjectSize'] });
    expect([$metadata.httpStatusCode, LastModified instanceof Date]).toEqual([200, true]);
    expect(found).toEqual({ ObjectSize: 1024 * 1024 + 1 });
  });

  it('of the time before the proxy is described as stored', async () => {
    await storeDirectly(bench.backend, { bucket: bench.bucket, key: 'legacy', body: 'plain text' });
    expect(await attributes('legacy')).toMatchObject({ ETag: md5(Buffer.from('plain text')), ObjectSize: 10 });
  });
});

describe('a multipart object', () => {
  let bodies: Buffer[];
  beforeAll(async () => {
    bodies = await uploadParts('parts', 'CRC32');
  });

  it('lists its parts by their own numbers, in pages', async () => {
    const whole = await attributes('parts');
    const etag = createHash('md5');
    for (const body of bodies) etag.update(createHash('md5').update(body).digest());
    expect(whole.ETag).toBe(`${etag.digest('hex')}-4`);
    expect(whole.Checksum?.ChecksumCRC32).toMatch(/^[A-Za-z0-9+/]{6}==$/);
    expect(whole.ObjectParts).toMatchObject({ TotalPartsCount: 4, IsTruncated: false, MaxParts: 1000 });
    const all = whole.ObjectParts?.Parts ?? [];
    expect(all.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual(
      NUMBERS.map((number, index) => [number, bodies[index]?.length]),
    );
    for (const MaxParts of [1, 2, 3, 4]) {
      const seen: object[] = [];
      let PartNumberMarker: string | undefined;
      for (let more = true; more; ) {
        const page = await attributes('parts', { MaxParts, ...(PartNumberMarker && { PartNumberMarker }) });
        expect(page.ObjectParts?.Parts?.length).toBeLessThanOrEqual(MaxParts);
        seen.push(...(page.ObjectParts?.Parts ?? []));
        PartNumberMarker = page.ObjectParts?.NextPartNumberMarker;
        more = page.ObjectParts?.IsTruncated === true;
      }
      expect(seen).toEqual(all);
    }
  });

  it('without checksums only counts its parts, as S3 does', async () => {
    await uploadParts('unsummed', undefined);
    const { ObjectParts, Checksum } = await attributes('unsummed');
    expect([ObjectParts, Checksum]).toEqual([{ TotalPartsCount: 4 }, undefined]);
  });
});

describe('a request that is not valid', () => {
  const send = (headers: readonly (readonly [string, string])[]) =>
    bench.send({ method: 'GET', path: `/${bench.bucket}/single`, query: 'attributes=', headers });

  it.each([
    ['names nothing', [], 'InvalidRequest'],
    ['names an empty list', [['x-amz-object-attributes', ' ']], 'InvalidRequest'],
    ['names an unknown attribute', [['x-amz-object-attributes', 'ETag,Colour']], 'InvalidArgument'],
    [
      'has a bad page size',
      [
        ['x-amz-object-attributes', 'ETag'],
        ['x-amz-max-parts', '-1'],
      ],
      'InvalidArgument',
    ],
    [
      'has a bad marker',
      [
        ['x-amz-object-attributes', 'ETag'],
        ['x-amz-part-number-marker', 'x'],
      ],
      'InvalidArgument',
    ],
  ] as const)('%s', async (_what, headers, code) => {
    const reply = await send(headers);
    expect([reply.status, reply.code]).toEqual([400, code]);
  });

  it('is about an object that is not there', async () => {
    await expect(attributes('nowhere')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });
});
