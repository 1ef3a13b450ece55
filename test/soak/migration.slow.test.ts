/**
 * Protects: a bucket in use, sealed and opened again while writers and readers work through the proxy and the job is killed three times
 * each way. No write is lost, no reader sees an older body or an error, and each ETag stays. This is the short form;
 * `npm run soak:migration` is that of 10,000 objects up to 200 MB (docs/migrate.md).
 */
import { expect, test } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { soakMigration } from './migration/run.ts';

test('1,000 objects of all kinds, killed three times each way', async () => {
  const result = await soakMigration({
    store: 'local',
    seed: 'sealgate',
    objects: 1_000,
    largestBytes: 25 * MiB,
    kills: 3,
    writers: 2,
    readers: 2,
    rate: '3MiB',
    tell: () => undefined,
  });
  console.log(JSON.stringify(result));
  for (const { lost, faults, settled, clients, killedAt } of result.directions) {
    expect(lost).toEqual([]);
    expect(faults).toEqual([]);
    expect(killedAt).toHaveLength(3);
    expect([settled['failed'], settled['damaged'], settled['etag-changed']]).toEqual([undefined, undefined, undefined]);
    for (const work of Object.values(clients)) expect(work).toBeGreaterThan(5);
  }
  expect(Object.keys(result.verified)).toEqual(['ok']);
}, 900_000);
