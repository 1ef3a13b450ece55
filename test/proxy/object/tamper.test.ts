/**
 * Whoever holds the bucket changes what is in it: metadata entries flipped, stripped and exchanged, bodies swapped, segments
 * cut, doubled and moved. A GET fails, or is cut short of Content-Length; no byte beyond the last authentic segment goes
 * out; HEAD fails when the metadata is damaged; and each time an event is recorded.
 */

import { createHash, randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  PART_HEADER_BYTES,
  SEALED_SEGMENT_BYTES,
  SEGMENT_BYTES,
  sealedPartBytes,
  segmentsOf,
} from '../../../crypto/layout.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { objectPath, type RawReply } from '../../helpers/raw-client.ts';
import { type StoredCopy, storeDirectly, storedObject } from '../../helpers/stored.ts';

const KINDS = {
  small: 3 * SEGMENT_BYTES + 100,
  large: MiB + 3 * SEGMENT_BYTES + 100,
  footered: 3 * SEGMENT_BYTES + 100,
} as const;
type Kind = keyof typeof KINDS;
const kinds = Object.keys(KINDS) as Kind[];

const bench = sharedBench();
const bodies = new Map<string, Buffer>();
const originals = new Map<string, StoredCopy>();

let mark = 0;
beforeEach(async () => {
  for (const kind of kinds) {
    for (const name of [kind, `${kind}-2`]) {
      if (bodies.has(name)) continue;
      const body = randomBytes(KINDS[kind]);
      const headers = kind === 'footered' ? [['x-amz-meta-long', 'x'.repeat(1900)] as const] : [];
      const put = await bench.send({ method: 'PUT', path: objectPath(bench.bucket, name), headers, body });
      expect(put.status).toBe(200);
      bodies.set(name, body);
      originals.set(name, await storedObject(bench.backend.inner, bench.bucket, name));
    }
  }
  mark = bench.events().length;
});

const original = (name: string): StoredCopy => {
  const found = originals.get(name);
  if (found === undefined) throw new Error(`${name} was not stored`);
  return found;
};

/** Puts the stored object back with a change, under its own key or another one. */
async function put(
  name: string,
  change: { body?: Buffer; metadata?: Readonly<Record<string, string>> },
  key = 'victim',
): Promise<void> {
  const { body, metadata } = original(name);
  await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key, body, metadata, ...change });
}

const get = (key: string, range?: string): Promise<RawReply> =>
  bench.send({
    method: 'GET',
    path: objectPath(bench.bucket, key),
    headers: range === undefined ? [] : [['range', range]],
  });
const head = (key: string): Promise<RawReply> => bench.send({ method: 'HEAD', path: objectPath(bench.bucket, key) });

/** A GET that either fails whole, or is cut; what came of it is authentic. */
async function expectDamaged(key: string, body: Buffer): Promise<RawReply> {
  const reply = await get(key);
  if (reply.status === 200) {
    expect(reply.cut).toBe(true);
    expect(reply.body.length).toBeLessThan(body.length);
    expect(reply.body.equals(body.subarray(0, reply.body.length))).toBe(true);
    expect(reply.body.length % SEGMENT_BYTES).toBe(0);
  } else {
    expect([reply.status, reply.code]).toEqual([500, 'InternalError']);
  }
  expectEvent();
  return reply;
}

function expectEvent(): void {
  const kindsOf = bench
    .events()
    .slice(mark)
    .map(({ securityEvent }) => String(securityEvent));
  expect(kindsOf.length).toBeGreaterThan(0);
  for (const kind of kindsOf) expect(['object-tampered', 'metadata-tampered']).toContain(kind);
}

const flip = (text: string, at: number): string => {
  const c = text[at] === 'A' ? 'B' : 'A';
  return text.slice(0, at) + c + text.slice(at + 1);
};

