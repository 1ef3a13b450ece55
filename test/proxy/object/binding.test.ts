/**
 * Protects against an object dressed in another's attributes. Copies share a data key, so header and footer are bound to each
 * other by more than that: whoever writes the bucket cannot put the footer of one object behind the header of another, nor the
 * footer of one state of an object behind the header of another state.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Bench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { type Header, objectPath, type RawReply } from '../../helpers/raw-client.ts';
import { type StoredCopy, storeDirectly, storedObject } from '../../helpers/stored.ts';
import { uploaded } from '../../helpers/uploads.ts';
import { openRotationBench, type Rotation } from '../rotation/harness.ts';

let bench: Bench;
let rotation: Rotation;
beforeAll(async () => {
  ({ bench, rotation } = await openRotationBench());
});
afterAll(() => bench.close());

/** Too much for the metadata of the stored object: then the early attributes lie in the footer. */
const long = (fill: string): Header => ['x-amz-meta-long', fill.repeat(1900)];
const REPLACE: Header = ['x-amz-metadata-directive', 'REPLACE'];

const store = (name: string) => storedObject(bench.backend.inner, bench.bucket, name);
const put = (key: string, copy: Pick<StoredCopy, 'body' | 'metadata'>) =>
  storeDirectly(bench.backend.inner, { bucket: bench.bucket, key, body: copy.body, metadata: copy.metadata });
const send = (method: 'GET' | 'HEAD', key: string, headers: readonly Header[] = []) =>
  bench.send({ method, path: objectPath(bench.bucket, key), headers });

async function copy(from: string, to: string, headers: readonly Header[]): Promise<void> {
  const source: Header = ['x-amz-copy-source', objectPath(bench.bucket, from)];
  const reply = await bench.send({ method: 'PUT', path: objectPath(bench.bucket, to), headers: [source, ...headers] });
  expect([reply.status, reply.code]).toEqual([200, '']);
}

/** A GET, a range and a HEAD of what is stored under `key` now: each fails, gives out nothing and is an event. */
async function expectRefused(key: string): Promise<void> {
  for (const ask of [
    () => send('HEAD', key),
    () => send('GET', key),
    () => send('GET', key, [['range', 'bytes=0-9']]),
  ]) {
    const mark = bench.events('object-tampered').length;
    const reply = await ask();
    expect([key, reply.status]).toEqual([key, 500]);
    expect(Object.keys(reply.headers).filter((name) => /^x-amz-meta-|^content-disposition$/.test(name))).toEqual([]);
    expect(bench.events('object-tampered').length).toBeGreaterThan(mark);
  }
}

async function expectOpens(key: string, body: Buffer, long: Header | undefined): Promise<RawReply> {
  const reply = await send('GET', key);
  expect([key, reply.status, reply.body.equals(body)]).toEqual([key, 200, true]);
  expect(reply.headers['x-amz-meta-long']).toBe(long?.[1]);
  return reply;
}

const body = randomBytes(100_000);
const large = randomBytes(MiB + 100);
const parts = [randomBytes(5 * MiB), randomBytes(1000)];

/** How an object comes about whose early attributes lie in its footer. */
const MADE: Readonly<
  Record<string, { bytes: Buffer; make: (key: string, headers: readonly Header[]) => Promise<unknown> }>
> = {
  'a small single body': { bytes: body, make: (key, headers) => single(key, headers, body) },
  'a large single body': { bytes: large, make: (key, headers) => single(key, headers, large) },
  'an upload of parts': { bytes: Buffer.concat(parts), make: (key, headers) => uploaded(bench, key, parts, headers) },
};

async function single(key: string, headers: readonly Header[], bytes: Buffer): Promise<void> {
  const reply = await bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), headers, body: bytes });
  expect(reply.status).toBe(200);
}

