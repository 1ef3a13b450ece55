/**
 * `sealgate migrate copy`: a bucket into another one of the same store through a tenant's keys, or everything that a store holds into
 * another store as it is, keyrings too (docs/migrate.md).
 */
import type { Backend } from '../backend/backend.ts';
import { listBuckets } from '../backend/list-all.ts';
import { openBackend } from '../backend/open-backend.ts';
import { probeCapabilities } from '../backend/probe.ts';
import { ByteRate } from '../concurrency/byte-rate.ts';
import { eachBounded } from '../concurrency/map-bounded.ts';
import { readSettings } from '../config/settings.ts';
import { parseStoreConfig } from '../config/store-config.ts';
import { JOB_OBJECTS_AT_ONCE } from '../job-limits.ts';
import { JOBS_PREFIX } from '../jobs/job-record.ts';
import { StateStore } from '../keyring/state/state.ts';
import { type CopyScope, copyJob, copyWork, prepareTarget } from '../migrate/copy-bucket.ts';
import { keyedCopier } from '../migrate/copy-keyed.ts';
import { rawCopier } from '../migrate/copy-raw.ts';
import { keyVersions } from '../migrate/key-versions.ts';
import { UNDONE } from '../migrate/outcome.ts';
import { replayKey } from '../migrate/replay.ts';
import { NO_ACCOUNT_HEADERS, type StoreAccess } from '../object/context.ts';
import { PROBE_TIMEOUT_MS } from '../running-limits.ts';
import { probeStorage } from '../runtime.ts';
import { parseCommand, shape, UsageError } from './command-line.ts';
import { copyExitCode, copySummary } from './copy-end.ts';
import {
  countsText,
  DAMAGED,
  INCOMPLETE,
  JOB_OPTIONS,
  type JobContext,
  type JobOptions,
  jobOptions,
  jobStore,
  reportJobFailure,
  requireGrant,
  runCommandJob,
  tellEnd,
  untilStopped,
  withTenant,
} from './job-command.ts';
import { type AcrossCommand, copyAcross } from './migrate-copy-across.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { bytesOf } from './verify.ts';

const { bucket: _bucket, ...OPTIONS } = JOB_OPTIONS;

const COPY = shape([], {
  ...OPTIONS,
  from: { type: 'string' },
  to: { type: 'string' },
  raw: { type: 'boolean', default: false },
  'to-backend': { type: 'string' },
  'to-config': { type: 'string' },
  'to-credentials': { type: 'string' },
  rate: { type: 'string' },
});

interface RawCommand {
  readonly kind: 'raw';
  readonly from: string;
  readonly toBackend: string;
  readonly bytesPerSecond: number | undefined;
  readonly json: boolean;
  readonly restart: boolean;
}

type KeyedCommand = JobOptions & { readonly kind: 'keyed'; readonly to: string };

/** @throws UsageError */
export function parseCopyOptions(args: readonly string[]): RawCommand | KeyedCommand | AcrossCommand {
  const { values } = parseCommand(args, COPY);
  const { from, to, raw, prefix, credentials, kms, report, restart, json, rate } = values;
  const { 'to-backend': toBackend, 'to-config': toConfig, 'to-credentials': toCredentials } = values;
  const bytesPerSecond = rate === undefined ? undefined : bytesOf(rate);
  if (from === undefined) throw new UsageError('--from is missing.');
  if (raw) {
    if (!from.startsWith('local:') || from === 'local:') throw new UsageError('--raw copies --from local:DIR.');
    if (toBackend === undefined) throw new UsageError('--to-backend is missing: local:DIR or http(s)://host[:port].');
    const keyed = [to, toConfig, toCredentials, credentials, kms, report];
    if (prefix !== '' || keyed.some((given) => given !== undefined)) {
      throw new UsageError(
        '--raw copies all buckets under their names, without a key: only --rate, --restart and --json fit.',
      );
    }
    return { kind: 'raw', from, toBackend, bytesPerSecond, json, restart };
  }
  if (to === undefined) throw new UsageError('--to is missing.');
  if (toBackend !== undefined) throw new UsageError('--to-backend is for --raw.');
  if ((toConfig === undefined) !== (toCredentials === undefined)) {
    throw new UsageError('--to-config and --to-credentials belong together.');
  }
  if (toConfig !== undefined && toCredentials !== undefined) {
    const options = jobOptions({ ...values, bucket: from });
    return { ...options, kind: 'across', to, toConfig, toCredentials, bytesPerSecond };
  }
  if (rate !== undefined) throw new UsageError('--rate is for --raw and --to-config: objects move inside the store.');
  if (from === to) throw new UsageError('--from and --to are the same bucket.');
  return { ...jobOptions({ ...values, bucket: from }), kind: 'keyed', to };
}

/** @returns the exit code */
export function migrateCopy(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const command = parseCopyOptions(args);
  return copy(command, environment).catch(reportJobFailure);
}

function copy(command: ReturnType<typeof parseCopyOptions>, environment: NodeJS.ProcessEnv): Promise<number> {
  if (command.kind === 'raw') return copyRaw(command, environment);
  if (command.kind === 'across') return copyAcross(command, environment);
  return withTenant(command, environment, (context) => copyKeyed(command, context));
}