describe('metadata', () => {
  const entries = (kind: Kind) => Object.keys(original(kind).metadata);

  test.each(kinds)('each entry of a %s object flipped, cut and emptied in turn: HEAD and GET fail', async (kind) => {
    const path = kind;
    const { metadata, body } = original(kind);
    let damaged = 0;
    for (const name of entries(kind)) {
      const value = metadata[name] ?? '';
      const places = [0, Math.floor(value.length / 3), Math.floor(value.length / 2), value.length - 2];
      for (const changed of [...places.map((at) => flip(value, at)), value.slice(0, -1), `${value}A`]) {
        await storeDirectly(bench.backend.inner, {
          bucket: bench.bucket,
          key: path,
          body,
          metadata: { ...metadata, [name]: changed },
        });
        const status = name === 'enc-tenant' ? 403 : 500;
        expect([name, changed, (await head(path)).status]).toEqual([name, changed, status]);
        expect([name, changed, (await get(path)).status]).toEqual([name, changed, status]);
        damaged++;
      }
    }
    expect(damaged).toBe(entries(kind).length * 6);
    await put(kind, {}, kind);
    expect((await get(kind)).body.equals(bodies.get(kind) ?? Buffer.alloc(0))).toBe(true);
  });

  test.each(kinds)('entries of a %s object stripped: one by one, and enc-algo alone', async (kind) => {
    for (const name of entries(kind)) {
      const { [name]: _, ...metadata } = original(kind).metadata;
      await put(kind, { metadata }, kind);
      expect([name, (await head(kind)).status]).toEqual([name, name === 'enc-tenant' ? 403 : 500]);
      expect([name, (await get(kind)).status]).toEqual([name, name === 'enc-tenant' ? 403 : 500]);
    }
    await put(kind, {}, kind);
  });

  test.each(kinds)(
    'all entries of a %s object stripped: the magic tells, on whole reads and ranges from the start',
    async (kind) => {
      await put(kind, { metadata: {} }, kind);
      for (const reply of [await get(kind), await get(kind, 'bytes=0-99'), await get(kind, 'bytes=0-')]) {
        expect([reply.status, reply.code]).toEqual([500, 'InternalError']);
      }
      expectEvent();
      await put(kind, {}, kind);
    },
  );

  test("unknown algorithms, and entries of this program's without one, are never passed through", async () => {
    const unknown = ['sealgate-2', 'sealgate-1 ', 'SEALGATE-1', '', 'x'].map((algo) => ({
      ...original('small').metadata,
      'enc-algo': algo,
    }));
    const alone = ['enc-dek', 'enc-tenant', 'enc-attrs', 'enc-other'].map((name) => ({ [name]: 'x' }));
    for (const metadata of [...unknown, ...alone]) {
      await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'strange', body: 'plain', metadata });
      expect([metadata, (await head('strange')).status]).toEqual([metadata, 500]);
      expect([metadata, (await get('strange')).code]).toEqual([metadata, 'InternalError']);
    }
    expectEvent();
  });

  test('enc-attrs of two objects exchanged', async () => {
    const [one, two] = [original('small').metadata, original('small-2').metadata];
    await put('small', { metadata: { ...one, 'enc-attrs': two['enc-attrs'] ?? '' } }, 'small');
    expect((await head('small')).status).toBe(500);
    expect((await get('small')).status).toBe(500);
    expectEvent();
    await put('small', {}, 'small');
  });

  test('an older enc-attrs beside a newer enc-dek', async () => {
    const before = original('large').metadata;
    await bench.send({ method: 'PUT', path: objectPath(bench.bucket, 'replayed'), body: bodies.get('large') ?? '' });
    const now = await storedObject(bench.backend.inner, bench.bucket, 'replayed');
    const metadata = { ...now.metadata, 'enc-attrs': before['enc-attrs'] ?? '' };
    await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'replayed', body: now.body, metadata });
    expect((await head('replayed')).status).toBe(500);
    expectEvent();
  });
});

describe('objects moved', () => {
  test.each(kinds)('body and metadata of two %s objects swapped: neither opens', async (kind) => {
    const [one, two] = [original(kind), original(`${kind}-2`)];
    await put(kind, { body: two.body, metadata: two.metadata }, kind);
    await put(`${kind}-2`, { body: one.body, metadata: one.metadata }, `${kind}-2`);
    for (const key of [kind, `${kind}-2`]) {
      expect((await head(key)).status).toBe(500);
      expect((await get(key)).status).toBe(500);
    }
    await put(kind, {}, kind);
    await put(`${kind}-2`, {}, `${kind}-2`);
  });

  test.each(kinds)('only the bodies of two %s objects swapped', async (kind) => {
    await put(kind, { body: original(`${kind}-2`).body }, kind);
    const reply = await get(kind);
    expect(reply.body.includes((bodies.get(`${kind}-2`) ?? Buffer.alloc(0)).subarray(0, 32))).toBe(false);
    expect(reply.status === 500 || (reply.cut && reply.body.length === 0)).toBe(true);
    expectEvent();
    await put(kind, {}, kind);
  });

  test('a whole object copied to another key, and to another bucket of the same name elsewhere', async () => {
    await put('small', {}, 'another-key');
    expect((await get('another-key')).status).toBe(500);
    expectEvent();
  });
});

