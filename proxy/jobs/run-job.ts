/**
 * The driver of every job that works through a bucket: rows in the order of the listing, several objects at once, a checkpoint every
 * JOB_SAVE_MS. A checkpoint is two writes: first a piece of the report with the rows that have ended, then the job's record, which
 * names that piece and the last of those rows. A run that dies between the two leaves a piece that no record names, so each object
 * stands in the report exactly once, however often the job was killed.
 */
import { setTimeout } from 'node:timers/promises';
import { eachBounded } from '../concurrency/map-bounded.ts';
import { S3Error } from '../errors.ts';
import {
  JOB_FINDINGS_NAMED,
  JOB_LAST_SAVE_MS,
  JOB_LEASE_MS,
  JOB_OBJECTS_AT_ONCE,
  JOB_OUTAGES,
  JOB_REPORT_BYTES,
  JOB_SAVE_MS,
  JOB_WINDOW_ROWS,
} from '../job-limits.ts';
import { type HeldJob, type JobDeps, JobLost } from './held-job.ts';
import type { Cursor, Finding, JobRecord } from './job-record.ts';
import { csvLine, jsonLine, type ReportRow } from './job-report.ts';
import { isOutage, Outages, patiently } from './patience.ts';
import { RowWindow } from './row-window.ts';

export interface JobWork<Row> {
  /** Behind the last row that is done. */
  rows(after: Cursor | null, signal: AbortSignal): AsyncIterable<Row>;
  cursorOf(row: Row): Cursor;
  /** What became of one object; undefined when it is not there any more. @throws S3Error, BackendUnavailable: the store's failure */
  visit(row: Row, signal: AbortSignal): Promise<ReportRow | undefined>;
  /** Whether the store lists the object that `visit` did not find. Left out where `visit` finds every one. @throws as `visit` */
  isListed?(row: Row, signal: AbortSignal): Promise<boolean>;
  /** For an object that the store does not give. */
  failed(row: Row, error: Error): ReportRow;
  /** Called after each row, with all that was done since the start of the listing. */
  onProgress?: (progress: JobProgress) => void;
  /** Milliseconds between checkpoints, in place of JOB_SAVE_MS. */
  saveMs?: number;
}

/** Of all runs of the job; what is not in a checkpoint yet counts too. */
export interface JobProgress {
  readonly seen: number;
  readonly bytes: number;
  readonly counts: Readonly<Record<string, number>>;
}

/** `done`: to the end of the listing. `stopped`: by `signal`, at a checkpoint. `failed`: the store or the state is out of order. */
export interface JobEnd {
  readonly record: JobRecord;
  readonly outcome: 'done' | 'stopped' | 'failed';
  /** Of `failed`. */
  readonly reason: Error | undefined;
}

/** @throws JobLost, and own bugs */
export async function runJob<Row>(
  deps: JobDeps,
  job: HeldJob,
  work: JobWork<Row>,
  signal: AbortSignal,
): Promise<JobEnd> {
  return new JobRun(deps, job, work, signal).run();
}

type Result = ReportRow | 'gone';

const NOT_GIVEN = 'The store lists the object and does not give it.';

