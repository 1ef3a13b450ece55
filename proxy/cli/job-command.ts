/**
 * What every command that runs a job through a bucket does: open the tenant, take the job, show how far it is, write the report,
 * and turn the end into an exit code.
 */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { isatty } from 'node:tty';
import type { Capabilities } from '../backend/capabilities.ts';
import { failureText } from '../backend/trouble/explain-store-failure.ts';
import type { Config } from '../config/config.ts';
import { type HeldJob, type JobDeps, JobHeld, JobLost, pieceNames, takeJob } from '../jobs/held-job.ts';
import { type JobRecord, type JobScope, runPrefix } from '../jobs/job-record.ts';
import { CSV_COLUMNS } from '../jobs/job-report.ts';
import { isOutage } from '../jobs/patience.ts';
import { type JobEnd, type JobProgress, type JobWork, runJob } from '../jobs/run-job.ts';
import { type KeyringDeps, openKeyring, openKeyringByKms } from '../keyring/admin/change-keyring.ts';
import { resolveTenant } from '../keyring/admin/tenant-names.ts';
import { type OpenTenant, openTenantOf } from '../keyring/open-tenant.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { objectStore, type StoreContext, storeContext } from '../object/context.ts';
import type { Storage } from '../runtime.ts';
import { tenantArgument, UsageError } from './command-line.ts';
import { readCaller } from './key-caller.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { ProgressLine } from './progress-line.ts';
import { SecretFileError } from './secret-file.ts';

const { out, err } = PROCESS_OUTPUT;

/** Not all was done, or nothing was there to do. */
export const INCOMPLETE = 4;
/** Something is damaged. */
export const DAMAGED = 3;

/** What every such command takes. */
export interface JobOptions {
  readonly bucket: string;
  readonly prefix: string;
  readonly credentials: string | undefined;
  /** A tenant that a key of a KMS opens alone: no API key is needed. */
  readonly kms: string | undefined;
  readonly report: string | undefined;
  readonly restart: boolean;
  readonly json: boolean;
}

