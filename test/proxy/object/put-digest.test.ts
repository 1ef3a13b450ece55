/**
 * Protects: what is sent in one piece goes with a digest of exactly the bytes that are sent: a CRC32C to a store that was seen to
 * compare it, a Content-MD5 to any other one. So a store refuses what was damaged on the way.
 */
import { createHash } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { PARTS_STORE_CAPABILITIES, PartsStore } from '../../helpers/parts-store.ts';
import { type Header, objectPath } from '../../helpers/raw-client.ts';
import { storedObject } from '../../helpers/stored.ts';

const LONG: Header = ['x-amz-meta-long', 'x'.repeat(1900)];

function crcText(body: Buffer): string {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32c(body));
  return value.toString('base64');
}

describe.each([true, false])('to a store of which CRC32C checked is %s', (isChecked) => {
  let bench: Bench;
  beforeAll(async () => {
    const backend = new PartsStore();
    const capabilities = { ...PARTS_STORE_CAPABILITIES, crc32c: isChecked };
    bench = await openBench({ store: { backend, close: () => backend.close() }, capabilities });
  });
  afterAll(() => bench.close());

  it.each<[string, number, readonly Header[]]>([
    ['nothing', 0, []],
    ['a small body', 1000, []],
    ['1 MiB', 1_048_576, []],
    ['a small body with a footer', 1000, [LONG]],
  ])('%s', async (key, size, headers) => {
    const body = Buffer.alloc(size, 7);
    const { requests } = await bench.watch(async () => {
      const reply = await bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), headers, body });
      expect(reply.status).toBe(200);
    });
    const sent = requests.find(({ method }) => method === 'PUT')?.headers ?? {};
    const stored = await storedObject(bench.backend.inner, bench.bucket, key);
    const md5 = createHash('md5').update(stored.body).digest('base64');
    const wanted = isChecked
      ? { 'x-amz-sdk-checksum-algorithm': 'CRC32C', 'x-amz-checksum-crc32c': crcText(stored.body) }
      : { 'content-md5': md5 };
    const names = ['x-amz-sdk-checksum-algorithm', 'x-amz-checksum-crc32c', 'content-md5'];
    const found = names.flatMap((name) => (sent[name] === undefined ? [] : [[name, sent[name]]]));
    expect(Object.fromEntries(found)).toEqual(wanted);
  });
});
