/**
 * From an API key to its slot secret (crypto/FORMAT.md, "Keyring and access key ids", slot secret). The function and its
 * parameters stand in the slot; what is accepted is bounded both ways, so that a keyring can ask neither for a worthless
 * derivation nor for a ruinous one.
 *
 * Slow functions run on libuv's thread pool, a few at a time per process, behind a bounded queue: an argon2id run takes
 * 19 MiB and tens of milliseconds, and a burst of first requests must not take the pool from everything else.
 */
import { argon2, pbkdf2 } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';
import { deriveKey } from '../../../crypto/keys.ts';
import { S3Error } from '../../errors.ts';
import { SLOW_KDF_AT_ONCE, SLOW_KDF_QUEUE } from '../../limits.ts';

const SLOT_SECRET_BYTES = 32;
const LABEL = 'sealgate/1/slot-secret';

/** What a slot may say. argon2id: memory in KiB (RFC 9106); pbkdf2-sha256: iterations (RFC 8018). */
export const kdfSchema = z.discriminatedUnion('name', [
  z.strictObject({ name: z.literal('hkdf-sha256') }),
  z.strictObject({
    name: z.literal('argon2id'),
    memory: z.int().min(19_456).max(262_144),
    passes: z.int().min(2).max(10),
    parallelism: z.int().min(1).max(4),
  }),
  z.strictObject({ name: z.literal('pbkdf2-sha256'), iterations: z.int().min(600_000).max(10_000_000) }),
]);

export type Kdf = z.infer<typeof kdfSchema>;
export type KdfName = Kdf['name'];

/** Parameters of a new slot. Raising them later leaves older slots as they are. */
export const DEFAULT_KDFS: { readonly [name in KdfName]: Extract<Kdf, { name: name }> } = {
  'hkdf-sha256': { name: 'hkdf-sha256' },
  argon2id: { name: 'argon2id', memory: 19_456, passes: 2, parallelism: 1 },
  'pbkdf2-sha256': { name: 'pbkdf2-sha256', iterations: 600_000 },
};

export function isKdfName(name: string): name is KdfName {
  return Object.hasOwn(DEFAULT_KDFS, name);
}

/**
 * Whether `next` costs a guesser more than `old` in every respect that counts: memory and passes of argon2id, iterations of
 * pbkdf2-sha256. argon2id is above pbkdf2-sha256. What is derived by hkdf-sha256 has 256 bits already, and nothing is above.
 */
export function isStronger(next: Kdf, old: Kdf): boolean {
  if (old.name === 'hkdf-sha256' || next.name === 'hkdf-sha256') return false;
  if (old.name === 'pbkdf2-sha256') return next.name === 'argon2id' || next.iterations > old.iterations;
  if (next.name !== 'argon2id') return false;
  const grows = next.memory > old.memory || next.passes > old.passes;
  return grows && next.memory >= old.memory && next.passes >= old.passes;
}

export interface KdfInput {
  readonly kdf: Kdf;
  /** The secret as SigV4 uses it: see `kdfInput` in api-key.ts. */
  readonly secret: Buffer;
  /** 32 bytes. */
  readonly salt: Buffer;
  /** 12 bytes. */
  readonly tenant: Buffer;
  /** 4 bytes. */
  readonly slot: Buffer;
}

const pbkdf2Async = promisify(pbkdf2);

/** Runs derivations within the process's bounds. One per process; tests make their own to count runs. */
export class KdfRunner {
  /** Derivations started since the runner was made. */
  runs = 0;
  readonly #atOnce: number;
  readonly #queueLength: number;
  #running = 0;
  readonly #waiting = new Set<() => void>();
  readonly #slow: SlowFunction;

  constructor(o: { atOnce?: number; queueLength?: number; slow?: SlowFunction } = {}) {
    this.#slow = o.slow ?? runSlow;
    this.#atOnce = o.atOnce ?? SLOW_KDF_AT_ONCE;
    this.#queueLength = o.queueLength ?? SLOW_KDF_QUEUE;
  }

  /**
   * The slot secret, 32 bytes; the caller wipes it.
   * @throws S3Error SlowDown when the queue is full; the signal's reason when aborted while waiting.
   */
  async derive(input: KdfInput, signal: AbortSignal): Promise<Buffer> {
    signal.throwIfAborted();
    const { kdf, secret, salt, tenant, slot } = input;
    if (kdf.name === 'hkdf-sha256') {
      this.runs += 1;
      return deriveKey(secret, { label: LABEL, salt, context: [tenant, slot] });
    }
    await this.#enter(signal);
    try {
      this.runs += 1;
      return await this.#slow(kdf, secret, salt);
    } finally {
      this.#leave();
    }
  }

  #enter(signal: AbortSignal): Promise<void> {
    if (this.#running < this.#atOnce) {
      this.#running += 1;
      return Promise.resolve();
    }
    if (this.#waiting.size >= this.#queueLength) {
      return Promise.reject(new S3Error('SlowDown', 'Too many keys are being derived. Try again.'));
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const start = () => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    };
    const giveUp = () => {
      this.#waiting.delete(start);
      reject(signal.reason);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    this.#waiting.add(start);
    return promise;
  }

  /** Hands the place to the longest waiting, so that `#running` stays as it is. */
  #leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#running -= 1;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}

/** The process's runner. */
export const processKdfRunner = new KdfRunner();

type SlowFunction = (kdf: Exclude<Kdf, { name: 'hkdf-sha256' }>, secret: Buffer, salt: Buffer) => Promise<Buffer>;

function runSlow(...[kdf, secret, salt]: Parameters<SlowFunction>): Promise<Buffer> {
  if (kdf.name === 'pbkdf2-sha256') return pbkdf2Async(secret, salt, kdf.iterations, SLOT_SECRET_BYTES, 'sha256');
  const { memory, passes, parallelism } = kdf;
  const parameters = { message: secret, nonce: salt, memory, passes, parallelism, tagLength: SLOT_SECRET_BYTES };
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  argon2('argon2id', parameters, (error, key) => (error === null ? resolve(key) : reject(error)));
  return promise;
}
