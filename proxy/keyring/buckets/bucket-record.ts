/**
 * What the operator decided about a bucket: one small record in the state for each bucket that has one (crypto/FORMAT.md,
 * "Records of buckets"). A MAC under a subkey of S, bound to the bucket, keeps anybody without S from making a record up or
 * from giving one bucket the record of another.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { ETAG_MODES, type EtagMode } from '../../object/etags.ts';
import { MAX_BUCKET_RECORD_BYTES } from '../../store-limits.ts';
import type { SealKey, SealKeys } from '../access-keys/seal-keys.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { base64, sealKeyId, time } from '../state/fields.ts';
import { readRecord } from '../state/read-record.ts';

export const BUCKET_RECORDS = 'buckets/';
const FORMAT = 'sealgate-bucket/1' as const;
/** Names that a record can have. A bucket of any other name has none. */
const BUCKET = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{1,253}[A-Za-z0-9])$/;

const recordSchema = z.strictObject({
  bucket: z.string().regex(BUCKET),
  etags: z.enum(['md5', 'opaque']),
  format: z.literal(FORMAT),
  generation: z.int().min(1),
  kid: sealKeyId,
  mac: base64(32),
  updated: time,
});

export type BucketRecord = Omit<z.infer<typeof recordSchema>, 'mac' | 'format'>;

/** The stored bytes are no record of this bucket that the operator signed. Says what failed; holds no stored value. */
export class BucketRecordTampered extends Error {
  readonly code = 'BUCKET_RECORD_TAMPERED';
  /** The seal key that the record names, where that key is not configured. */
  readonly missingKid: string | undefined;
  constructor(message: string, o: { missingKid?: string } = {}) {
    super(message);
    this.name = 'BucketRecordTampered';
    this.missingKid = o.missingKid;
  }
}

export function isBucketName(text: string): boolean {
  return BUCKET.test(text) && !text.includes('..');
}

export function isEtagMode(text: string): text is EtagMode {
  return (ETAG_MODES as readonly string[]).includes(text);
}

/** Record name of a bucket; `undefined` for a name that no bucket with a record has. */
export function bucketRecordName(bucket: string): string | undefined {
  return isBucketName(bucket) ? `${BUCKET_RECORDS}${bucket}.json` : undefined;
}

/** The bucket of a record name. */
export function bucketOfRecord(name: string): string | undefined {
  if (!name.startsWith(BUCKET_RECORDS) || !name.endsWith('.json')) return undefined;
  const bucket = name.slice(BUCKET_RECORDS.length, -'.json'.length);
  return isBucketName(bucket) ? bucket : undefined;
}

/** The record's bytes, signed under `sealKey`. */
export function signBucketRecord(record: Omit<BucketRecord, 'kid'>, sealKey: SealKey): Buffer {
  const { bucket, etags, generation, updated } = record;
  const covered = { bucket, etags, format: FORMAT, generation, kid: sealKey.kid, updated };
  return canonicalJson({ ...covered, mac: macOf(covered, sealKey).toString('base64') });
}

/** @throws BucketRecordTampered */
export function openBucketRecord(body: Buffer, bucket: string, sealKeys: SealKeys): BucketRecord {
  const record = readRecord(body, recordSchema, MAX_BUCKET_RECORD_BYTES);
  if (record === undefined) throw new BucketRecordTampered(`The record of bucket ${bucket} is malformed.`);
  if (record.bucket !== bucket) throw new BucketRecordTampered(`The record of bucket ${bucket} is another bucket's.`);
  const sealKey = sealKeys.withId(record.kid);
  if (sealKey === undefined) {
    const message = `The record of bucket ${bucket} is signed under seal key '${record.kid}', which is not configured.`;
    throw new BucketRecordTampered(message, { missingKid: record.kid });
  }
  const { mac, ...covered } = record;
  if (!timingSafeEqual(Buffer.from(mac, 'base64'), macOf(covered, sealKey))) {
    throw new BucketRecordTampered(`The MAC of the record of bucket ${bucket} does not match.`);
  }
  const { format: _format, ...rest } = covered;
  return rest;
}

function macOf(covered: Omit<z.infer<typeof recordSchema>, 'mac'>, sealKey: SealKey): Buffer {
  return createHmac('sha256', sealKey.bucketRecordKey(covered.bucket)).update(canonicalJson(covered)).digest();
}
