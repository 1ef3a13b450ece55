// Protects: writing down when keys were used. Once for each key, day and process, whatever the traffic; several processes agree; a
// state that is silent or answers nonsense is left alone for a while; memory and requests under way are bounded.
import { describe, expect, it } from 'vitest';
import { StateStore } from '../../../../proxy/keyring/state/state.ts';
import {
  dayOf,
  lastUsedName,
  openLastUsed,
  sealLastUsed,
  type TenantSlot,
} from '../../../../proxy/keyring/uses/last-used.ts';
import { UseNotes } from '../../../../proxy/keyring/uses/note-uses.ts';
import { LAST_USED_AT_ONCE, LAST_USED_RETRY_MS, LAST_USED_WAITING } from '../../../../proxy/limits.ts';
import { newSealKeys } from '../../../helpers/keyring-fixture.ts';
import { StateBackend } from '../../../helpers/state-backend.ts';

const OF: TenantSlot = { tenant: '00112233445566778899aabb', slot: 'c0ffee01' };
const HOUR = 3_600_000;

function setup() {
  const backend = new StateBackend();
  const state = new StateStore({ backend, bucket: 'state', prefix: '' });
  backend.overwrite('state', 'other', Buffer.alloc(0));
  const sealKeys = newSealKeys('one');
  const clock = { time: Date.parse('2026-05-31T12:00:00Z') };
  const events: string[] = [];
  const failures: TenantSlot[] = [];
  const process = (now = () => new Date(clock.time)) =>
    new UseNotes({
      state,
      sealKeys,
      record: ({ kind }) => void events.push(kind),
      now,
      onFailure: (_error, { tenant, slot }) => failures.push({ tenant, slot }),
    });
  const recorded = (of = OF) => {
    const body = backend.stored('state', lastUsedName(of));
    return body && openLastUsed(body, of, sealKeys)?.day;
  };
  const write = (day: string) => backend.overwrite('state', lastUsedName(OF), sealLastUsed(OF, day, sealKeys.active));
  const count = (method: string) => backend.requests.filter((request) => request.method === method).length;
  return { backend, sealKeys, clock, events, failures, process, recorded, write, count };
}

/** The n-th slot of the tenant. */
const slot = (n: number): TenantSlot => ({ ...OF, slot: n.toString(16).padStart(8, '0') });

