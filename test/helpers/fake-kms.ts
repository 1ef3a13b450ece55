/**
 * A KMS in this process: keys with versions, owners authenticated by AES-256-GCM, and switches for everything that goes wrong with a
 * real one. It counts its calls. Real servers are in test/e2e/.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { newSlotId } from '../../proxy/keyring/ids.ts';
import { type ApiKey, generateApiKey } from '../../proxy/keyring/slots/api-key.ts';
import { type ApiKeyKmsSlot, apiKeyKmsSlot } from '../../proxy/keyring/slots/api-key-kms-slot.ts';
import { DEFAULT_KDFS, type Kdf, KdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { type KmsSlot, kmsSlot } from '../../proxy/keyring/slots/kms-slot.ts';
import { newSlotTerms, type OperatorTerms } from '../../proxy/keyring/slots/slot-terms.ts';
import { KmsSecrets } from '../../proxy/kms/kms-secrets.ts';
import {
  KmsFailure,
  type KmsFailureKind,
  type KmsKeyState,
  type KmsOwner,
  type KmsProvider,
  ownerBytes,
  type WrappedSecret,
} from '../../proxy/kms/provider.ts';
import { CREATED } from './keyring-fixture.ts';

export class FakeKms implements KmsProvider {
  readonly name: string;
  readonly key = 'main';
  /** By version from 1 on. */
  readonly versions = [randomBytes(32)];
  oldest = 1;
  wraps = 0;
  unwraps = 0;
  /** What every call fails with. */
  failing: KmsFailureKind | undefined;
  /** Calls that fail with it; for ever when undefined. */
  failures: number | undefined;
  /** Whether it gives secrets out to any owner. */
  ignoresOwner = false;
  /** Calls wait for it. */
  hold: Promise<void> = Promise.resolve();
  /** Of the last calls, newest last. */
  readonly owners: KmsOwner[] = [];
  isClosed = false;

  constructor(name = 'transit:fake') {
    this.name = name;
  }

  async wrap(secret: Buffer, { key, owner }: { key: string; owner: KmsOwner }): Promise<WrappedSecret> {
    this.wraps += 1;
    await this.#ready();
    const version = this.versions.length;
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.#key(key, version), iv, { authTagLength: 16 });
    cipher.setAAD(this.#bound(owner));
    const sealed = Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()]);
    return { key, version: String(version), blob: Buffer.concat([iv, sealed]) };
  }

  async unwrap({ key, version, blob }: WrappedSecret, owner: KmsOwner, signal?: AbortSignal): Promise<Buffer> {
    this.unwraps += 1;
    this.owners.push(owner);
    await this.#ready(signal);
    if (Number(version) < this.oldest) throw new KmsFailure('disabled', 'the version is too old');
    const options = { authTagLength: 16 };
    const decipher = createDecipheriv('aes-256-gcm', this.#key(key, Number(version)), blob.subarray(0, 12), options);
    decipher.setAAD(this.#bound(owner));
    decipher.setAuthTag(blob.subarray(-16));
    try {
      return Buffer.concat([decipher.update(blob.subarray(12, -16)), decipher.final()]);
    } catch {
      throw new KmsFailure('mismatch', 'wrapped for another owner');
    }
  }

  async keyState(): Promise<KmsKeyState> {
    await this.#ready();
    return { current: String(this.versions.length), oldest: String(this.oldest) };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  /** The next version of the key. */
  rotate(): void {
    this.versions.push(randomBytes(32));
  }

  #key(key: string, version: number): Buffer {
    const bytes = this.versions[version - 1];
    if (key !== this.key || bytes === undefined) throw new KmsFailure('unknown-key', `no key ${key} ${version}`);
    return bytes;
  }

  #bound(owner: KmsOwner): Buffer {
    return this.ignoresOwner ? Buffer.alloc(0) : ownerBytes(owner);
  }

  async #ready(signal?: AbortSignal): Promise<void> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    signal?.addEventListener('abort', () => reject(new KmsFailure('unreachable', 'given up')), { once: true });
    await Promise.race([this.hold, aborted]);
    if (this.failing === undefined || this.failures === 0) return;
    if (this.failures !== undefined) this.failures -= 1;
    throw new KmsFailure(this.failing, `it is ${this.failing}`);
  }
}

/** Secrets under a fake KMS, with a clock to turn. */
export function fakeSecrets(o: { kms?: FakeKms; cacheMs?: number; graceMs?: number } = {}) {
  const kms = o.kms ?? new FakeKms();
  const clock = { ms: Date.parse('2026-06-01T00:00:00Z') };
  const seen = { calls: [] as string[], graces: [] as string[] };
  const { cacheMs, graceMs } = o;
  const secrets = new KmsSecrets({
    providers: [kms],
    now: () => clock.ms,
    observer: {
      called: ({ operation, result }) => void seen.calls.push(`${operation} ${result}`),
      grace: ({ reason }) => void seen.graces.push(reason),
    },
    ...(cacheMs === undefined ? {} : { cacheMs }),
    ...(graceMs === undefined ? {} : { graceMs }),
  });
  return { kms, secrets, clock, seen, key: { provider: kms.name, key: kms.key } };
}

interface SlotOptions {
  readonly tenant: string;
  readonly roots: ReadonlyMap<number, KeyObject>;
  readonly secrets?: KmsSecrets;
  readonly apiKey?: ApiKey;
  readonly kdf?: Kdf;
  readonly terms?: Partial<OperatorTerms>;
}

/** A slot of each type that needs a KMS, under a fake one unless another is given. */
export async function fakeKmsSlots(o: SlotOptions): Promise<{ key: ApiKeyKmsSlot; alone: KmsSlot; apiKey: ApiKey }> {
  const { tenant, roots, apiKey = generateApiKey(), kdf = DEFAULT_KDFS['hkdf-sha256'] } = o;
  const secrets = o.secrets ?? fakeSecrets().secrets;
  const [provider] = secrets.providers;
  if (provider === undefined) throw new Error('There is no KMS.');
  const factor = { secrets, key: { provider: provider.name, key: provider.key } };
  const signal = new AbortController().signal;
  const grants = [{ bucket: 'data', prefix: '', access: 'read-only' as const }];
  const terms = { ...newSlotTerms({ id: newSlotId(), now: new Date(CREATED), grants, idKid: 'one' }), ...o.terms };
  const key = await apiKeyKmsSlot.seal({ tenant, roots, terms, apiKey, kdf, runner: new KdfRunner(), factor }, signal);
  const id = newSlotId(new Set([key.id]));
  const alone = await kmsSlot.seal({ tenant, roots, id, label: '', factor, now: new Date(CREATED) }, signal);
  return { key, alone, apiKey };
}
