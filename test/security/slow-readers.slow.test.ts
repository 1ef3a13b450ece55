/**
 * Readers that hardly read: what they hold of a tenant's memory is bounded, so its other requests are served beside them, and their
 * replies are cut. A presigned URL is in strangers' hands, and needs no more than that to be read by many at once.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { LISTING_MEMORY_BYTES, REQUEST_MEMORY_BYTES } from '../../proxy/limits.ts';
import { MemoryBudget, type Reservation } from '../../proxy/memory/admission.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import { MiB } from '../helpers/bytes.ts';
import { headText, objectPath, presignQuery, RawConnection, signHeaders } from '../helpers/raw-client.ts';

const READERS = 24;
/** Far more than the operating system takes in advance. */
const SIZE = 24 * MiB;

let bench: Bench;
let memory: MemoryBudget | undefined;
const readers: RawConnection[] = [];

/** Requests that hold what making their replies takes; the others hold what is left of a reply that is made. */
const making = new Set<Reservation>();
/** Bytes of the largest reservation since the start. */
let largest = 0;

async function start(limits: { replyWindowMs?: number; scarceMs?: number }): Promise<void> {
  const reserve = MemoryBudget.prototype.reserve;
  vi.spyOn(MemoryBudget.prototype, 'reserve').mockImplementation(function (this: MemoryBudget, ...claim) {
    memory = this;
    const reserved = reserve.apply(this, claim);
    return reserved instanceof Promise ? reserved.then(watched) : watched(reserved);
  });
  bench = await openBench({ config: { memoryBytes: 64 * MiB }, limits: { checkMs: 20, ...limits } });
  await bench.send({ method: 'PUT', path: large(), body: randomBytes(SIZE) });
  largest = 0;
}

function watched(reservation: Reservation): Reservation {
  making.add(reservation);
  largest = Math.max(largest, reservation.bytes);
  return {
    get bytes() {
      return reservation.bytes;
    },
    keep(bytes) {
      making.delete(reservation);
      reservation.keep(bytes);
    },
    release() {
      making.delete(reservation);
      reservation.release();
    },
  };
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

/** Bytes reserved by replies that are made and not taken, once there is more of them than one that is made. */
async function untaken(): Promise<number> {
  let bytes = 0;
  const look = () => {
    bytes = making.size === 0 ? reserved() : 0;
    return bytes;
  };
  await expect.poll(look).toBeGreaterThan(LISTING_MEMORY_BYTES);
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
    expect(await untaken()).toBeLessThan(250 * (REQUEST_MEMORY_BYTES + page));
  });
});

describe('in the end', () => {
  beforeAll(() => start({ replyWindowMs: 600, scarceMs: 200 }));
  afterAll(stop);

  test('a reply that nobody takes is cut, and its memory comes back', async () => {
    await read(readSigned());
    await expect.poll(() => largest).toBeGreaterThan(MiB);
    await expect.poll(reserved).toBe(0);
    expect(bench.proxy.log.filter(({ msg }) => msg === 'request').at(-1)).toMatchObject({ cut: true });
    await expect.poll(() => bench.proxy.connections.open).toBe(0);
  });

  test('those that stand still are cut sooner when others wait for memory', async () => {
    for (let i = 0; i < READERS + 8; i++) await read(readSigned());
    // The budget is full of them; a request that comes now is served all the same.
    const part = { method: 'GET', path: large(), headers: [['range', 'bytes=0-9']] } as const;
    // Told to come again when it has waited for long, as on a machine that is busy with other things.
    await expect.poll(async () => (await bench.send(part)).status).toBe(206);
  });
});

describe('for longer than a reply may stand still', () => {
  const WINDOW_MS = 2_000;
  beforeAll(() => start({ replyWindowMs: WINDOW_MS, scarceMs: WINDOW_MS }));
  afterAll(stop);

  test('a reply that is read slowly, but read, arrives whole', async () => {
    await read(readSigned());
    const [reader] = readers;
    const begun = performance.now();
    let bytes = 0;
    reader?.socket.on('data', (piece: Buffer) => {
      bytes += piece.length;
      reader.socket.pause();
      void setTimeout(12).then(() => reader.socket.resume());
    });
    reader?.socket.resume();
    await expect.poll(() => bytes).toBeGreaterThan(SIZE);
    expect(performance.now() - begun).toBeGreaterThan(WINDOW_MS);
  });
});
