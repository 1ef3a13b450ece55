/** `sealgate migrate encrypt` and `decrypt`: a job that rewrites every object of a bucket where it is, beside live clients. */
import { ByteRate } from '../concurrency/byte-rate.ts';
import { FairLimit } from '../concurrency/fair-limit.ts';
import { MIGRATE_SPOOLS_AT_ONCE } from '../job-limits.ts';
import { type BucketRow, bucketRows, cursorOf, isListed } from '../jobs/bucket-rows.ts';
import type { JobScope } from '../jobs/job-record.ts';
import { failedRow, type ReportRow } from '../jobs/job-report.ts';
import type { JobWork } from '../jobs/run-job.ts';
import type { StoreContext } from '../object/context.ts';
import { ObjectAcls } from '../rotation/kept-headers.ts';
import type { MigrateContext } from './context.ts';
import { decryptObject } from './decrypt-object.ts';
import { encryptObject } from './encrypt-object.ts';
import { visitOlder } from './older-version.ts';
import { type Outcome, UNDONE } from './outcome.ts';

export type Direction = 'encrypt' | 'decrypt';

export interface MigrateScope {
  readonly direction: Direction;
  readonly bucket: string;
  readonly prefix: string;
  /** Delete older versions in plain text, in place of counting them. */
  readonly purge: boolean;
}

export interface MigrateOptions extends MigrateScope {
  /** The bucket keeps versions, or did. */
  readonly versions: boolean;
  readonly dryRun: boolean;
  readonly noWriters: boolean;
  readonly bytesPerSecond: number | undefined;
}

export function migrateJob(tenant: string, { direction, bucket, prefix, purge }: MigrateScope): JobScope {
  const options: Record<string, string> = purge ? { purge: 'true' } : {};
  return { kind: `migrate-${direction}`, tenant, bucket, prefix, options };
}

export function migrateWork(store: StoreContext, o: MigrateOptions): JobWork<BucketRow> {
  const rate = new ByteRate(o);
  const learnt = { refusesChecksums: false, holdsWhileWritten: false };
  const spooling = new FairLimit({ atOnce: MIGRATE_SPOOLS_AT_ONCE }).lane();
  const shared = { ...store, acls: new ObjectAcls(), noWriters: o.noWriters, learnt, spooling };
  return {
    rows: (after, signal) => withoutMarkers(bucketRows({ backend: store.store.backend, signal }, o, after)),
    cursorOf,
    async visit(row, signal) {
      const context = { ...shared, signal, pace: (bytes: number) => rate.take(bytes, signal) };
      const outcome = await visit(context, row, o);
      return outcome && reportRow(o.bucket, row, outcome);
    },
    isListed: (row, signal) => isListed({ backend: store.store.backend, signal }, visited(row, o)),
    failed: ({ key, versionId }, error) => failedRow({ bucket: o.bucket, key, versionId }, error),
  };
}

function visit(context: MigrateContext, row: BucketRow, o: MigrateOptions): Promise<Outcome | undefined> {
  const { direction, purge, dryRun } = o;
  if (!row.isLatest) return visitOlder(context, visited(row, o), { purge: purge && !dryRun });
  const rewrite = direction === 'encrypt' ? encryptObject : decryptObject;
  return rewrite(context, visited(row, o), { dryRun });
}

/** The current object goes by its name: whichever version it is by then. */
function visited({ key, versionId, isLatest }: BucketRow, { bucket }: Pick<MigrateOptions, 'bucket'>) {
  return { bucket, key, versionId: isLatest ? undefined : versionId };
}

async function* withoutMarkers(rows: AsyncIterable<BucketRow>): AsyncGenerator<BucketRow> {
  for await (const row of rows) if (!row.isDeleteMarker) yield row;
}

function reportRow(bucket: string, { key, versionId }: BucketRow, outcome: Outcome): ReportRow {
  const { state, bytes, message, errorCode, httpStatus, written } = outcome;
  const succeeded = !UNDONE.has(state);
  const row = { bucket, key, versionId, state, succeeded, errorCode, httpStatus, message, bytes };
  return written === undefined ? row : { ...row, written };
}