describe('bodies', () => {
  const segments = (kind: Kind): number[] =>
    Array.from({ length: segmentsOf(KINDS[kind]) }, (_, i) => PART_HEADER_BYTES + i * SEALED_SEGMENT_BYTES);

  /** Where segments begin: all of a small object's; of a large one's the first, and those around a batch's end and the last. */
  const edges = (kind: Kind): number[] => {
    const all = segments(kind);
    return all.length < 8 ? all : [...all.slice(0, 2), ...all.slice(15, 18), ...all.slice(-2)];
  };

  test.each(kinds)('a %s object cut at segment boundaries, in a header and by one byte', async (kind) => {
    const { body } = original(kind);
    const cuts = [...edges(kind), 0, 10, PART_HEADER_BYTES - 1, body.length - 1];
    for (const at of cuts) {
      await put(kind, { body: body.subarray(0, at) }, kind);
      const reply = await expectDamaged(kind, bodies.get(kind) ?? body);
      expect(reply.status).toBe(500);
    }
    expect(cuts.length).toBeGreaterThan(6);
    await put(kind, {}, kind);
  });

  test.each(kinds)('bytes appended to a %s object', async (kind) => {
    for (const extra of [
      Buffer.alloc(1),
      Buffer.alloc(SEALED_SEGMENT_BYTES),
      original(kind).body.subarray(-SEALED_SEGMENT_BYTES),
    ]) {
      await put(kind, { body: Buffer.concat([original(kind).body, extra]) }, kind);
      await expectDamaged(kind, bodies.get(kind) ?? extra);
    }
    await put(kind, {}, kind);
  });

  test.each(kinds)('one bit of a segment of a %s object', async (kind) => {
    const { body } = original(kind);
    const plain = bodies.get(kind) ?? body;
    for (const start of edges(kind)) {
      const index = (start - PART_HEADER_BYTES) / SEALED_SEGMENT_BYTES;
      const changed = Buffer.from(body);
      changed[start + 5] = (changed[start + 5] ?? 0) ^ 1;
      await put(kind, { body: changed }, kind);
      const reply = await expectDamaged(kind, plain);
      // Released in batches of whole segments, all of them in front of the damage.
      expect(reply.status === 500 || reply.body.length <= index * SEGMENT_BYTES).toBe(true);
    }
    await put(kind, {}, kind);
  });

  test.each(kinds)('segments of a %s object doubled, dropped and exchanged, the length kept', async (kind) => {
    const { body } = original(kind);
    const [a, b, c] = [0, 1, 2].map((i) =>
      body.subarray(PART_HEADER_BYTES + i * SEALED_SEGMENT_BYTES, PART_HEADER_BYTES + (i + 1) * SEALED_SEGMENT_BYTES),
    );
    if (a === undefined || b === undefined || c === undefined) throw new Error('too short');
    const [front, rest] = [
      body.subarray(0, PART_HEADER_BYTES),
      body.subarray(PART_HEADER_BYTES + 3 * SEALED_SEGMENT_BYTES),
    ];
    for (const order of [
      [a, a, c],
      [b, a, c],
      [a, c, c],
      [c, b, a],
    ]) {
      await put(kind, { body: Buffer.concat([front, ...order, rest]) }, kind);
      await expectDamaged(kind, bodies.get(kind) ?? body);
    }
    await put(kind, {}, kind);
  });

  test('the salt in front of the segments exchanged for that of another object', async () => {
    const { body } = original('small');
    const other = original('small-2').body.subarray(0, PART_HEADER_BYTES);
    await put('small', { body: Buffer.concat([other, body.subarray(PART_HEADER_BYTES)]) }, 'small');
    await expectDamaged('small', bodies.get('small') ?? body);
    await put('small', {}, 'small');
  });

  test.each(['large', 'footered'] as const)('every part of the footer of a %s object', async (kind) => {
    const { body } = original(kind);
    // From the end: the locator, then the sealed attributes.
    for (const back of [1, 8, 9, 20, 24, 25, 60]) {
      const changed = Buffer.from(body);
      changed[body.length - back] = (changed[body.length - back] ?? 0) ^ 1;
      await put(kind, { body: changed }, kind);
      expect([back, (await head(kind)).status]).toEqual([back, 500]);
      expect([back, (await get(kind)).status]).toEqual([back, 500]);
    }
    expectEvent();
    await put(kind, {}, kind);
  });

  test.each(['large', 'footered'] as const)(
    'the pad of a %s object is zeros, and as many as were sealed',
    async (kind) => {
      const { body } = original(kind);
      const plain = bodies.get(kind) ?? body;
      const padAt = sealedPartBytes(KINDS[kind]);
      for (const at of [padAt, padAt + 100]) {
        expect(body[at]).toBe(0);
        const changed = Buffer.from(body);
        changed[at] = 1;
        await put(kind, { body: changed }, kind);
        await expectDamaged(kind, plain);
      }
      for (const changed of [
        Buffer.concat([body.subarray(0, padAt), Buffer.alloc(1), body.subarray(padAt)]),
        Buffer.concat([body.subarray(0, padAt), body.subarray(padAt + 1)]),
      ]) {
        await put(kind, { body: changed }, kind);
        expect((await head(kind)).status).toBe(500);
        await expectDamaged(kind, plain);
      }
      await put(kind, {}, kind);
      expect((await get(kind)).body.equals(plain)).toBe(true);
    },
  );

  test('a range of untouched segments opens although another one is damaged', async () => {
    const { body } = original('large');
    const changed = Buffer.from(body);
    changed[PART_HEADER_BYTES + 5 * SEALED_SEGMENT_BYTES] =
      0xff ^ (changed[PART_HEADER_BYTES + 5 * SEALED_SEGMENT_BYTES] ?? 0);
    await put('large', { body: changed }, 'large');
    const plain = bodies.get('large') ?? body;
    const fine = await get('large', `bytes=0-${SEGMENT_BYTES}`);
    expect([fine.status, fine.body.equals(plain.subarray(0, SEGMENT_BYTES + 1))]).toEqual([206, true]);
    const damaged = await get('large', `bytes=${5 * SEGMENT_BYTES}-${5 * SEGMENT_BYTES + 1}`);
    expect([damaged.status, damaged.code]).toEqual([500, 'InternalError']);
    await put('large', {}, 'large');
  });
});

