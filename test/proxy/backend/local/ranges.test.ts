// Protects: every single-range form at its edges, on inline, file and multipart bodies; and what S3 ignores is ignored.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requestedSpan } from '../../../../proxy/backend/local/range.ts';
import { md5, openTestStore, pattern, type TestStore } from './harness.ts';

const bucket = 'ranges';
let store: TestStore;
beforeAll(async () => {
  store = await openTestStore({ bucket });
});
afterAll(() => store[Symbol.asyncDispose]());

type Expected = readonly [start: number, end: number] | 'whole' | 416;
const TABLE: readonly (readonly [header: string, expected: (size: number) => Expected])[] = [
  ['bytes=0-0', () => [0, 1]],
  ['bytes=0-', (size) => [0, size]],
  ['bytes=1-3', () => [1, 4]],
  ['bytes=5-5', () => [5, 6]],
  ['bytes=-1', (size) => [size - 1, size]],
  ['bytes=-7', (size) => [size - 7, size]],
  ['bytes=-99999999999999999999', (size) => [0, size]],
  ['bytes=0-99999999999999999999', (size) => [0, size]],
  ['  bytes=2-4 ', () => [2, 5]],
  ['bytes=-0', () => 416],
  ['bytes=99999999999999999999-', () => 416],
  ['bytes=3-2', () => 'whole'],
  ['bytes=-', () => 'whole'],
  ['bytes=', () => 'whole'],
  ['bytes=a-b', () => 'whole'],
  ['bytes=0-1,3-4', () => 'whole'],
  ['bytes = 0-1', () => 'whole'],
  ['items=0-1', () => 'whole'],
  ['bytes=1.5-2', () => 'whole'],
  ['bytes=+1-2', () => 'whole'],
];

test('ranges of inline and file bodies', async () => {
  let ran = 0;
  for (const size of [10, 65_536, 1_200_000]) {
    const body = pattern(size);
    const key = `body-${size}`;
    await store.put({ bucket, key, body });
    const edges: typeof TABLE = [
      [`bytes=${size - 1}-`, () => [size - 1, size]],
      [`bytes=${size - 1}-${size}`, () => [size - 1, size]],
      [`bytes=${size}-`, () => 416],
      [`bytes=-${size}`, () => [0, size]],
      [`bytes=-${size + 1}`, () => [0, size]],
    ];
    for (const [range, expected] of [...TABLE, ...edges]) {
      const want = expected(size);
      const got = await store.get({ bucket, key, headers: { range } });
      const head = await store.head({ bucket, key, headers: { range } });
      expect([range, head.status]).toEqual([range, got.status]);
      if (want === 416) {
        expect([range, got.status, got.code]).toEqual([range, 416, 'InvalidRange']);
        expect(got.headers['content-range']).toBe(`bytes */${size}`);
      } else if (want === 'whole') {
        expect([range, got.status, got.bytes.equals(body)]).toEqual([range, 200, true]);
        expect(got.headers['content-range']).toBeUndefined();
      } else {
        expect([range, got.status]).toEqual([range, 206]);
        expect(got.headers['content-range']).toBe(`bytes ${want[0]}-${want[1] - 1}/${size}`);
        expect(got.headers['content-length']).toBe(String(want[1] - want[0]));
        expect(head.headers['content-range']).toBe(got.headers['content-range']);
        expect(got.bytes.equals(body.subarray(...want))).toBe(true);
      }
      expect(got.status === 416 || got.headers['etag'] === `"${md5(body)}"`).toBe(true);
      ran++;
    }
  }
  expect(ran).toBe(3 * (TABLE.length + 5));
});

test('no range of an empty object is satisfiable, but its end is all of it', async () => {
  await store.put({ bucket, key: 'empty', body: '' });
  for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-0']) {
    expect([range, (await store.get({ bucket, key: 'empty', headers: { range } })).status]).toEqual([range, 416]);
  }
  expect((await store.get({ bucket, key: 'empty', headers: { range: 'bytes=-1' } })).status).toBe(200);
  expect((await store.get({ bucket, key: 'empty', headers: { range: 'bytes=2-1' } })).status).toBe(200);
});

test('spans lie within the object and hold what was asked for', () => {
  let ran = 0;
  for (let size = 1; size <= 6; size++) {
    for (let first = 0; first <= 7; first++) {
      for (let last = 0; last <= 7; last++) {
        const wanted = [...Array(size).keys()].filter((byte) => byte >= first && byte <= last);
        const read = () => requestedSpan(`bytes=${first}-${last}`, size);
        if (last < first) expect(read()).toBeUndefined();
        else if (wanted.length === 0) expect(read).toThrow();
        else expect(read()).toEqual({ start: wanted[0], end: (wanted.at(-1) ?? 0) + 1 });
        ran++;
      }
    }
  }
  expect(ran).toBe(6 * 64);
});

test('partNumber of an object that was put whole', async () => {
  const body = pattern(100);
  await store.put({ bucket, key: 'single', body });
  const first = await store.get({ bucket, key: 'single', query: { partNumber: '1' } });
  expect([first.status, first.headers['content-range']]).toEqual([206, 'bytes 0-99/100']);
  expect(first.headers['x-amz-mp-parts-count']).toBeUndefined();
  expect(first.bytes.equals(body)).toBe(true);
  const second = await store.get({ bucket, key: 'single', query: { partNumber: '2' } });
  expect([second.status, second.code]).toEqual([416, 'InvalidPartNumber']);
  for (const partNumber of ['0', '10001', 'x', '-1', '1.0']) {
    expect((await store.get({ bucket, key: 'single', query: { partNumber } })).code).toBe('InvalidArgument');
  }
  const both = { bucket, key: 'single', query: { partNumber: '1' }, headers: { range: 'bytes=0-1' } };
  expect((await store.get(both)).code).toBe('InvalidRequest');
});
