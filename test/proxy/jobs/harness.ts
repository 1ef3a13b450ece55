/** A job over made-up rows, with its records in a state bucket in memory. */
import { type JobDeps, pieceNames, takeJob } from '../../../proxy/jobs/held-job.ts';
import { type Cursor, type JobRecord, type JobScope, jobName, openRecord } from '../../../proxy/jobs/job-record.ts';
import type { ReportRow } from '../../../proxy/jobs/job-report.ts';
import { type JobEnd, type JobWork, runJob } from '../../../proxy/jobs/run-job.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { StateStore } from '../../../proxy/keyring/state/state.ts';
import { StateBackend } from '../../helpers/state-backend.ts';

export const SCOPE: JobScope = { kind: 'verify', tenant: 'ab'.repeat(12), bucket: 'b', prefix: '', options: {} };

export const signal = () => AbortSignal.timeout(60_000);

export function rowNamed(key: string, o: Partial<ReportRow> = {}): ReportRow {
  const said = { state: 'ok', succeeded: true, errorCode: '', httpStatus: 200, message: '', bytes: 1 };
  return { bucket: 'b', key, versionId: undefined, ...said, ...o };
}

export async function openJobs() {
  const backend = new StateBackend();
  const clock = { aheadMs: 0 };
  const state = new StateStore({ backend, bucket: 'state', prefix: '' });
  await state.ensureBucket(signal());
  const sealKeys = SealKeys.parse(SealKeys.generate());
  const deps: JobDeps = { state, sealKeys, now: () => new Date(Date.now() + clock.aheadMs) };
  const record = async (id: string): Promise<JobRecord | undefined> => {
    const stored = await state.get(jobName(id), signal());
    return stored && openRecord(stored.body, { id, sealKeys });
  };
  /** Every line of a run's report, parsed. */
  const report = async (run: JobRecord): Promise<ReportRow[]> => {
    const rows: ReportRow[] = [];
    for (const name of pieceNames(run)) {
      const piece = (await state.get(`${name}.jsonl`, signal()))?.body.toString() ?? '';
      rows.push(...piece.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)])));
    }
    return rows;
  };
  const run = async (
    keys: readonly string[],
    o: Partial<JobWork<string>> & { stop?: AbortSignal } = {},
  ): Promise<JobEnd> => {
    const { stop = signal(), ...work } = o;
    const job = await takeJob(deps, SCOPE, { restart: false }, signal());
    const rows = async function* (after: Cursor | null) {
      yield* keys.filter((key) => after === null || key > after.key);
    };
    const visit = async (key: string) => rowNamed(key);
    const failed = (key: string, { message }: Error) => rowNamed(key, { state: 'failed', succeeded: false, message });
    const cursorOf = (key: string) => ({ key, versionId: null });
    return runJob(deps, job, { rows, visit, failed, cursorOf, ...work }, stop);
  };
  return { backend, state, deps, clock, record, report, run };
}

export const keysOf = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `k${String(at).padStart(5, '0')}`);
