/**
 * Protects: what requests buffer is bounded for the whole process. Requests wait in order when the budget is full, are
 * refused with SlowDown when none comes free, and nothing is leaked by any way a request can end.
 */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../../../proxy/config/config.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { MAX_XML_BODY_BYTES } from '../../../proxy/limits.ts';
import { MemoryBudget, type Reservation } from '../../../proxy/memory/admission.ts';
import { defaultMemoryBytes } from '../../../proxy/memory/memory-setting.ts';
import { memoryOf } from '../../../proxy/memory/request-memory.ts';
import type { Operation } from '../../../proxy/operation.ts';
import { getObject } from '../../../proxy/operations/get-object.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { GiB, KiB, MiB } from '../../helpers/bytes.ts';
import { objectPath, sha256Hex, signHeaders } from '../../helpers/raw-client.ts';

const never = new AbortController().signal;

/** A claim of the tenant that most tests have. */
const of = (bytes: number, tenant = 'a') => ({ tenant, bytes });

async function reserved(given: Reservation | Promise<Reservation>): Promise<Reservation> {
  return given;
}

describe('the budget', () => {
  test('is given out at once while there is room, and comes back once', () => {
    const budget = new MemoryBudget({ bytes: 100 });
    const first = budget.reserve(of(60), never);
    expect(first).not.toBeInstanceOf(Promise);
    expect(budget.reserved).toBe(60);
    const { release } = first as Reservation;
    release();
    release();
    expect(budget.reserved).toBe(0);
  });

  test('is given to waiting requests in the order in which they came, large ones too', async () => {
    const budget = new MemoryBudget({ bytes: 100 });
    const held = budget.reserve(of(80), never) as Reservation;
    const order: string[] = [];
    const large = reserved(budget.reserve(of(70), never)).then(() => order.push('large'));
    const small = reserved(budget.reserve(of(10), never)).then(() => order.push('small'));
    expect([budget.waiting, budget.reserved]).toEqual([2, 80]);
    held.release();
    await Promise.all([large, small]);
    expect(order).toEqual(['large', 'small']);
    expect([budget.waiting, budget.reserved]).toEqual([0, 80]);
  });

  test('gives all of itself to a request that needs more', async () => {
    const budget = new MemoryBudget({ bytes: 100 });
    const first = budget.reserve(of(1_000_000), never) as Reservation;
    expect(first.bytes).toBe(100);
    const next = reserved(budget.reserve(of(1), never));
    first.release();
    expect((await next).bytes).toBe(1);
  });

  test('takes back what a request needs no longer, for those that wait', async () => {
    const budget = new MemoryBudget({ bytes: 100 });
    const held = budget.reserve(of(90), never) as Reservation;
    const waiting = reserved(budget.reserve(of(40, 'b'), never));
    held.keep(95);
    expect([held.bytes, budget.waiting]).toEqual([90, 1]);
    held.keep(60);
    await waiting;
    expect([held.bytes, budget.reserved]).toEqual([60, 100]);
    held.release();
    held.keep(10);
    expect([held.bytes, budget.reserved]).toEqual([0, 40]);
  });

  test('is not filled by one signed link, nor are the places of those that wait', async () => {
    const budget = new MemoryBudget({ bytes: 100, maxWaiting: 8 });
    const gone = new AbortController();
    const byLink = () => budget.reserve({ tenant: 'a', link: 'l', bytes: 10 }, gone.signal);
    for (let i = 0; i < 6; i++) expect(byLink()).not.toBeInstanceOf(Promise);
    const waiting = [byLink(), byLink()];
    for (const one of waiting) expect(one).toBeInstanceOf(Promise);
    expect(byLink).toThrowError(expect.objectContaining({ code: 'SlowDown' }));
    // Neither the tenant's other requests nor those by another link wait behind it.
    const own = budget.reserve(of(10), never) as Reservation;
    const other = budget.reserve({ tenant: 'a', link: 'm', bytes: 10 }, never) as Reservation;
    expect([own.bytes, other.bytes, budget.reserved]).toEqual([10, 10, 80]);
    own.release();
    other.release();
    gone.abort(new Error('gone'));
    for (const one of waiting) await expect(one).rejects.toThrow('gone');
  });

  test('refuses with SlowDown who waits too long, and at once who finds the queue full', async () => {
    const budget = new MemoryBudget({ bytes: 100, waitMs: 20, maxWaiting: 1 });
    const held = budget.reserve(of(100), never) as Reservation;
    const waiting = reserved(budget.reserve(of(1), never));
    const refusal = expect.objectContaining({ code: 'SlowDown', status: 503, headers: { 'Retry-After': '1' } });
    expect(() => budget.reserve(of(1), never)).toThrowError(refusal);
    await expect(waiting).rejects.toEqual(refusal);
    expect([budget.refused, budget.waiting, budget.reserved]).toEqual([2, 0, 100]);
    held.release();
    expect(budget.reserve(of(100), never)).not.toBeInstanceOf(Promise);
  });

  test('forgets who goes away, and lets those behind it pass', async () => {
    const budget = new MemoryBudget({ bytes: 100 });
    const held = budget.reserve(of(50), never) as Reservation;
    const controller = new AbortController();
    const large = reserved(budget.reserve(of(100), controller.signal));
    const small = reserved(budget.reserve(of(50), never));
    controller.abort(new Error('gone'));
    await expect(large).rejects.toThrow('gone');
    (await small).release();
    held.release();
    await expect(reserved(budget.reserve(of(100), controller.signal))).resolves.toMatchObject({ bytes: 100 });
    await expect(reserved(budget.reserve(of(1), controller.signal))).rejects.toThrow('gone');
    expect(budget.waiting).toBe(0);
  });
});

