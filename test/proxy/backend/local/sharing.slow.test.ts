// Protects: several processes on one store: exactly one of racing conditional writes wins, and each process sees at once
// what another one was told is written.
import { expect, test } from 'vitest';
import { openLocalBackend } from '../../../../proxy/backend/local/local.ts';
import { type Child, nextLine, startChild } from './children.ts';
import { md5, openTestStore, pattern, send } from './harness.ts';
import { indexProblems, storeFiles } from './store-files.ts';

const ROUNDS = 20;

test(`two processes race for ${ROUNDS} objects: one wins each, and what it wrote is there`, async () => {
  await using store = await openTestStore({ bucket: 'race' });
  const children = ['one', 'two'].map((name): readonly [string, Child] => [
    name,
    startChild('./racer-child.ts', store.directory, name),
  ]);
  for (const [, child] of children) expect(await nextLine(child)).toBe('ready');
  const wins = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const key = `round/${round}`;
    // The order of the two wake-ups alternates, so that not the same one is always first.
    for (const [, child] of round % 2 === 0 ? children : children.toReversed()) child.process.stdin.write(`${key}\n`);
    const statuses = await Promise.all(children.map(async ([name, child]) => [name, await nextLine(child)] as const));
    const winners = statuses.filter(([, status]) => status === '200').map(([name]) => name);
    expect(statuses.map(([, status]) => status).sort()).toEqual(['200', '412']);
    expect((await store.get({ bucket: 'race', key })).text).toBe(winners[0]);
    wins.set(winners[0] ?? '', (wins.get(winners[0] ?? '') ?? 0) + 1);
  }
  expect([...wins.values()].reduce((sum, n) => sum + n, 0)).toBe(ROUNDS);
  for (const [, child] of children) child.process.stdin.end();
  expect(await Promise.all(children.map(([, child]) => child.exited))).toEqual(['0', '0']);
  expect(storeFiles(store.directory).owners).toHaveLength(1);
  expect(indexProblems(store.directory)).toEqual([]);
});

test('two backends on one directory see each other’s writes at once', async () => {
  await using store = await openTestStore({ bucket: 'shared' });
  const other = await openLocalBackend({ directory: store.directory });
  for (let i = 0; i < 50; i++) {
    const body = pattern(i % 2 === 0 ? 100 : 100_000, i + 1);
    const put = await store.put({ bucket: 'shared', key: 'k', body });
    expect(put.status).toBe(200);
    const got = await send(other, 'GET', { bucket: 'shared', key: 'k' });
    expect(got.headers['etag']).toBe(`"${md5(body)}"`);
    expect((await send(other, 'DELETE', { bucket: 'shared', key: 'k' })).status).toBe(204);
    expect((await store.head({ bucket: 'shared', key: 'k' })).status).toBe(404);
  }
  await other.close();
});
