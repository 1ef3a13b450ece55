/**
 * Protects: a stronger KDF ends no session. A slot is sealed anew only when no session of the slot can live any more, whichever
 * server issued it and whichever server upgrades, also when both do so at once; and the wait neither writes without need nor is
 * forgotten.
 */
import { expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { readKeyring } from '../../../proxy/keyring/admin/change-keyring.ts';
import { slotOf } from '../../../proxy/keyring/admin/edit-slots.ts';
import { KeyAdmin, type KeyChange } from '../../../proxy/keyring/admin/key-admin.ts';
import type { IssuedSession } from '../../../proxy/keyring/sessions/issue-session.ts';
import { apiKeyFromText } from '../../../proxy/keyring/slots/api-key.ts';
import { DEFAULT_KDFS, type Kdf, processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { KDF_UPGRADE_RETRY_MS } from '../../../proxy/limits.ts';
import { LONGEST_KEY_SESSION_SECONDS, SESSION_SKEW_SECONDS } from '../../../proxy/session-limits.ts';
import { temporaryStore } from '../../helpers/bench.ts';
import { makeTenant } from '../../helpers/keyring-fixture.ts';
import { startTestProxy, type TestProxy } from '../../helpers/proxy.ts';
import { type SigningCredentials, sendSigned } from '../../helpers/raw-client.ts';
import { PausedRunner, SessionReplica } from '../../helpers/session-replicas.ts';
import { sessionOf } from '../../helpers/sessions.ts';
import { TenancyHarness } from '../../helpers/tenancy-harness.ts';

const signal = new AbortController().signal;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const HOUR = 3_600;
const WEAK: Kdf = DEFAULT_KDFS.argon2id;
const STRONG: Kdf = { ...DEFAULT_KDFS.argon2id, passes: 3 };
/** From the request on, for the sessions that were issued before. */
const WAIT_MS = 1000 * (LONGEST_KEY_SESSION_SECONDS + SESSION_SKEW_SECONDS);

/** `aheadMs`: of the clock of the second server. */
async function setup({ aheadMs = 0 } = {}) {
  const harness = new TenancyHarness();
  const fixture = await makeTenant({ sealKeys: harness.sealKeys, slots: [{ kdf: WEAK, runner: new PausedRunner() }] });
  harness.store(fixture.keyring);
  const { tenant } = fixture;
  const id = fixture.keys[0]?.accessKeyId ?? '';
  const key = harness.unseal(id);
  const replicas = [new SessionReplica(harness), new SessionReplica(harness, { aheadMs })] as const;
  const [a, b] = replicas;
  const admin = new KeyAdmin(harness.deps);
  const keyring = async () => (await readKeyring(harness.deps, tenant, signal)).keyring;
  const change = (wanted: KeyChange) => admin.update({ tenant, slot: key.slot, change: wanted }, signal);
  /** Both of them read the keyring again, and the key is used at both. */
  const useKey = async () => {
    harness.time += MINUTE_MS;
    const outcomes = [await a.useKey(id), await b.useKey(id)];
    expect(outcomes).toEqual(['open', 'open']);
  };
  const passes = async () => {
    const { kdf } = slotOf(await keyring(), key.slot);
    return kdf.name === 'argon2id' ? kdf.passes : 0;
  };
  const onBoth = async (session: IssuedSession) => [await a.useSession(session), await b.useSession(session)];
  return { harness, tenant, id, key, a, b, replicas, change, keyring, useKey, passes, onBoth };
}

const ALIVE = ['open', 'open'];

test('a session that was issued before the request lives to its last second, with its key in use everywhere', async () => {
  const on = await setup();
  const session = await on.a.issue(on.key, LONGEST_KEY_SESSION_SECONDS);
  await on.change({ kdfUpgrade: STRONG });
  const asked = on.harness.time;
  for (let hour = 0; hour < LONGEST_KEY_SESSION_SECONDS / HOUR; hour += 1) {
    on.harness.time = asked + hour * HOUR_MS;
    await on.useKey();
    expect(await on.onBoth(session)).toEqual(ALIVE);
  }
  on.harness.time = session.ends.getTime() - 1;
  expect(await on.onBoth(session)).toEqual(ALIVE);
  on.harness.time += 1;
  expect(await on.onBoth(session)).toEqual(['ExpiredToken', 'ExpiredToken']);
  expect(await on.passes()).toBe(2);
});

test('the slot is upgraded at the first use of its key after the wait, by servers that opened it long before', async () => {
  const on = await setup();
  await on.change({ kdfUpgrade: STRONG });
  const asked = on.harness.time;
  on.harness.time = asked + WAIT_MS - 2 * MINUTE_MS;
  await on.useKey();
  expect([await on.passes(), on.a.upgradesBegun, on.b.upgradesBegun]).toEqual([2, 0, 0]);
  on.harness.time = asked + WAIT_MS - MINUTE_MS;
  await on.useKey();
  expect([await on.passes(), on.a.upgradesBegun, slotOf(await on.keyring(), on.key.slot).kdfUpgrade]).toEqual([
    3,
    1,
    null,
  ]);
  const next = await on.b.issue(on.key, HOUR);
  await on.useKey();
  expect(await on.onBoth(next)).toEqual(ALIVE);
  expect([...on.a.failures, ...on.b.failures]).toEqual([]);
});

test('sessions that are issued while a request stands are waited for, and write the keyring once an hour at most', async () => {
  const on = await setup();
  await on.change({ kdfUpgrade: STRONG });
  const asked = on.harness.time;
  const { generation } = await on.keyring();
  await on.b.issue(on.key, LONGEST_KEY_SESSION_SECONDS);
  expect((await on.keyring()).generation).toBe(generation);

  // The last minutes of the wait: from here on a session of an hour outlives it.
  on.harness.time = asked + WAIT_MS - 1;
  const sessions = [];
  for (let quarter = 0; quarter < 12; quarter += 1) {
    sessions.push(await on.replicas[quarter % 2 === 0 ? 0 : 1].issue(on.key, HOUR));
    await on.useKey();
    for (const session of sessions.slice(-4)) expect(await on.onBoth(session)).toEqual(ALIVE);
    on.harness.time += 14 * MINUTE_MS;
  }
  const written = (await on.keyring()).generation - generation;
  expect(written).toBeGreaterThanOrEqual(3);
  expect(written).toBeLessThanOrEqual(5);
  expect(await on.passes()).toBe(2);

  const last = sessions.at(-1)?.ends.getTime() ?? 0;
  on.harness.time = last - 1 - MINUTE_MS;
  await on.useKey();
  expect(await on.passes()).toBe(2);
  on.harness.time = last + HOUR_MS + 1000 * SESSION_SKEW_SECONDS;
  await on.useKey();
  expect(await on.passes()).toBe(3);
});

test('without a request, no session writes a keyring', async () => {
  const on = await setup();
  const { generation } = await on.keyring();
  for (const replica of on.replicas) await replica.issue(on.key, LONGEST_KEY_SESSION_SECONDS);
  expect((await on.keyring()).generation).toBe(generation);
});

test('a session that is issued while another server upgrades is one of the new slot', async () => {
  const on = await setup();
  await on.change({ kdfUpgrade: STRONG });
  on.harness.time += WAIT_MS;
  // Between the read of the keyring and the session.
  on.a.runner.next = () => on.b.useKey(on.id);
  const session = await on.a.issue(on.key, HOUR);
  expect(await on.passes()).toBe(3);
  await on.useKey();
  expect(await on.onBoth(session)).toEqual(ALIVE);
});

test('an upgrade that began before another server issued a session is given up', async () => {
  // The wait is over by the clock of one of them alone.
  const on = await setup({ aheadMs: 10 * MINUTE_MS });
  await on.change({ kdfUpgrade: STRONG });
  on.harness.time += WAIT_MS - 10 * MINUTE_MS;
  let session: IssuedSession | undefined;
  // Between the read of the keyring and the upgrade.
  on.b.runner.next = async () => {
    on.b.runner.next = async () => {
      session = await on.a.issue(on.key, HOUR);
    };
  };
  expect(await on.b.useKey(on.id)).toBe('open');
  if (session === undefined) throw new Error('no upgrade began');
  expect([on.b.upgradesBegun, await on.passes()]).toEqual([1, 2]);
  expect(await on.onBoth(session)).toEqual(ALIVE);
  expect([...on.a.failures, ...on.b.failures]).toEqual([]);
  on.harness.time = session.ends.getTime() + HOUR_MS + 1000 * SESSION_SKEW_SECONDS;
  await on.useKey();
  expect(await on.passes()).toBe(3);
});

test('a request that is made while a session is issued waits for the session', async () => {
  const on = await setup();
  on.a.runner.next = async () => {
    on.harness.time += MINUTE_MS;
    await on.change({ kdfUpgrade: STRONG });
  };
  const session = await on.a.issue(on.key, LONGEST_KEY_SESSION_SECONDS);
  on.harness.time = session.ends.getTime() - 1 - MINUTE_MS;
  await on.useKey();
  expect(await on.onBoth(session)).toEqual(ALIVE);
  expect(await on.passes()).toBe(2);
});

test.each([
  ['before its end', -1, 2],
  ['when it is over', 0, 3],
])('two servers issue at once sessions that outlive the wait, %s: all live', async (_, offset, passes) => {
  const on = await setup();
  await on.change({ kdfUpgrade: STRONG });
  on.harness.time += WAIT_MS + offset;
  const sessions = await Promise.all([
    on.a.issue(on.key, 2 * HOUR),
    on.b.issue(on.key, 5 * HOUR),
    on.a.issue(on.key, HOUR),
  ]);
  await on.useKey();
  for (const session of sessions) expect(await on.onBoth(session)).toEqual(ALIVE);
  on.harness.time = Math.max(...sessions.map(({ ends }) => ends.getTime())) - MINUTE_MS - 1;
  await on.useKey();
  expect([await on.onBoth(sessions[1]), await on.passes()]).toEqual([ALIVE, passes]);
});

test('a key that does nothing but give sessions is upgraded when it gives the next one', async () => {
  const on = await setup();
  await on.a.issue(on.key, HOUR);
  await on.change({ kdfUpgrade: STRONG, endSessions: true });
  const session = await on.b.issue(on.key, HOUR);
  expect([await on.passes(), await on.onBoth(session)]).toEqual([3, ALIVE]);
});

test('a session is issued though the upgrade fails, and is waited for', async () => {
  const on = await setup();
  await on.change({ kdfUpgrade: STRONG, endSessions: true });
  const broken = new Error('no memory');
  on.a.runner.next = () => Promise.reject(broken);
  const session = await on.a.issue(on.key, HOUR);
  expect([on.a.failures, await on.passes()]).toEqual([[broken], 2]);
  await on.useKey();
  expect([await on.onBoth(session), await on.passes()]).toEqual([ALIVE, 2]);
});

test('ending the sessions lets the upgrade happen at the next use, together with the request or later', async () => {
  for (const together of [true, false]) {
    const on = await setup();
    const session = await on.a.issue(on.key, HOUR);
    if (!together) await on.change({ kdfUpgrade: STRONG });
    await on.useKey();
    expect([together, await on.onBoth(session), await on.passes()]).toEqual([together, ALIVE, 2]);
    await on.change({ ...(together ? { kdfUpgrade: STRONG } : {}), endSessions: true });
    await on.useKey();
    expect([together, await on.passes()]).toEqual([together, 3]);
    expect(await on.onBoth(session)).toEqual(['InvalidToken', 'InvalidToken']);
    expect(await on.onBoth(await on.a.issue(on.key, HOUR))).toEqual(ALIVE);
  }
});

test('a request that replaces another one keeps its wait; one that is taken back and made again waits anew', async () => {
  const on = await setup();
  const after = async () => slotOf(await on.keyring(), on.key.slot).kdfUpgrade?.after;
  await on.change({ kdfUpgrade: STRONG });
  const first = await after();
  on.harness.time += 10 * HOUR_MS;
  await on.change({ kdfUpgrade: { ...STRONG, memory: 32_768 } });
  expect(await after()).toBe(first);
  await on.change({ label: 'other terms leave it' });
  expect(await after()).toBe(first);
  await on.change({ kdfUpgrade: null });
  await on.change({ kdfUpgrade: STRONG });
  expect(Date.parse((await after()) ?? '') - Date.parse(first ?? '')).toBe(10 * HOUR_MS);
});

test('an upgrade that fails is tried again after a while, at a request of the key, and not at every request', async () => {
  const on = await setup();
  await on.useKey();
  await on.change({ kdfUpgrade: STRONG, endSessions: true });
  on.harness.time += MINUTE_MS;
  const broken = new Error('no memory');
  // The first derivation opens the keyring for the request, and the second one for the upgrade.
  on.a.runner.next = async () => {
    on.a.runner.next = () => Promise.reject(broken);
  };
  for (let i = 0; i < 5; i += 1) expect(await on.a.useKey(on.id)).toBe('open');
  expect([await on.passes(), on.a.upgradesBegun, on.a.failures]).toEqual([2, 1, [broken]]);
  on.harness.time += KDF_UPGRADE_RETRY_MS;
  expect(await on.a.useKey(on.id)).toBe('open');
  expect([await on.passes(), on.a.upgradesBegun]).toEqual([3, 2]);
});

test('servers do so for keys that clients use: the session works on both, and the upgrade comes after it', async () => {
  let time = Date.now();
  const now = () => new Date(time);
  const { backend, close } = await temporaryStore();
  const first = await startTestProxy({ backend, now });
  const { sealKeys, state } = first;
  const second = await startTestProxy({ backend, sealKeys, now });
  try {
    const { tenant, accessKeyId } = await first.createTenant();
    const admin = new KeyAdmin({ state, sealKeys, record: () => {}, now, runner: processKdfRunner });
    const secretAccessKey = 'kR2vXo8qLw5tZ1nB7cYf3GhJ4mPsD6uE9aTi';
    const apiKey = apiKeyFromText(secretAccessKey);
    const made = await admin.create(unsealAccessKeyId(accessKeyId, sealKeys), { apiKey, kdf: WEAK }, signal);
    const key = { accessKeyId: made.accessKeyId, secretAccessKey };
    const passes = async () => (await admin.list(tenant, signal)).map(({ kdf }) => ('passes' in kdf ? kdf.passes : 0));
    const use = async ({ endpoint }: TestProxy, credentials: SigningCredentials, token?: string) => {
      const headers = token === undefined ? [] : [['x-amz-security-token', token] as const];
      const reply = await sendSigned(endpoint, credentials, { method: 'GET', path: '/', headers, date: now() });
      return reply.code || String(reply.status);
    };
    const session = await sessionOf(first.endpoint, key);
    await admin.update({ tenant, slot: made.slot, change: { kdfUpgrade: STRONG } }, signal);
    time += 50 * MINUTE_MS;
    for (const proxy of [first, second]) expect(await use(proxy, key)).toBe('200');
    for (const proxy of [second, first]) expect(await use(proxy, session, session.sessionToken)).toBe('200');
    expect((await passes()).toSorted()).toEqual([0, 2]);
    time += WAIT_MS;
    expect(await use(second, key)).toBe('200');
    await expect.poll(async () => (await passes()).toSorted(), { timeout: 20_000 }).toEqual([0, 3]);
    expect(await use(first, session, session.sessionToken)).toBe('ExpiredToken');
    expect(await use(first, key)).toBe('200');
  } finally {
    await Promise.all([first.close(), second.close()]);
    await close();
  }
});