describe('tenants that share the budget', () => {
  test('one that wants everything leaves room for others, and gets more when it gives back', async () => {
    const budget = new MemoryBudget({ bytes: 100 });
    const greedy: Reservation[] = [];
    let given = budget.reserve(of(1, 'greedy'), never);
    for (; !(given instanceof Promise); given = budget.reserve(of(1, 'greedy'), never)) greedy.push(given);
    expect(budget.reserved).toBe(76);
    for (let others = 0; others < 10; others++) {
      expect(budget.reserve(of(1, `other ${others}`), never)).not.toBeInstanceOf(Promise);
    }
    // Others hold some of it now, so its own share is smaller.
    for (const reservation of greedy.splice(0, 8)) reservation.release();
    expect([budget.waiting, budget.reserved]).toEqual([1, 78]);
    for (const reservation of greedy.splice(0, 2)) reservation.release();
    expect((await given).bytes).toBe(1);
    expect([budget.waiting, budget.reserved]).toEqual([0, 77]);
  });

  test('two that want everything still leave some for a third', async () => {
    const budget = new MemoryBudget({ bytes: 700 });
    const given = { a: 0, b: 0 };
    for (let round = 0; round < 300; round++) {
      for (const tenant of ['a', 'b'] as const)
        given[tenant] += (budget.reserve(of(1, tenant), never) as Reservation).bytes;
    }
    const gone = new AbortController();
    const more = [reserved(budget.reserve(of(1, 'a'), never)), reserved(budget.reserve(of(1, 'b'), gone.signal))];
    expect([given, budget.reserved, budget.waiting]).toEqual([{ a: 300, b: 300 }, 601, 1]);
    gone.abort(new Error('gone'));
    await expect(Promise.all(more)).rejects.toThrow('gone');
    expect(budget.reserve(of(90, 'c'), never)).not.toBeInstanceOf(Promise);
  });

  test('one that waits for its share holds up nobody else, however much it asks for; its own requests stay in order', async () => {
    const budget = new MemoryBudget({ bytes: 100 });
    const held = budget.reserve(of(80, 'greedy'), never) as Reservation;
    const order: string[] = [];
    const first = reserved(budget.reserve(of(100, 'greedy'), never)).then((one) => {
      order.push('first');
      one.release();
    });
    const second = reserved(budget.reserve(of(1, 'greedy'), never)).then(() => order.push('second'));
    const other = budget.reserve(of(20, 'other'), never);
    expect(other).not.toBeInstanceOf(Promise);
    held.release();
    (other as Reservation).release();
    await Promise.all([first, second]);
    expect(order).toEqual(['first', 'second']);
  });

  test('one has half of the waiting places at most', async () => {
    const budget = new MemoryBudget({ bytes: 100, maxWaiting: 4, waitMs: 20 });
    const held = budget.reserve(of(100, 'greedy'), never) as Reservation;
    const waiting = [
      reserved(budget.reserve(of(1, 'greedy'), never)),
      reserved(budget.reserve(of(1, 'greedy'), never)),
    ];
    expect(() => budget.reserve(of(1, 'greedy'), never)).toThrowError(expect.objectContaining({ code: 'SlowDown' }));
    const other = reserved(budget.reserve(of(1, 'other'), never));
    held.release();
    expect(await Promise.all([...waiting, other])).toHaveLength(3);
  });
});

test('what a request reserves grows with what it says it will send', () => {
  const put = { memory: 'small', body: 'object' } as const;
  const sizes = [0, 1, MiB, MiB + 1, 5 * GiB].map((bytes) => memoryOf(put, bytes));
  expect(sizes).toEqual([128 * KiB, 128 * KiB + 3, 128 * KiB + 3 * MiB, 64 * KiB + 2 * MiB, 64 * KiB + 2 * MiB]);
  expect(memoryOf({ memory: 'small', body: 'document' }, MiB)).toBe(64 * KiB + 6 * MiB);
  // Refused unread: to say so must not make others wait.
  for (const bytes of [MAX_XML_BODY_BYTES + 1, Number.MAX_SAFE_INTEGER]) {
    expect(memoryOf({ memory: 'small', body: 'document' }, bytes)).toBe(64 * KiB);
  }
  expect(memoryOf({ memory: 'small', body: 'none' }, undefined)).toBe(64 * KiB);
  expect(memoryOf({ memory: 'stream', body: 'none' }, undefined)).toBe(64 * KiB + 2 * MiB);
});

