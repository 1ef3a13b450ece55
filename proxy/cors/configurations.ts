/**
 * The CORS rules of buckets, kept for a short time: every request from a browser asks for them, and preflights come from
 * anybody, for any name: so only a few are fetched at once. A bucket without rules is remembered like one with.
 */
import { LRUCache } from 'lru-cache';
import type { Backend } from '../backend/backend.ts';
import { backendFailure, readErrorResponse } from '../backend/errors.ts';
import { readBody } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import {
  CORS_CACHE_ENTRIES,
  CORS_FETCH_TIMEOUT_MS,
  CORS_FETCHES_AT_ONCE,
  CORS_TTL_MS,
  MAX_CONFIGURATION_BYTES,
} from '../limits.ts';
import { type CorsRule, parseCorsRules } from './rules.ts';

/** The codes with which backends say that a bucket has no rules. */
const NONE: ReadonlySet<string> = new Set([
  'NoSuchCORSConfiguration',
  'NoSuchBucket',
  'NotImplemented',
  'MethodNotAllowed',
]);
/** Text of another form cannot name a bucket. The store is not asked for it. */
const BUCKET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,62}$/;

export class CorsConfigurations {
  readonly #backend: Backend;
  readonly #stateBucket: string;
  readonly #rules: LRUCache<string, Promise<readonly CorsRule[]>>;
  #fetching = 0;

  constructor(o: { backend: Backend; stateBucket: string; now: () => number }) {
    this.#backend = o.backend;
    this.#stateBucket = o.stateBucket;
    this.#rules = new LRUCache({ max: CORS_CACHE_ENTRIES, ttl: CORS_TTL_MS, perf: { now: o.now }, ttlResolution: 0 });
  }

  /** @throws S3Error, BackendUnavailable when the backend cannot tell; the next call asks again */
  rules(bucket: string): Promise<readonly CorsRule[]> {
    if (!BUCKET_NAME.test(bucket) || bucket.toLowerCase() === this.#stateBucket.toLowerCase())
      return Promise.resolve([]);
    const known = this.#rules.get(bucket);
    if (known !== undefined) return known;
    if (this.#fetching >= CORS_FETCHES_AT_ONCE) return Promise.reject(new S3Error('SlowDown'));
    this.#fetching += 1;
    const fetched = this.#fetch(bucket).finally(() => {
      this.#fetching -= 1;
    });
    this.#rules.set(bucket, fetched);
    fetched.catch(() => {
      if (this.#rules.peek(bucket) === fetched) this.#rules.delete(bucket);
    });
    return fetched;
  }

  /** After a change that this process knows of. */
  forget(bucket: string): void {
    this.#rules.delete(bucket);
  }

  async #fetch(bucket: string): Promise<readonly CorsRule[]> {
    const response = await this.#backend.send({
      method: 'GET',
      bucket,
      query: [['cors', '']],
      signal: AbortSignal.timeout(CORS_FETCH_TIMEOUT_MS),
    });
    if (response.status === 200) {
      return parseCorsRules((await readBody(response, { maxBytes: MAX_CONFIGURATION_BYTES })).toString('utf8'));
    }
    const answer = await readErrorResponse(response);
    const { status, code } = answer;
    if (NONE.has(code) || status === 404 || status === 501) return [];
    throw backendFailure(answer, { operation: 'GetBucketCors', bucket });
  }
}
