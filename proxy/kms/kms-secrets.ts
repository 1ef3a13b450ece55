/**
 * The secrets of slots that a KMS wraps (provider.ts), as the rest of the program asks for them. The KMS is called once for each
 * opening of a keyring, however many requests wait for it, and never for an object.
 *
 * A secret is used for a fixed time from the reply of the KMS: that is how soon a key that was switched off there stops everything.
 * In the last quarter of that time the secret is asked for again in the background, so that no request waits and a short outage is
 * none. After that time requests fail, unless a grace is set, and then each use is an event.
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { FairLimit, type Lane } from '../concurrency/fair-limit.ts';
import { SharedCalls } from '../concurrency/shared-calls.ts';
import { S3Error } from '../errors.ts';
import {
  KMS_ATTEMPT_PAUSE_MS,
  KMS_ATTEMPTS,
  KMS_CACHE_MS,
  KMS_CALL_TIMEOUT_MS,
  KMS_CALLS_AT_ONCE,
  KMS_RETRY_MS,
  KMS_SECRETS_CACHED,
} from '../kms-limits.ts';
import { KmsFailure, type KmsFailureKind, type KmsKeyState, type KmsOwner, type KmsProvider } from './provider.ts';
import { untilAborted } from './until-aborted.ts';

/** Which key of which provider. */
export interface KmsKeyName {
  /** As in SEALGATE_KMS: `transit:main`. */
  readonly provider: string;
  readonly key: string;
}

/** A wrapped secret as a keyring has it. */
export interface KmsWrap extends KmsKeyName {
  /** base64. */
  readonly blob: string;
  readonly version: string;
  /** When it was wrapped: UTC, whole seconds. */
  readonly wrapped: string;
}

export interface OpenedSecret {
  /** 32 bytes, a copy for the caller to wipe. */
  readonly secret: Buffer;
  /** Milliseconds since 1970: what was opened by the secret is to be given up then, and asked for again. */
  readonly until: number;
}

export interface KmsCall {
  readonly provider: string;
  readonly operation: 'wrap' | 'unwrap' | 'state';
  readonly result: 'ok' | KmsFailureKind;
  readonly seconds: number;
}

export interface KmsObserver {
  /** Of every call, attempts counted one by one. */
  called?(call: KmsCall): void;
  /** A secret is used beyond its time. */
  grace?(o: { readonly owner: KmsOwner; readonly provider: string; readonly reason: string }): void;
  /** A wrap was asked for: how old it is, is for whoever watches rotation. */
  seen?(wrap: KmsWrap): void;
}

interface Held {
  readonly secret: KeyObject;
  /** Milliseconds: when the KMS replied. */
  readonly at: number;
  /** The KMS has refused it since: there is no grace any more. */
  refused?: true;
}

