// Protects: a store that is late once is asked for 100 Continue again, and kept connections are used again; one that never
// answers costs the wait ever more rarely.
import { describe, expect, test } from 'vitest';
import { discard } from '../../../../proxy/backend/read-body.ts';
import { ContinueHabit } from '../../../../proxy/backend/s3/continue-habit.ts';
import { BACKEND_CONTINUE_LONGEST_PAUSE_MS } from '../../../../proxy/store-limits.ts';
import type { RawRequest } from '../../../helpers/raw-server.ts';
import { never, startRaw, streamOf } from './open.ts';

function habit() {
  const clock = { now: 1000 };
  return { clock, habit: new ContinueHabit({ firstPauseMs: 100, now: () => clock.now }) };
}

describe('whether to ask', () => {
  test('a store that answers is always asked', () => {
    const { habit: one } = habit();
    for (let i = 0; i < 3; i++) {
      expect(one.takeTurn()).toBe(true);
      one.answered();
    }
  });

  test('after one late answer, no longer than the pause, and then by one request until it is known', () => {
    const { habit: one, clock } = habit();
    one.takeTurn();
    one.ignored();
    clock.now += 99;
    expect(one.takeTurn()).toBe(false);
    clock.now += 1;
    expect([one.takeTurn(), one.takeTurn()]).toEqual([true, false]);
    one.answered();
    expect([one.takeTurn(), one.takeTurn()]).toEqual([true, true]);
  });

  test('ever more rarely while it does not answer, and never more rarely than the longest pause', () => {
    const { habit: one, clock } = habit();
    const pauses: number[] = [];
    for (let i = 0; i < 30; i++) {
      one.ignored();
      const from = clock.now;
      while (!one.takeTurn()) clock.now += 50;
      pauses.push(clock.now - from);
    }
    expect(pauses.slice(0, 4)).toEqual([100, 200, 400, 800]);
    expect(Math.max(...pauses)).toBe(BACKEND_CONTINUE_LONGEST_PAUSE_MS);
  });

  test('an answer that comes late shortens the pause; a refusal takes the longest', () => {
    const { habit: one, clock } = habit();
    for (let i = 0; i < 8; i++) one.ignored();
    one.late();
    clock.now += 100;
    expect(one.takeTurn()).toBe(true);
    one.refused();
    clock.now += BACKEND_CONTINUE_LONGEST_PAUSE_MS - 1;
    expect(one.takeTurn()).toBe(false);
    clock.now += 1;
    expect(one.takeTurn()).toBe(true);
  });
});

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';

test('a store that is late once gets its question and its kept connections back', async () => {
  let isLate = true;
  const { backend, server } = await startRaw(
    async (request: RawRequest) => {
      if (!isLate && request.header('expect') !== undefined) request.socket.write(CONTINUE);
      if (await request.received()) request.respond(200);
    },
    { timeouts: { continueMs: 100, continuePauseMs: 1 } },
  );
  const put = async () => {
    const body = streamOf([Buffer.from('abc')]);
    discard(await backend.send({ method: 'PUT', bucket: 'data', key: 'k', body, signal: never() }));
  };
  await put();
  isLate = false;
  await expect
    .poll(async () => {
      await put();
      return server.requests.at(-1)?.header('expect');
    })
    .toBe('100-continue');
  const before = server.accepted();
  for (let i = 0; i < 5; i++) await put();
  expect(server.requests.slice(-5).map((request) => request.header('expect'))).toEqual(Array(5).fill('100-continue'));
  expect(server.accepted()).toBe(before);
});