test('an operation that answers with a stream has to say that it holds one', () => {
  const { name, selector, parameters, body } = getObject;
  const answer = async () => ({ status: 200, body: { length: 0, chunks: (async function* () {})() } });
  // @ts-expect-error a stream from an operation that reserves none
  const silent: Operation = { name, selector, parameters, body, memory: 'small', run: answer };
  // @ts-expect-error nothing said of memory
  const unsaid: Operation = { name, selector, parameters, body, run: answer };
  const said: Operation = { name, selector, parameters, body, memory: 'stream', run: answer };
  expect([silent, unsaid, said].map((operation) => operation.memory)).toEqual(['small', undefined, 'stream']);
});

test('without a setting the budget is a share of the memory there is, within bounds', () => {
  const cases: [workers: number, available: number, expected: number][] = [
    [1, 2 * GiB, 512 * MiB],
    [4, 2 * GiB, 128 * MiB],
    [1, 64 * GiB, GiB],
    [8, 256 * MiB, 32 * MiB],
  ];
  for (const [workers, available, expected] of cases) expect(defaultMemoryBytes(workers, available)).toBe(expected);
  expect(cases).toHaveLength(4);
});

test('SEALGATE_MEMORY speaks of all workers, and is refused when it cannot be meant', () => {
  const settings = { SEALGATE_BACKEND: 'local:d', SEALGATE_STATE: 'state', SEALGATE_SEAL_KEYS: SealKeys.generate() };
  const memory = (size: string, workers = '1') =>
    parseConfig({ ...settings, SEALGATE_WORKERS: workers, SEALGATE_MEMORY: size }).memoryBytes;
  expect(memory('512MiB')).toBe(512 * MiB);
  expect(memory('2GiB', '4')).toBe(512 * MiB);
  const refused = ['', '512', '512MB', '-1GiB', '0GiB', '31MiB', '1e3MiB'].slice(1);
  for (const size of refused) expect(() => memory(size), size).toThrow('SEALGATE_MEMORY');
  expect(() => memory('100MiB', '4')).toThrow('SEALGATE_MEMORY');
  expect(refused).toHaveLength(6);
});

describe('a proxy with room for four small PUTs', () => {
  const bench = sharedBench({ config: { memoryBytes: 13 * MiB } });

  test('answers many at once, one after the other, and every one is stored whole', async () => {
    const body = Buffer.alloc(MiB, 7);
    const keys = Array.from({ length: 40 }, (_, index) => `many/${index}`);
    const replies = await Promise.all(
      keys.map((key) => bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body })),
    );
    expect(replies.map(({ status }) => status)).toEqual(keys.map(() => 200));
    const back = await bench.send({ method: 'GET', path: objectPath(bench.bucket, 'many/39') });
    expect(back.body.equals(body)).toBe(true);
  });

  /** In the middle of a body of 1 MiB: it has its memory when it is told to go on. */
  async function stalledPut(): Promise<Socket> {
    const { host, port, hostname } = new URL(bench.proxy.endpoint);
    const path = objectPath(bench.bucket, 'stalled');
    const headers = signHeaders({ method: 'PUT', path, payload: sha256Hex('x') }, bench.tenant, host);
    const head = [`PUT ${path} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`)];
    const socket = connect(Number(port), hostname);
    socket.write(`${head.join('\r\n')}\r\nContent-Length: ${MiB}\r\nExpect: 100-continue\r\n\r\n`);
    const [reply] = (await once(socket, 'data')) as [Buffer];
    expect(reply.toString()).toMatch(/^HTTP\/1\.1 100 /);
    socket.write('some');
    return socket;
  }

  test('gives back what clients held that went away in the middle of their bodies', async () => {
    for (let round = 0; round < 12; round++) (await stalledPut()).destroy();
    const path = objectPath(bench.bucket, 'gone');
    const { status } = await bench.send({ method: 'PUT', path, body: Buffer.alloc(MiB) });
    expect(status).toBe(200);
  });

  test('says SlowDown while others hold all of it, and serves again when they are gone', async () => {
    const sockets = await Promise.all(Array.from({ length: 4 }, stalledPut));
    const put = { method: 'PUT', path: objectPath(bench.bucket, 'late'), body: Buffer.alloc(MiB) };
    const refused = await bench.send(put);
    expect([refused.status, refused.code, refused.headers['retry-after']]).toEqual([503, 'SlowDown', '1']);
    const waiting = bench.send(put);
    for (const socket of sockets) socket.destroy();
    expect((await waiting).status).toBe(200);
  });

  test('gives back what refused requests held', async () => {
    for (let round = 0; round < 12; round++) {
      const path = objectPath(bench.bucket, 'bad');
      const wrong = await bench.send({ method: 'PUT', path, body: Buffer.alloc(MiB), payload: sha256Hex('other') });
      expect(wrong.status).toBe(400);
      const missing = await bench.send({ method: 'GET', path });
      expect(missing.status).toBe(404);
    }
  });
});
