/**
 * Protects: no server signs with a seal key before every running server can verify it, all follow `seal-key activate` without a
 * restart, and whoever writes to the state bucket makes no server sign with an older seal key unseen.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type SealKey, SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';
import { openActiveRecord, signActiveRecord } from '../../../../proxy/keyring/active-seal-key/active-record.ts';
import { recordedForCommand } from '../../../../proxy/keyring/active-seal-key/recorded.ts';
import { openReport, replicaName, sealReport } from '../../../../proxy/keyring/active-seal-key/replica-record.ts';
import { listReplicas } from '../../../../proxy/keyring/active-seal-key/replicas.ts';
import { SessionDays } from '../../../../proxy/keyring/sessions/day-records.ts';
import { canonicalJson } from '../../../../proxy/keyring/state/canonical-json.ts';
import { newSealKeys } from '../../../helpers/keyring-fixture.ts';
import { SealKeyBench, type TestServer } from '../../../helpers/seal-key-bench.ts';

const MINUTE = 60_000;
let bench: SealKeyBench;
let running: TestServer[] = [];

beforeEach(async () => {
  bench = await SealKeyBench.open();
});
afterEach(async () => {
  await Promise.all(running.map(({ upkeep }) => upkeep.close()));
  running = [];
});

async function start(...o: Parameters<SealKeyBench['start']>): Promise<TestServer> {
  const server = await bench.start(...o);
  running.push(server);
  return server;
}

/** A minute later every server has looked. */
async function later(ms = MINUTE): Promise<void> {
  bench.time += ms;
  for (const { upkeep } of running) await upkeep.run();
}

const signs = (...servers: readonly TestServer[]) => servers.map(({ sealKeys }) => sealKeys.active.kid);
const kinds = () => bench.events.map(({ kind }) => kind);
const list = (sealKeys: SealKeys) => listReplicas({ ...bench, sealKeys, now: bench.now }, bench.signal);
const open = (sealKeys: SealKeys) => openActiveRecord(bench.activeRecord ?? Buffer.alloc(0), sealKeys);

describe('the start', () => {
  test('the first server on a state signs with its first seal key and records so; nothing else is needed', async () => {
    const server = await start(bench.keys('one'));
    expect([signs(server), server.isNew]).toEqual([['one'], true]);
    expect(open(bench.keys('one'))).toMatchObject({ kid: 'one', before: null, generation: 1 });
    expect(kinds()).toEqual([]);
  });

  test('a later server whose file begins with a new seal key signs with the recorded one, and verifies with both', async () => {
    const first = await start(bench.keys('one'));
    const second = await start(bench.keys('two', 'one'));
    expect(signs(first, second)).toEqual(['one', 'one']);
    expect(second.sealKeys.withId('two')?.kid).toBe('two');
    expect(second.isNew).toBe(false);
  });

  test('a server that does not have the active seal key does not start', async () => {
    await start(bench.keys('one'));
    await expect(start(bench.keys('two'))).rejects.toThrow(
      "seal key 'one' is the active one, and is not configured here",
    );
  });

  test('two servers that start at once agree', async () => {
    let entered = 0;
    bench.backend.intercept = async ({ method }) => {
      // Both have found no record when the first of them writes one.
      if (method !== 'PUT') return undefined;
      entered += 1;
      while (entered < 2) await new Promise(setImmediate);
      return undefined;
    };
    const both = await Promise.all([start(bench.keys('one', 'two')), start(bench.keys('two', 'one'))]);
    bench.backend.intercept = () => undefined;
    expect(new Set(signs(...both)).size).toBe(1);
    expect(both.filter(({ isNew }) => isNew)).toHaveLength(1);
  });

  test('a command signs with the recorded one too; without a record or a bucket with the first', async () => {
    const fresh = new SealKeyBench();
    const none = fresh.keys('two', 'one');
    await recordedForCommand({ state: fresh.state, sealKeys: none });
    expect(none.active.kid).toBe('two');
    await start(bench.keys('one'));
    const sealKeys = bench.keys('two', 'one');
    await recordedForCommand({ state: bench.state, sealKeys });
    expect(sealKeys.active.kid).toBe('one');
    await expect(recordedForCommand({ state: bench.state, sealKeys: bench.keys('two') })).rejects.toThrow(
      'not configured here',
    );
  });
});

