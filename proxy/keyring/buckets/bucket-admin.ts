/** Reading and changing the records of buckets, for the command line: always afresh, and by compare-and-swap. */

import type { EtagMode } from '../../object/etags.ts';
import type { RecordEvent } from '../../observe/events.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import { announced } from '../admin/announce.ts';
import { timestamp } from '../state/fields.ts';
import { StateConflict, type StateRecord, type StateStore } from '../state/state.ts';
import {
  BUCKET_RECORDS,
  type BucketRecord,
  BucketRecordTampered,
  bucketOfRecord,
  bucketRecordName,
  openBucketRecord,
  signBucketRecord,
} from './bucket-record.ts';

export interface BucketDeps {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly record: RecordEvent;
  readonly now: () => Date;
}

/** A record that was changed at the same time. Nothing was written: run it again. */
export class BucketRecordConflict extends Error {
  readonly code = 'BUCKET_RECORD_CONFLICT';
  constructor(bucket: string) {
    super(`The record of bucket ${bucket} was changed at the same time. Look at it, and run again.`);
  }
}

/** `undefined`: the bucket has no record. @throws BucketRecordTampered, S3Error ServiceUnavailable */
export async function readBucketRecord(
  deps: BucketDeps,
  bucket: string,
  signal: AbortSignal,
): Promise<BucketRecord | undefined> {
  const stored = await fetchRecord(deps, bucket, signal);
  return stored === undefined ? undefined : openBucketRecord(stored.body, bucket, deps.sealKeys);
}

/**
 * @param o.replaceDamaged write over whatever is there: a record that does not verify, an older one that was put back, or none
 *   where one was. The generation counts from the clock, so that servers which have seen the right record take the new one.
 * @throws BucketRecordTampered, BucketRecordConflict, S3Error ServiceUnavailable
 */
export async function setBucketRecord(
  deps: BucketDeps,
  bucket: string,
  o: { etags: EtagMode; replaceDamaged: boolean },
  signal: AbortSignal,
): Promise<BucketRecord> {
  const stored = await fetchRecord(deps, bucket, signal);
  const before = stored === undefined ? undefined : openOrDamaged(deps, bucket, stored, o);
  if (!o.replaceDamaged && before !== 'damaged' && before?.etags === o.etags) return before;
  const now = deps.now();
  const next = before === 'damaged' ? 1 : (before?.generation ?? 0) + 1;
  const generation = o.replaceDamaged ? Math.max(next, Math.floor(now.getTime() / 1000)) : next;
  const record = { bucket, etags: o.etags, generation, updated: timestamp(now) };
  const earlier = before === 'damaged' ? 'a record that did not verify' : (before?.etags ?? 'no record');
  const event = { kind: 'bucket-changed', bucket, detail: `ETags: ${o.etags}, before ${earlier}` } as const;
  const body = signBucketRecord(record, deps.sealKeys.active);
  await announced(deps.record, event, () => write(deps, bucket, body, stored, signal));
  return { ...record, kid: deps.sealKeys.active.kid };
}

/** A bucket that has a record, or whose record does not verify. */
export type ListedBucket = { readonly bucket: string } & (
  | { readonly status: 'ok'; readonly record: BucketRecord }
  | { readonly status: 'tampered' | 'seal-key-missing'; readonly detail: string; readonly kid: string | undefined }
);

export async function* listBucketRecords(deps: BucketDeps, signal: AbortSignal): AsyncGenerator<ListedBucket> {
  for await (const name of deps.state.list(BUCKET_RECORDS, signal)) {
    const bucket = bucketOfRecord(name);
    if (bucket === undefined) continue;
    try {
      const record = await readBucketRecord(deps, bucket, signal);
      if (record !== undefined) yield { bucket, status: 'ok', record };
    } catch (error) {
      if (!(error instanceof BucketRecordTampered)) throw error;
      const { message: detail, missingKid: kid } = error;
      yield { bucket, status: kid === undefined ? 'tampered' : 'seal-key-missing', detail, kid };
    }
  }
}

/** Signs a record under the active seal key. @returns false when it is already, or was changed meanwhile: then it is new */
export async function resignBucketRecord(
  deps: BucketDeps,
  record: BucketRecord,
  signal: AbortSignal,
): Promise<boolean> {
  const { active } = deps.sealKeys;
  if (record.kid === active.kid) return false;
  const { bucket, etags, generation } = record;
  const stored = await fetchRecord(deps, bucket, signal);
  if (stored === undefined) return false;
  const current = openBucketRecord(stored.body, bucket, deps.sealKeys);
  if (current.generation !== generation) return false;
  const next = { bucket, etags, generation: generation + 1, updated: timestamp(deps.now()) };
  try {
    await write(deps, bucket, signBucketRecord(next, active), stored, signal);
  } catch (error) {
    if (error instanceof BucketRecordConflict) return false;
    throw error;
  }
  return true;
}

function openOrDamaged(
  deps: BucketDeps,
  bucket: string,
  stored: StateRecord,
  o: { replaceDamaged: boolean },
): BucketRecord | 'damaged' {
  try {
    return openBucketRecord(stored.body, bucket, deps.sealKeys);
  } catch (error) {
    if (error instanceof BucketRecordTampered && o.replaceDamaged) return 'damaged';
    throw error;
  }
}

async function fetchRecord(deps: BucketDeps, bucket: string, signal: AbortSignal): Promise<StateRecord | undefined> {
  const name = bucketRecordName(bucket);
  return name === undefined ? undefined : deps.state.get(name, signal);
}

async function write(
  deps: BucketDeps,
  bucket: string,
  body: Buffer,
  stored: StateRecord | undefined,
  signal: AbortSignal,
): Promise<void> {
  const name = bucketRecordName(bucket);
  if (name === undefined) throw new TypeError('A bucket of that name has no record.');
  try {
    await deps.state.put(name, body, stored === undefined ? { ifAbsent: true } : { ifMatch: stored.etag }, signal);
  } catch (error) {
    if (!(error instanceof StateConflict)) throw error;
    // A request that was sent twice conflicts with itself.
    const after = await fetchRecord(deps, bucket, signal);
    if (after?.body.equals(body) !== true) throw new BucketRecordConflict(bucket);
  }
}
