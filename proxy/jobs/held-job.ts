/**
 * One run's hold on a job. A lease in the job's record says who is at work and until when. Every checkpoint extends the lease, by
 * compare-and-swap, so a run that was taken for dead learns at its next checkpoint that another run has its job.
 *
 * Two runs at once would harm no object, since a job's work on an object is conditional on what it read. They would do everything
 * twice, so the second run waits until the first has ended or has been silent for its whole lease.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { JOB_HELD_LOOK_MS, JOB_LEASE_MS, JOB_RUNS_KEPT } from '../job-limits.ts';
import type { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import { StateConflict, type StateStore } from '../keyring/state/state.ts';
import {
  JOBS_PREFIX,
  type JobRecord,
  type JobScope,
  jobId,
  jobName,
  newRecord,
  openRecord,
  runPrefix,
  sealRecord,
} from './job-record.ts';

export interface JobDeps {
  readonly state: StateStore;
  /** Sign records; undefined where a job takes no keys. */
  readonly sealKeys: SealKeys | undefined;
  readonly now: () => Date;
}

/** Another run is at work on the same job. */
export class JobHeld extends Error {
  readonly code = 'JOB_HELD';
  constructor(id: string) {
    super(`Another run of job ${id} is at work. Wait until it has ended, or stop it.`);
  }
}

/** Another run has taken the job over: this one was silent for longer than its lease. */
export class JobLost extends Error {
  readonly code = 'JOB_LOST';
  constructor(id: string) {
    super(`Another run has taken over job ${id}.`);
  }
}

export interface TakeOptions {
  /** Begin at the start of the listing, even if an earlier run stopped half way. */
  readonly restart: boolean;
  /** Told once, before waiting for a run that may have died. */
  readonly onWait?: ((until: Date) => void) | undefined;
}

/** @throws JobHeld, S3Error ServiceUnavailable */
export async function takeJob(deps: JobDeps, scope: JobScope, o: TakeOptions, signal: AbortSignal): Promise<HeldJob> {
  const holder = randomBytes(6).toString('hex');
  const id = jobId(scope);
  for (;;) {
    const found = await unheld(deps, id, o, signal);
    const goesOn = found?.record?.state === 'running' && !o.restart;
    const record = goesOn && found.record !== undefined ? found.record : newRecord(scope, { now: deps.now(), holder });
    const job = new HeldJob(deps, { record, holder, etag: found?.etag, isResumed: goesOn });
    try {
      await job.save({}, signal);
    } catch (error) {
      // Somebody else took it at the same moment.
      if (error instanceof JobLost) continue;
      throw error;
    }
    if (!goesOn) await forgetRuns(deps.state, job.record, found?.record, signal);
    return job;
  }
}

interface Found {
  readonly etag: string;
  readonly record: JobRecord | undefined;
}

/** The record once nobody is at work on it. @throws JobHeld when its holder makes a checkpoint meanwhile */
async function unheld(
  { state, sealKeys, now }: JobDeps,
  id: string,
  o: TakeOptions,
  signal: AbortSignal,
): Promise<Found | undefined> {
  let first: string | undefined;
  let waited = 0;
  for (;;) {
    const stored = await state.get(jobName(id), signal);
    if (stored === undefined) return undefined;
    const record = openRecord(stored.body, { id, sealKeys });
    const until = Date.parse(record?.lease?.until ?? '');
    // The wait is bounded by the length of a lease, whatever the other machine's clock says.
    const left = Math.min(JOB_LEASE_MS - waited, until - now().getTime());
    if (Number.isNaN(until) || left <= 0) return { etag: stored.etag, record };
    if (first === undefined) {
      first = stored.etag;
      o.onWait?.(new Date(now().getTime() + left));
    } else if (first !== stored.etag) throw new JobHeld(id);
    const pause = Math.min(left, JOB_HELD_LOOK_MS);
    await setTimeout(pause, undefined, { signal });
    waited += pause;
  }
}

/** Reports of runs before the last ones. */
async function forgetRuns(
  state: StateStore,
  current: JobRecord,
  before: JobRecord | undefined,
  signal: AbortSignal,
): Promise<void> {
  const kept = [current, before].slice(0, JOB_RUNS_KEPT).flatMap((one) => (one === undefined ? [] : [runPrefix(one)]));
  for await (const name of state.list(`${JOBS_PREFIX}${current.id}/`, signal)) {
    if (!kept.some((prefix) => name.startsWith(prefix))) await state.delete(name, signal);
  }
}

export class HeldJob {
  readonly holder: string;
  /** Whether an earlier run stopped half way. */
  readonly isResumed: boolean;
  readonly #deps: JobDeps;
  #record: JobRecord;
  #etag: string | undefined;

  constructor(deps: JobDeps, o: { record: JobRecord; holder: string; etag: string | undefined; isResumed: boolean }) {
    this.#deps = deps;
    this.#record = o.record;
    this.#etag = o.etag;
    this.holder = o.holder;
    this.isResumed = o.isResumed;
  }

  /** As it was last written. */
  get record(): JobRecord {
    return this.#record;
  }

  /** Writes the record and extends the lease. @throws JobLost, S3Error ServiceUnavailable */
  save(changes: Partial<JobRecord>, signal: AbortSignal): Promise<void> {
    const until = new Date(this.#deps.now().getTime() + JOB_LEASE_MS).toISOString();
    return this.#write({ ...changes, lease: { holder: this.holder, until } }, signal);
  }

  /** The last write: nobody is at work any more. @throws as `save` */
  release(changes: Partial<JobRecord>, signal: AbortSignal): Promise<void> {
    return this.#write({ ...changes, lease: null }, signal);
  }

  /** A new piece of the report, before the record counts it. @returns its name, without an ending */
  pieceName(): { readonly name: string; readonly pieces: JobRecord['pieces'] } {
    const own = this.#record.pieces.find(({ holder }) => holder === this.holder);
    const count = (own?.count ?? 0) + 1;
    const others = this.#record.pieces.filter((one) => one !== own);
    const name = `${runPrefix(this.#record)}${pieceFile(this.holder, count)}`;
    return { name, pieces: [...others, { holder: this.holder, count }] };
  }

  async #write(changes: Partial<JobRecord>, signal: AbortSignal): Promise<void> {
    const { state, sealKeys, now } = this.#deps;
    const record = { ...this.#record, ...changes, updated: now().toISOString() };
    const name = jobName(record.id);
    const body = sealRecord(record, sealKeys);
    const condition = this.#etag === undefined ? { ifAbsent: true as const } : { ifMatch: this.#etag };
    try {
      this.#etag = await state.put(name, body, condition, signal);
    } catch (error) {
      // The answer may have been lost after the record was written, and the write sent again.
      const stored = await state.get(name, signal);
      if (stored === undefined || !stored.body.equals(body)) {
        throw error instanceof StateConflict ? new JobLost(record.id) : error;
      }
      this.#etag = stored.etag;
    }
    this.#record = record;
  }
}

/** The names of all pieces of a run's report, in the order of the listing, without an ending. */
export function pieceNames(record: JobRecord): readonly string[] {
  return record.pieces.flatMap(({ holder, count }) =>
    Array.from({ length: count }, (_, at) => `${runPrefix(record)}${pieceFile(holder, at + 1)}`),
  );
}

function pieceFile(holder: string, number: number): string {
  return `${holder}-${String(number).padStart(6, '0')}`;
}