export const JOB_OPTIONS = {
  bucket: { type: 'string' },
  prefix: { type: 'string', default: '' },
  credentials: { type: 'string' },
  kms: { type: 'string' },
  report: { type: 'string' },
  restart: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const;

/** @throws UsageError */
export function jobOptions(values: {
  bucket?: string | undefined;
  prefix: string;
  credentials?: string | undefined;
  kms?: string | undefined;
  report?: string | undefined;
  restart: boolean;
  json: boolean;
}): JobOptions {
  const { bucket, prefix, credentials, kms, report, restart, json } = values;
  if (bucket === undefined) throw new UsageError('--bucket is missing.');
  if (kms !== undefined && credentials !== undefined) throw new UsageError('Choose --credentials or --kms.');
  if (kms !== undefined) tenantArgument(kms);
  return { bucket, prefix, credentials, kms, report, restart, json };
}

export interface JobContext {
  readonly deps: KeyringDeps;
  readonly storage: Storage;
  readonly config: Config;
  readonly tenant: OpenTenant;
  /** Ends when the process is told to stop. */
  readonly signal: AbortSignal;
  readonly environment: NodeJS.ProcessEnv;
}

/** Opens the tenant of the caller's key, or one that a KMS opens alone, for a bucket of clients. @throws NoCallerSecret, UsageError, S3Error */
export async function withTenant<T>(
  o: Pick<JobOptions, 'bucket' | 'credentials' | 'kms'>,
  environment: NodeJS.ProcessEnv,
  work: (context: JobContext) => Promise<T>,
): Promise<T> {
  return untilStopped((signal) =>
    openKeyringCommand(environment, async (deps, { storage, config }) => {
      if (o.bucket === deps.state.bucket) throw new UsageError(`${o.bucket} is the state bucket.`);
      const open = await opener(deps, { ...o, environment }, signal);
      // A deep rotation may begin an epoch while the job runs.
      const tenant = { ...(await open()), reopen: open };
      return work({ deps, storage, config, tenant, signal, environment });
    }),
  );
}

/** `work` with a signal that is aborted when the process is told to stop. */
export async function untilStopped<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const interrupted = new AbortController();
  const stop = () => interrupted.abort(new Error('interrupted; the same command goes on'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await work(interrupted.signal);
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

/** How the tenant is opened, each time. */
async function opener(
  deps: KeyringDeps,
  o: Pick<JobOptions, 'credentials' | 'kms'> & { readonly environment: NodeJS.ProcessEnv },
  signal: AbortSignal,
): Promise<() => Promise<OpenTenant>> {
  if (o.kms !== undefined) {
    const tenant = await resolveTenant(deps, o.kms, signal);
    return async () => {
      const { keyring, roots } = await openKeyringByKms(deps, tenant, signal);
      return openTenantOf({ keyring, roots });
    };
  }
  const { key } = await readCaller(deps, { file: o.credentials, environment: o.environment }, signal);
  return async () => openTenantOf(await openKeyring(deps, key, signal));
}

/** Objects that the tenant could not reach afterwards would be lost to everybody. @throws UsageError */
export function requireGrant(tenant: OpenTenant, { bucket, prefix }: { bucket: string; prefix: string }): void {
  // Opened by the tenant's KMS slot alone: there is no key whose grants would count.
  if (tenant.policy !== null || tenant.slot === '') return;
  const isGranted = tenant.grants.some(
    (grant) =>
      (grant.bucket === '*' || grant.bucket === bucket) &&
      prefix.startsWith(grant.prefix) &&
      grant.access === 'read-write',
  );
  if (isGranted) return;
  throw new UsageError(`The key has no read-write grant on ${bucket}/${prefix}: nobody could use the objects.`);
}

/** The store as a job uses it. Objects of other tenants are no events: the job looks at whatever is there. */
export function jobStore({ deps, storage, tenant, signal }: JobContext, capabilities: Capabilities): StoreContext {
  const { record, now } = deps;
  const store = objectStore({
    backend: storage.backend,
    capabilities,
    legacy: { kind: 'allow' },
    bestEffortConditions: false,
    record: (event) => (event.kind === 'foreign-object' ? undefined : record(event)),
    now,
  });
  return storeContext(store, { tenant, signal });
}

/** The job from the last checkpoint on to its end. @throws JobLost, JobHeld, S3Error when the state is out of order */
export async function runCommandJob<Row>(
  context: { readonly deps: JobDeps; readonly signal: AbortSignal },
  o: JobOptions,
  scope: JobScope,
  work: JobWork<Row>,
): Promise<JobEnd> {
  const { deps, signal } = context;
  const job = await takeJob(deps, scope, { restart: o.restart, onWait: sayWait }, signal);
  if (job.isResumed) sayResumed(job);
  const progress = jobProgress(scope.kind);
  progress.begin(sumOf(job.record.counts));
  const { counts, bytes } = job.record;
  let last: JobProgress = { seen: sumOf(counts), bytes, counts };
  // By the clock and not by objects that end: one object may take hours.
  const ticking = setInterval(() => progress.show(last), TICK_MS);
  const onProgress = (now: JobProgress) => {
    last = now;
  };
  try {
    return await runJob(deps, job, { ...work, onProgress }, signal);
  } finally {
    clearInterval(ticking);
    progress.end(last);
  }
}

/** Milliseconds between looks at whether something is to be shown. */
const TICK_MS = 250;

function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function sayWait(until: Date): void {
  err(`Another run holds this job. If it has ended, this run goes on with it at ${until.toISOString()}.`);
}

function sayResumed({ record }: HeldJob): void {
  const { counts, after } = record;
  err(`Going on with job ${record.id}: ${sumOf(counts)} objects were done, up to ${JSON.stringify(after?.key ?? '')}.`);
}

function jobProgress(kind: string): ProgressLine<JobProgress> {
  return new ProgressLine<JobProgress>({
    write: (text) => process.stderr.write(text),
    isTerminal: isatty(2),
    text: ({ seen, bytes, counts }, { perSecond, of, left }) =>
      `${seen}${of} objects, ${bytesText(bytes)}, ${perSecond.toFixed(0)}/s${left}: ${countsText(counts)}`,
    plain: ({ seen, bytes, counts }, { perSecond, seconds }) =>
      JSON.stringify({
        job: kind,
        objects: seen,
        bytes,
        perSecond: Number(perSecond.toFixed(1)),
        seconds: Math.round(seconds),
        counts,
      }),
  });
}

export function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([state, count]) => `${count} ${state}`)
    .join(', ');
}

export function bytesText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}

