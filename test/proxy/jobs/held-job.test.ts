// Protects: one run at a time works on a job. A run that is alive keeps its job, one that died gives it up after its lease, and one
// that was taken for dead learns of it and writes nothing more.
import { setTimeout } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { JOB_HELD_LOOK_MS, JOB_LEASE_MS } from '../../../proxy/job-limits.ts';
import { forgetJobs } from '../../../proxy/jobs/forget-jobs.ts';
import { JobHeld, JobLost, takeJob } from '../../../proxy/jobs/held-job.ts';
import { jobId, jobName, sealRecord } from '../../../proxy/jobs/job-record.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { openJobs, SCOPE, signal } from './harness.ts';

vi.mock('node:timers/promises', async (original) => {
  const timers = await original<typeof import('node:timers/promises')>();
  return { ...timers, setTimeout: vi.fn(timers.setTimeout) };
});

const take = (jobs: Awaited<ReturnType<typeof openJobs>>, o: { restart?: boolean; onWait?: () => void } = {}) =>
  takeJob(jobs.deps, SCOPE, { restart: o.restart ?? false, onWait: o.onWait }, signal());

test('a second run waits, and is refused when the first makes a checkpoint', async () => {
  const jobs = await openJobs();
  const first = await take(jobs);
  const waited = vi.fn(() => void first.save({ bytes: 1 }, signal()));
  await expect(take(jobs, { onWait: waited })).rejects.toThrow(JobHeld);
  expect(waited).toHaveBeenCalledOnce();
  await first.release({}, signal());
  expect((await take(jobs)).isResumed).toBe(true);
});

test('a run that died gives its job up after the lease; taken for dead, it writes nothing more', async () => {
  const jobs = await openJobs();
  const first = await take(jobs);
  await first.save({ after: { key: 'k', versionId: null }, counts: { ok: 5 } }, signal());
  jobs.clock.aheadMs += JOB_LEASE_MS + 1;
  const second = await take(jobs);
  expect([second.isResumed, second.record.after, second.record.run]).toEqual([
    true,
    { key: 'k', versionId: null },
    first.record.run,
  ]);
  await expect(first.save({ counts: { ok: 9 } }, signal())).rejects.toThrow(JobLost);
  expect((await jobs.record(jobId(SCOPE)))?.counts).toEqual({ ok: 5 });
  // Its pieces of the report have names of their own.
  expect(first.pieceName().name).not.toBe(second.pieceName().name);
});

test('a run that died with a clock a day ahead gives its job up after one lease too', async () => {
  const jobs = await openJobs();
  jobs.clock.aheadMs += 86_400_000;
  const first = await take(jobs);
  jobs.clock.aheadMs = 0;
  const pauses: number[] = [];
  vi.mocked(setTimeout).mockImplementation(async (ms, value) => {
    pauses.push(ms ?? 0);
    if (pauses.length > (2 * JOB_LEASE_MS) / JOB_HELD_LOOK_MS) throw new Error('waits without an end');
    return value as never;
  });
  try {
    expect((await take(jobs)).record.run).toBe(first.record.run);
  } finally {
    vi.mocked(setTimeout).mockReset();
  }
  expect(pauses.reduce((sum, ms) => sum + ms, 0)).toBe(JOB_LEASE_MS);
});

test('of two that take a job at the same moment one has it', async () => {
  const jobs = await openJobs();
  const both = await Promise.allSettled([take(jobs, { onWait: never }), take(jobs, { onWait: never })].map(settle));
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
});

const never = () => {
  throw new JobHeld('held');
};
const settle = <T>(promise: Promise<T>) => promise;

test('an answer that was lost after the record was written is no conflict', async () => {
  const jobs = await openJobs();
  const job = await take(jobs);
  const { backend } = jobs;
  const serve = backend.send.bind(backend);
  let lost = 0;
  vi.spyOn(backend, 'send').mockImplementation(async (request) => {
    const answer = await serve(request);
    if (request.method !== 'PUT' || lost > 0) return answer;
    lost += 1;
    // Sent once more by the transport: the condition does not hold any longer.
    return serve(request);
  });
  await job.save({ bytes: 7 }, signal());
  expect([lost, (await jobs.record(jobId(SCOPE)))?.bytes]).toEqual([1, 7]);
  await job.save({ bytes: 8 }, signal());
});

test('--restart begins anew; a record that cannot be read does too; another scope is another job', async () => {
  const jobs = await openJobs();
  const first = await take(jobs);
  await first.release({ counts: { ok: 5 }, after: { key: 'k', versionId: null } }, signal());
  const anew = await take(jobs, { restart: true });
  expect([anew.isResumed, anew.record.after, anew.record.counts]).toEqual([false, null, {}]);
  await jobs.state.replace(jobName(jobId(SCOPE)), Buffer.from('{"version":99}'), signal());
  expect((await take(jobs)).isResumed).toBe(false);
  expect(jobId({ ...SCOPE, prefix: 'a' })).not.toBe(jobId(SCOPE));
  expect(jobId({ ...SCOPE, options: { a: '1', b: '2' } })).toBe(jobId({ ...SCOPE, options: { b: '2', a: '1' } }));
});

test('a record that another key signed, that was altered or that is of another job is not believed', async () => {
  const jobs = await openJobs();
  const id = jobId(SCOPE);
  const other = { ...SCOPE, bucket: 'other' };
  const first = await take(jobs);
  const doneBefore = { key: 'z', versionId: null };
  await first.release({ counts: { ok: 5 }, after: doneBefore }, signal());
  const stored = async (of: string) => (await jobs.state.get(jobName(of), signal()))?.body ?? Buffer.alloc(0);
  const good = await stored(id);
  const foreign = SealKeys.parse(SealKeys.generate());
  const lies: Record<string, Buffer> = {
    counts: Buffer.from(good.toString().replace('"ok":5', '"ok":6')),
    'no MAC': Buffer.from(JSON.stringify({ ...JSON.parse(good.toString()), kid: null, mac: null })),
    'another key': sealRecord(first.record, foreign),
    'pieces without an end': Buffer.from(
      good.toString().replace('"pieces":[]', '"pieces":[{"holder":"x","count":9e15}]'),
    ),
  };
  for (const [lie, body] of Object.entries(lies)) {
    expect([lie, body.equals(good)]).toEqual([lie, false]);
    await jobs.state.replace(jobName(id), body, signal());
    const job = await take(jobs);
    expect([lie, job.isResumed, job.record.after, job.record.counts]).toEqual([lie, false, null, {}]);
    await job.release({}, signal());
  }
  await jobs.state.replace(jobName(jobId(other)), good, signal());
  const moved = await takeJob(jobs.deps, other, { restart: false }, signal());
  expect([moved.isResumed, moved.record.bucket]).toEqual([false, 'other']);
  await jobs.state.replace(jobName(id), good, signal());
  expect((await take(jobs)).record.after).toEqual(doneBefore);
});

test("a tenant's jobs go with the tenant, and no other's", async () => {
  const jobs = await openJobs();
  await jobs.run(['a', 'b']);
  const other = { ...SCOPE, tenant: 'cd'.repeat(12) };
  await takeJob(jobs.deps, other, { restart: false }, signal());
  await forgetJobs(jobs.state, SCOPE.tenant, signal());
  const left: string[] = [];
  for await (const name of jobs.state.list('jobs/', signal())) left.push(name);
  expect(left).toEqual([jobName(jobId(other))]);
});
