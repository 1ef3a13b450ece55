/**
 * Protects what listings may take sizes from: the length that the store lists for an object, turned round by arithmetic, is the size
 * that HEAD answers, however the object came about; and every object of which that is not so has a length that tells nothing.
 */
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { canonicalBytes, plainBytesOf } from '../../../crypto/stored-length.ts';
import { UNKNOWN_LENGTH_PART_BYTES } from '../../../proxy/limits.ts';
import { type Bench, sharedBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { formPoster } from '../../helpers/form-poster.ts';
import { type Header, objectPath } from '../../helpers/raw-client.ts';
import { askStore, storeDirectly, storedObject } from '../../helpers/stored.ts';
import { beginUpload, MIN_PART, outcome, TELLING_PART_SIZES, uploaded } from '../../helpers/uploads.ts';

const SEGMENT = 65_536;
const LONG: Header = ['x-amz-meta-long', 'x'.repeat(1900)];
const bench = sharedBench();
const source = randomBytes(30 * MiB);
const form = formPoster(() => bench);

async function put(key: string, bytes: number, headers: readonly Header[] = []): Promise<void> {
  const body = source.subarray(0, bytes);
  expect(outcome(await bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), headers, body }))).toBe('200');
}

async function copy(from: string, to: string, headers: readonly Header[] = []): Promise<void> {
  const all: Header[] = [['x-amz-copy-source', objectPath(bench.bucket, from)], ...headers];
  expect(outcome(await bench.send({ method: 'PUT', path: objectPath(bench.bucket, to), headers: all }))).toBe('200');
}

/** The store's own length of an object, and the size that a client is told. */
async function lengths({ send, bucket, backend }: Bench, key: string): Promise<{ stored: number; size: number }> {
  const { response } = await askStore(backend.inner, { method: 'HEAD', bucket, key });
  const head = await send({ method: 'HEAD', path: objectPath(bucket, key) });
  expect(head.status).toBe(200);
  return { stored: Number(response.headers['content-length']), size: Number(head.headers['content-length']) };
}

async function expectTold(key: string): Promise<void> {
  const { stored, size } = await lengths(bench, key);
  expect([key, plainBytesOf(stored), stored]).toEqual([key, size, canonicalBytes(size)]);
}

async function expectSilent(key: string): Promise<void> {
  const { stored } = await lengths(bench, key);
  expect([key, plainBytesOf(stored)]).toEqual([key, undefined]);
}

const around = (edge: number) => [edge - 1, edge, edge + 1];

