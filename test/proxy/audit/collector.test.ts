// Protects: events are never dropped and nobody hangs for them. What is unwritten is bounded in bytes and in time, and beyond that
// requests are refused; a change waits for its event, and is refused when that is not written in time.
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Block } from '../../../proxy/audit/block.ts';
import { Collector } from '../../../proxy/audit/collector.ts';
import { AUDIT_BACKLOG_BYTES, AUDIT_BACKLOG_MS } from '../../../proxy/audit-limits.ts';

/** A log that takes blocks when it is told to. */
function held() {
  const blocks: (Block & { readonly written: PromiseWithResolvers<void> })[] = [];
  const clock = { ms: 0 };
  const write = (block: Block) => {
    const written = Promise.withResolvers<void>();
    blocks.push({ ...block, written });
    return written.promise;
  };
  return { blocks, clock, write, elapsed: () => clock.ms };
}

const text = (blocks: readonly Block[]) => blocks.map(({ packed }) => gunzipSync(packed).toString('utf8')).join('');

describe('what is unwritten', () => {
  test('may be 60 s old, and then refuses requests until it is written', async () => {
    const { blocks, clock, ...log } = held();
    const collector = new Collector({ ...log, strict: false });
    collector.append('{"n":1}', 't1');
    await expect.poll(() => blocks.length).toBe(1);
    clock.ms = AUDIT_BACKLOG_MS - 1;
    collector.admit();
    clock.ms = AUDIT_BACKLOG_MS;
    expect(() => collector.admit()).toThrow(expect.objectContaining({ code: 'SlowDown', status: 503 }));
    expect(collector.status).toMatchObject({ events: 1, refused: 1, unwrittenMs: AUDIT_BACKLOG_MS });
    blocks[0]?.written.resolve();
    await collector.close(60_000);
    collector.admit();
    expect(collector.status).toMatchObject({ unwrittenMs: 0 });
  });

  test.each([1, 4])('may be 16 MiB for %i processes together', async (sharers) => {
    const { blocks, clock: _, ...log } = held();
    const collector = new Collector({ ...log, strict: false, sharers });
    // Base64 of random bytes packs to three quarters.
    const { randomBytes } = await import('node:crypto');
    let taken = 0;
    const fill = async () => {
      for (; taken < 4 * AUDIT_BACKLOG_BYTES; ) {
        collector.admit();
        const line = randomBytes(65_536).toString('base64');
        collector.append(line, 't');
        taken += line.length;
        const sent = blocks.length;
        await expect.poll(() => blocks.length > sent || collector.status.unwrittenMs >= 0).toBe(true);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: 'SlowDown' });
    const packed = blocks.reduce((sum, block) => sum + block.packed.length, 0);
    expect(packed).toBeLessThan((8 * AUDIT_BACKLOG_BYTES) / sharers);
    // What is not packed yet counts as an eighth of its characters.
    expect(taken).toBeGreaterThan(AUDIT_BACKLOG_BYTES / sharers / 2);
    for (const { written } of blocks) written.resolve();
  });
});

test('events come out once, in their order, whatever their sizes', async () => {
  const { blocks, clock: _, ...log } = held();
  const collector = new Collector({ ...log, strict: false });
  const lines = Array.from({ length: 3_000 }, (_, at) => JSON.stringify({ at, pad: 'x'.repeat((at * 37) % 400) }));
  for (const [at, line] of lines.entries()) collector.append(line, `t${at}`);
  const closed = collector.close(60_000);
  await expect.poll(() => blocks.reduce((sum, { events }) => sum + events, 0)).toBe(3_000);
  for (const { written } of blocks) written.resolve();
  await closed;
  expect(blocks.length).toBeGreaterThan(2);
  expect(text(blocks)).toBe(`${lines.join('\n')}\n`);
  expect([blocks[0]?.first, blocks.at(-1)?.last]).toEqual(['t0', 't2999']);
});

test('a change waits until its event is written, and no longer than it may', async () => {
  const { blocks, clock: _, ...log } = held();
  const collector = new Collector({ ...log, strict: false });
  let isDone = false;
  const done = collector.appendDurably('{"change":1}', 't').then(() => {
    isDone = true;
  });
  await expect.poll(() => blocks.length).toBe(1);
  expect([isDone, blocks[0]?.urgent]).toEqual([false, true]);
  blocks[0]?.written.resolve();
  await done;
  const hasty = new Collector({ ...log, strict: false, waitMs: 50 });
  await expect(hasty.appendDurably('{"change":2}', 't')).rejects.toMatchObject({ code: 'ServiceUnavailable' });
  // What was refused is written all the same when it can be: the event says what was asked for.
  await expect.poll(() => text(blocks)).toBe('{"change":1}\n{"change":2}\n');
  blocks[1]?.written.resolve();
});

test('a strict audit is waited for, by whoever was gathered together; and refuses when that takes too long', async () => {
  const { blocks, clock: _, ...log } = held();
  const collector = new Collector({ ...log, strict: true });
  collector.append('1', 't');
  const first = collector.written();
  collector.append('2', 't');
  const second = collector.written();
  await expect.poll(() => blocks.length).toBe(1);
  expect([blocks[0]?.events, blocks[0]?.urgent]).toEqual([2, true]);
  blocks[0]?.written.resolve();
  await Promise.all([first, second]);
  const hasty = new Collector({ ...log, strict: true, waitMs: 50 });
  hasty.append('3', 't');
  await expect(hasty.written()).rejects.toMatchObject({ code: 'SlowDown', status: 503 });
  blocks[1]?.written.resolve();
});