test('damaged rows never fail a listing, and never show a digest that looks like an MD5 of plaintext', async () => {
  const { inner } = bench.backend;
  const damaged = { ...original('small').metadata, 'enc-dek': flip(original('small').metadata['enc-dek'] ?? '', 3) };
  await storeDirectly(inner, {
    bucket: bench.bucket,
    key: 'rows/damaged',
    body: original('small').body,
    metadata: damaged,
  });
  await storeDirectly(inner, {
    bucket: bench.bucket,
    key: 'rows/foreign',
    body: original('small').body,
    metadata: { ...damaged, 'enc-tenant': '0'.repeat(24) },
  });
  await storeDirectly(inner, { bucket: bench.bucket, key: 'rows/legacy', body: 'x'.repeat(500) });
  await bench.send({ method: 'PUT', path: objectPath(bench.bucket, 'rows/whole'), body: 'whole' });
  for (const query of ['list-type=2&prefix=rows%2F', 'prefix=rows%2F']) {
    const reply = await bench.send({ method: 'GET', path: `/${bench.bucket}`, query });
    expect(reply.status).toBe(200);
    const rows = [
      ...reply.body.toString().matchAll(/<Key>([^<]*)<.*?<ETag>&quot;([^&]*)&quot;<\/ETag>.*?<Size>(\d+)</g),
    ].map(([, ...row]) => row);
    expect(rows.map(([key]) => key)).toEqual(['rows/damaged', 'rows/foreign', 'rows/legacy', 'rows/whole']);
    expect(rows[0]?.[1]).toMatch(/-1$/);
    expect(rows[1]?.[1]).toMatch(/-1$/);
    expect(rows[2]?.slice(1)).toEqual([md5('x'.repeat(500)), '500']);
    expect(rows[3]?.slice(1)).toEqual([md5('whole'), '5']);
  }
});

function md5(text: string): string {
  return createHash('md5').update(text).digest('hex');
}
