/**
 * From a registered access key id to its API key, in a serving process. The record is fetched once and trusted for a fixed time.
 * The keyring says whether the key is still valid. A state that cannot be reached is a 503, never an old answer.
 */
import { LRUCache } from 'lru-cache';
import { SharedCalls } from '../../concurrency/shared-calls.ts';
import { S3Error } from '../../errors.ts';
import { REGISTERED_IDS_CACHED } from '../../limits.ts';
import type { RecordEvent } from '../../observe/events.ts';
import type { StateStore } from '../state/state.ts';
import { type AccessKey, unsealAccessKeyId } from './access-key-id.ts';
import { isRegisteredId, openRegistered, registeredName, sealKeyOfId } from './registered-id.ts';
import type { SealKeys } from './seal-keys.ts';

/** Opens an access key id once, without a cache. @throws S3Error as `RegisteredIds.resolve` */
export async function resolveAccessKey(
  deps: { state: StateStore; sealKeys: SealKeys; record: RecordEvent; now: () => Date },
  accessKeyId: string,
  signal: AbortSignal,
): Promise<AccessKey> {
  if (!isRegisteredId(accessKeyId)) return unsealAccessKeyId(accessKeyId, deps.sealKeys);
  return new RegisteredIds({ ...deps, ttlMs: 0 }).resolve(accessKeyId, signal);
}

interface Cached {
  readonly key: AccessKey;
  /** Milliseconds, from before the request that fetched it. */
  readonly fetchedAt: number;
}

export class RegisteredIds {
  readonly #state: StateStore;
  readonly #sealKeys: SealKeys;
  readonly #record: RecordEvent;
  readonly #now: () => Date;
  readonly #ttlMs: number;
  readonly #cache = new LRUCache<string, Cached>({ max: REGISTERED_IDS_CACHED });
  readonly #fetches = new SharedCalls<AccessKey>();

  constructor(o: { state: StateStore; sealKeys: SealKeys; record: RecordEvent; now: () => Date; ttlMs: number }) {
    this.#state = o.state;
    this.#sealKeys = o.sealKeys;
    this.#record = o.record;
    this.#now = o.now;
    this.#ttlMs = o.ttlMs;
  }

  /**
   * `id`: of the form of a registered one. One that was made up costs no backend request.
   * @throws S3Error InvalidAccessKeyId, AccessDenied for a record that S did not seal for this id, ServiceUnavailable
   */
  async resolve(id: string, signal: AbortSignal): Promise<AccessKey> {
    const cached = this.#cache.get(id);
    const age = cached === undefined ? Number.NaN : this.#now().getTime() - cached.fetchedAt;
    if (cached !== undefined && age >= 0 && age < this.#ttlMs) return cached.key;
    if (sealKeyOfId(id, this.#sealKeys) === undefined) throw new S3Error('InvalidAccessKeyId');
    return this.#fetches.run(id, signal, (run) => this.#fetch(id, run.signal));
  }

  async #fetch(id: string, signal: AbortSignal): Promise<AccessKey> {
    const fetchedAt = this.#now().getTime();
    this.#cache.delete(id);
    const record = await this.#state.get(registeredName(id), signal);
    if (record === undefined) throw new S3Error('InvalidAccessKeyId');
    const key = openRegistered(record.body, id, this.#sealKeys);
    if (key === undefined) {
      await this.#record({
        kind: 'keyring-tampered',
        detail: 'The record of a registered access key id does not open.',
      });
      throw new S3Error('AccessDenied');
    }
    this.#cache.set(id, { key, fetchedAt });
    return key;
  }
}
