/** `sealgate verify`: whether every byte that is stored still opens. See docs/verify.md. */
import { NO_CAPABILITIES } from '../backend/capabilities.ts';
import { JOB_MAX_SAMPLES } from '../job-limits.ts';
import type { JobEnd } from '../jobs/run-job.ts';
import { type VerifyScope, verifyJob, verifyWork } from '../verify/verify-bucket.ts';
import { parseCommand, reporting, shape, UsageError } from './command-line.ts';
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
  runCommandJob,
  tellEnd,
  withTenant,
} from './job-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';

export const VERIFY_USAGE = `Usage: sealgate verify --bucket NAME [options]

Opens every object of a bucket with a tenant's key and says which do not open. Changes and deletes nothing.

  --headers              open header, attributes, footer and part table of each object, and compare its length (the default)
  --data                 open every byte as well, and compute the plaintext's MD5 and checksums again
  --prefix PREFIX        objects under it only
  --versions             older versions too
  --sample K/N           the K-th of N parts of the bucket, by a hash of the key: N runs look at every object once
  --rate BYTES           read at most so many bytes a second, such as 50MiB
  --credentials FILE     the tenant's API key, as JSON with accessKeyId and secretAccessKey; - for standard input. Without it
                         AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
  --kms TENANT           no API key: the tenant has a slot that a key of a KMS opens alone (sealgate kms add)
  --report FILE          write the report there too, as CSV
  --restart              begin anew; without it a run goes on where an earlier one stopped, by kill -9 too
  --json                 print the summary as JSON

Each object is one of: ok; damaged; foreign, another tenant's; legacy, not encrypted; archived, to be restored first; no-key,
of a root key that was given up; failed, the store did not give it. Standard error shows how far the run is.

Exit codes: 0 every object of the tenant is ok; 3 something is damaged; 4 incomplete: stopped, archived, no-key or failed
objects, or no object of the tenant at all; 1 it could not be begun, and standard error says why; 2 wrong usage.
`;

interface VerifyCommand extends VerifyScope, JobOptions {
  readonly bytesPerSecond: number | undefined;
}

const flag = { type: 'boolean', default: false } as const;

const VERIFY = shape([], {
  ...JOB_OPTIONS,
  headers: flag,
  data: flag,
  versions: flag,
  sample: { type: 'string' },
  rate: { type: 'string' },
});

/** @throws UsageError */
export function parseVerifyOptions(args: readonly string[]): VerifyCommand {
  const { values } = parseCommand(args, VERIFY);
  if (values.headers && values.data) throw new UsageError('Choose --headers or --data.');
  return {
    ...jobOptions(values),
    depth: values.data ? 'data' : 'headers',
    versions: values.versions,
    sample: values.sample === undefined ? undefined : sampleOf(values.sample),
    bytesPerSecond: values.rate === undefined ? undefined : bytesOf(values.rate),
  };
}

function sampleOf(text: string): { part: number; of: number } {
  const [, part = '', of = ''] = /^(\d{1,5})\/(\d{1,5})$/.exec(text) ?? [];
  const sample = { part: Number(part), of: Number(of) };
  const isOne = sample.part >= 1 && sample.part <= sample.of && sample.of <= JOB_MAX_SAMPLES;
  if (part === '' || !isOne) throw new UsageError('--sample is such as 1/7: the first of seven parts.');
  return sample;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

/** Bytes of `1048576`, `512KiB`, `50MiB`, `1GiB`. @throws UsageError */
export function bytesOf(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,12})(KiB|MiB|GiB)?$/.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (digits === '' || bytes <= 0) throw new UsageError('--rate is bytes a second, such as 50MiB.');
  return bytes;
}

/** @returns the exit code */
export async function verifyCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  return reporting({ ...PROCESS_OUTPUT, command: 'verify', usage: VERIFY_USAGE }, () => {
    const command = parseVerifyOptions(args);
    return withTenant(command, environment, (context) => verify(command, context)).catch(reportJobFailure);
  });
}

async function verify(command: VerifyCommand, context: JobContext): Promise<number> {
  const scope = verifyJob(context.tenant.id, command);
  const work = verifyWork(jobStore(context, NO_CAPABILITIES), command);
  const end = await runCommandJob(context, command, scope, work);
  return tellEnd(context, { ...command, exitCode: exitCodeOf(end), summary: summaryOf(command, end) }, end);
}

/** A run that verified nothing is no success: the name of the bucket or the key may be wrong. */
function exitCodeOf({ record, outcome }: JobEnd): number {
  const count = (state: string) => record.counts[state] ?? 0;
  if (count('damaged') > 0) return DAMAGED;
  const missed = count('failed') + count('archived') + count('no-key');
  return outcome === 'done' && missed === 0 && count('ok') > 0 ? 0 : INCOMPLETE;
}

function summaryOf({ bucket, prefix, depth }: VerifyCommand, { record, outcome }: JobEnd): string {
  const read = depth === 'data' ? `, ${bytesText(record.bytes)} read` : '';
  const stopped = outcome === 'done' ? '' : ' so far';
  const found = countsText(record.counts) || 'no objects';
  return `${bucket}/${prefix}${stopped}: ${found}${read} in ${record.seconds.toFixed(0)} s`;
}
