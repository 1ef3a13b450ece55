// Protects: what bodies leave behind is collected after so many bytes of them, not with each, and not while one is handed on.
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { YOUNG_BUFFER_BYTES } from '../../../proxy/limits.ts';
import { collectYoung, YoungBuffers } from '../../../proxy/memory/young-buffers.ts';

test.each([
  ['of many pieces', 64, 3 * 64, 3],
  ['of large ones', 0.5, 3, 3],
  ['of less', 64, 63, 0],
])('%s: collected once for all that was handed on since', async (_, piecesEach, pieces, times) => {
  let collections = 0;
  const buffers = new YoungBuffers(() => {
    collections += 1;
  });
  for (let i = 0; i < pieces; i++) {
    const before = collections;
    buffers.handedOn(YOUNG_BUFFER_BYTES / piecesEach);
    expect(collections).toBe(before);
    await turn();
  }
  await turn();
  expect(collections).toBe(times);
});

test('a collection leaves what is held as it is, and no way to collect for others', async () => {
  const held = Array.from({ length: 100 }, (_, i) => Buffer.alloc(1000, i));
  for (let round = 0; round < 3; round++) collectYoung();
  expect(held.every((buffer, i) => buffer.equals(Buffer.alloc(1000, i)))).toBe(true);
  expect(globalThis).not.toHaveProperty('gc');
});
