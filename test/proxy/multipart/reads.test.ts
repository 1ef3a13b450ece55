/**
 * Protects reads of multipart objects: any range of any layout of parts is the slice of the plaintext, few bytes beyond it come
 * from the store, part numbers select parts, HEAD and listings never need the part table, and a stored object whose pieces
 * were moved, cut or exchanged gives no wrong byte. The smallest part is made small here, so that many
 * layouts can be tried.
 */
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseLocator } from '../../../crypto/footer.ts';
import {
  LOCATOR_BYTES,
  PART_HEADER_BYTES,
  SEALED_SEGMENT_BYTES,
  SEGMENT_BYTES,
  sealedPartBytes,
} from '../../../crypto/layout.ts';
import { FOOTER_GUESS_BYTES, MIN_PART_BYTES } from '../../../proxy/limits.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { PARTS_STORE_CAPABILITIES, PartsStore } from '../../helpers/parts-store.ts';
import type { Header, RawReply } from '../../helpers/raw-client.ts';
import { serveInstead } from '../../helpers/store-in-place.ts';
import { type StoredCopy, storedObject } from '../../helpers/stored.ts';
import {
  beginUpload,
  type Listed,
  multipartEtag,
  openReplica,
  outcome,
  type Upload,
  uploaded,
} from '../../helpers/uploads.ts';

vi.mock('../../../proxy/limits.ts', async (original) => ({
  ...(await original<typeof import('../../../proxy/limits.ts')>()),
  MIN_PART_BYTES: 70_000,
}));

const SOURCE = randomBytes(1024 * 1024);
const range = (text: string): Header => ['range', `bytes=${text}`];

let bench: Bench;
beforeAll(async () => {
  const backend = new PartsStore();
  bench = await openBench({ store: { backend, close: () => backend.close() }, capabilities: PARTS_STORE_CAPABILITIES });
});
afterAll(() => bench.close());

describe('any layout of parts', () => {
  it('runs with a smaller least part', () => {
    expect(MIN_PART_BYTES).toBe(70_000);
  });

  /** Around the least part and the segments it consists of. */
  const size = fc.oneof(
    fc.constantFrom(70_000, 70_001, 131_071, 131_072, 131_073),
    fc.integer({ min: 70_000, max: 200_000 }),
  );
  const lastSize = fc.oneof(
    fc.constantFrom(1, 65_535, 65_536, 65_537, 69_999, 70_000),
    fc.integer({ min: 1, max: 140_000 }),
  );
  const layout = fc.record({
    sizes: fc.array(size, { maxLength: 4 }),
    last: lastSize,
    gaps: fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 5, maxLength: 5 }),
    again: fc.array(fc.nat({ max: 4 }), { maxLength: 2 }),
    shares: fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat({ max: 200_000 })), {
      minLength: 6,
      maxLength: 6,
    }),
  });

  it('reads back whole and by ranges, whatever was sent again', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(layout, async ({ sizes, last, gaps, again, shares }) => {
        runs += 1;
        const bodies = [...sizes, last].map((length, at) => SOURCE.subarray(at * 1000, at * 1000 + length));
        const upload = await beginUpload(bench, 'any');
        const numbers = bodies.map((_, at) => gaps.slice(0, at + 1).reduce((sum, gap) => sum + gap, 0));
        for (const at of again) {
          if (at < bodies.length) await upload.put(numbers[at] ?? 1, SOURCE.subarray(0, 70_000 + at));
        }
        const listed: Listed[] = [];
        for (const [at, body] of bodies.entries()) listed.push(await upload.put(numbers[at] ?? 1, body));
        expect(outcome(await upload.complete(listed))).toBe('200');
        const whole = Buffer.concat(bodies);
        await expectRange(upload, whole, 0, whole.length);
        for (const [share, length] of shares) {
          const start = Math.min(Math.floor(share * whole.length), whole.length - 1);
          await expectRange(upload, whole, start, Math.min(start + length + 1, whole.length));
        }
      }),
      { numRuns: 25 },
    );
    expect(runs).toBe(25);
  });

  async function expectRange(upload: Upload, whole: Buffer, start: number, end: number): Promise<void> {
    const got = await upload.get({ headers: [range(`${start}-${end - 1}`)] });
    expect([got.status, got.headers['content-range']]).toEqual([206, `bytes ${start}-${end - 1}/${whole.length}`]);
    expect(got.body.equals(whole.subarray(start, end)), `${start}-${end}`).toBe(true);
  }
});

