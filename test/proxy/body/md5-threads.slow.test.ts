// Protects: the MD5 of a large body is the same wherever it is computed; a body is never taken for verified when its thread
// ended; no shared memory stays lent when bodies end, fail or are given up; threads and memory have bounds.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { Md5Threads } from '../../../proxy/body/md5-threads.ts';
import type { ThreadedMd5 } from '../../../proxy/body/threaded-md5.ts';
import { openBody, type VerifiedBody } from '../../../proxy/body/verified-body.ts';
import { MD5_BLOCK_BYTES, MD5_BLOCKS, MD5_THREAD_BYTES } from '../../../proxy/limits.ts';
import { MiB } from '../../helpers/bytes.ts';
import { generatedBody } from '../../soak/support/generated-body.ts';

const DYING = new URL('../../helpers/dying-md5-child.ts', import.meta.url);
const IDLE = fileURLToPath(new URL('../../helpers/idle-md5-child.ts', import.meta.url));
const MISSING = new URL('../../helpers/no-such-thread.ts', import.meta.url);
const whole = Buffer.concat([...generatedBody('md5', 5 * MiB + 7)]);

const md5 = (data: Buffer) => createHash('md5').update(data).digest('hex');

const pools: Md5Threads[] = [];
function poolOf(o: Partial<ConstructorParameters<typeof Md5Threads>[0]> = {}): Md5Threads {
  const pool = new Md5Threads({ threads: 1, streams: 16, ...o });
  pools.push(pool);
  return pool;
}
const shared = new Md5Threads({ threads: 2, streams: 16 });
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close();
});
afterAll(() => shared.close());

function opened(pool: Md5Threads): ThreadedMd5 {
  const stream = pool.open();
  if (stream === undefined) throw new Error('no thread to spare');
  return stream;
}

/** Gives a stream its bytes cut at `sizes`; what came back out of the blocks, and the MD5. */
async function passed(stream: ThreadedMd5, data: Buffer, sizes: readonly number[]): Promise<[Buffer, string]> {
  const out: Buffer[] = [];
  for (let from = 0, i = 0; from < data.length; i++) {
    const slice = data.subarray(from, from + (sizes[i % sizes.length] ?? data.length));
    for (let at = stream.fill(slice, 0); stream.isFull; at += stream.fill(slice, at)) {
      out.push(Buffer.from(stream.hand()));
      await stream.ready();
    }
    from += slice.length;
  }
  out.push(Buffer.from(stream.hand()));
  return [Buffer.concat(out), (await stream.digest()).toString('hex')];
}

function bodyOf(reads: AsyncIterable<Buffer>, o: { bytes: number; pool: Md5Threads; md5?: string }): VerifiedBody {
  const headers: Record<string, string> = { 'content-length': String(o.bytes) };
  if (o.md5 !== undefined) headers['content-md5'] = Buffer.from(o.md5, 'hex').toString('base64');
  const verified = { payload: { kind: 'unsigned' } } as Parameters<typeof openBody>[0]['verified'];
  const body = openBody({ source: reads, header: (name) => headers[name], verified, md5Threads: o.pool });
  body.computeMd5();
  return body;
}

async function* readsOf(data: Buffer, bytes = 65_536): AsyncGenerator<Buffer> {
  for (let at = 0; at < data.length; at += bytes) yield data.subarray(at, at + bytes);
}

async function collected(body: VerifiedBody): Promise<Buffer> {
  const out: Buffer[] = [];
  for await (const chunk of body.chunks) out.push(Buffer.from(chunk));
  return Buffer.concat(out);
}

/** A thread answers in order: when a later stream has its answer, the earlier ones have theirs. */
async function settled(pool: Md5Threads): Promise<void> {
  await opened(pool).digest();
}

describe('the MD5 of a stream', () => {
  const edges = [0, 1, MD5_BLOCK_BYTES - 1, MD5_BLOCK_BYTES, MD5_BLOCK_BYTES + 1, MD5_BLOCKS * MD5_BLOCK_BYTES];
  it.each([...edges, MD5_BLOCKS * MD5_BLOCK_BYTES + 1])(
    'of %d bytes is right, and its bytes come through',
    async (n) => {
      const data = whole.subarray(0, n);
      const [out, digest] = await passed(opened(shared), data, [65_536]);
      expect(digest).toBe(md5(data));
      expect(out.equals(data)).toBe(true);
    },
  );

  it('is the same however the stream is cut', async () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 2 * MiB }), fc.constantFrom(MD5_BLOCK_BYTES, 65_536)), {
      minLength: 1,
      maxLength: 5,
    });
    // Not thousands of slices of a few bytes.
    const sensible = sizes.filter((cuts) => cuts.reduce((sum, cut) => sum + cut, 0) > 5_000);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: whole.length }), sensible, async (length, cuts) => {
        const data = whole.subarray(0, length);
        const [out, digest] = await passed(opened(shared), data, cuts);
        expect(digest).toBe(md5(data));
        expect(out.equals(data)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('is right for many at once, each with bytes of its own', async () => {
    const bodies = Array.from({ length: 16 }, (_, i) => whole.subarray(i * 1_000, 3 * MiB + i));
    const results = await Promise.all(bodies.map((data) => passed(opened(shared), data, [50_000])));
    expect(results.map(([, digest]) => digest)).toEqual(bodies.map(md5));
    expect(shared.lent).toBe(0);
  });
});

