/** `sealgate verify`: a job that opens every object of a bucket with a tenant's root keys, and says which of them do not open. */
import { createHash } from 'node:crypto';
import { ByteRate } from '../concurrency/byte-rate.ts';
import { type BucketRow, bucketRows, cursorOf, isListed } from '../jobs/bucket-rows.ts';
import type { JobScope } from '../jobs/job-record.ts';
import { failedRow, type ReportRow } from '../jobs/job-report.ts';
import type { JobWork } from '../jobs/run-job.ts';
import type { StoreContext } from '../object/context.ts';
import type { Verdict } from './verdict.ts';
import { verifyObject } from './verify-object.ts';

export interface VerifyScope {
  readonly bucket: string;
  readonly prefix: string;
  readonly depth: 'headers' | 'data';
  /** Older versions too. */
  readonly versions: boolean;
  /** One of `of` parts of the bucket, by a hash of the key: `of` runs look at every object once. */
  readonly sample: { readonly part: number; readonly of: number } | undefined;
}

/** The rate is none of the scope: a run may go on faster or slower. */
export function verifyJob(tenant: string, o: VerifyScope): JobScope {
  const { bucket, prefix, depth, versions, sample } = o;
  const sampled = sample === undefined ? {} : { sample: `${sample.part}/${sample.of}` };
  return { kind: 'verify', tenant, bucket, prefix, options: { depth, versions: String(versions), ...sampled } };
}

export function verifyWork(
  context: StoreContext,
  o: VerifyScope & { bytesPerSecond: number | undefined },
): JobWork<BucketRow> {
  const { bucket, depth } = o;
  const rate = new ByteRate(o);
  return {
    rows: (after, signal) => sampled(bucketRows({ backend: context.store.backend, signal }, o, after), o),
    cursorOf,
    async visit(row, signal) {
      const pace = (bytes: number) => rate.take(bytes, signal);
      const address = { bucket, key: row.key, versionId: row.versionId };
      const verdict = await verifyObject({ ...context, signal }, address, { depth, pace });
      return verdict === undefined ? undefined : reportRow(address, verdict);
    },
    isListed: ({ key, versionId }, signal) =>
      isListed({ backend: context.store.backend, signal }, { bucket, key, versionId }),
    failed: ({ key, versionId }, error) => failedRow({ bucket, key, versionId }, error),
  };
}

async function* sampled(
  rows: AsyncIterable<BucketRow>,
  { sample }: Pick<VerifyScope, 'sample'>,
): AsyncGenerator<BucketRow> {
  for await (const row of rows) {
    if (!row.isDeleteMarker && (sample === undefined || isInSample(row.key, sample))) yield row;
  }
}

/** `part` counts from 1. All versions of a key are in the same part. */
export function isInSample(key: string, { part, of }: { part: number; of: number }): boolean {
  return createHash('sha256').update(key).digest().readUIntBE(0, 6) % of === part - 1;
}

/** What clients get who ask for such an object: code and status. */
const ANSWERS: Readonly<Record<Verdict['state'], { errorCode: string; httpStatus: number; succeeded: boolean }>> = {
  ok: { errorCode: '', httpStatus: 200, succeeded: true },
  legacy: { errorCode: '', httpStatus: 200, succeeded: true },
  foreign: { errorCode: '', httpStatus: 403, succeeded: true },
  archived: { errorCode: 'InvalidObjectState', httpStatus: 403, succeeded: false },
  'no-key': { errorCode: 'UNKNOWN_EPOCH', httpStatus: 500, succeeded: false },
  damaged: { errorCode: '', httpStatus: 500, succeeded: false },
};

function reportRow(
  address: { bucket: string; key: string; versionId: string | undefined },
  verdict: Verdict,
): ReportRow {
  const { bucket, key, versionId } = address;
  const { state } = verdict;
  const row = { bucket, key, versionId, state, message: '', bytes: 0, ...ANSWERS[state] };
  if (verdict.state === 'ok') return { ...row, bytes: verdict.bytes };
  if (verdict.state !== 'damaged') return row;
  const { piece, code, message, bytes } = verdict;
  return { ...row, errorCode: code, message: `${piece}: ${message}`, bytes };
}
