// Protects: credentials are renewed before they end, by one request at a time; those at hand serve until their end; without any,
// requests fail at once and not each after a question of its own.
import { describe, expect, test, vi } from 'vitest';
import { BackendUnavailable } from '../../../../../proxy/backend/backend.ts';
import type { CredentialEvent } from '../../../../../proxy/backend/s3/credentials/credential-source.ts';
import { type Given, RenewedCredentials } from '../../../../../proxy/backend/s3/credentials/renewed-credentials.ts';
import { explainStoreFailure } from '../../../../../proxy/backend/trouble/explain-store-failure.ts';

const HOUR = 3_600_000;
const MINUTE = 60_000;

function source(life = HOUR) {
  const clock = { now: 1_000_000 };
  const events: CredentialEvent[] = [];
  const questions: PromiseWithResolvers<Given>[] = [];
  const credentials = new RenewedCredentials({
    now: () => clock.now,
    onEvent: (event) => events.push(event),
    fetch() {
      const question = Promise.withResolvers<Given>();
      questions.push(question);
      return question.promise;
    },
  });
  let serial = 0;
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const give = async (lasts = life) => {
    serial += 1;
    const credentials = { accessKeyId: `id${serial}`, secretAccessKey: 's' };
    questions.at(-1)?.resolve({ credentials, expires: clock.now + lasts });
    await settled();
  };
  const refuse = async () => {
    questions.at(-1)?.reject(new Error('nobody answers'));
    await settled();
  };
  return { credentials, clock, events, questions, give, refuse };
}

async function started(life?: number) {
  const o = source(life);
  const first = o.credentials.current();
  await o.give();
  return { ...o, first: await first };
}

test('many requests that wait for the first are one question', async () => {
  const { credentials, questions, give } = source();
  const all = Promise.all(Array.from({ length: 50 }, () => credentials.current()));
  await give();
  expect(new Set((await all).map(({ accessKeyId }) => accessKeyId))).toEqual(new Set(['id1']));
  expect(questions).toHaveLength(1);
});

test('those without an end are asked for once', async () => {
  const { credentials, clock, questions } = source();
  const first = credentials.current();
  questions[0]?.resolve({ credentials: { accessKeyId: 'id', secretAccessKey: 's' }, expires: undefined });
  await first;
  clock.now += 1000 * HOUR;
  expect(credentials.current()).not.toBeInstanceOf(Promise);
  expect(questions).toHaveLength(1);
});

describe('before they end', () => {
  test('nothing is asked until five minutes before; then by one, in the background', async () => {
    const { credentials, clock, questions, give, first, events } = await started();
    clock.now += HOUR - 5 * MINUTE - 1;
    expect(credentials.current()).toBe(first);
    expect(questions).toHaveLength(1);
    clock.now += 1;
    for (let i = 0; i < 20; i++) expect(credentials.current()).toBe(first);
    expect(questions).toHaveLength(2);
    await give();
    expect(credentials.current()).toMatchObject({ accessKeyId: 'id2' });
    expect(events.map(({ kind }) => kind)).toEqual(['renewed', 'renewed']);
  });

  test('half of a short life', async () => {
    const { credentials, clock, questions } = await started(2 * MINUTE);
    clock.now += MINUTE - 1;
    credentials.current();
    expect(questions).toHaveLength(1);
    clock.now += 1;
    credentials.current();
    expect(questions).toHaveLength(2);
  });

  test('a failure is told and tried again, ever more rarely, and no request notices', async () => {
    const { credentials, clock, questions, refuse, first, events } = await started();
    clock.now += HOUR - 5 * MINUTE;
    const asked: number[] = [];
    const begun = clock.now;
    while (clock.now < begun + 4 * MINUTE) {
      const before = questions.length;
      expect(credentials.current()).toBe(first);
      if (questions.length > before) {
        asked.push(clock.now - begun);
        await refuse();
      }
      clock.now += 500;
    }
    expect(asked.slice(0, 4)).toEqual([0, 1000, 3000, 7000]);
    expect(Math.max(...asked.slice(1).map((at, index) => at - (asked[index] ?? 0)))).toBe(MINUTE);
    expect(events.filter(({ kind }) => kind === 'failed')).toHaveLength(asked.length);
    expect(credentials.status.failures).toBe(asked.length);
  });

  test('the same again is the same object, and no event', async () => {
    const { credentials, clock, questions, first, events } = await started();
    clock.now += HOUR - MINUTE;
    credentials.current();
    questions.at(-1)?.resolve({ credentials: { ...first }, expires: clock.now + HOUR });
    await new Promise((resolve) => setImmediate(resolve));
    expect(credentials.current()).toBe(first);
    expect(events).toHaveLength(1);
  });
});

describe('after their end', () => {
  test('a request waits for others', async () => {
    const { credentials, clock, give } = await started();
    clock.now += HOUR;
    const next = credentials.current();
    expect(next).toBeInstanceOf(Promise);
    await give();
    expect(await next).toMatchObject({ accessKeyId: 'id2' });
  });

  test('they are not used in their last seconds, since clocks differ', async () => {
    const { credentials, clock } = await started();
    clock.now += HOUR - 4_999;
    expect(credentials.current()).toBeInstanceOf(Promise);
  });

  test('one question fails, and the requests of the next second without another', async () => {
    const { credentials, clock, questions, refuse } = await started();
    clock.now += HOUR;
    const waiting = [credentials.current(), credentials.current()] as Promise<unknown>[];
    const outcomes = Promise.allSettled(waiting);
    await refuse();
    for (const outcome of await outcomes) expect(outcome.status).toBe('rejected');
    const error = await (credentials.current() as Promise<unknown>).catch((e) => e);
    expect(error).toBeInstanceOf(BackendUnavailable);
    expect(explainStoreFailure(error)).toMatchObject({
      kind: 'no-credentials',
      what: 'There are no credentials for the store: nobody answers.',
    });
    expect(questions).toHaveLength(2);
    clock.now += 1000;
    credentials.current();
    expect(questions).toHaveLength(3);
  });

  test('what had ended when it came is refused', async () => {
    const { credentials, give } = source();
    const first = credentials.current() as Promise<unknown>;
    const outcome = expect(first).rejects.toBeInstanceOf(BackendUnavailable);
    await give(-1);
    await outcome;
  });
});

test('a question that is never answered is given up', async () => {
  vi.useFakeTimers();
  try {
    const { credentials } = source();
    const outcome = expect(credentials.current()).rejects.toBeInstanceOf(BackendUnavailable);
    await vi.advanceTimersByTimeAsync(30_000);
    await outcome;
  } finally {
    vi.useRealTimers();
  }
});

test('a failure that nobody waits for any more ends nothing', async () => {
  const unhandled: unknown[] = [];
  const note = (error: unknown) => void unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const failing = new RenewedCredentials({ fetch: () => Promise.reject(new Error('none')) });
    void failing.current();
    await vi.waitFor(() => expect(failing.status.failures).toBe(1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});