describe('the stored length tells the size of', () => {
  it.each([
    0,
    1,
    ...around(SEGMENT),
    1_000_000,
    ...around(MiB),
    ...around(5 * MiB),
    ...around(10 * MiB),
    ...around(20 * MiB),
  ])('a body of %d bytes', async (bytes) => {
    await put(`put/${bytes}`, bytes);
    await expectTold(`put/${bytes}`);
  });

  it('uploads of parts, of whatever sizes, with gaps and with an empty or a staged last one', async () => {
    for (const [i, sizes] of TELLING_PART_SIZES.entries()) {
      for (const algorithm of [undefined, 'SHA512', 'CRC64NVME']) {
        const key = `upload/${i}/${algorithm}`;
        const headers: Header[] = algorithm === undefined ? [] : [['x-amz-checksum-algorithm', algorithm]];
        await uploaded(
          bench,
          key,
          sizes.map((size) => source.subarray(0, size)),
          headers,
        );
        await expectTold(key);
      }
    }
    const gaps = await beginUpload(bench, 'upload/gaps');
    const listed = [
      await gaps.put(3, source.subarray(0, MIN_PART)),
      await gaps.put(10_000, source.subarray(0, 7 * MiB)),
    ];
    expect(outcome(await gaps.complete(listed))).toBe('200');
    await expectTold('upload/gaps');
  });

  it('parts that were copied', async () => {
    await put('source', 6 * MiB);
    const upload = await beginUpload(bench, 'upload/copied');
    const rows = [];
    for (const [number, range] of [
      [1, 'bytes=0-5242879'],
      [2, 'bytes=1-77777'],
    ] as const) {
      const reply = await upload.copy(number, `${bench.bucket}/source`, [['x-amz-copy-source-range', range]]);
      rows.push({ number, etag: /<ETag>([^<]*)/.exec(reply.body.toString())?.[1]?.replaceAll('&quot;', '"') ?? '' });
    }
    expect(outcome(await upload.complete(rows))).toBe('200');
    await expectTold('upload/copied');
  });

  it('copies, with other metadata or another checksum', async () => {
    await put('copied/single', 2 * MiB);
    await put('copied/small', 1000);
    await uploaded(bench, 'copied/parts', [source.subarray(0, MIN_PART), source.subarray(0, 1000)]);
    for (const from of ['copied/single', 'copied/small', 'copied/parts']) {
      await copy(from, `${from}/plain`);
      await copy(from, `${from}/short`, [
        ['x-amz-metadata-directive', 'REPLACE'],
        ['x-amz-meta-a', 'b'],
      ]);
      await copy(from, `${from}/checksum`, [['x-amz-checksum-algorithm', 'SHA256']]);
      for (const kind of ['plain', 'short', 'checksum']) await expectTold(`${from}/${kind}`);
    }
    // There and back: the room that long metadata took is given back.
    await copy('copied/single', 'copied/long', [['x-amz-metadata-directive', 'REPLACE'], LONG]);
    await copy('copied/long', 'copied/long', [
      ['x-amz-metadata-directive', 'REPLACE'],
      ['x-amz-meta-a', 'b'],
    ]);
    await copy('copied/long', 'copied/again', [['x-amz-checksum-algorithm', 'CRC32']]);
    await expectTold('copied/again');
  });

  it('an object of the store that was not encrypted, once it is copied', async () => {
    await storeDirectly(bench.backend.inner, {
      bucket: bench.bucket,
      key: 'legacy',
      body: source.subarray(0, 3 * MiB),
    });
    await copy('legacy', 'legacy-copied');
    await expectTold('legacy-copied');
  });

  it('forms that become more than one backend part, and small ones', async () => {
    for (const bytes of [1000, MiB, UNKNOWN_LENGTH_PART_BYTES + 1000]) {
      const key = `form/${bytes}`;
      const file = { content: source.subarray(0, bytes) };
      expect((await form.post({ fields: { key }, file })).status).toBe(204);
      await expectTold(key);
    }
  });

  it('a large object whose long metadata find room', async () => {
    await put('room', 30 * MiB, [['x-amz-meta-long', 'x'.repeat(1250)]]);
    const { metadata } = await storedObject(bench.backend.inner, bench.bucket, 'room');
    expect(metadata['enc-attrs']).toBeUndefined();
    await expectTold('room');
  });
});

describe('the stored length tells nothing of', () => {
  it('uploads in parts of up to 1 MiB, as Mountpoint and S3A make them', async () => {
    for (const bytes of [0, 1, 100, 4096, ...around(SEGMENT), 500_000, MiB - 1, MiB]) {
      await uploaded(bench, `small/${bytes}`, [source.subarray(0, bytes)]);
      await expectSilent(`small/${bytes}`);
    }
  });

  it('an upload that becomes one backend part', async () => {
    for (const bytes of [MiB + 1, 3 * MiB, MIN_PART - 1]) {
      await uploaded(bench, `alone/${bytes}`, [source.subarray(0, bytes)]);
      await expectSilent(`alone/${bytes}`);
    }
    const file = { content: source.subarray(0, 2 * MiB) };
    expect((await form.post({ fields: { key: 'alone/form' }, file })).status).toBe(204);
    await expectSilent('alone/form');
  });

  it('objects whose metadata do not fit beside them', async () => {
    for (const bytes of [0, 1, 1000, ...around(SEGMENT), MiB, MiB + 1, 2 * MiB]) {
      await put(`long/${bytes}`, bytes, [LONG]);
      await expectSilent(`long/${bytes}`);
    }
    await put('long/source', 1000);
    await copy('long/source', 'long/copied', [['x-amz-metadata-directive', 'REPLACE'], LONG]);
    await expectSilent('long/copied');
  });
});
