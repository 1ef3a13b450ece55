/** `sealgate migrate encrypt | decrypt | copy | status`: a bucket sealed where it is, and back (docs/migrate.md). */

import type { Capabilities } from '../backend/capabilities.ts';
import { isVersioned } from '../backend/list-all.ts';
import { eachBounded } from '../concurrency/map-bounded.ts';
import { JOB_OBJECTS_AT_ONCE } from '../job-limits.ts';
import type { BucketRow } from '../jobs/bucket-rows.ts';
import type { ReportRow } from '../jobs/job-report.ts';
import type { JobEnd, JobWork } from '../jobs/run-job.ts';
import { type Direction, type MigrateScope, migrateJob, migrateWork } from '../migrate/migrate-bucket.ts';
import { UNDONE } from '../migrate/outcome.ts';
import { probeStorage } from '../runtime.ts';
import { parseCommand, runNamed, shape, UsageError } from './command-line.ts';
import {
  bytesText,
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
  withTenant,
} from './job-command.ts';
import { migrateCopy } from './migrate-copy.ts';
import { migrateStatus } from './migrate-status.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { bytesOf } from './verify.ts';

export const MIGRATE_USAGE = `Usage:
  sealgate migrate encrypt --bucket NAME [options]    seal every plain object where it is
  sealgate migrate decrypt --bucket NAME [options]    the way back: every sealed object of the tenant in plain text
  sealgate migrate copy --from BUCKET --to BUCKET [--prefix PREFIX] [options]
                                                      into another bucket of the store, with all versions, oldest first
  sealgate migrate copy --from BUCKET --to BUCKET --to-config FILE --to-credentials FILE [--prefix PREFIX] [options]
                                                      into a bucket of another deployment, through the keys of both
  sealgate migrate copy --raw --from local:DIR --to-backend URL [--rate BYTES] [--restart] [--json]
                                                      everything of an embedded store into another store, as it is stored
  sealgate migrate status  --bucket NAME [--prefix PREFIX] [--credentials FILE] [--json]
                                                      where the bucket stands: allow, writers, encrypt, verify, deny

encrypt and decrypt work beside live clients: an object is replaced only if it is still the one that was read. ETags stay, as
far as the store shows where the parts of an object end. Last-Modified and version ids change, and notifications and
replication of the bucket see every object written anew.

  --prefix PREFIX               objects under it only
  --credentials FILE            the API key of the tenant whose objects they become or are, as JSON with accessKeyId and
                                secretAccessKey; - for standard input. Without it AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
  --to-config FILE              with copy: the settings of the target's servers, in YAML as for SEALGATE_CONFIG
  --to-credentials FILE         with --to-config: the API key of the tenant there
  --kms TENANT                  no API key: the tenant has a slot that a key of a KMS opens alone (sealgate kms add)
  --dry-run                     count objects and bytes, and change nothing
  --purge-plaintext-versions    with encrypt: delete older versions in plain text. Run it when the bucket is verified
  --no-writers                  nobody writes to the bucket meanwhile: needed for a store without conditional writes
  --rate BYTES                  read at most so many bytes a second, such as 50MiB
  --report FILE                 write the report there too, as CSV
  --restart                     begin at the start of the bucket; without it a run goes on where an earlier one stopped
  --json                        print the summary as JSON

Exit codes: 0 all is done; 3 an object is damaged: its bytes are not those of its ETag, or it does not open; 4 incomplete:
stopped, archived or failed objects, or no object at all; 1 it could not be begun, and standard error says why; 2 wrong usage.
copy: never writes over an object. With --raw, the other settings are those of the target store; stop the servers first.
status: 0 all five steps are done; 4 not yet.
`;

/** `args`: what follows `migrate`. @returns the exit code */
export function migrateCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const commands = {
    encrypt: (rest: readonly string[]) => run('encrypt', rest, environment),
    decrypt: (rest: readonly string[]) => run('decrypt', rest, environment),
    copy: (rest: readonly string[]) => migrateCopy(rest, environment),
    status: (rest: readonly string[]) => status(rest, environment),
  };
  return runNamed(args, commands, PROCESS_OUTPUT, { command: 'migrate', usage: MIGRATE_USAGE });
}

interface MigrateCommand extends MigrateScope, JobOptions {
  readonly dryRun: boolean;
  readonly noWriters: boolean;
  readonly bytesPerSecond: number | undefined;
}

const flag = { type: 'boolean', default: false } as const;

const MIGRATE = shape([], {
  ...JOB_OPTIONS,
  'dry-run': flag,
  'no-writers': flag,
  'purge-plaintext-versions': flag,
  rate: { type: 'string' },
});

