/**
 * What servers believe of buckets: each bucket's record, for a fixed time since its last check, then asked for again by ETag. So
 * every replica follows a change within that time. When the state cannot be reached after that, requests fail: an old answer
 * might have been changed. A bucket without a record has the default.
 */
import { LRUCache } from 'lru-cache';
import { SharedCalls, type SharedRun } from '../../concurrency/shared-calls.ts';
import { S3Error } from '../../errors.ts';
import { KEYRING_TTL_SECONDS } from '../../limits.ts';
import type { EtagMode, EtagModes } from '../../object/etags.ts';
import type { RecordEvent } from '../../observe/events.ts';
import { BUCKET_RECORDS_CACHED } from '../../store-limits.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import { Generations } from '../state/generations.ts';
import type { StateStore } from '../state/state.ts';
import { type BucketRecord, BucketRecordTampered, bucketRecordName, openBucketRecord } from './bucket-record.ts';

interface Checked {
  readonly etags: EtagMode;
  /** Of the record in the state; absent where there is none. */
  readonly etag: string | undefined;
  /** Milliseconds, from before the request that confirmed it. */
  readonly checkedAt: number;
}

export class BucketSettings implements EtagModes {
  readonly #o: {
    readonly state: StateStore;
    readonly sealKeys: SealKeys;
    readonly record: RecordEvent;
    readonly now: () => Date;
    readonly etags: EtagMode;
  };
  readonly #checked = new LRUCache<string, Checked>({ max: BUCKET_RECORDS_CACHED });
  readonly #loads = new SharedCalls<Checked>();
  readonly #generations = new Generations();

  /** `etags`: the default, SEALGATE_ETAGS. */
  constructor(o: {
    state: StateStore;
    sealKeys: SealKeys;
    record: RecordEvent;
    now: () => Date;
    etags: EtagMode;
  }) {
    this.#o = o;
  }

  of(bucket: string, signal: AbortSignal): EtagMode | Promise<EtagMode> {
    const checked = this.#checked.get(bucket);
    const age = checked === undefined ? Number.NaN : this.#o.now().getTime() - checked.checkedAt;
    if (checked !== undefined && age >= 0 && age < 1000 * KEYRING_TTL_SECONDS) return checked.etags;
    const name = bucketRecordName(bucket);
    if (name === undefined) return this.#o.etags;
    return this.#loads.run(bucket, signal, (run) => this.#load(bucket, name, run)).then(({ etags }) => etags);
  }

  async #load(bucket: string, name: string, run: SharedRun): Promise<Checked> {
    const { state, now } = this.#o;
    const checkedAt = now().getTime();
    const known = this.#checked.get(bucket);
    const found =
      known?.etag === undefined
        ? await state.get(name, run.signal)
        : await state.getIfChanged(name, known.etag, run.signal);
    const next =
      found === 'unchanged' && known !== undefined
        ? { ...known, checkedAt }
        : { ...(await this.#verified(bucket, found === 'unchanged' ? undefined : found)), checkedAt };
    this.#checked.set(bucket, next);
    return next;
  }

  async #verified(
    bucket: string,
    found: { readonly body: Buffer; readonly etag: string } | undefined,
  ): Promise<Omit<Checked, 'checkedAt'>> {
    if (found === undefined) {
      if (!this.#generations.hasSeen(bucket)) return { etags: this.#o.etags, etag: undefined };
      throw await this.#refuse('bucket-record-rollback', bucket, 'The record of the bucket was there, and is gone.');
    }
    const record = await this.#open(bucket, found.body);
    if (this.#generations.accept(bucket, record.generation, found.body))
      return { etags: record.etags, etag: found.etag };
    const detail = `Generation ${record.generation} of the bucket's record is not the newest one seen.`;
    throw await this.#refuse('bucket-record-rollback', bucket, detail);
  }

  async #open(bucket: string, body: Buffer): Promise<BucketRecord> {
    try {
      return openBucketRecord(body, bucket, this.#o.sealKeys);
    } catch (error) {
      if (!(error instanceof BucketRecordTampered)) throw error;
      throw await this.#refuse('bucket-record-tampered', bucket, error.message);
    }
  }

  async #refuse(
    kind: 'bucket-record-tampered' | 'bucket-record-rollback',
    bucket: string,
    detail: string,
  ): Promise<S3Error> {
    this.#checked.delete(bucket);
    await this.#o.record({ kind, detail, bucket });
    return new S3Error('AccessDenied', "The bucket's record in the state is not one that the operator signed last.");
  }
}