async function copyKeyed(command: KeyedCommand, context: JobContext): Promise<number> {
  const { bucket, to, prefix } = command;
  const { deps, storage, config, tenant, signal } = context;
  if (to === deps.state.bucket) throw new UsageError(`${to} is the state bucket.`);
  requireGrant(tenant, { bucket: to, prefix });
  const store = jobStore(context, await probeStorage(storage, config));
  const versions = await prepareTarget({ source: store, target: store, from: bucket, to, region: config.region });
  const detail = `copy ${bucket}/${prefix} to ${to}`;
  await deps.record({ kind: 'migration-begun', detail, tenant: tenant.id, bucket: to });
  const scope = { bucket, prefix, to };
  const work = copyWork({ backend: storage.backend, signal }, scope, (until) =>
    keyedCopier({ context: { ...store, signal: until }, from: bucket, to, versions }),
  );
  const end = await runCommandJob(context, command, copyJob(tenant.id, scope), work);
  const counts = countsText(end.record.counts) || 'nothing';
  await deps.record({
    kind: 'migration-ended',
    detail: `${detail}: ${end.outcome}; ${counts}`,
    tenant: tenant.id,
    bucket: to,
  });
  return tellEnd(context, { ...command, exitCode: copyExitCode(end), summary: copySummary(bucket, to, end) }, end);
}

interface Both {
  readonly source: StoreAccess;
  readonly target: StoreAccess;
  readonly state: StateStore;
  readonly region: string;
  readonly signal: AbortSignal;
}

/** The settings are the target's but for SEALGATE_BACKEND. */
async function copyRaw(command: RawCommand, environment: NodeJS.ProcessEnv): Promise<number> {
  const settings = readSettings(environment);
  const target = parseStoreConfig({ ...settings, SEALGATE_BACKEND: command.toBackend });
  const source = parseStoreConfig({ SEALGATE_BACKEND: command.from });
  const backends: Backend[] = [];
  const open = async (config: typeof target) => {
    const backend = await openBackend(config);
    backends.push(backend);
    return backend;
  };
  try {
    const [from, to] = [await open(source), await open(target)];
    const stateConfig = target.state ?? { bucket: 'sealgate-state', prefix: '' };
    const { region } = target;
    const state = new StateStore({ backend: to, ...stateConfig, region });
    return await untilStopped(async (signal) => {
      await state.ensureBucket(signal);
      const probe = { bucket: state.bucket, prefix: `${stateConfig.prefix}probe/` };
      const capabilities = await probeCapabilities(to, { ...probe, signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
      const access = (backend: Backend): StoreAccess => ({
        store: { backend, capabilities, now: () => new Date() },
        signal,
        accountHeaders: NO_ACCOUNT_HEADERS,
      });
      return copyAll(command, { source: access(from), target: access(to), state, region, signal });
    });
  } finally {
    for (const backend of backends) await backend.close();
  }
}

async function copyAll(command: RawCommand, both: Both): Promise<number> {
  const { source, state, signal } = both;
  const buckets = await listBuckets({ backend: source.store.backend, signal });
  if (!buckets.includes(state.bucket)) {
    throw new UsageError(
      `${command.from} has no bucket ${state.bucket}: SEALGATE_STATE has to name the one with its keyrings.`,
    );
  }
  // First the keyrings: what was copied before a failure can be opened.
  let worst = await copyState(command, both);
  for (const bucket of buckets.filter((name) => name !== state.bucket)) {
    const code = await copyBucket(command, both, bucket);
    worst = worst === DAMAGED || code === DAMAGED ? DAMAGED : Math.max(worst, code);
  }
  return worst;
}

async function copyBucket(command: RawCommand, both: Both, bucket: string): Promise<number> {
  const { source, target, state, region, signal } = both;
  const versions = await prepareTarget({ source, target, from: bucket, to: bucket, region });
  const rate = new ByteRate(command);
  const scope: CopyScope = { bucket, prefix: '', to: bucket, store: command.from };
  const work = copyWork({ backend: source.store.backend, signal }, scope, (until) =>
    rawCopier({
      source: { ...source, signal: until },
      target: { ...target, signal: until },
      bucket,
      versions,
      pace: (bytes) => rate.take(bytes, until),
    }),
  );
  const deps = { state, sealKeys: undefined, now: () => new Date() };
  const options = { ...command, bucket, prefix: '', credentials: undefined, kms: undefined, report: undefined };
  const end = await runCommandJob({ deps, signal }, options, copyJob('', scope), work);
  const isEmpty = end.outcome === 'done' && Object.keys(end.record.counts).length === 0;
  const exitCode = isEmpty ? 0 : copyExitCode(end);
  return tellEnd({ deps }, { ...options, exitCode, summary: copySummary(bucket, bucket, end) }, end);
}

/** Records are few and small, and a job about them would stand among them. */
async function copyState(command: RawCommand, { source, target, state, region, signal }: Both): Promise<number> {
  const { bucket } = state;
  const versions = await prepareTarget({ source, target, from: bucket, to: bucket, region });
  const copier = rawCopier({ source, target, bucket, versions, pace: async () => {} });
  const { key: jobs } = state.locate(JOBS_PREFIX);
  const counts: Record<string, number> = {};
  const rows = keyVersions({ backend: source.store.backend, signal }, { bucket, prefix: '', versions }, null);
  await eachBounded(rows, JOB_OBJECTS_AT_ONCE, async (row) => {
    if (row.key.startsWith(jobs)) return;
    const found = await replayKey(copier, row);
    counts[found.state] = (counts[found.state] ?? 0) + 1;
    if (UNDONE.has(found.state)) PROCESS_OUTPUT.err(`${found.state}  ${bucket}/${row.key}  ${found.message}`);
  });
  const exitCode = Object.keys(counts).some((name) => UNDONE.has(name)) ? INCOMPLETE : 0;
  const line = command.json
    ? JSON.stringify({ kind: 'state', bucket, counts, exitCode })
    : `${bucket}: ${countsText(counts) || 'no records'}`;
  PROCESS_OUTPUT.out(line);
  return exitCode;
}
