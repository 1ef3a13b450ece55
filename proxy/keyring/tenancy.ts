/**
 * From an access key id to an open tenant (docs/architecture.md, who is asking). `resolve` runs no KDF, and asks the
 * backend only about registered ids; `open` fetches the keyring, checks the operator's MAC, finds the slot, derives its
 * secret, unwraps the root keys and checks the root MAC, in that order.
 *
 * A keyring is believed for a fixed time since its last check, then asked for again by ETag. When the state cannot be
 * reached after that, requests fail: an old answer might be a revoked key's.
 */
import { setTimeout } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { SharedCalls, type SharedRun } from '../concurrency/shared-calls.ts';
import { S3Error } from '../errors.ts';
import type { KmsSecrets } from '../kms/kms-secrets.ts';
import { KEYRING_CACHE_ENTRIES, KEYRING_TTL_SECONDS, SEALED_IDS_CACHED, UNKNOWN_SLOT_RECHECK_MS } from '../limits.ts';
import type { RecordEvent } from '../observe/events.ts';
import { type AccessKey, unsealAccessKeyId } from './access-keys/access-key-id.ts';
import { isRegisteredId } from './access-keys/registered-id.ts';
import { RegisteredIds } from './access-keys/registered-ids.ts';
import type { SealKeys } from './access-keys/seal-keys.ts';
import { type CredentialSlot, credentialSlot } from './credential-slot.ts';
import { type OpenTenant, openTenantOf, reopenable } from './open-tenant.ts';
import type { SessionDays } from './sessions/day-records.ts';
import type { Credential, SessionCredential } from './sessions/session-credential.ts';
import { refuseEnded, SessionTokens } from './sessions/session-tokens.ts';
import { DueKdfs, type SignIn } from './sign-in.ts';
import { type KdfRunner, processKdfRunner } from './slots/kdf.ts';
import type { OpenedSlot, RootKeys } from './slots/slot-type.ts';
import { isKeySlot, openKeySlot, openSessionSlot, type SessionSlot } from './slots/slot-types.ts';
import { currentEpoch, type Keyring } from './state/document.ts';
import { Generations } from './state/generations.ts';
import { hasRootMac } from './state/macs.ts';
import { KeyringTampered, keyringName, verifyKeyring } from './state/records.ts';
import type { StateStore } from './state/state.ts';
import type { TenantSlot } from './uses/last-used.ts';

/** A keyring that passed every check that needs no API key, with what was opened of it since. */
interface CheckedKeyring {
  readonly keyring: Keyring;
  readonly etag: string;
  /** Milliseconds, from before the request that confirmed it. */
  checkedAt: number;
  /** By slot and keyed hash of the API key; a changed keyring starts with none. */
  readonly opened: Map<string, OpenedRoots>;
  readonly opening: SharedCalls<RootKeys>;
}

interface OpenedRoots {
  readonly roots: RootKeys;
  /** Milliseconds: a KMS had a part in it, and is asked again outside this time. Without one, they are the keyring's for good. */
  readonly from: number;
  readonly until: number;
}

export class Tenancy {
  readonly #state: StateStore;
  readonly #sealKeys: SealKeys;
  readonly #record: RecordEvent;
  readonly #now: () => Date;
  readonly #ttlMs: number;
  readonly #runner: KdfRunner;
  readonly #kms: KmsSecrets | undefined;
  readonly #onSignIn: (signIn: SignIn) => void;
  readonly #dueKdfs: DueKdfs;
  readonly #onUse: (of: TenantSlot) => void;
  readonly #keyrings: LRUCache<string, CheckedKeyring>;
  readonly #loads = new SharedCalls<CheckedKeyring>();
  readonly #registered: RegisteredIds;
  readonly #sessions: SessionTokens | undefined;
  /** Sealed ids that opened: what one stands for never changes. */
  readonly #sealed = new LRUCache<string, AccessKey>({ max: SEALED_IDS_CACHED });
  /** Shared with what changes keyrings in this process. */
  readonly generations = new Generations();