describe('one process', () => {
  it('writes once a day for each key, whatever the traffic', async () => {
    const { backend, clock, process, recorded, count } = setup();
    const notes = process();
    for (let request = 0; request < 1000; request += 1) notes.note(OF);
    await notes.settled();
    for (let request = 0; request < 1000; request += 1) notes.note(OF);
    await notes.settled();
    expect([count('GET'), count('PUT'), backend.requests.length]).toEqual([1, 1, 2]);
    expect(recorded()).toBe('2026-05-31');
    clock.time = Date.parse('2026-05-31T23:59:59.999Z');
    notes.note(OF);
    await notes.settled();
    expect(count('PUT')).toBe(1);
    clock.time += 1;
    notes.note(OF);
    await notes.settled();
    expect([count('PUT'), recorded()]).toEqual([2, '2026-06-01']);
  });

  it('leaves no older version behind in a versioned bucket', async () => {
    const { backend, process, recorded, clock } = setup();
    backend.isVersioned = true;
    const notes = process();
    for (let day = 0; day < 3; day += 1) {
      notes.note(OF);
      await notes.settled();
      clock.time += 24 * HOUR;
    }
    expect([recorded(), backend.versions('state', lastUsedName(OF))]).toEqual(['2026-06-02', 1]);
  });

  it('neither throws nor asks again at once when the state is silent, and tries again after a while', async () => {
    const { backend, clock, failures, process, recorded } = setup();
    const notes = process();
    backend.isDown = true;
    for (let request = 0; request < 100; request += 1) {
      notes.note(OF);
      await notes.settled();
    }
    expect([backend.requests.length, failures]).toEqual([1, [OF]]);
    backend.isDown = false;
    clock.time += LAST_USED_RETRY_MS - 1;
    notes.note(OF);
    await notes.settled();
    expect(recorded()).toBeUndefined();
    clock.time += 1;
    notes.note(OF);
    await notes.settled();
    expect(recorded()).toBe('2026-05-31');
  });

  it('writes over a record that it cannot believe, and tells of it', async () => {
    const { backend, events, process, recorded } = setup();
    backend.overwrite('state', lastUsedName(OF), sealLastUsed(OF, '2026-05-31', newSealKeys('one').active));
    const notes = process();
    notes.note(OF);
    await notes.settled();
    expect([recorded(), events]).toEqual(['2026-05-31', ['last-used-tampered']]);
  });

  it('has few requests under way, and a bounded number waiting', async () => {
    const { backend, process, recorded, count } = setup();
    const gate = Promise.withResolvers<void>();
    let [underWay, most] = [0, 0];
    backend.intercept = async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      await gate.promise;
      underWay -= 1;
      return undefined;
    };
    const notes = process();
    const beyond = LAST_USED_AT_ONCE + LAST_USED_WAITING;
    for (let n = 0; n < beyond + 5; n += 1) notes.note(slot(n));
    expect(backend.requests.length).toBe(LAST_USED_AT_ONCE);
    gate.resolve();
    await notes.settled();
    expect([most, count('PUT')]).toEqual([LAST_USED_AT_ONCE, beyond]);
    // What found no room is written at its next use.
    expect(recorded(slot(beyond))).toBeUndefined();
    notes.note(slot(beyond));
    await notes.settled();
    expect(recorded(slot(beyond))).toBe('2026-05-31');
  });

  it('closes after what is under way, drops what waits, and takes no more', async () => {
    const { backend, process, count } = setup();
    const gate = Promise.withResolvers<void>();
    backend.intercept = async () => {
      await gate.promise;
      return undefined;
    };
    const notes = process();
    for (let n = 0; n < 100; n += 1) notes.note(slot(n));
    const closed = notes.close();
    notes.note(slot(100));
    gate.resolve();
    await closed;
    expect(count('PUT')).toBe(LAST_USED_AT_ONCE);
  });
});

describe('several processes', () => {
  it('write once: the second finds the day recorded', async () => {
    const { process, count, recorded } = setup();
    for (const notes of [process(), process(), process()]) {
      notes.note(OF);
      await notes.settled();
    }
    expect([count('GET'), count('PUT'), recorded()]).toEqual([3, 1, '2026-05-31']);
  });

  it('at the same moment leave one record, and none fails', async () => {
    const { backend, failures, process, recorded, write } = setup();
    for (const before of [undefined, '2026-05-30']) {
      if (before === undefined) backend.remove('state', lastUsedName(OF));
      else write(before);
      const all = [process(), process(), process(), process()];
      // Each has read what was there before any writes.
      const allRead = Promise.withResolvers<void>();
      let reads = 0;
      backend.intercept = async ({ method }) => {
        if (method === 'GET' && ++reads === all.length) allRead.resolve();
        if (method === 'PUT') await allRead.promise;
        return undefined;
      };
      for (const notes of all) notes.note(OF);
      await Promise.all(all.map((notes) => notes.settled()));
      expect([reads > all.length, recorded(), failures]).toEqual([true, '2026-05-31', []]);
    }
  });

  it.each([
    ['2026-05-29', '2026-05-31', 'an earlier day'],
    ['2026-06-01', '2026-06-01', 'the next day, in which another clock is already'],
    ['2026-06-02', '2026-05-31', 'a day that no clock can be in'],
    ['2099-12-31', '2026-05-31', 'a day that no clock can be in'],
  ])('over %s comes %s: %s', async (before, after) => {
    const { process, recorded, write } = setup();
    write(before);
    const notes = process();
    notes.note(OF);
    await notes.settled();
    expect(recorded()).toBe(after);
  });
});

it('a clock that ran ahead and was put back does not silence a key', async () => {
  const { clock, process, recorded } = setup();
  const notes = process();
  const right = clock.time;
  clock.time = Date.parse('2099-12-31T12:00:00Z');
  notes.note(OF);
  await notes.settled();
  expect(recorded()).toBe('2099-12-31');
  clock.time = right;
  notes.note(OF);
  await notes.settled();
  expect(recorded()).toBe(dayOf(new Date(right)));
});
