/**
 * Protects copies of objects that were there before the proxy: they are sealed on the way, keep what their headers said, and
 * are refused where legacy objects are.
 */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PART_MAGIC } from '../../../crypto/layout.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { storeDirectly, storedKeys, storedObject } from '../../helpers/stored.ts';
import { copied, md5, read } from './copy-suite.ts';

const HEADERS = {
  'content-type': 'text/plain',
  'cache-control': 'no-store',
  'content-language': 'en',
  'x-amz-tagging': 'old=tag',
};

describe('with legacy objects allowed', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await openBench();
  });
  afterAll(() => bench.close());

  it.each([0, 700, 1024 * 1024 + 9])('a copy of %i bytes is sealed, and says what the source said', async (size) => {
    const { backend, bucket } = bench;
    const body = randomBytes(size);
    await storeDirectly(backend, { bucket, key: 'legacy', body, metadata: { a: '1' }, headers: HEADERS });
    const answer = await copied(bench, 'legacy', 'sealed', { ChecksumAlgorithm: 'SHA256' });
    const sha256 = createHash('sha256').update(body).digest('base64');
    expect(answer.CopyObjectResult).toMatchObject({ ETag: `"${md5(body)}"`, ChecksumSHA256: sha256 });
    const sealed = await storedObject(backend, bucket, 'sealed');
    expect(sealed.metadata['enc-algo']).toBe('sealgate-1');
    expect(sealed.body.subarray(0, 16).equals(PART_MAGIC)).toBe(true);
    const got = await read(bench, 'sealed');
    expect(got).toMatchObject({
      ContentType: 'text/plain',
      CacheControl: 'no-store',
      ContentLanguage: 'en',
      Metadata: { a: '1' },
      TagCount: 1,
      ETag: `"${md5(body)}"`,
      ChecksumSHA256: sha256,
    });
    expect(got.bytes.equals(body)).toBe(true);
  });

  it('a copy onto itself with REPLACE encrypts an object in place', async () => {
    const { backend, bucket } = bench;
    await storeDirectly(backend, { bucket, key: 'in place', body: 'plain' });
    await copied(bench, 'in place', 'in place', { MetadataDirective: 'REPLACE', ContentType: 'a/b' });
    expect((await storedObject(backend, bucket, 'in place')).body.includes('plain')).toBe(false);
    const got = await read(bench, 'in place');
    expect([got.bytes.toString(), got.ContentType]).toEqual(['plain', 'a/b']);
  });

  it('a copy onto itself as it is encrypts an object in place, once, and keeps what it has', async () => {
    const { backend, bucket } = bench;
    await storeDirectly(backend, {
      bucket,
      key: 'kept',
      body: 'plain',
      headers: { 'content-type': 'text/plain', 'x-amz-meta-a': '1' },
    });
    await copied(bench, 'kept', 'kept');
    expect((await storedObject(backend, bucket, 'kept')).body.includes('plain')).toBe(false);
    const got = await read(bench, 'kept');
    expect([got.bytes.toString(), got.ContentType, got.Metadata]).toEqual(['plain', 'text/plain', { a: '1' }]);
    await expect(copied(bench, 'kept', 'kept')).rejects.toMatchObject({ name: 'InvalidRequest' });
  });

  it('a sealed body whose metadata were stripped is no legacy source', async () => {
    const { backend, bucket } = bench;
    for (const size of [100, 1024 * 1024 + 9]) {
      await storeDirectly(backend, { bucket, key: 'stripped', body: Buffer.concat([PART_MAGIC, randomBytes(size)]) });
      await expect(copied(bench, 'stripped', 'nothing')).rejects.toMatchObject({ name: 'InternalError' });
    }
    expect(await storedKeys(backend, bucket)).not.toContain('nothing');
  });
});

it('is refused where legacy objects are denied', async () => {
  const bench = await openBench({ config: { legacy: { kind: 'deny' } } });
  const { backend, bucket } = bench;
  await storeDirectly(backend, { bucket, key: 'legacy', body: 'plain' });
  await expect(copied(bench, 'legacy', 'nothing')).rejects.toMatchObject({ name: 'AccessDenied' });
  expect(await storedKeys(backend, bucket)).toEqual(['legacy']);
  await bench.close();
});