describe('after the last large body', () => {
  it('threads and memory are let go of, and the next one gets new ones', async () => {
    const pool = poolOf({ threads: 2, idleMs: 20 });
    for (let i = 0; i < 3; i++) {
      const passing = [whole, whole.subarray(1)].map((data) => passed(opened(pool), data, [65_536]));
      expect(pool.running).toBe(2);
      expect((await Promise.all(passing)).map(([, digest]) => digest)).toEqual([md5(whole), md5(whole.subarray(1))]);
      await expect.poll(() => pool.running).toBe(0);
    }
  });

  it('nothing is let go of while another is under way', async () => {
    const pool = poolOf({ idleMs: 20 });
    const stays = opened(pool);
    for (let i = 0; i < 3; i++) {
      await settled(pool);
      await setTimeout(40);
      expect(pool.running).toBe(1);
    }
    expect((await passed(stays, whole, [65_536]))[1]).toBe(md5(whole));
  });
});

describe('bounds', () => {
  it('a stream too many gets no thread, and one does again when another has ended', async () => {
    const pool = poolOf({ streams: 2 });
    const [first] = [opened(pool), opened(pool)];
    expect(pool.open()).toBeUndefined();
    await first.digest();
    expect(pool.lent).toBe(1);
    expect(pool.open()).toBeDefined();
  });

  it('no thread at all means MD5s in place', async () => {
    const pool = poolOf({ threads: 0 });
    const body = bodyOf(readsOf(whole), { bytes: whole.length, pool });
    expect((await collected(body)).equals(whole)).toBe(true);
    expect(body.result().md5?.toString('hex')).toBe(md5(whole));
  });

  it('a stream holds no more than its blocks: it has to wait for the thread', () => {
    const stream = opened(poolOf());
    expect(stream.fill(whole, 0)).toBe(MD5_BLOCK_BYTES);
    expect(stream.fill(whole, MD5_BLOCK_BYTES)).toBe(0);
    stream.hand();
    expect(() => stream.fill(whole, MD5_BLOCK_BYTES)).toThrow(/before it is there/);
  });
});

describe('a large body', () => {
  it('is handed out as it came, and has its MD5', async () => {
    const pool = poolOf();
    for (const bytes of [MD5_THREAD_BYTES, MD5_THREAD_BYTES + 1, whole.length]) {
      const data = whole.subarray(0, bytes);
      const body = bodyOf(readsOf(data), { bytes, pool, md5: md5(data) });
      expect((await collected(body)).equals(data)).toBe(true);
      expect(body.result().md5?.toString('hex')).toBe(md5(data));
    }
    expect(pool.lent).toBe(0);
  });

  it('of another MD5 than promised is refused', async () => {
    const pool = poolOf();
    const body = bodyOf(readsOf(whole), { bytes: whole.length, pool, md5: md5(Buffer.from('other')) });
    await expect(collected(body)).rejects.toMatchObject({ code: 'BadDigest' });
    expect(pool.lent).toBe(0);
  });

  it('that is cut short, fails or is given up leaves no memory lent', async () => {
    const pool = poolOf();
    const bytes = whole.length;
    await expect(collected(bodyOf(readsOf(whole.subarray(0, -1)), { bytes, pool }))).rejects.toMatchObject({
      code: 'IncompleteBody',
    });
    async function* failing(): AsyncGenerator<Buffer> {
      yield* readsOf(whole.subarray(0, 3 * MiB));
      throw new Error('reset');
    }
    await expect(collected(bodyOf(failing(), { bytes, pool }))).rejects.toMatchObject({ code: 'IncompleteBody' });
    for await (const chunk of bodyOf(readsOf(whole), { bytes, pool }).chunks) {
      expect(chunk.length).toBe(MD5_BLOCK_BYTES);
      break;
    }
    await settled(pool);
    expect(pool.lent).toBe(0);
  });

  it('that was given up does not disturb the next one, which gets its memory', async () => {
    const pool = poolOf();
    const bytes = whole.length;
    for (let i = 0; i < 20; i++) {
      for await (const _ of bodyOf(readsOf(whole), { bytes, pool }).chunks) break;
      const body = bodyOf(readsOf(whole), { bytes, pool });
      await collected(body);
      expect(body.result().md5?.toString('hex')).toBe(md5(whole));
    }
    expect(pool.lent).toBe(0);
  });
});

describe('a thread that ends', () => {
  it('fails the bodies that it had, all of them, and is replaced', async () => {
    const pool = poolOf({ entry: DYING });
    for (let i = 0; i < 2; i++) {
      const bodies = [0, 1, 2].map(() => bodyOf(readsOf(whole), { bytes: whole.length, pool }));
      const outcomes = await Promise.allSettled(bodies.map(collected));
      expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
      for (const body of bodies) expect(() => body.result()).toThrow(/after its end/);
      expect(pool.lent).toBe(0);
    }
    expect(pool.open()).toBeDefined();
  });

  it('before it did anything is not replaced: MD5s are computed in place', async () => {
    const pool = poolOf({ entry: MISSING });
    await expect(collected(bodyOf(readsOf(whole), { bytes: whole.length, pool }))).rejects.toThrow(/MD5 thread ended/);
    expect(pool.lent).toBe(0);
    const body = bodyOf(readsOf(whole), { bytes: whole.length, pool });
    await collected(body);
    expect(body.result().md5?.toString('hex')).toBe(md5(whole));
  });

  it('on purpose fails what is under way', async () => {
    const pool = poolOf();
    const stream = opened(pool);
    stream.fill(whole, 0);
    stream.hand();
    await stream.ready();
    await pool.close();
    await expect(stream.digest()).rejects.toThrow(/MD5 thread ended/);
    expect(pool.lent).toBe(0);
  });
});

it('an idle thread does not keep the process alive', async () => {
  const child = spawn(process.execPath, [IDLE], { stdio: 'ignore', timeout: 20_000, killSignal: 'SIGKILL' });
  expect(await once(child, 'exit')).toEqual([0, null]);
});
