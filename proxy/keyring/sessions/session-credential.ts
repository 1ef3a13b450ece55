/**
 * The credentials of a session, as requests are verified with them. The secret that opens the tenant is not kept. The token is
 * opened again when that secret is needed. Requests with a cached signing key and cached root keys do not need it.
 */
import { type KnownSecret, secretId } from '../../../sigv4/signing-key.ts';
import { type AccessKey, fingerprintOf } from '../access-keys/access-key-id.ts';
import type { SessionDetails } from './details.ts';
import type { OpenedSession } from './token.ts';

export class SessionCredential {
  readonly kind = 'session';
  readonly accessKeyId: string;
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits: the slot that it was issued from. */
  readonly slot: string;
  /** 12 hex digits of SHA-256(access key id), for logs. */
  readonly fingerprint: string;
  /** Identifies the secret of the slot in caches. It is the same for all sessions of a slot. */
  readonly secretId: string;
  readonly slotSerial: number;
  readonly roleSerial: number;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly endsAt: number;
  readonly details: SessionDetails;
  readonly #signingId: string;
  readonly #reopen: () => OpenedSession | undefined;

  /** @param reopen returns `session`, at each call */
  constructor(session: OpenedSession, reopen: () => OpenedSession | undefined) {
    this.accessKeyId = session.accessKeyId;
    this.tenant = session.tenant;
    this.slot = session.slot;
    this.fingerprint = fingerprintOf(session.accessKeyId);
    this.secretId = `session:${secretId(session.callerSecret)}`;
    this.slotSerial = session.slotSerial;
    this.roleSerial = session.roleSerial;
    this.issuedAt = session.issuedAt;
    this.endsAt = session.endsAt;
    this.details = session.details;
    this.#signingId = `session:${secretId(signingSecretOf(session))}`;
    this.#reopen = reopen;
    session.callerSecret.fill(0);
  }

  /** The caller's part of the slot's secret, 32 bytes, for the caller to wipe. */
  get callerSecret(): Buffer {
    return this.#opened().callerSecret;
  }

  /** Key of SigV4's first HMAC. */
  get signingSecret(): KnownSecret {
    return { id: this.#signingId, bytes: () => signingSecretOf(this.#opened()) };
  }

  #opened(): OpenedSession {
    const session = this.#reopen();
    if (session === undefined) throw new Error('A session token opens no longer');
    return session;
  }
}

/** What a request may be signed with. */
export type Credential = AccessKey | SessionCredential;

function signingSecretOf({ secretAccessKey }: OpenedSession): Buffer {
  return Buffer.from(`AWS4${secretAccessKey}`, 'latin1');
}