/** Prints the end and writes the report. */
export async function tellEnd(
  context: { readonly deps: JobDeps },
  o: JobOptions & { readonly exitCode: number; readonly summary: string },
  end: JobEnd,
): Promise<number> {
  const { record, outcome, reason } = end;
  if (o.report !== undefined) await writeReport(context.deps, record, o.report);
  if (o.json) out(JSON.stringify(describeEnd(end, o.exitCode, context.deps.state)));
  else {
    for (const { key, versionId, state, message } of record.findings) {
      const version = versionId === null ? '' : ` (version ${versionId})`;
      out(`${state.padEnd(8)} ${record.bucket}/${JSON.stringify(key).slice(1, -1)}${version}  ${message}`);
    }
    const named = record.findings.length;
    const all = notSucceeded(record);
    if (all > named) out(`and ${all - named} more, which the report names`);
    out(o.summary);
    out(`report: ${context.deps.state.locate(runPrefix(record)).key} in the state bucket`);
  }
  if (reason !== undefined) err(`stopped: ${isOutage(reason) ? failureText(reason) : reason.message}`);
  if (outcome !== 'done') err('The same command goes on where this run stopped.');
  return o.exitCode;
}

function notSucceeded({ counts, findings }: JobRecord): number {
  const states = new Set(findings.map(({ state }) => state));
  return Object.entries(counts).reduce((sum, [state, count]) => sum + (states.has(state) ? count : 0), 0);
}

function describeEnd({ record, outcome }: JobEnd, exitCode: number, state: StateStore) {
  const { id, kind, tenant, bucket, prefix, options, run, counts, bytes, findings, seconds } = record;
  const report = state.locate(runPrefix(record)).key;
  const objects = Object.entries(counts).reduce((sum, [name, count]) => sum + (name === 'gone' ? 0 : count), 0);
  const summary = { job: id, kind, run, outcome, exitCode, tenant, bucket, prefix, ...options, objects, bytes };
  return { ...summary, seconds: Number(seconds.toFixed(1)), counts, findings, report };
}

/** All pieces of the report joined, with a line that names the columns. @throws SecretFileError when the file cannot be written */
async function writeReport({ state }: JobDeps, record: JobRecord, path: string): Promise<void> {
  const signal = AbortSignal.timeout(REPORT_TIMEOUT_MS);
  async function* lines(): AsyncGenerator<Buffer> {
    yield Buffer.from(`${CSV_COLUMNS}\n`);
    for (const name of pieceNames(record)) yield (await state.get(`${name}.csv`, signal))?.body ?? Buffer.alloc(0);
  }
  try {
    await pipeline(lines(), createWriteStream(path));
  } catch (cause) {
    if (isOutage(cause)) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new SecretFileError(`The report cannot be written to ${path} (${code ?? 'unknown failure'}).`, { cause });
  }
}

const REPORT_TIMEOUT_MS = 600_000;

/** What stands in the way of a job, said; others are thrown on. @returns the exit code */
export function reportJobFailure(error: unknown): number {
  if (!(error instanceof JobHeld || error instanceof JobLost)) throw error;
  err(error.message);
  return INCOMPLETE;
}
