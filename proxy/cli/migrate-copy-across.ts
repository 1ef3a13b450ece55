/** `sealgate migrate copy --to-config FILE`: a bucket into a bucket of another deployment, through the keys of both (docs/migrate.md). */

import { NO_CAPABILITIES } from '../backend/capabilities.ts';
import { ByteRate } from '../concurrency/byte-rate.ts';
import type { BackendConfig } from '../config/backend-config.ts';
import { readSettings } from '../config/settings.ts';
import { acrossCopier } from '../migrate/copy-across.ts';
import { copyJob, copyWork, prepareTarget } from '../migrate/copy-bucket.ts';
import { probeStorage } from '../runtime.ts';
import { UsageError } from './command-line.ts';
import { copyExitCode, copySummary } from './copy-end.ts';
import {
  countsText,
  type JobContext,
  type JobOptions,
  jobStore,
  requireGrant,
  runCommandJob,
  tellEnd,
  withTenant,
} from './job-command.ts';

export interface AcrossCommand extends JobOptions {
  readonly kind: 'across';
  readonly to: string;
  /** The settings of the target's servers. */
  readonly toConfig: string;
  /** The key of the tenant whose objects the copies become. */
  readonly toCredentials: string;
  readonly bytesPerSecond: number | undefined;
}

/** @returns the exit code @throws UsageError, ConfigError */
export function copyAcross(command: AcrossCommand, environment: NodeJS.ProcessEnv): Promise<number> {
  const others = Object.entries(environment).filter(([name]) => !name.startsWith('SEALGATE_'));
  const target = { ...Object.fromEntries(others), SEALGATE_CONFIG: command.toConfig };
  // Without it the data of the quickstart in this directory would be meant.
  if (readSettings(target)['SEALGATE_BACKEND'] === undefined) {
    throw new UsageError(`${command.toConfig} has no SEALGATE_BACKEND.`);
  }
  const { to: bucket, toCredentials: credentials } = command;
  return withTenant(command, environment, (source) =>
    withTenant({ bucket, credentials, kms: undefined }, target, (opened) => run(command, source, opened)),
  );
}

async function run(command: AcrossCommand, source: JobContext, opened: JobContext): Promise<number> {
  const { bucket: from, to, prefix } = command;
  const target = { ...opened, signal: AbortSignal.any([source.signal, opened.signal]) };
  const { tenant, config, storage, signal } = target;
  requireGrant(tenant, { bucket: to, prefix });
  const sourceStore = jobStore({ ...source, signal }, NO_CAPABILITIES);
  const targetStore = jobStore(target, await probeStorage(storage, config));
  const versions = await prepareTarget({ source: sourceStore, target: targetStore, from, to, region: config.region });
  const rate = new ByteRate(command);
  const scope = { bucket: from, prefix, to, store: placeOf(source.config.backend) };
  const work = copyWork({ backend: source.storage.backend, signal }, scope, (until) =>
    acrossCopier({
      source: { ...sourceStore, signal: until, pace: (bytes) => rate.take(bytes, until) },
      target: { ...targetStore, signal: until },
      ...{ from, to, versions },
    }),
  );
  const detail = `copy ${from}/${prefix} to ${to} of another store`;
  const tell = async (kind: 'migration-begun' | 'migration-ended', text: string) => {
    await source.deps.record({ kind, detail: text, tenant: source.tenant.id, bucket: from });
    await target.deps.record({ kind, detail: text, tenant: tenant.id, bucket: to });
  };
  await tell('migration-begun', detail);
  const end = await runCommandJob(target, command, copyJob(tenant.id, scope), work);
  await tell('migration-ended', `${detail}: ${end.outcome}; ${countsText(end.record.counts) || 'nothing'}`);
  return tellEnd(target, { ...command, exitCode: copyExitCode(end), summary: copySummary(from, to, end) }, end);
}

/** Two sources are two jobs. */
function placeOf(backend: BackendConfig): string {
  return backend.kind === 'local' ? `local:${backend.directory}` : backend.endpoint.origin;
}