describe('activate', () => {
  test('is refused, by name, until every running server has the seal key; then all follow within a minute', async () => {
    const first = await start(bench.keys('one'), { host: 'pod-a' });
    const second = await start(bench.keys('one'), { host: 'pod-b' });
    first.sealKeys.adopt(bench.keys('two', 'one'));
    await first.upkeep.run({ report: true });
    const own = () => bench.keys('two', 'one');
    await expect(bench.activate(own(), 'two')).rejects.toThrow(
      `seal key 'two' is not on every server: pod-b (boot ${second.upkeep.boot}) has not reported it. A server reports`,
    );
    expect(open(own()).kid).toBe('one');
    second.sealKeys.adopt(bench.keys('one', 'two'));
    await second.upkeep.run({ report: true });
    expect(await bench.activate(own(), 'two')).toMatchObject({ kid: 'two', before: 'one', generation: 2, behind: [] });
    expect(kinds()).toEqual(['seal-key-activated']);
    expect(signs(first, second)).toEqual(['one', 'one']);
    await later();
    expect(signs(first, second)).toEqual(['two', 'two']);
    expect([first.activated, second.activated]).toEqual([['two'], ['two']]);
    // The old one may go now, and not before.
    expect(first.sealKeys.refusalOf(bench.keys('two'))).toBeUndefined();
    expect(first.sealKeys.refusalOf(bench.keys('one'))).toMatch(/'two' signs and must not be left out/);
    expect((await list(own())).live.map((report) => [report.host, report.signs, report.active])).toEqual(
      expect.arrayContaining([
        ['pod-a', 'two', 'two'],
        ['pod-b', 'two', 'two'],
      ]),
    );
    expect(await bench.activate(own(), 'two')).toMatchObject({ changed: false, generation: 2 });
  });

  test('of a seal key that is not at hand, or before any server started, is refused', async () => {
    await expect(bench.activate(bench.keys('one'), 'one')).rejects.toThrow('start the servers first');
    await start(bench.keys('one'));
    await expect(bench.activate(bench.keys('one'), 'two')).rejects.toThrow("'two' is not configured here");
    await expect(bench.activate(bench.keys('two'), 'two')).rejects.toThrow("'one' is the active one, and is not");
  });

  test('another secret under the same id is none: the server is named', async () => {
    const server = await start(bench.keys('one'));
    server.sealKeys.adopt(new SealKeys([bench.keys('one').active, newSealKeys('two').active]));
    await server.upkeep.run({ report: true });
    await expect(bench.activate(bench.keys('one', 'two'), 'two')).rejects.toThrow('has another secret under that id');
  });

  test('a server that was killed counts for a quarter of an hour; one that ended does not', async () => {
    const killed = await start(bench.keys('one'));
    running = [];
    const ended = await start(bench.keys('one'));
    await ended.upkeep.close();
    expect(bench.report(ended)).toBeUndefined();
    running = [];
    await expect(bench.activate(bench.keys('one', 'two'), 'two')).rejects.toThrow(killed.upkeep.boot);
    bench.time += 15 * MINUTE;
    expect(await bench.activate(bench.keys('one', 'two'), 'two')).toMatchObject({ replicas: [] });
    // What it left goes with a later start.
    bench.time += 60 * MINUTE + 1000;
    expect(bench.report(killed)).toBeDefined();
    await start(bench.keys('two', 'one'));
    expect(bench.report(killed)).toBeUndefined();
  });

  test('a server that started in between is named afterwards', async () => {
    await start(bench.keys('one', 'two'));
    const record = async () => {
      await start(bench.keys('one'), { host: 'late' });
    };
    const { state, now, signal } = bench;
    const { activateSealKey } = await import('../../../../proxy/keyring/active-seal-key/activate.ts');
    const deps = { state, now, sealKeys: bench.keys('one', 'two'), record };
    const done = await activateSealKey(deps, { kid: 'two', replaceDamaged: false }, signal);
    expect(done.behind.map(({ host }) => host)).toEqual(['late']);
    await later();
    const late = running[1];
    expect(late?.upkeep.status.missing).toBe('two');
    expect(late?.log.map(({ msg }) => msg)).toContain(
      'this server does not have the active seal key: what other servers sign is refused here',
    );
    late?.sealKeys.adopt(bench.keys('one', 'two'));
    await later();
    expect([late?.upkeep.status.missing, late?.sealKeys.active.kid]).toEqual([undefined, 'two']);
  });

  test('two at once: one of them is told so', async () => {
    await start(bench.keys('one', 'two', 'three'));
    const both = await Promise.allSettled(
      ['two', 'three'].map((kid) => bench.activate(bench.keys('one', 'two', 'three'), kid)),
    );
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { message: expect.stringContaining('changed at the same time') },
    });
  });

  test('a server that slept through one change follows the next, also back to an earlier seal key', async () => {
    const all = () => bench.keys('one', 'two', 'three');
    const server = await start(all());
    for (const kid of ['two', 'three']) await bench.activate(all(), kid);
    await later();
    expect(signs(server)).toEqual(['three']);
    await bench.activate(all(), 'one');
    await later();
    expect(signs(server)).toEqual(['one']);
  });

  test('sessions go on: each seal key has days of its own, and every server opens both', async () => {
    const [a, b] = [await start(bench.keys('one', 'two')), await start(bench.keys('one', 'two'))];
    const days = ({ sealKeys }: TestServer) => new SessionDays({ state: bench.state, sealKeys, now: bench.now });
    const before = await days(a).current(bench.now(), bench.signal);
    await bench.activate(bench.keys('one', 'two'), 'two');
    await a.upkeep.run();
    const after = await days(a).current(bench.now(), bench.signal);
    expect([before.kid, after.kid]).toEqual(['one', 'two']);
    // The other server has not looked yet.
    expect(signs(b)).toEqual(['one']);
    for (const { tag, day, key } of [before, after]) {
      const [found] = await days(b).candidates({ tag, day }, bench.signal);
      expect(found?.key.equals(key)).toBe(true);
    }
  });
});

