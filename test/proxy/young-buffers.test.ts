// Protects: what bodies leave behind is collected after so many bytes of them, and not with each.
import { PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { YOUNG_BUFFER_BYTES } from '../../proxy/limits.ts';
import { handedOn } from '../../proxy/young-buffers.ts';

/** Forced collections of the new space from now on, as node reports them. What was handed on before does not count. */
async function forcedCollections(): Promise<() => number> {
  handedOn(YOUNG_BUFFER_BYTES);
  await pause(50);
  let forced = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind, flags } = (entry as unknown as { detail: { kind: number; flags: number } }).detail;
      if (kind === MINOR && (flags & FORCED) !== 0) forced++;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  onTestFinished(() => observer.disconnect());
  return () => forced;
}

const MINOR = 1;
const FORCED = 4;

test('collected once for all that was handed on since', async () => {
  const forced = await forcedCollections();
  const pieces = 64;
  for (let i = 0; i < 3 * pieces; i++) {
    handedOn(YOUNG_BUFFER_BYTES / pieces);
    await turn();
  }
  await expect.poll(forced).toBe(3);
});

test('not for less', async () => {
  const forced = await forcedCollections();
  handedOn(YOUNG_BUFFER_BYTES / 2);
  for (let i = 0; i < 20; i++) await turn();
  expect(forced()).toBe(0);
});
