/**
 * Readers that hardly read: what they hold of a tenant's memory is bounded, so its other requests are served beside them, and their
 * replies are cut. A presigned URL is in strangers' hands, and needs no more than that to be read by many at once.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { LISTING_MEMORY_BYTES, REQUEST_MEMORY_BYTES } from '../../proxy/limits.ts';
import { MemoryBudget } from '../../proxy/memory/admission.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import { MiB } from '../helpers/bytes.ts';
import { headText, objectPath, presignQuery, RawConnection, signHeaders } from '../helpers/raw-client.ts';

const READERS = 24;
/** Far more than the operating system takes in advance. */
const SIZE = 24 * MiB;

let bench: Bench;
let memory: MemoryBudget | undefined;
const readers: RawConnection[] = [];

async function start(limits: { replyWindowMs?: number; scarceMs?: number }): Promise<void> {
  const reserve = MemoryBudget.prototype.reserve;
  vi.spyOn(MemoryBudget.prototype, 'reserve').mockImplementation(function (this: MemoryBudget, ...claim) {
    memory = this;
    return reserve.apply(this, claim);
  });
  bench = await openBench({ config: { memoryBytes: 64 * MiB }, limits: { checkMs: 20, ...limits } });
  await bench.send({ method: 'PUT', path: large(), body: randomBytes(SIZE) });
}
async function stop(): Promise<void> {
  vi.restoreAllMocks();
  await bench.close();
}
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.close();
  await expect.poll(reserved).toBe(0);
});

const large = () => objectPath(bench.bucket, 'large');
const reserved = () => memory?.reserved ?? Number.NaN;
const host = () => new URL(bench.proxy.endpoint).host;

/** Bytes reserved, once that has not changed for a while and is not nothing. */
async function standstill(): Promise<number> {
  let [bytes, same] = [0, 0];
  while (same < 25) {
    await setTimeout(20);
    const now = reserved();
    same = now > 0 && now === bytes ? same + 1 : 0;
    bytes = now;
  }
  return bytes;
}

/** Asks, and does not read. */
async function read(head: Buffer): Promise<void> {
  const reader = await RawConnection.open(bench.proxy.endpoint);
  readers.push(reader);
  reader.socket.pause();
  reader.write(head);
}

/** With one URL for all of them. */
async function readByLink(): Promise<void> {
  const query = presignQuery({ method: 'GET', path: large() }, bench.tenant, host());
  const head = headText({ method: 'GET', target: `${large()}?${query}`, headers: [['host', host()]] });
  for (let i = 0; i < READERS; i++) await read(head);
}

function readSigned(query?: string): Buffer {
  const request = { method: 'GET', path: query === undefined ? large() : `/${bench.bucket}`, query: query ?? '' };
  const target = query === undefined ? request.path : `${request.path}?${query}`;
  return headText({ method: 'GET', target, headers: signHeaders(request, bench.tenant, host()) });
}

describe('while replies have all the time they want', () => {
  beforeAll(() => start({}));
  afterAll(stop);

  test('readers of one URL leave memory to the other requests of its tenant', async () => {
    await readByLink();
    await expect.poll(() => memory?.waiting).toBeGreaterThan(0);
    for (const request of [
      { method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2' },
      { method: 'GET', path: large(), headers: [['range', 'bytes=0-9']] },
      { method: 'PUT', path: objectPath(bench.bucket, 'other'), body: randomBytes(2 * MiB) },
    ] as const) {
      expect((await bench.send(request)).status).toBeLessThan(300);
    }
    expect(reserved()).toBeLessThan(40 * MiB);
  });

  test('a listing that is not read holds no more than what is left of it', async () => {
    const keys = Array.from({ length: 50 }, (_, i) => `listed/${i}-${'k'.repeat(900)}`);
    for (const key of keys) await bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body: '' });
    const query = 'list-type=2&prefix=listed%2F';
    const page = (await bench.send({ method: 'GET', path: `/${bench.bucket}`, query })).body.length;
    // More pages than the operating system takes: some of them wait in the process.
    await read(Buffer.concat(Array.from({ length: 250 }, () => readSigned(query))));
    const stuck = await standstill();
    expect(stuck).toBeGreaterThan(LISTING_MEMORY_BYTES);
    expect(stuck).toBeLessThan(250 * (REQUEST_MEMORY_BYTES + page));
  });
});

describe('in the end', () => {
  beforeAll(() => start({ replyWindowMs: 600, scarceMs: 200 }));
  afterAll(stop);

  test('a reply that nobody takes is cut, and its memory comes back', async () => {
    await read(readSigned());
    await expect.poll(reserved).toBeGreaterThan(MiB);
    await expect.poll(reserved).toBe(0);
    expect(bench.proxy.log.filter(({ msg }) => msg === 'request').at(-1)).toMatchObject({ cut: true });
    await expect.poll(() => bench.proxy.connections.open).toBe(0);
  });

  test('those that stand still are cut sooner when others wait for memory', async () => {
    for (let i = 0; i < READERS + 8; i++) await read(readSigned());
    // The budget is full of them; a request that comes now is served all the same.
    const reply = await bench.send({ method: 'GET', path: large(), headers: [['range', 'bytes=0-9']] });
    expect(reply.status).toBe(206);
  });

  test('a reply that is read slowly, but read, arrives whole', async () => {
    await read(readSigned());
    const [reader] = readers;
    let bytes = 0;
    reader?.socket.on('data', (piece: Buffer) => {
      bytes += piece.length;
      reader.socket.pause();
      void setTimeout(5).then(() => reader.socket.resume());
    });
    reader?.socket.resume();
    await expect.poll(() => bytes, { timeout: 25_000 }).toBeGreaterThan(SIZE);
  });
});
