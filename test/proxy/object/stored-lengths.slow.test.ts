/**
 * Protects the same for uploads at random: 2,000 of them, of parts of all sizes, staged, repeated, copied and copied from, on a store
 * that takes any sizes and on one that wants equal parts; in both modes of ETags, where in opaque mode a listing goes by the length. The smallest part is made small here, so many are exceptions: what must hold
 * is that a length tells the size of HEAD or nothing.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { plainBytesOf } from '../../../crypto/stored-length.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { PARTS_STORE_CAPABILITIES, PartsStore } from '../../helpers/parts-store.ts';
import { type Header, objectPath } from '../../helpers/raw-client.ts';
import { askStore } from '../../helpers/stored.ts';
import { beginUpload, elements, type Listed, MIN_PART, outcome } from '../../helpers/uploads.ts';

vi.mock('../../../proxy/limits.ts', async (original) => ({
  ...(await original<typeof import('../../../proxy/limits.ts')>()),
  MIN_PART_BYTES: 300_000,
}));

const UPLOADS = 1000;
const AT_ONCE = 8;
const source = randomBytes(2 * MiB);
const random = (below: number) => Math.floor(Math.random() * below);
const oneOf = <T>(values: readonly T[]): T => values[random(values.length)] as T;

describe.each([
  { equalParts: false, etags: 'md5' as const },
  { equalParts: true, etags: 'md5' as const },
  { equalParts: false, etags: 'opaque' as const },
  { equalParts: true, etags: 'opaque' as const },
])('2,000 uploads at random in each mode, a half of them where %o', (o) => {
  let bench: Bench;
  beforeAll(async () => {
    const backend = new PartsStore();
    const store = { backend, close: () => backend.close() };
    const { equalParts, etags } = o;
    const config = { etags, legacy: { kind: 'deny' as const } };
    bench = await openBench({ store, config, capabilities: { ...PARTS_STORE_CAPABILITIES, equalParts } });
  });
  afterAll(() => bench.close());

  async function check(key: string): Promise<boolean> {
    const { bucket } = bench;
    const { response } = await askStore(bench.backend.inner, { method: 'HEAD', bucket, key });
    const head = await bench.send({ method: 'HEAD', path: objectPath(bucket, key) });
    const told = plainBytesOf(Number(response.headers['content-length']));
    const size = Number(head.headers['content-length']);
    expect([key, head.status]).toEqual([key, 200]);
    const query = `list-type=2&prefix=${encodeURIComponent(key)}`;
    const page = await bench.send({ method: 'GET', path: `/${bucket}`, query });
    const row = [elements(page, 'Size')[0], elements(page, 'ETag')[0]];
    expect([key, ...row]).toEqual([key, String(size), head.headers['etag']]);
    if (told !== undefined && told !== size) throw new Error(`${key} has ${size} bytes, its length tells ${told}`);
    return told !== undefined;
  }

  async function upload(key: string): Promise<boolean> {
    const { send, bucket } = bench;
    const checksum = oneOf<string | undefined>([undefined, 'SHA512', 'CRC32', 'CRC64NVME']);
    const headers: Header[] = [
      ...(checksum === undefined ? [] : [['x-amz-checksum-algorithm', checksum] as const]),
      ...(random(5) === 0 ? [['x-amz-meta-long', 'x'.repeat(1300 + random(600))] as const] : []),
    ];
    const begun = await beginUpload({ bucket, send }, key, headers);
    const size = MIN_PART + random(MiB);
    const listed: Listed[] = [];
    const put = async (number: number, body: Buffer): Promise<Listed> => {
      const reply = await begun.part(number, body);
      expect([reply.status, reply.code]).toEqual([200, '']);
      return { number, etag: String(reply.headers['etag']) };
    };
    const count = random(4);
    for (let i = 0; i < count; i++) {
      const bytes = o.equalParts ? size : MIN_PART + random(MiB);
      if (random(10) === 0) await put(2 * i + 1, source.subarray(0, bytes));
      listed.push(await put(2 * i + 1, source.subarray(0, bytes)));
    }
    const last = oneOf([0, 1, random(MIN_PART), o.equalParts ? random(size + 1) : random(2 * MiB)]);
    if (count === 0 || random(3) > 0) listed.push(await put(2 * count + 1, source.subarray(0, last)));
    expect(outcome(await begun.complete(listed))).toBe('200');
    const told = await check(key);
    if (random(4) === 0) {
      const replaced: Header[] = [
        ['x-amz-metadata-directive', 'REPLACE'],
        // The store has no tags to copy.
        ['x-amz-tagging-directive', 'REPLACE'],
        ['x-amz-meta-a', 'b'.repeat(random(1900))],
      ];
      const from: Header = ['x-amz-copy-source', objectPath(bucket, key)];
      const copied = await send({
        method: 'PUT',
        path: objectPath(bucket, `${key}/copy`),
        headers: [from, ...replaced],
      });
      expect(outcome(copied)).toBe('200');
      await check(`${key}/copy`);
      await send({ method: 'DELETE', path: objectPath(bucket, `${key}/copy`) });
    }
    await send({ method: 'DELETE', path: objectPath(bucket, key) });
    return told;
  }

  it('each has a length that tells the size of HEAD, or nothing', async () => {
    let next = 0;
    let told = 0;
    const work = async () => {
      while (next < UPLOADS) if (await upload(`at-random/${next++}`)) told += 1;
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    expect(told).toBeGreaterThan(UPLOADS / 10);
  });
});
