/**
 * Protects against mixtures: every piece of a stored object is put in the place of another one, as a holder of the bucket can, and
 * read through the proxy. The table in crypto/FORMAT.md says what has to come of it, and each of its rows is tried.
 */
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { objectPath } from '../../helpers/raw-client.ts';
import { openRotationBench } from '../rotation/harness.ts';
import { eventsOf, expectNothing, type World } from './harness.ts';
import { OBJECT_EXCHANGES } from './objects.ts';
import { rowsOf } from './table.ts';

let world: World;
beforeAll(async () => {
  world = await openRotationBench();
});
afterAll(() => world.bench.close());

describe('a piece of an object in the place of another', () => {
  it.each(Object.entries(OBJECT_EXCHANGES))('%s', async (_, exchange) => {
    const { bench } = world;
    const { key, bucket = bench.bucket, ...outcome } = await exchange(world);
    const path = objectPath(bucket, key);
    if ('opens' in outcome) {
      const reply = await bench.send({ method: 'GET', path });
      expect([reply.status, reply.body.equals(outcome.opens)]).toEqual([200, true]);
      return;
    }
    const status = outcome.refused === 'foreign-object' ? 403 : 500;
    for (const headers of [[], [['range', 'bytes=0-99'] as const]]) {
      // The pad is looked at by a reader of the whole object alone; what a range gives is authentic all the same.
      if (key.startsWith('pad/') && headers.length > 0) continue;
      const mark = bench.proxy.log.length;
      expectNothing(await bench.send({ method: 'GET', path, headers }), [status]);
      expect(eventsOf(bench.proxy.log.slice(mark), outcome.refused).length).toBeGreaterThan(0);
    }
    const mark = bench.proxy.log.length;
    const head = await bench.send({ method: 'HEAD', path });
    expect(head.status).toBe(outcome.head === 'answers' ? 200 : status);
    if (outcome.head !== 'answers') {
      expect(eventsOf(bench.proxy.log.slice(mark), outcome.refused).length).toBeGreaterThan(0);
    }
  });
});

test('the table of the document has a row for each, and no other', () => {
  expect(rowsOf('objects')).toEqual(Object.keys(OBJECT_EXCHANGES).sort());
});