describe('one object of three parts', () => {
  const bodies = [SOURCE.subarray(0, 200_000), SOURCE.subarray(7, 131_079), SOURCE.subarray(3, 70_004)];
  const whole = Buffer.concat(bodies);
  const starts = [0, 200_000, 331_072];
  let upload: Upload;
  beforeAll(async () => {
    upload = await beginUpload(bench, 'three');
    const numbers = [2, 3, 7];
    const listed: Listed[] = [];
    for (const [at, body] of bodies.entries()) listed.push(await upload.put(numbers[at] ?? 1, body));
    expect(outcome(await upload.complete(listed))).toBe('200');
  });

  it('every range between edges of parts and segments', async () => {
    const edges = starts.flatMap((start) => [start, start + SEGMENT_BYTES, start + 2 * SEGMENT_BYTES]);
    const near = [...new Set(edges.flatMap((edge) => [edge - 1, edge, edge + 1]))].filter(
      (edge) => edge >= 0 && edge < whole.length,
    );
    let compared = 0;
    for (const [at, first] of near.entries()) {
      for (const last of near.slice(at).filter((_, step) => step % 4 === 0)) {
        const got = await upload.get({ headers: [range(`${first}-${last}`)] });
        expect([got.status, got.body.equals(whole.subarray(first, last + 1)), first, last]).toEqual([
          206,
          true,
          first,
          last,
        ]);
        compared += 1;
      }
    }
    expect(compared).toBe(60);
    expect(outcome(await upload.get({ headers: [range(`${whole.length}-`)] }))).toBe('416 InvalidRange');
    expect((await upload.get({ headers: [range('-5')] })).body.equals(whole.subarray(-5))).toBe(true);
  });

  it('GET and HEAD by part number: its bytes, its place and the number of parts', async () => {
    for (const [at, number] of [2, 3, 7].entries()) {
      const [start, body] = [starts[at] ?? 0, bodies[at] ?? SOURCE];
      const placed = `bytes ${start}-${start + body.length - 1}/${whole.length}`;
      for (const method of ['GET', 'HEAD']) {
        const got = await upload.get({ method, query: `partNumber=${number}` });
        const { headers } = got;
        expect([
          got.status,
          headers['content-range'],
          headers['content-length'],
          headers['x-amz-mp-parts-count'],
        ]).toEqual([206, placed, String(body.length), '3']);
        expect(headers['etag']).toBe(`"${multipartEtag(bodies)}"`);
        if (method === 'GET') expect(got.body.equals(body)).toBe(true);
      }
    }
    expect(outcome(await upload.get({ query: 'partNumber=1' }))).toBe('416 InvalidPartNumber');
    expect(outcome(await upload.get({ query: 'partNumber=0' }))).toBe('400 InvalidArgument');
    expect(outcome(await upload.get({ query: 'partNumber=2', headers: [range('0-1')] }))).toBe('400 InvalidRequest');
  });

  it('a range takes at most two segments more than its bytes from the store, and the footer once', async () => {
    const replica = await openReplica(bench);
    const there = upload.through(replica.send);
    let measured = 0;
    for (const [index, start] of [...starts, 100, 65_535, 65_536, 199_999, 262_000].entries()) {
      for (const length of [1, 2, 65_536, 70_000]) {
        const end = Math.min(start + length, whole.length);
        const { requests } = await bench.watch(() => there.get({ headers: [range(`${start}-${end - 1}`)] }));
        const reads = requests.filter(({ method }) => method === 'GET').map(({ readBytes }) => readBytes);
        const isCold = index === 0 && length === 1;
        // Cold: the end of the object, the part table, the data. Warm: the data alone.
        expect(reads).toHaveLength(isCold ? 3 : 1);
        if (isCold) expect((reads[0] ?? 0) + (reads[1] ?? 0)).toBeLessThan(2 * FOOTER_GUESS_BYTES);
        const data = reads.at(-1) ?? 0;
        const touched = starts.filter((first) => first > start && first < end).length + 1;
        expect(data).toBeLessThanOrEqual(end - start + 2 * SEALED_SEGMENT_BYTES + touched * (PART_HEADER_BYTES + 32));
        measured += 1;
      }
    }
    expect(measured).toBe(32);
    await replica.proxy.close();
  });

  it('HEAD and listings read the end of the object, and never its part table', async () => {
    const many = await beginUpload(bench, 'long table');
    const listed: Listed[] = [];
    // A table longer than what is fetched from the end: 58 bytes for each part, so this one takes as many parts as that needs.
    const count = Math.ceil(FOOTER_GUESS_BYTES / 58) + 5;
    const body = SOURCE.subarray(0, MIN_PART_BYTES);
    for (let number = 1; number <= count; number += 8) {
      const some = Array.from({ length: Math.min(8, count - number + 1) }, (_, at) => many.put(number + at, body));
      listed.push(...(await Promise.all(some)));
    }
    expect(outcome(await many.complete(listed))).toBe('200');
    const replica = await openReplica(bench);
    const there = many.through(replica.send);
    const head = await bench.watch(() => there.get({ method: 'HEAD' }));
    expect(head.requests.map(({ method, readBytes }) => [method, readBytes])).toEqual([
      ['HEAD', 0],
      ['GET', FOOTER_GUESS_BYTES],
    ]);
    const other = await openReplica(bench);
    const list = await bench.watch(() =>
      other.send({ method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2&prefix=long%20table' }),
    );
    expect(list.result.body.toString()).toContain(`<Size>${count * MIN_PART_BYTES}</Size>`);
    const lookups = list.requests.filter(({ key }) => key === 'long table');
    expect(lookups.map(({ method, readBytes }) => [method, readBytes])).toEqual([['GET', FOOTER_GUESS_BYTES]]);
    const last = await there.get({ headers: [range('-10')] });
    expect(last.body.equals(body.subarray(-10))).toBe(true);
    for (const { proxy } of [replica, other]) await proxy.close();
  });
});

describe('what a holder of the bucket does to it', () => {
  const PART = 131_072;
  const SEALED = sealedPartBytes(PART);
  const bodies = [0, 1, 2].map((at) => SOURCE.subarray(at * 100, at * 100 + PART));
  const whole = Buffer.concat(bodies);
  let upload: Upload;
  let copy: StoredCopy;
  let older: StoredCopy;
  let other: StoredCopy;
  beforeAll(async () => {
    upload = await uploaded(bench, 'tampered', bodies);
    copy = await storedObject(bench.backend, bench.bucket, 'tampered');
    await uploaded(bench, 'tampered', bodies);
    older = await storedObject(bench.backend, bench.bucket, 'tampered');
    await uploaded(bench, 'another', bodies);
    other = await storedObject(bench.backend, bench.bucket, 'another');
  });

  const partOf = (body: Buffer, at: number) => body.subarray(at * SEALED, (at + 1) * SEALED);
  const footerOf = (body: Buffer) => body.subarray(3 * SEALED);
  const flipped = (body: Buffer, at: number) => {
    const changed = Buffer.from(body);
    changed[at < 0 ? changed.length + at : at] = (changed.at(at) ?? 0) ^ 1;
    return changed;
  };
  const joined = (...pieces: Buffer[]) => Buffer.concat(pieces);
  const tableAt = () => copy.body.length - parseLocator(copy.body).endBytes + 5;

  /** `data`: attributes are right, so HEAD and other parts are; `all`: not even those. */
  const CHANGES: readonly [name: string, change: () => Pick<StoredCopy, 'body' | 'metadata'>, hits: 'data' | 'all'][] =
    [
      ['two parts exchanged', () => swap(1, 0, 2), 'data'],
      ['the second part instead of the first', () => swap(1, 1, 2), 'data'],
      ['a part cut out', () => body(joined(partOf(copy.body, 0), partOf(copy.body, 2), footerOf(copy.body))), 'all'],
      ['a part twice', () => body(joined(partOf(copy.body, 0), copy.body)), 'all'],
      ['the end cut off', () => body(copy.body.subarray(0, 3 * SEALED)), 'all'],
      ['one byte cut off', () => body(copy.body.subarray(0, -1)), 'all'],
      ['one byte appended', () => body(joined(copy.body, Buffer.from([0]))), 'all'],
      ['one byte put in front', () => body(joined(Buffer.from([0]), copy.body)), 'all'],
      [
        'the first segments of two parts exchanged',
        () => body(exchanged(PART_HEADER_BYTES, SEALED_SEGMENT_BYTES)),
        'data',
      ],
      ['the part headers exchanged', () => body(exchanged(0, PART_HEADER_BYTES)), 'data'],
      ['a part of another upload under the same name', () => body(withPart(older.body)), 'data'],
      ['the footer of another upload under the same name', () => body(withFooter(older.body)), 'all'],
      ['the footer of another object', () => body(withFooter(other.body)), 'all'],
      ['the metadata of another upload under the same name', () => ({ ...copy, metadata: older.metadata }), 'all'],
      ['the metadata of another object', () => ({ ...copy, metadata: other.metadata }), 'all'],
      ['the body of another object', () => ({ ...copy, body: other.body }), 'all'],
      ['a byte of the part table', () => body(flipped(copy.body, tableAt())), 'data'],
      ['a byte of the attributes', () => body(flipped(copy.body, -LOCATOR_BYTES - 5)), 'all'],
      ['the salt of the attributes', () => body(flipped(copy.body, -LOCATOR_BYTES - attributesBytes() + 3)), 'all'],
      ['the magic of the locator', () => body(flipped(copy.body, -LOCATOR_BYTES)), 'all'],
      ['the length of the attributes in the locator', () => body(flipped(copy.body, -5)), 'all'],
      ['the length of the table in the locator', () => body(flipped(copy.body, -1)), 'all'],
      ['a byte of the first part header', () => body(flipped(copy.body, 20)), 'data'],
      ['a byte of the first segment', () => body(flipped(copy.body, PART_HEADER_BYTES + 9)), 'data'],
    ];

  const body = (changed: Buffer) => ({ metadata: copy.metadata, body: changed });
  const attributesBytes = () => copy.body.readUInt32BE(copy.body.length - 8);
  const withPart = (from: Buffer) => joined(partOf(from, 0), copy.body.subarray(SEALED));
  const withFooter = (from: Buffer) => joined(copy.body.subarray(0, 3 * SEALED), footerOf(from));
  const swap = (...order: number[]) => body(joined(...order.map((at) => partOf(copy.body, at)), footerOf(copy.body)));
  /** The same stretch of the first two parts, exchanged. */
  function exchanged(from: number, length: number): Buffer {
    const changed = Buffer.from(copy.body);
    copy.body.copy(changed, from, SEALED + from, SEALED + from + length);
    copy.body.copy(changed, SEALED + from, from, from + length);
    return changed;
  }

  it('is compared with what was not changed, which reads', async () => {
    const restore = serveInstead(bench.backend, upload, copy);
    expect((await upload.get()).body.equals(whole)).toBe(true);
    expect(
      (await upload.get({ headers: [range('131070-131080')] })).body.equals(whole.subarray(131_070, 131_081)),
    ).toBe(true);
    restore();
  });

  it.each(CHANGES)('%s', async (_name, change, hits) => {
    const restore = serveInstead(bench.backend, upload, change());
    const events = bench.events().length;
    try {
      expectRefused(await upload.get(), whole);
      expectRefused(await upload.get({ headers: [range(`0-${PART - 1}`)] }), whole);
      expectRefused(await upload.get({ query: 'partNumber=1' }), whole);
      const head = await upload.get({ method: 'HEAD' });
      expect(head.status).toBe(hits === 'data' ? 200 : 500);
    } finally {
      restore();
    }
    expect(bench.events().length).toBeGreaterThanOrEqual(events + 3);
  });

  /** An error, or a reply that is visibly cut and whose bytes so far are right. */
  function expectRefused(reply: RawReply, wanted: Buffer): void {
    if (reply.status >= 500) return void expect(reply.code).toBe('InternalError');
    expect([reply.cut, reply.body.equals(wanted.subarray(0, reply.body.length))]).toEqual([true, true]);
    expect(reply.body.length).toBeLessThan(Number(reply.headers['content-length']));
  }
});
