/**
 * Whoever can write the bucket can strip a sealed object of its metadata. What is left must not pass for a legacy object: no
 * range of it, wherever it begins and however short, may leave as if somebody had stored those bytes, nor be sealed as such by a
 * copy. True legacy objects keep every range, at one more request for each version at most.
 */
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, test } from 'vitest';
import { PART_MAGIC } from '../../crypto/layout.ts';
import { sharedBench } from '../helpers/bench.ts';
import { objectPath } from '../helpers/raw-client.ts';

const bench = sharedBench();
const LEGACY = Buffer.from('these bytes were stored by somebody else, in clear');

beforeAll(async () => {
  for (const [key, size] of [
    ['small', 1000],
    ['large', 2 * 1024 * 1024],
  ] as const) {
    await bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body: Buffer.alloc(size, 'secret') });
    const { body } = await fetchStored(key);
    await storeAtBackend(key, body);
  }
  await storeAtBackend('legacy', LEGACY);
  await storeAtBackend('short', LEGACY.subarray(0, PART_MAGIC.length - 1));
});

async function fetchStored(key: string): Promise<{ body: Buffer }> {
  const signal = AbortSignal.timeout(60_000);
  const response = await bench.backend.send({ method: 'GET', bucket: bench.bucket, key, signal });
  return { body: Buffer.concat(await Array.fromAsync(response.body as AsyncIterable<Buffer>)) };
}

async function storeAtBackend(key: string, body: Buffer): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  const response = await bench.backend.send({ method: 'PUT', bucket: bench.bucket, key, body, signal });
  response.body.resume();
  expect(response.status).toBe(200);
}

const get = (key: string, range: string) =>
  bench.send({ method: 'GET', path: objectPath(bench.bucket, key), headers: [['range', range]] });

describe.each(['small', 'large'])('a %s object stripped of its metadata', (key) => {
  test.each(['bytes=0-5', 'bytes=0-14', 'bytes=0-15', 'bytes=0-', 'bytes=1-1', 'bytes=20-40', 'bytes=-1'])(
    'gives nothing for %s',
    async (range) => {
      const before = bench.events('metadata-tampered').length;
      const reply = await get(key, range);
      expect([reply.status, reply.code]).toEqual([500, 'InternalError']);
      expect(bench.events('metadata-tampered').length).toBe(before + 1);
    },
  );

  test.each(['bytes=0-5', 'bytes=20-40'])('is not copied into a part: %s', async (range) => {
    const created = await bench.s3.send(new CreateMultipartUploadCommand({ Bucket: bench.bucket, Key: 'target' }));
    const reply = await bench.send({
      method: 'PUT',
      path: objectPath(bench.bucket, 'target'),
      query: `partNumber=1&uploadId=${encodeURIComponent(created.UploadId ?? '')}`,
      headers: [
        ['x-amz-copy-source', `${bench.bucket}/${key}`],
        ['x-amz-copy-source-range', range],
      ],
    });
    expect([reply.status, reply.code]).toEqual([500, 'InternalError']);
  });
});

describe('a true legacy object', () => {
  test.each([
    ['legacy', 'bytes=0-5'],
    ['legacy', 'bytes=5-9'],
    ['legacy', 'bytes=-4'],
    ['short', 'bytes=3-4'],
    ['short', 'bytes=0-2'],
  ])('%s keeps %s', async (key, range) => {
    const whole = key === 'legacy' ? LEGACY : LEGACY.subarray(0, PART_MAGIC.length - 1);
    const [from, to] = range.slice('bytes='.length).split('-');
    const wanted = from === '' ? whole.subarray(-Number(to)) : whole.subarray(Number(from), Number(to) + 1);
    const reply = await get(key, range);
    expect([reply.status, reply.body.toString()]).toEqual([206, wanted.toString()]);
  });

  test('is looked at once, not for every range', async () => {
    await storeAtBackend('seen', LEGACY);
    const first = await bench.watch(() => get('seen', 'bytes=5-9'));
    const second = await bench.watch(() => get('seen', 'bytes=6-9'));
    expect([first.requests.length, second.requests.length]).toEqual([3, 2]);
  });
});