class JobRun<Row> {
  readonly #deps: JobDeps;
  readonly #job: HeldJob;
  readonly #work: JobWork<Row>;
  readonly #outer: AbortSignal;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #window = new RowWindow<Row, Result>({ largest: JOB_WINDOW_ROWS });
  readonly #outages = new Outages({ most: JOB_OUTAGES });
  readonly #progress: { seen: number; bytes: number; counts: Record<string, number> };
  /** Bytes of report lines that wait, as far as they are known. */
  #waiting = 0;
  #saved: number;
  #failure: unknown;
  /** Checkpoints are made one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(deps: JobDeps, job: HeldJob, work: JobWork<Row>, outer: AbortSignal) {
    this.#deps = deps;
    this.#job = job;
    this.#work = work;
    this.#outer = outer;
    this.#signal = AbortSignal.any([outer, this.#stop.signal]);
    const { counts, bytes } = job.record;
    this.#progress = { seen: sum(counts), bytes, counts: { ...counts } };
    this.#saved = this.#clock();
  }

  async run(): Promise<JobEnd> {
    const saving = this.#saveNowAndThen();
    let outcome: JobEnd['outcome'] = 'done';
    try {
      const rows = this.#work.rows(this.#job.record.after, this.#signal);
      const admitted = this.#window.admit(rows, () => this.#save(), this.#signal);
      await eachBounded(this.#entered(admitted), JOB_OBJECTS_AT_ONCE, (entry) => this.#visit(entry));
    } catch (error) {
      outcome = this.#outer.aborted ? 'stopped' : 'failed';
      if (outcome === 'failed') this.#failure ??= error;
    }
    this.#stop.abort();
    await saving;
    await this.#turn;
    if (this.#failure instanceof JobLost) throw this.#failure;
    if (this.#failure !== undefined && !isOutage(this.#failure)) throw this.#failure;
    await this.#end(outcome);
    const reason = this.#failure instanceof Error ? this.#failure : undefined;
    return { record: this.#job.record, outcome: reason === undefined ? outcome : 'failed', reason };
  }

  /** In the order of the listing, before any of them is worked on. */
  async *#entered(rows: AsyncIterable<Row>): AsyncGenerator<ReturnType<RowWindow<Row, Result>['add']>> {
    for await (const row of rows) yield this.#window.add(row);
  }

  async #visit(entry: ReturnType<RowWindow<Row, Result>['add']>): Promise<void> {
    this.#signal.throwIfAborted();
    const result = await this.#resultOf(entry.row).catch((error: unknown) => {
      // Whoever waits for this row would wait for ever.
      this.#stop.abort();
      throw error;
    });
    const { counts } = this.#progress;
    const state = result === 'gone' ? 'gone' : result.state;
    counts[state] = (counts[state] ?? 0) + 1;
    this.#progress.seen += 1;
    if (result !== 'gone') {
      this.#progress.bytes += result.bytes;
      this.#waiting += jsonLine(result).length;
    }
    this.#window.end(entry, result);
    this.#work.onProgress?.(this.#progress);
    if (this.#waiting >= JOB_REPORT_BYTES && this.#window.isReady) await this.#save();
  }

  async #resultOf(row: Row): Promise<Result> {
    try {
      const result = (await this.#visitRow(row)) ?? (await this.#visitUnlessGone(row));
      this.#outages.clear();
      return result;
    } catch (error) {
      return this.#work.failed(row, this.#outages.accept(error, this.#signal));
    }
  }

  #visitRow(row: Row): Promise<ReportRow | undefined> {
    return patiently(() => this.#work.visit(row, this.#signal), this.#signal);
  }

  /** An object that was not found may have been deleted, and may have been put again since. */
  async #visitUnlessGone(row: Row): Promise<Result> {
    const isListed = () =>
      patiently(async () => (await this.#work.isListed?.(row, this.#signal)) ?? false, this.#signal);
    if (!(await isListed())) return 'gone';
    const again = await this.#visitRow(row);
    if (again !== undefined) return again;
    return (await isListed()) ? this.#work.failed(row, new S3Error('NoSuchKey', NOT_GIVEN)) : 'gone';
  }

  async #saveNowAndThen(): Promise<void> {
    const { saveMs = JOB_SAVE_MS } = this.#work;
    while (!this.#signal.aborted) {
      await setTimeout(saveMs, undefined, { signal: this.#signal }).catch(() => undefined);
      if (this.#signal.aborted) return;
      await this.#save().catch((error: unknown) => {
        // The lease holds for a few checkpoints: the state may answer again.
        if (isOutage(error) && this.#clock() - this.#saved < JOB_LEASE_MS) return;
        this.#failure ??= error;
        this.#stop.abort();
      });
    }
  }

  #save(): Promise<void> {
    const next = this.#turn.then(() => this.#checkpoint(this.#signal, false));
    this.#turn = next.catch(() => undefined);
    return next;
  }

  /** The last checkpoint is made even when the work was stopped. */
  async #end(outcome: JobEnd['outcome']): Promise<void> {
    try {
      await this.#checkpoint(
        AbortSignal.timeout(JOB_LAST_SAVE_MS),
        true,
        outcome === 'done' && this.#failure === undefined,
      );
    } catch (error) {
      if (!isOutage(error)) throw error;
      this.#failure ??= error;
    }
  }

  async #checkpoint(signal: AbortSignal, isLast: boolean, isDone = false): Promise<void> {
    const taken = this.#window.take();
    try {
      const changes = await this.#changes(taken, signal);
      const state = isDone ? ('done' as const) : ('running' as const);
      if (isLast) await this.#job.release({ ...changes, state }, signal);
      else await this.#job.save(changes, signal);
      this.#saved = this.#clock();
    } catch (error) {
      this.#window.restore(taken);
      throw error;
    }
    const written = taken.reduce((bytes, { result }) => bytes + (result === 'gone' ? 0 : jsonLine(result).length), 0);
    this.#waiting -= written;
  }

  /** Writes the piece of the report, and says what the record has to say then. */
  async #changes(
    taken: readonly { readonly row: Row; readonly result: Result }[],
    signal: AbortSignal,
  ): Promise<Partial<JobRecord>> {
    const { record } = this.#job;
    const seconds = record.seconds + (this.#clock() - this.#saved) / 1000;
    const last = taken.at(-1);
    if (last === undefined) return { seconds };
    const rows = taken.flatMap(({ result }) => (result === 'gone' ? [] : [result]));
    const counts = { ...record.counts };
    for (const { result } of taken) {
      const state = result === 'gone' ? 'gone' : result.state;
      counts[state] = (counts[state] ?? 0) + 1;
    }
    return {
      seconds,
      counts,
      after: this.#work.cursorOf(last.row),
      written: widened(record.written, rows),
      bytes: record.bytes + rows.reduce((bytes, row) => bytes + row.bytes, 0),
      findings: [...record.findings, ...rows.flatMap(findingOf)].slice(0, JOB_FINDINGS_NAMED),
      ...(rows.length === 0 ? {} : { pieces: await this.#writePiece(rows, signal) }),
    };
  }

  async #writePiece(rows: readonly ReportRow[], signal: AbortSignal): Promise<JobRecord['pieces']> {
    const { name, pieces } = this.#job.pieceName();
    const { state } = this.#deps;
    await state.replace(`${name}.jsonl`, Buffer.from(rows.map(jsonLine).join('')), signal);
    await state.replace(`${name}.csv`, Buffer.from(rows.map(csvLine).join('')), signal);
    return pieces;
  }

  #clock(): number {
    return performance.now();
  }
}

function widened(span: JobRecord['written'], rows: readonly ReportRow[]): JobRecord['written'] {
  let [oldest, newest] = [span?.oldest, span?.newest];
  for (const { written } of rows) {
    const time = written?.toISOString();
    if (time === undefined) continue;
    if (oldest === undefined || time < oldest) oldest = time;
    if (newest === undefined || time > newest) newest = time;
  }
  return oldest === undefined || newest === undefined ? null : { oldest, newest };
}

function findingOf({ key, versionId, state, message, succeeded }: ReportRow): Finding[] {
  return succeeded ? [] : [{ key, versionId: versionId ?? null, state, message }];
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
