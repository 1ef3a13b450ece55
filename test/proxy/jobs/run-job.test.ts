// Protects: a job does every row once and names it once, however often it is stopped or killed; a large object holds nobody up and
// costs no memory without bound; a store or a state that fails ends the job as incomplete, and never as done.
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { S3Error } from '../../../proxy/errors.ts';
import { JOB_ATTEMPTS, JOB_FINDINGS_NAMED, JOB_OBJECTS_AT_ONCE, JOB_WINDOW_ROWS } from '../../../proxy/job-limits.ts';
import { jobId } from '../../../proxy/jobs/job-record.ts';
import { keysOf, openJobs, rowNamed, SCOPE, signal } from './harness.ts';

/** Keeps the names of rows that are visited. */
const noting = (names: string[]) => async (key: string) => {
  names.push(key);
  return rowNamed(key);
};

test('every row is visited and reported once, in order; the record says what was found', async () => {
  const jobs = await openJobs();
  const keys = keysOf(500);
  const seen: number[] = [];
  const end = await jobs.run(keys, {
    visit: async (key) => {
      await setTimeout(Math.random() * 3);
      if (key === 'k00007') return undefined;
      return key === 'k00100' ? rowNamed(key, { state: 'damaged', succeeded: false, message: 'why' }) : rowNamed(key);
    },
    onProgress: ({ seen: now }) => void seen.push(now),
    saveMs: 10,
  });
  expect([end.outcome, end.reason]).toEqual(['done', undefined]);
  expect(end.record).toMatchObject({
    state: 'done',
    lease: null,
    counts: { ok: 498, damaged: 1, gone: 1 },
    bytes: 499,
  });
  expect(end.record.findings).toEqual([{ key: 'k00100', versionId: null, state: 'damaged', message: 'why' }]);
  expect(await jobs.record(jobId(SCOPE))).toEqual(end.record);
  expect(end.record.pieces[0]?.count).toBeGreaterThan(3);
  const reported = (await jobs.report(end.record)).map(({ key }) => key);
  expect(reported).toEqual(keys.filter((key) => key !== 'k00007'));
  expect(seen).toEqual(keys.map((_, at) => at + 1));
});

test('a run that dies at any write to the state is gone on with, and each row is in the report exactly once', async () => {
  const keys = keysOf(300);
  let deaths = 0;
  for (let at = 2; ; at += 1) {
    const jobs = await openJobs();
    const visited = new Map<string, number>();
    const visit = async (key: string) => {
      visited.set(key, (visited.get(key) ?? 0) + 1);
      await setTimeout(1);
      return rowNamed(key);
    };
    // From the write number `at` on nothing reaches the state any more: what kill -9 leaves behind.
    let writes = 0;
    jobs.backend.intercept = ({ method }) => {
      if (method === 'PUT') writes += 1;
      if (writes >= at) throw new BackendUnavailable('killed');
      return undefined;
    };
    const dead = await jobs.run(keys, { visit, saveMs: 5 });
    jobs.backend.intercept = () => undefined;
    if (dead.outcome === 'done') break;
    deaths += 1;
    expect(dead.reason).toBeInstanceOf(S3Error);
    jobs.clock.aheadMs += 60_000;
    const end = await jobs.run(keys, { visit });
    expect(end.outcome).toBe('done');
    expect((await jobs.report(end.record)).map(({ key }) => key)).toEqual(keys);
    expect(end.record.counts).toEqual({ ok: keys.length });
    expect(visited.size).toBe(keys.length);
  }
  expect(deaths).toBeGreaterThan(3);
});

test('stopped, the job makes a last checkpoint, and the next run does only the rest', async () => {
  const jobs = await openJobs();
  const keys = keysOf(200);
  const stop = new AbortController();
  const first: string[] = [];
  const end = await jobs.run(keys, {
    stop: stop.signal,
    visit: async (key) => {
      await setTimeout(1);
      first.push(key);
      if (key === 'k00100') stop.abort();
      return rowNamed(key);
    },
  });
  expect([end.outcome, end.record.state, end.record.lease]).toEqual(['stopped', 'running', null]);
  const second: string[] = [];
  const whole = await jobs.run(keys, { visit: noting(second) });
  expect(whole.outcome).toBe('done');
  expect(second.length).toBeLessThan(keys.length - 80);
  expect((await jobs.report(whole.record)).map(({ key }) => key)).toEqual(keys);
  // What is done is not gone on with.
  const again: string[] = [];
  await jobs.run(keys, { visit: noting(again) });
  expect(again.length).toBe(keys.length);
});

