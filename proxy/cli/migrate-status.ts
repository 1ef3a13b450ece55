/**
 * `sealgate migrate status`: which of the five steps of moving a bucket in are done (docs/migrate.md). What the store holds is looked
 * at; what servers are set to is taken from the settings of this command, which are theirs.
 */

import { NO_CAPABILITIES } from '../backend/capabilities.ts';
import { isVersioned } from '../backend/list-all.ts';
import { eachBounded } from '../concurrency/map-bounded.ts';
import { JOB_OBJECTS_AT_ONCE } from '../job-limits.ts';
import { bucketRows } from '../jobs/bucket-rows.ts';
import { type JobRecord, jobId, jobName, openRecord } from '../jobs/job-record.ts';
import { migrateJob } from '../migrate/migrate-bucket.ts';
import { headFacts } from '../migrate/store-facts.ts';
import { STORED_HEADERS } from '../object/stored-metadata.ts';
import { verifyJob } from '../verify/verify-bucket.ts';
import { INCOMPLETE, type JobContext, jobStore } from './job-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';

interface StatusOptions {
  readonly bucket: string;
  readonly prefix: string;
  readonly json: boolean;
}

/** What the bucket holds now, by metadata. */
interface Stored {
  sealed: number;
  plain: number;
  olderPlain: number;
  /** Of current plain objects. */
  newestPlain: { readonly key: string; readonly written: Date } | undefined;
}

interface Step {
  readonly step: 'allow' | 'writers' | 'encrypt' | 'verify' | 'deny';
  readonly done: boolean;
  readonly text: string;
}

/** @returns the exit code */
export async function migrateStatus(o: StatusOptions, context: JobContext): Promise<number> {
  const stored = await look(o, context);
  const { id } = context.tenant;
  const encrypt = await recordOf(context, jobId(migrateJob(id, { direction: 'encrypt', purge: false, ...o })));
  const verify = await recordOf(
    context,
    jobId(verifyJob(id, { depth: 'data', versions: false, sample: undefined, ...o })),
  );
  const steps = stepsOf({ stored, encrypt, verify, legacy: context.config.legacy.kind });
  const isDone = steps.every(({ done }) => done);
  const { out } = PROCESS_OUTPUT;
  const { bucket, prefix } = o;
  const { sealed, plain, olderPlain } = stored;
  if (o.json) out(JSON.stringify({ bucket, prefix, sealed, plain, olderPlain, steps, done: isDone }));
  else {
    out(`${bucket}/${prefix}: ${sealed} sealed, ${plain} plain, ${olderPlain} older versions in plain text`);
    for (const { step, done, text } of steps) out(`${done ? 'done' : 'open'}  ${step.padEnd(8)} ${text}`);
    if (olderPlain > 0) out('then  purge    sealgate migrate encrypt --purge-plaintext-versions');
  }
  return isDone ? 0 : INCOMPLETE;
}

async function look({ bucket, prefix }: StatusOptions, context: JobContext): Promise<Stored> {
  const stored: Stored = { sealed: 0, plain: 0, olderPlain: 0, newestPlain: undefined };
  const store = jobStore(context, NO_CAPABILITIES);
  const source = { backend: context.storage.backend, signal: context.signal };
  const versions = await isVersioned(source, bucket);
  await eachBounded(bucketRows(source, { bucket, prefix, versions }, null), JOB_OBJECTS_AT_ONCE, async (row) => {
    if (row.isDeleteMarker) return;
    const { key, versionId } = row;
    const facts = await headFacts(store, { bucket, key, versionId });
    if (facts === undefined) return;
    if (facts.headers[STORED_HEADERS[0]] !== undefined) stored.sealed += row.isLatest ? 1 : 0;
    else if (!row.isLatest) stored.olderPlain += 1;
    else {
      stored.plain += 1;
      const written = new Date(facts.lastModified);
      if (stored.newestPlain === undefined || written > stored.newestPlain.written)
        stored.newestPlain = { key, written };
    }
  });
  return stored;
}

async function recordOf({ deps, signal }: JobContext, id: string): Promise<JobRecord | undefined> {
  const found = await deps.state.get(jobName(id), signal);
  return found && openRecord(found.body, { id, sealKeys: deps.sealKeys });
}

function stepsOf(o: {
  stored: Stored;
  encrypt: JobRecord | undefined;
  verify: JobRecord | undefined;
  legacy: 'allow' | 'deny' | 'before';
}): readonly Step[] {
  const { stored, encrypt, verify, legacy } = o;
  const begun = encrypt === undefined ? undefined : new Date(encrypt.created);
  const { newestPlain, plain } = stored;
  const late =
    begun !== undefined && newestPlain !== undefined && newestPlain.written > begun ? newestPlain : undefined;
  const verified = verify?.state === 'done' ? verify : undefined;
  const isWhole = verified !== undefined && Object.keys(verified.counts).every((state) => HARMLESS.has(state));
  const isLater = verified !== undefined && (encrypt === undefined || verified.created > encrypt.updated);
  return [
    {
      step: 'allow',
      done: legacy !== 'deny' || plain === 0,
      text:
        legacy === 'deny' && plain > 0
          ? 'SEALGATE_LEGACY is deny: clients cannot read what is plain still'
          : 'plain objects are served',
    },
    {
      step: 'writers',
      done: begun !== undefined && late === undefined,
      text:
        late !== undefined
          ? `${JSON.stringify(late.key)} was written in plain text at ${late.written.toISOString()}, after encrypt began: a writer goes past Sealgate`
          : begun === undefined
            ? 'cannot be told before encrypt has run: point every writer at Sealgate'
            : `no plain object is newer than the begin of encrypt, ${begun.toISOString()}`,
    },
    {
      step: 'encrypt',
      done: plain === 0 && stored.sealed > 0,
      text: plain === 0 ? 'no plain object is left' : `${plain} plain objects: sealgate migrate encrypt`,
    },
    {
      step: 'verify',
      done: isWhole && isLater,
      text: verifyText(verified, { isWhole, isLater }),
    },
    {
      step: 'deny',
      done: legacy !== 'allow',
      text: legacy === 'allow' ? 'set SEALGATE_LEGACY=deny for all servers' : `SEALGATE_LEGACY is ${legacy}`,
    },
  ];
}

/** States of a verification after which plain objects may be refused. */
const HARMLESS: ReadonlySet<string> = new Set(['ok', 'foreign', 'gone']);

function verifyText(verified: JobRecord | undefined, o: { isWhole: boolean; isLater: boolean }): string {
  if (verified === undefined) return 'sealgate verify --data';
  if (!o.isWhole) return `the verification of ${verified.updated} found what is not ok`;
  return o.isLater
    ? `all was ok at ${verified.updated}`
    : `the verification of ${verified.updated} is older than the last encrypt`;
}