/** @throws UsageError */
export function parseMigrateOptions(direction: Direction, args: readonly string[]): MigrateCommand {
  const { values } = parseCommand(args, MIGRATE);
  const purge = values['purge-plaintext-versions'];
  if (purge && direction === 'decrypt') throw new UsageError('--purge-plaintext-versions is for encrypt.');
  return {
    ...jobOptions(values),
    direction,
    purge,
    dryRun: values['dry-run'],
    noWriters: values['no-writers'],
    bytesPerSecond: values.rate === undefined ? undefined : bytesOf(values.rate),
  };
}

function run(direction: Direction, args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const command = parseMigrateOptions(direction, args);
  return withTenant(command, environment, (context) => migrate(command, context)).catch(reportJobFailure);
}

async function migrate(command: MigrateCommand, context: JobContext): Promise<number> {
  const { deps, storage, config, tenant } = context;
  const { bucket, prefix, direction, noWriters } = command;
  requireGrant(tenant, command);
  const capabilities = await probeStorage(storage, config);
  if (!noWriters && !command.dryRun) requireConditions(capabilities);
  const { backend } = storage;
  const versions = await isVersioned({ backend, signal: context.signal }, bucket);
  const work = migrateWork(jobStore(context, capabilities), { ...command, versions });
  if (command.dryRun) return dryRun(command, context, work);
  const detail = `${direction} ${bucket}/${prefix}`;
  await deps.record({ kind: 'migration-begun', detail, tenant: tenant.id, bucket });
  const end = await runCommandJob(context, command, migrateJob(tenant.id, command), work);
  const counts = countsText(end.record.counts) || 'nothing';
  await deps.record({
    kind: 'migration-ended',
    detail: `${detail}: ${end.outcome}; ${counts}`,
    tenant: tenant.id,
    bucket,
  });
  return tellEnd(context, { ...command, exitCode: exitCodeOf(end), summary: summaryOf(command, versions, end) }, end);
}

function requireConditions({ conditionalPutIfMatch }: Capabilities): void {
  if (conditionalPutIfMatch) return;
  throw new UsageError(
    'The store has no conditional PUT, so an object that a client stores meanwhile could be lost. Stop all writers, and say so with --no-writers.',
  );
}

/** Looks at every object, and keeps no record. */
async function dryRun(command: MigrateCommand, { signal }: JobContext, work: JobWork<BucketRow>): Promise<number> {
  const counts: Record<string, number> = {};
  let bytes = 0;
  await eachBounded(work.rows(null, signal), JOB_OBJECTS_AT_ONCE, async (row) => {
    const found: ReportRow | undefined = await work.visit(row, signal);
    if (found === undefined) return;
    counts[found.state] = (counts[found.state] ?? 0) + 1;
    bytes += found.bytes;
  });
  const { bucket, prefix, json } = command;
  const objects = counts[`would-${command.direction}`] ?? 0;
  const { out } = PROCESS_OUTPUT;
  if (json) out(JSON.stringify({ dryRun: true, bucket, prefix, objects, bytes, counts }));
  else out(`${bucket}/${prefix}: ${countsText(counts) || 'no objects'}; ${bytesText(bytes)} to rewrite`);
  return Object.keys(counts).length > 0 ? 0 : INCOMPLETE;
}

/** Nothing there is no success: the bucket's name may be the wrong one. */
function exitCodeOf({ record, outcome }: JobEnd): number {
  const count = (state: string) => record.counts[state] ?? 0;
  if (count('damaged') > 0) return DAMAGED;
  const undone = [...UNDONE].reduce((sum, state) => sum + count(state), 0);
  const done = count('encrypted') + count('decrypted') + count('etag-changed') + count('already');
  return outcome === 'done' && undone === 0 && done > 0 ? 0 : INCOMPLETE;
}

function summaryOf({ bucket, prefix }: MigrateCommand, versions: boolean, { record, outcome }: JobEnd): string {
  const { counts, bytes, seconds, written } = record;
  const stopped = outcome === 'done' ? '' : ' so far';
  const moved = `${bytesText(bytes)} in ${seconds.toFixed(0)} s`;
  const left = (counts['plaintext-version'] ?? 0) + (versions ? (counts['encrypted'] ?? 0) : 0);
  const dates = written === null ? '' : ` (written ${written.oldest.slice(0, 10)} to ${written.newest.slice(0, 10)})`;
  const older = left === 0 ? '' : `; ${left} older versions are in plain text${dates}: --purge-plaintext-versions`;
  return `${bucket}/${prefix}${stopped}: ${countsText(counts) || 'no objects'}, ${moved}${older}`;
}

const STATUS = shape([], {
  bucket: { type: 'string' },
  prefix: { type: 'string', default: '' },
  credentials: { type: 'string' },
  kms: { type: 'string' },
  json: { type: 'boolean', default: false },
});

function status(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const { values } = parseCommand(args, STATUS);
  const { bucket, prefix, json, credentials, kms } = jobOptions({ ...values, restart: false });
  return withTenant({ bucket, credentials, kms }, environment, (context) =>
    migrateStatus({ bucket, prefix, json }, context),
  );
}