test('rows run ahead of a large object only so far', async () => {
  const jobs = await openJobs();
  const keys = keysOf(JOB_WINDOW_ROWS + 3_000);
  const { promise: large, resolve: endLarge } = Promise.withResolvers<void>();
  let visited = 0;
  const running = jobs.run(keys, {
    visit: async (key) => {
      if (key === keys[0]) await large;
      visited += 1;
      return rowNamed(key);
    },
  });
  await expect.poll(() => visited).toBe(JOB_WINDOW_ROWS - 1);
  await setTimeout(50);
  expect(visited).toBe(JOB_WINDOW_ROWS - 1);
  endLarge();
  const end = await running;
  expect([end.outcome, end.record.counts]).toEqual(['done', { ok: keys.length }]);
});

test('an object that the store does not give is named; a store that gives none ends the job', async () => {
  const jobs = await openJobs();
  const keys = keysOf(60);
  const attempts = new Map<string, number>();
  const end = await jobs.run(keys, {
    visit: async (key) => {
      attempts.set(key, (attempts.get(key) ?? 0) + 1);
      if (key === 'k00003') throw new S3Error('SlowDown');
      if (key === 'k00005') throw new S3Error('AccessDenied');
      if (key === 'k00007' && attempts.get(key) === 1) throw new BackendUnavailable('reset');
      return rowNamed(key);
    },
  });
  expect([end.outcome, end.record.counts]).toEqual(['done', { ok: 58, failed: 2 }]);
  expect([attempts.get('k00003'), attempts.get('k00005'), attempts.get('k00007')]).toEqual([JOB_ATTEMPTS, 1, 2]);
  const gone = await jobs.run(keysOf(1_000), {
    visit: async () => {
      throw new S3Error('AccessDenied');
    },
  });
  expect([gone.outcome, gone.record.state, gone.reason]).toEqual(['failed', 'running', expect.any(S3Error)]);
  const tried = (gone.record.counts['failed'] ?? 0) + JOB_OBJECTS_AT_ONCE;
  expect(tried).toBeLessThan(100);
  const bug = jobs.run(keys, {
    visit: async () => {
      throw new TypeError('a bug');
    },
  });
  await expect(bug).rejects.toThrow('a bug');
});

test('a row that is not found is gone only if the listing has it no more', async () => {
  const jobs = await openJobs();
  const looks = new Map<string, number>();
  const end = await jobs.run(['back', 'gone', 'missing'], {
    visit: async (key) => {
      looks.set(key, (looks.get(key) ?? 0) + 1);
      return key === 'back' && looks.get(key) === 2 ? rowNamed(key) : undefined;
    },
    isListed: async (key) => key !== 'gone',
  });
  expect(end.record.counts).toEqual({ ok: 1, gone: 1, failed: 1 });
  expect(end.record.findings).toMatchObject([
    { key: 'missing', state: 'failed', message: expect.stringContaining('lists') },
  ]);
  expect(Object.fromEntries(looks)).toEqual({ back: 2, gone: 1, missing: 2 });
});

test('a listing that fails in the middle ends the job as failed, with what was done in the record', async () => {
  const jobs = await openJobs();
  const end = await jobs.run([], {
    rows: async function* () {
      yield* keysOf(50);
      throw new S3Error('AccessDenied');
    },
  });
  expect([end.outcome, end.record.state, end.record.counts]).toEqual(['failed', 'running', { ok: 50 }]);
});

test('only so many findings are named in the record; the report has all', async () => {
  const jobs = await openJobs();
  const visit = async (key: string) => rowNamed(key, { state: 'damaged', succeeded: false });
  const end = await jobs.run(keysOf(JOB_FINDINGS_NAMED + 50), { visit });
  expect(end.record.findings.length).toBe(JOB_FINDINGS_NAMED);
  expect((await jobs.report(end.record)).length).toBe(JOB_FINDINGS_NAMED + 50);
});

test('reports of the last two runs are kept', async () => {
  const jobs = await openJobs();
  const runs: string[] = [];
  for (let run = 0; run < 4; run += 1) {
    jobs.clock.aheadMs += 2_000;
    runs.push((await jobs.run(keysOf(3))).record.run);
  }
  const kept = new Set<string>();
  for await (const name of jobs.state.list(`jobs/${jobId(SCOPE)}/`, signal())) kept.add(name.split('/')[2] ?? '');
  expect([...kept].sort()).toEqual(runs.slice(2).sort());
});
