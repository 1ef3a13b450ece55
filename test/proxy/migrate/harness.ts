/** A bucket in plain text behind a proxy, and the jobs that seal it and open it again. */
import { S3Client } from '@aws-sdk/client-s3';
import { isVersioned } from '../../../proxy/backend/list-all.ts';
import { takeJob } from '../../../proxy/jobs/held-job.ts';
import type { ReportRow } from '../../../proxy/jobs/job-report.ts';
import { type JobEnd, runJob } from '../../../proxy/jobs/run-job.ts';
import { type Direction, migrateJob, migrateWork } from '../../../proxy/migrate/migrate-bucket.ts';
import type { StoreContext } from '../../../proxy/object/context.ts';
import { verifyJob, verifyWork } from '../../../proxy/verify/verify-bucket.ts';
import type { Bench } from '../../helpers/bench.ts';
import { openJobContext } from '../../helpers/job-context.ts';
import { serveBare } from '../../twin/bare-server.ts';

/** A client of the store itself, as programs were before Sealgate stood in front of it. */
export async function bareClient(bench: Bench): Promise<{ s3: S3Client; close(): Promise<void> }> {
  const server = await serveBare(bench.backend, { checksums: [] });
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
  const s3 = new S3Client({
    endpoint: server.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  return {
    s3,
    async close() {
      s3.destroy();
      await server.close();
    },
  };
}

export interface Migrated extends JobEnd {
  readonly rows: ReadonlyMap<string, ReportRow>;
}

export async function migrate(
  bench: Bench,
  direction: Direction,
  o: { purge?: boolean; noWriters?: boolean; bucket?: string; context?: (context: StoreContext) => StoreContext } = {},
): Promise<Migrated> {
  const { purge = false, noWriters = false, bucket = bench.bucket, context: change = (same) => same } = o;
  const context = change(await openJobContext(bench));
  const { signal } = context;
  const scope = { direction, bucket, prefix: '', purge };
  const versions = await isVersioned({ backend: bench.backend, signal }, bucket);
  const work = migrateWork(context, { ...scope, versions, noWriters, dryRun: false, bytesPerSecond: undefined });
  const rows = new Map<string, ReportRow>();
  const visit: typeof work.visit = async (row, until) => {
    const found = await work.visit(row, until);
    if (found !== undefined)
      rows.set(row.versionId === undefined || row.isLatest ? row.key : `${row.key} ${row.versionId}`, found);
    return found;
  };
  const deps = { ...bench.proxy, now: () => new Date() };
  const job = await takeJob(deps, migrateJob(context.tenant.id, scope), { restart: true }, signal);
  return { ...(await runJob(deps, job, { ...work, visit }, signal)), rows };
}

/** Every byte of the bucket, opened. */
export async function verifyAll(bench: Bench, bucket = bench.bucket): Promise<Readonly<Record<string, number>>> {
  const context = await openJobContext(bench);
  const scope = { bucket, prefix: '', depth: 'data', versions: false, sample: undefined } as const;
  const deps = { ...bench.proxy, now: () => new Date() };
  const job = await takeJob(deps, verifyJob(context.tenant.id, scope), { restart: true }, context.signal);
  const work = verifyWork(context, { ...scope, bytesPerSecond: undefined });
  return (await runJob(deps, job, work, context.signal)).record.counts;
}