export class KmsSecrets {
  readonly #providers: ReadonlyMap<string, KmsProvider>;
  readonly #lanes: ReadonlyMap<string, Lane>;
  readonly #cacheMs: number;
  readonly #graceMs: number;
  readonly #now: () => number;
  readonly #observer: KmsObserver;
  readonly #held = new LRUCache<string, Held>({ max: KMS_SECRETS_CACHED });
  readonly #failed = new LRUCache<string, { readonly error: unknown; readonly at: number }>({
    max: KMS_SECRETS_CACHED,
  });
  readonly #calls = new SharedCalls<Held>();
  /** Providers that could not be reached a moment ago: each tenant finding that out anew would take all their places. */
  readonly #away = new Map<string, { readonly failure: KmsFailure; readonly at: number }>();

  constructor(o: {
    providers: readonly KmsProvider[];
    cacheMs?: number;
    graceMs?: number;
    now?: () => number;
    observer?: KmsObserver | undefined;
  }) {
    this.#providers = new Map(o.providers.map((one) => [one.name, one]));
    const lane = () => new FairLimit({ atOnce: KMS_CALLS_AT_ONCE }).lane();
    this.#lanes = new Map(o.providers.map(({ name }) => [name, lane()]));
    this.#cacheMs = o.cacheMs ?? KMS_CACHE_MS;
    this.#graceMs = o.graceMs ?? 0;
    this.#now = o.now ?? Date.now;
    this.#observer = o.observer ?? {};
  }

  get providers(): readonly KmsProvider[] {
    return [...this.#providers.values()];
  }

  /**
   * The secret behind a wrap.
   * @throws KmsFailure `mismatch`: it is not this owner's, or was altered; S3Error ServiceUnavailable with the reason for every
   * other failure
   */
  async open(wrap: KmsWrap, owner: KmsOwner, signal: AbortSignal): Promise<OpenedSecret> {
    this.#observer.seen?.(wrap);
    const name = [wrap.provider, wrap.key, wrap.blob, owner.purpose, owner.tenant, owner.slot].join(' ');
    const held = this.#held.get(name);
    const age = held === undefined ? Number.NaN : this.#now() - held.at;
    if (held !== undefined && age >= 0 && age < this.#cacheMs) {
      if (age < this.#renewMs) return given(held, held.at + this.#renewMs);
      // Its failure is counted; at the end of the time it is said to clients.
      this.#ask(name, wrap, owner, AbortSignal.timeout(KMS_CALL_TIMEOUT_MS)).catch(() => undefined);
      return given(held, Math.min(held.at + this.#cacheMs, this.#now() + KMS_RETRY_MS));
    }
    if (!(age >= 0 && age < this.#cacheMs + this.#graceMs)) this.#held.delete(name);
    try {
      const fresh = await this.#ask(name, wrap, owner, signal);
      return given(fresh, fresh.at + this.#renewMs);
    } catch (error) {
      if (!(error instanceof KmsFailure) || error.kind === 'mismatch') throw error;
      const hasGrace = held?.refused !== true && error.isTransient && age >= 0 && age < this.#cacheMs + this.#graceMs;
      if (held === undefined || !hasGrace) throw unavailable(error);
      this.#observer.grace?.({ owner, provider: wrap.provider, reason: error.message });
      return given(held, this.#now() + KMS_RETRY_MS);
    }
  }

  /** Wraps a secret and sees that it unwraps again: what does not would lock its owner out. @throws S3Error ServiceUnavailable */
  async seal(secret: Buffer, name: KmsKeyName, owner: KmsOwner, signal: AbortSignal): Promise<KmsWrap> {
    return said(async () => {
      const wrap = await this.#wrap(secret, name, owner, signal);
      const again = await this.#unwrap(wrap, owner, signal);
      const isSame = again.equals(secret);
      again.fill(0);
      if (!isSame) throw new KmsFailure('unusable', `${name.provider} gave back another secret than it was given`);
      return wrap;
    });
  }

  /** The same secret under the present version of its key, or of another one: two calls. @throws S3Error ServiceUnavailable */
  async rewrap(wrap: KmsWrap, owner: KmsOwner, signal: AbortSignal, to: KmsKeyName = wrap): Promise<KmsWrap> {
    return said(async () => {
      const secret = await this.#unwrap(wrap, owner, signal);
      try {
        return await this.#wrap(secret, to, owner, signal);
      } finally {
        secret.fill(0);
      }
    });
  }

  /** @throws S3Error ServiceUnavailable */
  async keyState({ provider, key }: KmsKeyName, signal: AbortSignal): Promise<KmsKeyState> {
    return said(() => this.#call(provider, 'state', signal, (kms, within) => kms.keyState(key, within)));
  }

  async close(): Promise<void> {
    const signal = AbortSignal.timeout(KMS_CALL_TIMEOUT_MS);
    // One that hangs is left behind.
    await Promise.allSettled(this.providers.map((one) => untilAborted(one.close(), signal, one.name)));
  }

  /** Milliseconds after which a secret is asked for again. */
  get #renewMs(): number {
    return (this.#cacheMs * 3) / 4;
  }

  /** Calls of the same secret share one; after a failure none is made for a moment. */
  async #ask(name: string, wrap: KmsWrap, owner: KmsOwner, signal: AbortSignal): Promise<Held> {
    const failed = this.#failed.get(name);
    const since = failed === undefined ? Number.NaN : this.#now() - failed.at;
    if (failed !== undefined && since >= 0 && since < KMS_RETRY_MS) throw failed.error;
    return this.#calls.run(name, signal, async (run) => {
      try {
        const secret = await this.#unwrap(wrap, owner, run.signal);
        const held = { secret: createSecretKey(secret), at: this.#now() };
        secret.fill(0);
        this.#held.set(name, held);
        this.#failed.delete(name);
        return held;
      } catch (error) {
        // Nobody waits any more: that says nothing of the KMS.
        if (!run.signal.aborted) this.#noteFailure(name, error);
        throw error;
      }
    });
  }

  #noteFailure(name: string, error: unknown): void {
    if (!(error instanceof KmsFailure)) return;
    this.#failed.set(name, { error, at: this.#now() });
    const held = this.#held.get(name);
    if (held !== undefined && !error.isTransient) held.refused = true;
  }

  async #wrap(secret: Buffer, { provider, key }: KmsKeyName, owner: KmsOwner, signal: AbortSignal): Promise<KmsWrap> {
    const made = await this.#call(provider, 'wrap', signal, (kms, within) => kms.wrap(secret, { key, owner }, within));
    const wrapped = `${new Date(this.#now()).toISOString().slice(0, 19)}Z`;
    return { blob: made.blob.toString('base64'), key: made.key, provider, version: made.version, wrapped };
  }

  async #unwrap({ provider, key, version, blob }: KmsWrap, owner: KmsOwner, signal: AbortSignal): Promise<Buffer> {
    const wrapped = { key, version, blob: Buffer.from(blob, 'base64') };
    const secret = await this.#call(provider, 'unwrap', signal, (kms, within) => kms.unwrap(wrapped, owner, within));
    if (secret.length === SECRET_BYTES) return secret;
    throw new KmsFailure('mismatch', `${provider} unwrapped ${secret.length} bytes, and a secret has ${SECRET_BYTES}`);
  }

  #refuseAway(provider: string): void {
    const away = this.#away.get(provider);
    const since = away === undefined ? Number.NaN : this.#now() - away.at;
    if (away !== undefined && since >= 0 && since < KMS_RETRY_MS) throw away.failure;
  }

  async #call<T>(
    provider: string,
    operation: KmsCall['operation'],
    signal: AbortSignal,
    work: (kms: KmsProvider, within: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const kms = this.#providers.get(provider);
    const lane = this.#lanes.get(provider);
    if (kms === undefined || lane === undefined) {
      throw new KmsFailure('unusable', `SEALGATE_KMS has no provider '${provider}', which a slot of the tenant names`);
    }
    const within = AbortSignal.any([signal, AbortSignal.timeout(KMS_CALL_TIMEOUT_MS)]);
    return lane(async () => {
      this.#refuseAway(provider);
      for (let attempt = 1; ; attempt += 1) {
        const began = performance.now();
        const note = (result: KmsCall['result']) =>
          this.#observer.called?.({ provider, operation, result, seconds: (performance.now() - began) / 1000 });
        try {
          const done = await untilAborted(work(kms, within), within, provider);
          this.#away.delete(provider);
          note('ok');
          return done;
        } catch (error) {
          const failure = failureOf(error, provider);
          note(failure.kind);
          if (!failure.isTransient || attempt >= KMS_ATTEMPTS || within.aborted) {
            // A caller that gave up says nothing of the KMS.
            if (failure.kind === 'unreachable' && !signal.aborted)
              this.#away.set(provider, { failure, at: this.#now() });
            throw failure;
          }
        }
        const pause = KMS_ATTEMPT_PAUSE_MS * attempt * (1 + Math.random() / 2);
        await setTimeout(pause, undefined, { signal: within }).catch((cause: unknown) => {
          throw new KmsFailure('unreachable', `${provider} did not answer in time`, { cause });
        });
      }
    });
  }
}

/** Where no KMS is configured. */
export const NO_KMS = new KmsSecrets({ providers: [] });

const SECRET_BYTES = 32;

function given({ secret }: Held, until: number): OpenedSecret {
  return { secret: secret.export(), until };
}

function failureOf(error: unknown, provider: string): KmsFailure {
  if (error instanceof KmsFailure) return error;
  return new KmsFailure('unreachable', `${provider} cannot be asked`, { cause: error });
}

async function said<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof KmsFailure ? unavailable(error) : error;
  }
}

const TO_CLIENTS: Readonly<Record<KmsFailureKind, string>> = {
  unreachable: 'cannot be reached. Try again.',
  throttled: 'takes no more calls at the moment. Try again.',
  denied: 'does not let this server use the key.',
  disabled: 'says that the key is disabled.',
  'unknown-key': 'does not know the key.',
  mismatch: 'does not unwrap it.',
  unusable: 'is not set up for it.',
};

/** The kind of the failure goes to clients, and what the KMS said to the log. */
function unavailable(failure: KmsFailure): S3Error {
  const message = `The key service that this access key depends on ${TO_CLIENTS[failure.kind]}`;
  return new S3Error('ServiceUnavailable', message, { cause: failure });
}
