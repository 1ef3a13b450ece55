// Protects: the same as differential.test.ts, for longer.
import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { runDifferential } from './differential.ts';
import { threeClients } from './three-clients.ts';

test('ten thousand random answers', async () => {
  const clients = await threeClients();
  const seed = randomInt(2 ** 31);
  const tally = await runDifferential(clients, { runs: 10_000, seed });
  await clients.close();
  expect(tally.disagreements, `seed ${seed}`).toEqual([]);
  expect(tally.taken).toBeGreaterThan(300);
}, 900_000);
