/**
 * The seal keys of the server. They seal access key ids and sign operator decisions (crypto/FORMAT.md, "Keyring and access key
 * ids", seal keys). Several stand side by side while the seal key rotates: the active one makes new seals, all of them open. Which
 * one is active is recorded in the state (active-seal-key/active-record.ts); without a record it is the first.
 */
import { createHash, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { deriveKey } from '../../../crypto/keys.ts';

const SEAL_KEY_BYTES = 32;
const KEY_ID = /^[a-z0-9-]{1,16}$/;
const AKID_LABEL = 'sealgate/1/akid';
const OPERATOR_LABEL = 'sealgate/1/keyring-operator';
const REGISTERED_LABEL = 'sealgate/1/registered-id';
const REGISTERED_CHECK_LABEL = 'sealgate/1/registered-check';
const LAST_USED_LABEL = 'sealgate/1/last-used';
const SESSION_DAY_LABEL = 'sealgate/1/session-day';
const SESSION_LABEL = 'sealgate/1/session';
const ROLE_ARN_LABEL = 'sealgate/1/role-arn';
const ROLE_RECORD_LABEL = 'sealgate/1/role-record';
const BUCKET_RECORD_LABEL = 'sealgate/1/bucket-record';
const JOB_RECORD_LABEL = 'sealgate/1/job-record';
const APPROVERS_LABEL = 'sealgate/1/approvers';
const APPROVAL_LABEL = 'sealgate/1/approval';
const AUDIT_KEY_LABEL = 'sealgate/1/audit-key';
const AUDIT_SIGNER_LABEL = 'sealgate/1/audit-signer';
const ACTIVE_RECORD_LABEL = 'sealgate/1/active-seal-key';
const REPLICA_LABEL = 'sealgate/1/replica';
const REPLICA_PROOF_LABEL = 'sealgate/1/replica-proof';
const NO_SALT = Buffer.alloc(0);

/** 32 random bytes hold about 30 different values, and 16 or fewer less than once in 10^13. */
const MIN_DISTINCT_BYTES = 17;

/** One seal key. The key itself stays inside; only its subkeys come out. */
export class SealKey {
  readonly kid: string;
  /** First byte of SHA-256(kid). It narrows down which seal keys may have made an access key id; it is not unique. */
  readonly tag: number;
  /** AES-256-GCM key of access key ids. */
  readonly akidKey: KeyObject;
  /** AES-256-GCM key of the records behind registered access key ids. */
  readonly registeredKey: KeyObject;
  /** HMAC key of the check in a registered access key id. */
  readonly registeredCheckKey: KeyObject;
  /** AES-256-GCM key of the sealed part of roles' ARNs, and of the records of managed roles. */
  readonly roleArnKey: KeyObject;
  readonly roleRecordKey: KeyObject;
  readonly #secret: KeyObject;

  constructor(kid: string, secret: Buffer) {
    if (!KEY_ID.test(kid)) throw new Error('A seal key id has 1 to 16 characters of a-z, 0-9 and -.');
    if (secret.length !== SEAL_KEY_BYTES) throw new Error(`Seal key '${kid}' does not have 32 bytes.`);
    this.kid = kid;
    this.tag = createHash('sha256').update(kid).digest().readUInt8(0);
    this.#secret = createSecretKey(secret);
    const subkey = (label: string) => toKeyObject(deriveKey(this.#secret, { label, salt: NO_SALT }));
    this.akidKey = subkey(AKID_LABEL);
    this.registeredKey = subkey(REGISTERED_LABEL);
    this.registeredCheckKey = subkey(REGISTERED_CHECK_LABEL);
    this.roleArnKey = subkey(ROLE_ARN_LABEL);
    this.roleRecordKey = subkey(ROLE_RECORD_LABEL);
  }

  isSame(other: SealKey): boolean {
    return this.kid === other.kid && this.#secret.equals(other.#secret);
  }

  /** HMAC key of the operator's MAC on one tenant's keyring (12-byte id). */
  operatorKey(tenant: Buffer): KeyObject {
    return toKeyObject(deriveKey(this.#secret, { label: OPERATOR_LABEL, salt: NO_SALT, context: [tenant] }));
  }

  /** HMAC key of the record of one slot's last use (12-byte tenant id, 4-byte slot id). */
  lastUsedKey(tenant: Buffer, slot: Buffer): KeyObject {
    return toKeyObject(deriveKey(this.#secret, { label: LAST_USED_LABEL, salt: NO_SALT, context: [tenant, slot] }));
  }

  /** HMAC key of the operator's MAC on the record of one bucket. */
  bucketRecordKey(bucket: string): KeyObject {
    const context = [Buffer.from(bucket, 'utf8')];
    return toKeyObject(deriveKey(this.#secret, { label: BUCKET_RECORD_LABEL, salt: NO_SALT, context }));
  }

  /** HMAC key of the records of one tenant's jobs (12-byte id). */
  jobRecordKey(tenant: Buffer): KeyObject {
    return toKeyObject(deriveKey(this.#secret, { label: JOB_RECORD_LABEL, salt: NO_SALT, context: [tenant] }));
  }

  /** HMAC key of the operator's MAC on the record of the approvers. */
  approversKey(): KeyObject {
    return toKeyObject(deriveKey(this.#secret, { label: APPROVERS_LABEL, salt: NO_SALT }));
  }

  /** HMAC key of the operator's MAC on one request for approval. `id`: 24 hex digits. */
  approvalKey(id: string): KeyObject {
    const context = [Buffer.from(id, 'hex')];
    return toKeyObject(deriveKey(this.#secret, { label: APPROVAL_LABEL, salt: NO_SALT, context }));
  }

  /** AES-256-GCM key of one record of a day's session secret. `salt`: the record's own, fresh. The caller wipes it. */
  sessionDayKey(salt: Buffer): Buffer {
    return deriveKey(this.#secret, { label: SESSION_DAY_LABEL, salt });
  }

  /** AES-256-GCM key of the session tokens of one day. `daySecret`: 32 bytes, which only that day's record holds. */
  sessionKey(daySecret: Buffer): KeyObject {
    return toKeyObject(deriveKey(this.#secret, { label: SESSION_LABEL, salt: daySecret }));
  }

  /** AES-256-GCM key of one record of an audit key. `salt`: the record's own, fresh. The caller wipes it. */
  auditKeyKey(salt: Buffer): Buffer {
    return deriveKey(this.#secret, { label: AUDIT_KEY_LABEL, salt });
  }

  /** Seed of the Ed25519 key that signs checkpoints of the audit, 32 bytes. The caller wipes it. */
  auditSigningSeed(): Buffer {
    return deriveKey(this.#secret, { label: AUDIT_SIGNER_LABEL, salt: NO_SALT });
  }

  /** HMAC key of the record that says which seal key is active. */
  activeRecordKey(): KeyObject {
    return toKeyObject(deriveKey(this.#secret, { label: ACTIVE_RECORD_LABEL, salt: NO_SALT }));
  }

  /** AES-256-GCM key of one report of a replica. `salt`: the report's own, fresh. The caller wipes it. */
  replicaKey(salt: Buffer): Buffer {
    return deriveKey(this.#secret, { label: REPLICA_LABEL, salt });
  }

  /** HMAC key by which a replica proves that it holds this seal key. */
  replicaProofKey(): KeyObject {
    return toKeyObject(deriveKey(this.#secret, { label: REPLICA_PROOF_LABEL, salt: NO_SALT }));
  }
}

export class SealKeys {
  #active: SealKey;
  #all: readonly SealKey[];

  /** Seals and signs. Ask for it anew each time: `activate` changes it while the process runs. */
  get active(): SealKey {
    return this.#active;
  }

  /** The active one first. */
  get all(): readonly SealKey[] {
    return this.#all;
  }

  /** `keys`: the active one first. Texts from a configuration go through `parse`, which also refuses sample keys. */
  constructor(keys: readonly SealKey[]) {
    const [active] = keys;
    if (active === undefined) throw new Error('There is no seal key.');
    if (new Set(keys.map((key) => key.kid)).size !== keys.length) throw new Error('Two seal keys have the same id.');
    this.#active = active;
    this.#all = keys;
  }

  /** Seals and signs with that key from now on. False, and nothing changes, when it is not at hand. */
  activate(kid: string): boolean {
    const key = this.withId(kid);
    if (key === undefined) return false;
    this.#active = key;
    this.#all = [key, ...this.#all.filter((other) => other !== key)];
    return true;
  }

  /** Why `next` cannot replace the keys in use; undefined when it can. */
  refusalOf(next: SealKeys): string | undefined {
    if (next.withId(this.active.kid) === undefined) {
      return `seal key '${this.active.kid}' signs and must not be left out while the server runs`;
    }
    const other = this.all.find((key) => next.withId(key.kid)?.isSame(key) === false);
    return other === undefined ? undefined : `seal key '${other.kid}' has another secret than before`;
  }

  /** Opens and verifies with these keys from now on. The active key stays. Call it only when `refusalOf` has no objection. */
  adopt(next: SealKeys): void {
    this.#all = [this.active, ...next.all.filter(({ kid }) => kid !== this.active.kid)];
  }

  /**
   * Reads `kid:base64,kid:base64,...`; line ends separate too, so that a file may hold one a line.
   * @throws Error that names what is wrong and where, never the secret.
   */
  static parse(text: string): SealKeys {
    const entries = text
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '')
      .flatMap((line) => line.split(','));
    if (entries.length === 0) throw new Error('There is no seal key: expected kid:base64 of 32 random bytes.');
    const secrets = new Set<string>();
    const keys = entries.map((entry, index) => {
      const { kid, secret } = parseEntry(entry.trim(), index + 1);
      if (secrets.has(secret.toString('hex'))) throw new Error(`Seal key '${kid}' repeats the secret of another.`);
      secrets.add(secret.toString('hex'));
      return new SealKey(kid, secret);
    });
    return new SealKeys(keys);
  }

  /** A new `kid:base64` line. The id is random, so that two generated keys can stand side by side. */
  static generate(): string {
    return `s${randomBytes(4).toString('hex')}:${randomSecret().toString('base64')}`;
  }

  /** Every key an access key id with this tag may be sealed under. */
  withTag(tag: number): readonly SealKey[] {
    return this.all.filter((key) => key.tag === tag);
  }

  withId(kid: string): SealKey | undefined {
    return this.all.find((key) => key.kid === kid);
  }
}

function parseEntry(entry: string, position: number): { kid: string; secret: Buffer } {
  const colon = entry.indexOf(':');
  if (colon < 0) throw new Error(`Seal key ${position} is not of the form kid:base64.`);
  const kid = entry.slice(0, colon);
  if (!KEY_ID.test(kid)) throw new Error(`The id of seal key ${position} is not 1 to 16 characters of a-z, 0-9 and -.`);
  const text = entry.slice(colon + 1);
  const secret = Buffer.from(text, 'base64');
  if (secret.toString('base64') !== text)
    throw new Error(`Seal key '${kid}' is not base64 (standard alphabet, padded).`);
  if (secret.length !== SEAL_KEY_BYTES) throw new Error(`Seal key '${kid}' has ${secret.length} bytes instead of 32.`);
  if (!looksRandom(secret)) {
    throw new Error(`Seal key '${kid}' is a sample or hand-made value: use 32 random bytes (openssl rand -base64 32).`);
  }
  return { kid, secret };
}

/** Refuses repetition, counting sequences and text. A random key fails with a probability under 10^-12. */
function looksRandom(secret: Buffer): boolean {
  const steps = secret.map((byte, index) => byte - (secret[index - 1] ?? 0)).subarray(1);
  const isText = secret.every((byte) => byte >= 0x20 && byte < 0x7f);
  return !isText && new Set(secret).size >= MIN_DISTINCT_BYTES && new Set(steps).size >= MIN_DISTINCT_BYTES;
}

function randomSecret(): Buffer {
  for (;;) {
    const secret = randomBytes(SEAL_KEY_BYTES);
    if (looksRandom(secret)) return secret;
  }
}

/** Copies the bytes into a KeyObject and wipes the buffer, so nothing else holds the key. */
function toKeyObject(bytes: Buffer): KeyObject {
  const key = createSecretKey(bytes);
  bytes.fill(0);
  return key;
}
