/**
 * Protects: a session token opens only under the seal key and the day's secret that sealed it, in its one form, unaltered; the
 * secret access key hangs on all of it; and without the day's record nothing that was ever seen opens anything.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SealKey, SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';
import { openRecord, SessionDays, sealRecord } from '../../../../proxy/keyring/sessions/day-records.ts';
import { dayNumber, dayText } from '../../../../proxy/keyring/sessions/days.ts';
import {
  isSessionAccessKeyId,
  issueSession,
  openSession,
  readToken,
  type Session,
  type SessionKey,
  SessionTooLarge,
} from '../../../../proxy/keyring/sessions/token.ts';
import { StateStore } from '../../../../proxy/keyring/state/state.ts';
import { temporaryStore } from '../../../helpers/bench.ts';

const NOW = new Date('2026-07-01T12:00:00Z');
const DAY = dayNumber(NOW);
const HOUR_MS = 3_600_000;
const seconds = NOW.getTime() / 1000;
const sealKey = new SealKey('s1', randomBytes(32));
const keyOf = (of: SealKey, secret: Buffer, day = DAY): SessionKey => ({
  tag: of.tag,
  kid: of.kid,
  day,
  key: of.sessionKey(secret),
});
const daySecret = randomBytes(32);
const key = keyOf(sealKey, daySecret);

const SESSION: Omit<Session, 'sessionId'> = {
  callerSecret: randomBytes(32),
  tenant: '0123456789abcdef01234567',
  slot: '89abcdef',
  slotSerial: 3,
  roleSerial: 0,
  issuedAt: seconds,
  endsAt: seconds + 3_600,
  details: {},
};

const open = (token: string, by = key) => {
  const read = readToken(token);
  return read && openSession(read.bytes, by);
};

describe('a token', () => {
  test('opens to what it was made of, and to its own credentials', () => {
    const details = { tags: { team: 'blue' }, name: 'job-1', policy: '{"x":"ü"}' };
    const issued = issueSession({ ...SESSION, details }, key);
    expect(open(issued.sessionToken)).toEqual({
      ...SESSION,
      details,
      sessionId: expect.any(Buffer),
      accessKeyId: issued.accessKeyId,
      secretAccessKey: issued.secretAccessKey,
    });
    expect(isSessionAccessKeyId(issued.accessKeyId)).toBe(true);
    expect(issued.secretAccessKey).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  test('is short when it says little, and no two are alike', () => {
    const issued = Array.from({ length: 200 }, () => issueSession(SESSION, key));
    expect(issued[0]?.sessionToken).toMatch(/^SGS1[A-Za-z0-9_-]{143}$/);
    for (const part of ['sessionToken', 'accessKeyId', 'secretAccessKey'] as const) {
      expect(new Set(issued.map((one) => one[part])).size).toBe(200);
    }
  });

  test('opens with no bit of it changed, cut or added to', () => {
    const { sessionToken } = issueSession({ ...SESSION, details: { name: 'n' } }, key);
    const bytes = Buffer.from(sessionToken.slice(4), 'base64url');
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const altered = Buffer.from(bytes);
      altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      const read = readToken(`SGS1${altered.toString('base64url')}`);
      // Tag and day choose the key; the day is authenticated, and so is everything behind it.
      if (bit >= 8) expect(read && openSession(read.bytes, { ...key, day: read.day })).toBeUndefined();
    }
    for (let length = 0; length < sessionToken.length; length++)
      expect(open(sessionToken.slice(0, length))).toBeUndefined();
    for (const odd of [
      `${sessionToken}A`,
      ` ${sessionToken}`,
      `${sessionToken}=`,
      sessionToken.replace('SGS1', 'SGS2'),
      '',
    ]) {
      expect(open(odd)).toBeUndefined();
    }
  });

  test('opens under no other key: of another day, another secret, another seal key', () => {
    const { sessionToken } = issueSession(SESSION, key);
    const others = [
      keyOf(sealKey, randomBytes(32)),
      keyOf(new SealKey('s1', randomBytes(32)), daySecret),
      { ...key, kid: 's2' },
      { ...key, day: DAY + 1 },
    ];
    for (const other of others) expect(open(sessionToken, other)).toBeUndefined();
    expect(open(sessionToken)).toBeDefined();
  });

  test('is not issued on a day that is not its own', () => {
    expect(() => issueSession(SESSION, { ...key, day: DAY - 1 })).toThrow();
  });

  test('that does not fit a header is refused with how much there is', () => {
    const policy = 'x'.repeat(4_000);
    expect(() => issueSession({ ...SESSION, details: { policy } }, key)).toThrow(SessionTooLarge);
    expect(() => issueSession({ ...SESSION, details: { policy } }, key)).toThrow(/131 %/);
  });

  test("the secret access key is another for every content and every caller's secret", () => {
    const secrets = [
      SESSION,
      { ...SESSION, endsAt: SESSION.endsAt + 1 },
      { ...SESSION, callerSecret: randomBytes(32) },
      { ...SESSION, details: { name: 'n' } },
    ].map((session) => issueSession(session, key).secretAccessKey);
    expect(new Set(secrets).size).toBe(4);
  });
});

describe("the day's record", () => {
  test('opens under its own seal key and day alone', () => {
    const record = sealRecord(daySecret, sealKey, DAY);
    expect(openRecord(record, sealKey, DAY)).toEqual(daySecret);
    expect(openRecord(record, sealKey, DAY + 1)).toBeUndefined();
    const [sameName, sameSecret] = [new SealKey('s1', randomBytes(32)), new SealKey('s2', randomBytes(32))];
    for (const other of [sameName, sameSecret]) expect(openRecord(record, other, DAY)).toBeUndefined();
    expect(record.includes(daySecret.toString('base64'))).toBe(false);
    for (const damaged of ['', '{}', record.toString().replace('/1', '/2'), record.subarray(1).toString()]) {
      expect(openRecord(Buffer.from(damaged), sealKey, DAY)).toBeUndefined();
    }
  });

  describe('in the state', () => {
    let store: Awaited<ReturnType<typeof temporaryStore>>;
    let state: StateStore;
    const clock = { now: NOW };
    const sealKeys = new SealKeys([sealKey]);
    const replica = () => new SessionDays({ state, sealKeys: sealKeys, now: () => clock.now });
    const signal = () => AbortSignal.timeout(60_000);
    beforeAll(async () => {
      store = await temporaryStore();
      state = new StateStore({ backend: store.backend, bucket: 'sealgate-state', prefix: '' });
      await state.ensureBucket(signal());
    });
    afterAll(() => store.close());

    /** What a replica makes of a token. */
    async function opened(token: string, by: SessionDays) {
      const read = readToken(token);
      if (read === undefined) return undefined;
      const keys = await by.candidates(read, signal());
      return keys.map((one) => openSession(read.bytes, one)).find((session) => session !== undefined);
    }

    test('is made once, whichever replicas issue first, and read by the others', async () => {
      const replicas = Array.from({ length: 4 }, replica);
      const keys = await Promise.all(replicas.map((one) => one.current(NOW, signal())));
      for (const one of keys) {
        const { sessionToken } = issueSession(SESSION, one);
        expect(await opened(sessionToken, replica())).toBeDefined();
      }
      expect(await Array.fromAsync(state.list('sessions/', signal()))).toEqual([`sessions/${dayText(DAY)}/s1`]);
    });

    test('two days later its tokens open, three days later nothing opens them and it is deleted', async () => {
      clock.now = NOW;
      const { sessionToken } = issueSession(SESSION, await replica().current(NOW, signal()));
      clock.now = new Date(NOW.getTime() + 24 * HOUR_MS);
      expect(await replica().removeOld(signal())).toEqual({ removed: [], left: [] });
      expect(await opened(sessionToken, replica())).toBeDefined();
      clock.now = new Date(NOW.getTime() + 61 * HOUR_MS);
      expect(await opened(sessionToken, replica())).toBeUndefined();
      expect(await replica().removeOld(signal())).toEqual({ removed: [`sessions/${dayText(DAY)}/s1`], left: [] });
      clock.now = NOW;
      expect(await opened(sessionToken, replica())).toBeUndefined();
    });

    test('once it is gone, a process that had read it forgets it within its time', async () => {
      clock.now = NOW;
      const one = replica();
      const { sessionToken } = issueSession(SESSION, await one.current(NOW, signal()));
      await state.shred(`sessions/${dayText(DAY)}/s1`, signal());
      clock.now = new Date(NOW.getTime() + 60_000);
      expect(await opened(sessionToken, one)).toBeUndefined();
    });

    test('a day that no token can have now costs no look-up', async () => {
      clock.now = NOW;
      const counted = { gets: 0 };
      const watched = new StateStore({
        backend: {
          ...store.backend,
          send: (request) => {
            counted.gets += 1;
            return store.backend.send(request);
          },
          close: () => store.backend.close(),
        },
        bucket: 'sealgate-state',
        prefix: '',
      });
      const days = new SessionDays({ state: watched, sealKeys: sealKeys, now: () => clock.now });
      for (const day of [0, DAY - 3, DAY + 2, 0xffff]) {
        expect(await days.candidates({ tag: sealKey.tag, day }, signal())).toEqual([]);
      }
      expect(await days.candidates({ tag: sealKey.tag ^ 1, day: DAY }, signal())).toEqual([]);
      expect(counted.gets).toBe(0);
    });
  });
});
