/**
 * Protects: whoever behaves is served while thousands of connections are in every bad state, plain and over TLS, and the descriptors
 * of those come back, though their clients never close them. Resident memory stays bounded: the allocator keeps what it once had. This is the short form; `npm run soak:connections` is that of ten minutes (docs/operations.md).
 */
import { expect, test } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { BAD_STATES } from './connections/bad-states.ts';
import { soak } from './connections/run.ts';

test('a minute with 1,000 bad connections at each listener', async () => {
  const connections = 1_000;
  const results = await soak({ seconds: 60, connections, workers: 2, clients: 4, tell: () => undefined });
  expect(results.map(({ transport }) => transport)).toEqual(['plain', 'TLS']);
  for (const result of results) {
    console.log(JSON.stringify(result));
    expect(result.errors).toEqual({});
    expect(result.served).toBeGreaterThan(500);
    expect(result.held).toBeGreaterThan(connections / 2);
    expect(Object.keys(result.opened).toSorted()).toEqual(Object.keys(BAD_STATES).toSorted());
    expect(result.peak.descriptors).toBeGreaterThan(result.before.descriptors + connections / 2);
    expect(result.after.descriptors).toBeLessThan(result.before.descriptors + 25);
    expect(result.after.resident - result.before.resident).toBeLessThan(800 * MiB);
  }
});
