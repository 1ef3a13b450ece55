// Protects: the same as differential.test.ts, for longer.
import { expect, test } from 'vitest';
import { runDifferential } from './differential.ts';
import { threeClients } from './three-clients.ts';

test('ten thousand random answers', async () => {
  const clients = await threeClients();
  const tally = await runDifferential(clients, { runs: 10_000 });
  await clients.close();
  expect(tally.disagreements).toEqual([]);
  expect(tally.taken).toBeGreaterThan(300);
}, 900_000);