describe('who writes to the state bucket', () => {
  const both = () => bench.keys('one', 'two');
  /** A server that signs with the second, and the record before. */
  async function activated(): Promise<{ server: TestServer; older: Buffer; record: Buffer }> {
    const server = await start(both());
    const older = bench.activeRecord ?? Buffer.alloc(0);
    await bench.activate(both(), 'two');
    await later();
    bench.events.length = 0;
    return { server, older, record: bench.activeRecord ?? Buffer.alloc(0) };
  }

  test('puts the older record back: the server signs on, says so, and mends it', async () => {
    const { server, older, record } = await activated();
    bench.putActive(older);
    await later();
    expect(signs(server)).toEqual(['two']);
    expect(bench.events).toEqual([
      { kind: 'seal-key-record-rollback', detail: expect.stringMatching(/generation 1, and had 2.*'two' signs on/) },
    ]);
    expect(bench.activeRecord?.equals(record)).toBe(true);
    await later();
    expect(bench.events).toHaveLength(1);
    bench.putActive(older);
    await later();
    expect([bench.events.length, server.upkeep.status.refused]).toEqual([2, 2]);
  });

  test('deletes the record: the same', async () => {
    const { server, record } = await activated();
    await bench.removeActive();
    await later();
    expect([signs(server), kinds()]).toEqual([['two'], ['seal-key-record-rollback']]);
    expect(bench.activeRecord?.equals(record)).toBe(true);
  });

  test.each<readonly [string, (record: string) => string]>([
    [
      'another seal key',
      (text) => text.replace('"kid":"two"', '"kid":"one"').replace('"before":"one"', '"before":"two"'),
    ],
    ['another generation', (text) => text.replace('"generation":2', '"generation":3')],
    ['another MAC', (text) => text.replace(/"mac":"../, '"mac":"AA')],
    ['no MAC of the one before', (text) => text.replace(/"beforeMac":"[^"]+"/, '"beforeMac":null')],
    ['a further member', (text) => text.replace('{', '{"a":1,')],
    ['no JSON', () => 'nonsense'],
    ['too many bytes', (text) => text + ' '.repeat(3000)],
  ])('alters the record, %s: the same', async (_name, change) => {
    const { server, record } = await activated();
    bench.putActive(Buffer.from(change(record.toString())));
    await later();
    expect([signs(server), kinds()]).toEqual([['two'], ['seal-key-record-tampered']]);
    expect(bench.activeRecord?.equals(record)).toBe(true);
  });

  test('with a server that starts before it is mended: it believes the servers that run', async () => {
    for (const put of ['older', 'nothing'] as const) {
      bench = await SealKeyBench.open();
      running = [];
      const { older } = await activated();
      if (put === 'older') bench.putActive(older);
      else await bench.removeActive();
      const fresh = await start(bench.keys('one', 'two'));
      expect(signs(fresh)).toEqual(['two']);
      expect(kinds()).toContain('seal-key-record-rollback');
      await later();
      await later();
      expect(signs(...running)).toEqual(['two', 'two']);
      expect(open(both()).generation).toBe(2);
      await Promise.all(running.map(({ upkeep }) => upkeep.close()));
    }
  });

  test('an older record that was itself a change is not followed by a fresh server either', async () => {
    const all = () => bench.keys('zero', 'one', 'two');
    await start(all());
    await bench.activate(all(), 'one');
    const older = bench.activeRecord ?? Buffer.alloc(0);
    await bench.activate(all(), 'two');
    await later();
    bench.putActive(older);
    const fresh = await start(all());
    await fresh.upkeep.run();
    expect(signs(fresh)).toEqual(['two']);
  });

  test('and no server runs: the start says which seal key signs, and that it was not recorded', async () => {
    const { server } = await activated();
    await server.upkeep.close();
    running = [];
    await bench.removeActive();
    expect(await start(bench.keys('two', 'one'))).toMatchObject({ isNew: true });
  });

  test('a record by one who holds an old seal key, unproved, is followed by no server that runs, and named', async () => {
    const { server } = await activated();
    const sealKey = both().withId('one') as SealKey;
    const forged = signActiveRecord({ generation: 9, updated: '2026-06-01T00:00:00Z' }, { sealKey, before: undefined });
    bench.putActive(forged);
    await later();
    expect([signs(server), kinds()]).toEqual([['two'], ['seal-key-record-tampered']]);
    await later();
    expect(kinds()).toHaveLength(1);
  });

  test('a record of seal keys that nobody here has is not overwritten: a server that was left behind cannot tell', async () => {
    const server = await start(bench.keys('one'));
    const strangers = newSealKeys('eight', 'nine');
    const o = { sealKey: strangers.withId('nine') as SealKey, before: strangers.active };
    const record = signActiveRecord({ generation: 5, updated: '2026-06-01T00:00:00Z' }, o);
    bench.putActive(record);
    await later();
    expect([signs(server), server.upkeep.status.missing, kinds()]).toEqual([['one'], 'nine', []]);
    expect(bench.activeRecord?.equals(record)).toBe(true);
  });

  test('a lost seal key, or a record that nobody mends, is replaced on demand, for servers that start', async () => {
    await (await start(bench.keys('one'))).upkeep.close();
    running = [];
    const left = () => bench.keys('two');
    await expect(start(left())).rejects.toThrow("'one' is the active one");
    await expect(bench.activate(left(), 'two')).rejects.toThrow("'one' is the active one");
    const done = await bench.activate(left(), 'two', { replaceDamaged: true });
    expect(done).toMatchObject({ kid: 'two', before: null, generation: Math.floor(bench.time / 1000) });
    expect(signs(await start(left()))).toEqual(['two']);
    await running[0]?.upkeep.close();
    running = [];
    bench.putActive(Buffer.from('nonsense'));
    await expect(start(left())).rejects.toThrow('malformed');
    await bench.activate(left(), 'two', { replaceDamaged: true });
    expect(signs(await start(left()))).toEqual(['two']);
  });

  test('reports that were moved, altered or made up do not count', async () => {
    const server = await start(both());
    const body = bench.report(server) ?? Buffer.alloc(0);
    const put = (boot: string, bytes: Buffer) => bench.backend.overwrite('state', `p/${replicaName(boot)}`, bytes);
    put('0'.repeat(16), body);
    put('1'.repeat(16), Buffer.from('nonsense'));
    const shape = JSON.parse(body.toString()) as { sealed: string };
    const flipped = Buffer.from(shape.sealed, 'base64');
    flipped.writeUInt8(flipped.readUInt8(3) ^ 1, 3);
    put('2'.repeat(16), canonicalJson({ ...shape, sealed: flipped.toString('base64') }));
    const { live, unread } = await list(both());
    expect(live.map(({ boot }) => boot)).toEqual([server.upkeep.boot]);
    expect(unread.map(({ boot, kid }) => [boot[0], kid]).sort()).toEqual([
      ['0', undefined],
      ['1', undefined],
      ['2', undefined],
    ]);
    expect((await bench.activate(both(), 'two')).changed).toBe(true);
  });

  test('more reports than are read are no reason to go on, and a start reads a few', async () => {
    await start(both());
    const most = { most: 1 };
    expect((await listReplicas({ ...bench, sealKeys: both(), now: bench.now }, bench.signal, most)).isAll).toBe(true);
    for (let n = 0; n < 300; n++) {
      const boot = n.toString(16).padStart(16, '0');
      bench.backend.overwrite('state', `p/${replicaName(boot)}`, Buffer.from('x'));
    }
    expect((await listReplicas({ ...bench, sealKeys: both(), now: bench.now }, bench.signal, most)).isAll).toBe(false);
    const before = bench.backend.requests.length;
    await start(both());
    expect(bench.backend.requests.length - before).toBeLessThan(120);
  });

  test('a report shows neither host nor seal keys to who cannot open it', async () => {
    const server = await start(both(), { host: 'secret-host' });
    const text = (bench.report(server) ?? Buffer.alloc(0)).toString();
    expect(Object.keys(JSON.parse(text))).toEqual(['format', 'kid', 'salt', 'sealed']);
    expect(text).not.toMatch(/secret-host|two/);
    expect((await list(bench.keys('two'))).unread).toMatchObject([{ boot: server.upkeep.boot, kid: 'one' }]);
    await expect(bench.activate(bench.keys('two'), 'two', { replaceDamaged: true })).rejects.toThrow(
      "signs with 'one', which is not configured here",
    );
  });
});

describe('a report', () => {
  test('costs a PUT in every four minutes or so, and a look a GET a minute', async () => {
    const server = await start(bench.keys('one'));
    const [puts, all] = [bench.puts, bench.backend.requests.length];
    for (let minute = 0; minute < 60; minute++) await later();
    expect(bench.puts - puts).toBeGreaterThanOrEqual(12);
    expect(bench.puts - puts).toBeLessThanOrEqual(15);
    expect(bench.backend.requests.length - all).toBe(60 + bench.puts - puts);
    expect((await list(server.sealKeys)).live).toHaveLength(1);
  });

  test('that somebody deleted or replaced is written again when it is due', async () => {
    const server = await start(bench.keys('one'));
    for (const spoil of ['delete', 'replace'] as const) {
      const name = replicaName(server.upkeep.boot);
      if (spoil === 'delete') await bench.state.delete(name, bench.signal);
      else await bench.state.replace(name, Buffer.from('x'), bench.signal);
      await later(5 * MINUTE);
      expect((await list(server.sealKeys)).live).toHaveLength(1);
    }
  });

  test('a store that fails is no end: it is tried again, and the age shows it', async () => {
    const server = await start(bench.keys('one'));
    bench.backend.isDown = true;
    await later(5 * MINUTE);
    expect(server.upkeep.status.unreadMs).toBe(5 * MINUTE);
    expect(server.log.at(-1)?.['level']).toBe('warn');
    bench.backend.isDown = false;
    await later();
    expect(server.upkeep.status.unreadMs).toBe(0);
    expect((await list(server.sealKeys)).live).toHaveLength(1);
  });

  test('names 64 seal keys at most, the active one among them, and shows odd host names harmlessly', () => {
    const many = newSealKeys(...Array.from({ length: 80 }, (_, n) => `k${n}`));
    const boot = '0123456789abcdef';
    const times = { started: '2026-06-01T00:00:00Z', expires: '2026-06-01T00:15:00Z' };
    const host = `a\u001b[2J"\\${'b'.repeat(80)}`;
    const body = sealReport({ boot, host, ...times, active: 'k0', generation: 1 }, many);
    const report = openReport(body, boot, many);
    if (!('held' in report)) throw new Error('The report opens.');
    expect([report.held.length, report.held[0], report.signs]).toEqual([64, 'k0', 'k0']);
    expect(report.host).toMatch(/^a\?\?2J\?\?b{57}$/);
    expect(body.length).toBeLessThan(16_384);
  });
});