describe.each(Object.entries(MADE))('%s', (kind, { bytes, make }) => {
  const key = (name: string) => `${kind}/${name}`;

  test('and a copy of it with other metadata: header of one and body of the other are refused, both ways', async () => {
    await make(key('x'), [long('x'), ['content-type', 'text/x']]);
    await copy(key('x'), key('y'), [
      REPLACE,
      long('y'),
      ['content-type', 'text/y'],
      ['content-disposition', 'attachment'],
    ]);
    const [x, y] = [await store(key('x')), await store(key('y'))];
    await put(key('x'), { metadata: x.metadata, body: y.body });
    await put(key('y'), { metadata: y.metadata, body: x.body });
    await expectRefused(key('x'));
    await expectRefused(key('y'));
    await put(key('x'), x);
    await put(key('y'), y);
    await expectOpens(key('x'), bytes, long('x'));
    await expectOpens(key('y'), bytes, long('y'));
  });

  test('replaced by itself with other metadata: its old and its new state do not mix', async () => {
    await make(key('self'), [long('1')]);
    const before = await store(key('self'));
    await copy(key('self'), key('self'), [REPLACE, long('2')]);
    const after = await store(key('self'));
    await put(key('self'), { metadata: before.metadata, body: after.body });
    await expectRefused(key('self'));
    await put(key('self'), { metadata: after.metadata, body: before.body });
    await expectRefused(key('self'));
    await put(key('self'), after);
    await expectOpens(key('self'), bytes, long('2'));
  });

  test('whose metadata came to fit its header, and then grew again: no state takes the footer of another', async () => {
    await make(key('thrice'), [long('1')]);
    const first = await store(key('thrice'));
    await copy(key('thrice'), key('thrice'), [REPLACE, ['x-amz-meta-short', '2']]);
    const second = await store(key('thrice'));
    await copy(key('thrice'), key('thrice'), [REPLACE, long('3')]);
    const third = await store(key('thrice'));
    for (const [header, footer] of [
      [first, third],
      [second, third],
      [third, first],
      [third, second],
    ] as const) {
      if (header.body.equals(footer.body)) continue;
      await put(key('thrice'), { metadata: header.metadata, body: footer.body });
      await expectRefused(key('thrice'));
    }
  });

  test('copied with another checksum: the first object is not given the footer of the second', async () => {
    await make(key('sum'), []);
    const before = await store(key('sum'));
    await copy(key('sum'), key('sum-2'), [['x-amz-checksum-algorithm', 'SHA256']]);
    const after = await store(key('sum-2'));
    if (after.body.equals(before.body)) return; // The attributes of a small body all lie in its header.
    await put(key('sum'), { metadata: before.metadata, body: after.body });
    await expectRefused(key('sum'));
    await put(key('sum-2'), { metadata: after.metadata, body: before.body });
    await expectRefused(key('sum-2'));
  });

  test('plainly copied, or with a change of its header alone: the body is the same and opens under either', async () => {
    await make(key('plain'), [long('p')]);
    await copy(key('plain'), key('plain-2'), []);
    await copy(key('plain'), key('plain-3'), [REPLACE, ['x-amz-meta-short', 's']]);
    await copy(key('plain-3'), key('plain-4'), []);
    await expectOpens(key('plain-2'), bytes, long('p'));
    for (const name of ['plain-3', 'plain-4']) {
      const reply = await expectOpens(key(name), bytes, undefined);
      expect(reply.headers['x-amz-meta-short']).toBe('s');
    }
    const [one, two] = [await store(key('plain')), await store(key('plain-2'))];
    expect(one.body.equals(two.body)).toBe(true);
    expect(one.metadata['enc-dek']).not.toBe(two.metadata['enc-dek']);
  });

  test('after a deep rotation: states of before and after it do not mix, and whole ones open', async () => {
    await make(key('turned'), [long('1')]);
    await copy(key('turned'), key('turned-2'), [REPLACE, long('2')]);
    const [old, oldCopy] = [await store(key('turned')), await store(key('turned-2'))];
    const begun = await rotation.begin();
    await rotation.drain(await rotation.open());
    expect(begun).toBeDefined();
    const [turned, turnedCopy] = [await store(key('turned')), await store(key('turned-2'))];
    expect(turned.metadata['enc-dek']).not.toBe(old.metadata['enc-dek']);
    expect(turned.body.equals(old.body)).toBe(true);
    await expectOpens(key('turned'), bytes, long('1'));
    await expectOpens(key('turned-2'), bytes, long('2'));
    await put(key('turned'), { metadata: turned.metadata, body: turnedCopy.body });
    await expectRefused(key('turned'));
    await put(key('turned'), { metadata: turned.metadata, body: oldCopy.body });
    await expectRefused(key('turned'));
    await put(key('turned'), turned);
    await copy(key('turned'), key('turned'), [REPLACE, long('3')]);
    const again = await store(key('turned'));
    await put(key('turned'), { metadata: turned.metadata, body: again.body });
    await expectRefused(key('turned'));
  });
});
