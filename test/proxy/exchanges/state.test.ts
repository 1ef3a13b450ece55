/**
 * Protects the state against mixtures: records, receipts, staged parts, keyrings and ids are put in the place of one another, as a
 * holder of the state bucket can. The table in crypto/FORMAT.md says what has to come of it, and each of its rows is tried.
 */
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { openRotationBench } from '../rotation/harness.ts';
import { eventsOf, expectNothing, type World } from './harness.ts';
import { STATE_EXCHANGES } from './state.ts';
import { rowsOf } from './table.ts';

let world: World;
beforeAll(async () => {
  world = await openRotationBench();
});
afterAll(() => world.bench.close());

describe('a piece of the state in the place of another', () => {
  it.each(Object.entries(STATE_EXCHANGES))('%s', async (_, exchange) => {
    const { reply, status, code, event, log } = await exchange(world);
    expect([reply.status, reply.code]).toEqual([status, code]);
    expectNothing(reply, [status]);
    if (event === undefined) expect(log.filter(({ securityEvent }) => securityEvent !== undefined)).toEqual([]);
    else expect(eventsOf(log, event).length).toBeGreaterThan(0);
  });
});

test('the table of the document has a row for each, and no other', () => {
  expect(rowsOf('state')).toEqual(Object.keys(STATE_EXCHANGES).sort());
});