  constructor(o: {
    state: StateStore;
    sealKeys: SealKeys;
    /** Undefined: no session token is taken. */
    sessionDays?: SessionDays;
    record: RecordEvent;
    now?: () => Date;
    ttlSeconds?: number;
    cacheEntries?: number;
    runner?: KdfRunner;
    /** The key services that slots may need. */
    kms?: KmsSecrets | undefined;
    /** Told when a key opened a keyring, once for each keyring and process. Must not throw; nobody waits for it. */
    onSignIn?: (signIn: SignIn) => void;
    /**
     * Told when a key opened a tenant and its slot may be sealed by the KDF that was requested, and again later while that is so.
     * Must not throw; nobody waits for it.
     */
    onKdfDue?: (signIn: SignIn) => void;
    /** Told each time a tenant was opened by one of its keys. Must return at once, and not throw. */
    onUse?: (of: TenantSlot) => void;
  }) {
    this.#state = o.state;
    this.#sealKeys = o.sealKeys;
    this.#record = o.record;
    this.#now = o.now ?? (() => new Date());
    this.#ttlMs = 1000 * (o.ttlSeconds ?? KEYRING_TTL_SECONDS);
    this.#runner = o.runner ?? processKdfRunner;
    this.#kms = o.kms;
    this.#onSignIn = o.onSignIn ?? (() => undefined);
    this.#dueKdfs = new DueKdfs({ now: this.#now, onDue: o.onKdfDue ?? (() => undefined) });
    this.#onUse = o.onUse ?? (() => undefined);
    this.#sessions = o.sessionDays && new SessionTokens({ days: o.sessionDays, now: this.#now });
    const { state, sealKeys, record } = o;
    this.#registered = new RegisteredIds({ state, sealKeys, record, now: this.#now, ttlMs: this.#ttlMs });
    this.#keyrings = new LRUCache({ max: o.cacheEntries ?? KEYRING_CACHE_ENTRIES });
  }

  /**
   * What an access key id stands for. A sealed one needs no backend request, a registered one its record, no KDF runs.
   * @throws S3Error InvalidAccessKeyId; for a registered one also AccessDenied, ServiceUnavailable
   */
  async resolve(accessKeyId: string, signal: AbortSignal): Promise<AccessKey> {
    if (isRegisteredId(accessKeyId)) return this.#registered.resolve(accessKeyId, signal);
    const known = this.#sealed.get(accessKeyId);
    if (known !== undefined) return known;
    const key = unsealAccessKeyId(accessKeyId, this.#sealKeys);
    this.#sealed.set(accessKeyId, key);
    return key;
  }

  /** The credentials that a session token stands for. @throws S3Error InvalidToken, ServiceUnavailable */
  async resolveSession(o: { accessKeyId: string; token: string }, signal: AbortSignal): Promise<SessionCredential> {
    if (this.#sessions === undefined) throw new S3Error('InvalidToken');
    return this.#sessions.resolve(o, signal);
  }

  /**
   * Opens the tenant after the signature was verified.
   * @throws S3Error InvalidAccessKeyId: no such tenant or slot, inactive, expired, or not the slot's key; for a session InvalidToken
   * in its place, and ExpiredToken; AccessDenied: the keyring was tampered with or rolled back; ServiceUnavailable or SlowDown:
   * state unreachable, a KMS that must agree unreachable or refusing, too many derivations.
   */
  async open(key: Credential, signal: AbortSignal): Promise<OpenTenant> {
    if (key.kind !== 'session') return this.#open(key, signal);
    refuseEnded(key, this.#now());
    try {
      return await this.#open(key, signal);
    } catch (cause) {
      if (!(cause instanceof S3Error) || cause.code !== 'InvalidAccessKeyId') throw cause;
      throw new S3Error('InvalidToken', undefined, { cause });
    }
  }

  async #open(key: Credential, signal: AbortSignal): Promise<OpenTenant> {
    const checked = await this.#checkedKeyring(
      key,
      ({ keyring }) => credentialSlot(keyring, key, this.#now()) !== undefined,
      signal,
    );
    const way = credentialSlot(checked.keyring, key, this.#now());
    if (way === undefined) throw new S3Error('InvalidAccessKeyId');
    const roots = await this.#roots(checked, way, key, signal);
    if (isKeySlot(way.slot)) {
      this.#onUse({ tenant: key.tenant, slot: way.slot.id });
      if (key.kind !== 'session') this.#dueKdfs.note({ key, keyring: checked.keyring, slot: way.slot, roots });
    }
    const tenant = openTenantOf({ keyring: checked.keyring, ...way, roots });
    return reopenable(tenant, (again) => this.#reopen(key, again));
  }

  /** Waits out the moment in which the keyring was read already: an epoch may have begun after that. */
  async #reopen(key: Credential, signal: AbortSignal): Promise<OpenTenant> {
    const seen = this.#keyrings.get(key.tenant)?.checkedAt ?? Number.NaN;
    const age = this.#now().getTime() - seen;
    const waitMs = UNKNOWN_SLOT_RECHECK_MS - age;
    if (waitMs > 0 && waitMs <= UNKNOWN_SLOT_RECHECK_MS) await setTimeout(waitMs, undefined, { signal });
    const cached = this.#keyrings.get(key.tenant);
    // Unless another request read it while this one waited: that read began after the object had been seen.
    if (cached === undefined || !(cached.checkedAt > seen)) {
      await this.#loads.run(key.tenant, signal, (run) => this.#load(key, cached, run));
    }
    return this.open(key, signal);
  }

  /** A change was written, here or by another worker: a keyring older than that is used no more. */
  noteGeneration(tenant: string, generation: number): void {
    const cached = this.#keyrings.get(tenant);
    if (cached === undefined || cached.keyring.generation < generation) this.invalidate(tenant);
  }

  /** Forgets what is known of a tenant, so that the next request reads its keyring. Its highest generation is kept. */
  invalidate(tenant: string): void {
    this.#keyrings.delete(tenant);
    this.#loads.forget(tenant);
  }

  /**
   * From the cache within the TTL; but a keyring that does not know the key is read again, for the key may have been made
   * elsewhere a moment ago. What was read just now is left to age a little, so that a revoked key causes few reads.
   */
  async #checkedKeyring(
    key: Credential,
    isKnown: (checked: CheckedKeyring) => boolean,
    signal: AbortSignal,
  ): Promise<CheckedKeyring> {
    const cached = this.#keyrings.get(key.tenant);
    const age = cached === undefined ? Number.NaN : this.#now().getTime() - cached.checkedAt;
    if (cached !== undefined && age >= 0 && age < this.#ttlMs) {
      if (isKnown(cached)) return cached;
      const seen = cached.checkedAt;
      if (age < UNKNOWN_SLOT_RECHECK_MS) await setTimeout(UNKNOWN_SLOT_RECHECK_MS - age, undefined, { signal });
      const newer = this.#keyrings.get(key.tenant);
      if (newer !== undefined && newer.checkedAt > seen) return newer;
    }
    return this.#loads.run(key.tenant, signal, (run) => this.#load(key, this.#keyrings.get(key.tenant), run));
  }

  async #load(key: Credential, cached: CheckedKeyring | undefined, run: SharedRun): Promise<CheckedKeyring> {
    const { tenant } = key;
    const checkedAt = this.#now().getTime();
    const name = keyringName(tenant);
    const found = cached
      ? await this.#state.getIfChanged(name, cached.etag, run.signal)
      : await this.#state.get(name, run.signal);
    if (found === 'unchanged' && cached !== undefined) {
      cached.checkedAt = checkedAt;
      return cached;
    }
    if (run.isCurrent()) this.#keyrings.delete(tenant);
    if (found === undefined || found === 'unchanged') throw new S3Error('InvalidAccessKeyId');
    const keyring = await this.#verify(found.body, key);
    if (!this.generations.accept(tenant, keyring.generation, found.body)) {
      // A read that was overtaken by a change of ours is not one that was rolled back: it is made again.
      if (!run.isCurrent()) return this.#loads.run(tenant, run.signal, (again) => this.#load(key, undefined, again));
      throw await this.#refuse('keyring-rollback', `Generation ${keyring.generation} is not the newest one seen.`, key);
    }
    const checked = {
      keyring,
      etag: found.etag,
      checkedAt,
      opened: new Map<string, OpenedRoots>(),
      opening: new SharedCalls<RootKeys>(),
    };
    if (run.isCurrent()) this.#keyrings.set(tenant, checked);
    return checked;
  }

  async #verify(body: Buffer, key: Credential): Promise<Keyring> {
    try {
      return verifyKeyring(body, { tenant: key.tenant, sealKeys: this.#sealKeys });
    } catch (cause) {
      if (!(cause instanceof KeyringTampered)) throw cause;
      throw await this.#refuse('keyring-tampered', cause.message, key);
    }
  }

  async #roots(
    checked: CheckedKeyring,
    { slot }: CredentialSlot,
    key: Credential,
    signal: AbortSignal,
  ): Promise<RootKeys> {
    const cacheKey = `${slot.id}:${key.secretId}`;
    const opened = checked.opened.get(cacheKey);
    const now = this.#now().getTime();
    // A clock that was put back must not prolong the time.
    if (opened !== undefined && now >= opened.from && now < opened.until) return opened.roots;
    // What a KMS has to agree to again is not held while it is asked.
    checked.opened.delete(cacheKey);
    return checked.opening.run(cacheKey, signal, async (run) => {
      const isFirst = opened === undefined;
      const fresh = await this.#openSlot({ keyring: checked.keyring, slot, key, isFirst }, run.signal);
      checked.opened.set(cacheKey, fresh);
      return fresh.roots;
    });
  }

  async #openSlot(
    { keyring, slot, key, isFirst }: { keyring: Keyring; slot: SessionSlot; key: Credential; isFirst: boolean },
    signal: AbortSignal,
  ): Promise<OpenedRoots> {
    const { tenant, fingerprint: accessKey } = key;
    const opened = await this.#unwrap(slot, key, signal);
    if ('roots' in opened) {
      const root = opened.roots.get(currentEpoch(keyring));
      if (root === undefined || !hasRootMac(keyring, root)) {
        throw await this.#refuse('keyring-tampered', "The keyring's root MAC does not match.", key);
      }
      const { roots, until } = opened;
      if (isFirst && key.kind !== 'session' && isKeySlot(slot)) this.#onSignIn({ key, keyring, slot, roots });
      return until === undefined
        ? { roots, from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY }
        : { roots, from: this.#now().getTime(), until };
    }
    if (opened.failure === 'damaged') throw await this.#refuse('keyring-tampered', 'A root key does not unwrap.', key);
    // A session's slot was sealed anew since: by a deep rotation, or to need a KMS.
    if (key.kind !== 'session') {
      const detail = `A validly sealed access key id for slot ${slot.id} holds another API key: S may be known to somebody.`;
      await this.#record({ kind: 'access-denied', detail, tenant, accessKey });
    }
    throw new S3Error('InvalidAccessKeyId');
  }

  async #unwrap(slot: SessionSlot, key: Credential, signal: AbortSignal): Promise<OpenedSlot> {
    const { tenant } = key;
    if (key.kind !== 'session') {
      return isKeySlot(slot)
        ? openKeySlot({ tenant, slot, secret: key.secret, runner: this.#runner, kms: this.#kms }, signal)
        : { failure: 'wrong-key' };
    }
    const slotSecret = key.callerSecret;
    try {
      return await openSessionSlot({ tenant, slot, slotSecret, kms: this.#kms }, signal);
    } finally {
      slotSecret.fill(0);
    }
  }

  async #refuse(kind: 'keyring-tampered' | 'keyring-rollback', detail: string, key: Credential): Promise<S3Error> {
    await this.#record({ kind, detail, tenant: key.tenant, accessKey: key.fingerprint });
    return new S3Error('AccessDenied');
  }
}
