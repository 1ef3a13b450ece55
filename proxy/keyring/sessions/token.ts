/**
 * Session tokens (crypto/FORMAT.md, "Session tokens"): what a temporary credential needs to open its tenant, sealed under a key
 * that only the server's seal key and one day's record make together. A token carries the caller's part of a slot's secret and
 * never the API key, and the secret access key is derived from it, so nothing of a session is stored. Once the day's record is
 * gone, the seal key and every token that was ever seen open nothing.
 *
 * Layout: "SGS1" base64url(key tag 1 | day 2 | nonce 12 | AES-256-GCM(content) | GCM tag 16), the content being
 * session id 12 | caller secret 32 | tenant 12 | slot 4 | slot serial 4 | role serial 4 | issued 4 | ends 4 | details as JSON.
 */
import { createCipheriv, createDecipheriv, hash, type KeyObject, randomBytes } from 'node:crypto';
import { uint16, uint32 } from '../../../crypto/bytes.ts';
import { deriveKey, frame } from '../../../crypto/keys.ts';
import { MAX_SESSION_DETAILS_BYTES } from '../../session-limits.ts';
import { SLOT_BYTES, TENANT_BYTES } from '../ids.ts';
import { dayNumber } from './days.ts';
import { parseSessionDetails, type SessionDetails, sessionDetailsText } from './details.ts';

const TOKEN_PREFIX = 'SGS1';
const ID_PREFIX = 'SGS';
const SECRET_LABEL = 'sealgate/1/session-secret';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CLEAR_BYTES = 1 + 2 + NONCE_BYTES;
const SESSION_ID_BYTES = 12;
const CALLER_SECRET_BYTES = 32;
const FIXED_BYTES = SESSION_ID_BYTES + CALLER_SECRET_BYTES + TENANT_BYTES + SLOT_BYTES + 4 * 4;
const MIN_BYTES = CLEAR_BYTES + FIXED_BYTES + TAG_BYTES;
const MAX_TOKEN_CHARACTERS = TOKEN_PREFIX.length + Math.ceil((4 * (MIN_BYTES + MAX_SESSION_DETAILS_BYTES)) / 3);
const BODY = /^[A-Za-z0-9_-]+$/;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const ID_CHARACTERS = 17;

/** The key of one seal key's tokens of one day. */
export interface SessionKey {
  /** First byte of SHA-256(kid), and the kid itself. */
  readonly tag: number;
  readonly kid: string;
  readonly day: number;
  readonly key: KeyObject;
}

export interface Session {
  /** 12 random bytes. */
  readonly sessionId: Buffer;
  /** The caller's part of the secret of its slot: 32 bytes. Never the part of a KMS. */
  readonly callerSecret: Buffer;
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits: the slot that `callerSecret` opens. */
  readonly slot: string;
  /** The serials when the token was issued. A serial that was raised since then ends the session. 0 without a role. */
  readonly slotSerial: number;
  readonly roleSerial: number;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly endsAt: number;
  readonly details: SessionDetails;
}

export interface SessionCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/** What opens a tenant by a token: the session, and the credentials' other two thirds, to be compared with those that came. */
export interface OpenedSession extends Session {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** The details do not fit a header. */
export class SessionTooLarge extends Error {
  readonly code = 'SESSION_TOO_LARGE';
  /** Percent of what fits. */
  readonly percent: number;
  constructor(percent: number) {
    super(`Policy, tags and names take ${percent} % of what a session token holds.`);
    this.percent = percent;
  }
}

/** `key` must be of the day on which the session is issued. @throws SessionTooLarge */
export function issueSession(session: Omit<Session, 'sessionId'>, key: SessionKey): SessionCredentials {
  if (dayNumber(new Date(1000 * session.issuedAt)) !== key.day) throw new Error('The key is of another day');
  const sessionId = randomBytes(SESSION_ID_BYTES);
  const content = encode({ ...session, sessionId });
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key.key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(key));
  const sealed = [cipher.update(content), cipher.final(), cipher.getAuthTag()];
  const bytes = Buffer.concat([Buffer.of(key.tag), uint16(key.day), nonce, ...sealed]);
  return {
    ...credentialsOf(sessionId, session.callerSecret, content),
    sessionToken: TOKEN_PREFIX + bytes.toString('base64url'),
  };
}

/**
 * Reads the clear part of a token, which says which key may open it. `undefined`: the text does not have the one form of a token.
 */
export function readToken(token: string): { tag: number; day: number; bytes: Buffer } | undefined {
  const body = token.slice(TOKEN_PREFIX.length);
  if (token.length > MAX_TOKEN_CHARACTERS || !token.startsWith(TOKEN_PREFIX) || !BODY.test(body)) return undefined;
  const bytes = Buffer.from(body, 'base64url');
  if (bytes.length < MIN_BYTES || bytes.toString('base64url') !== body) return undefined;
  return { tag: bytes.readUInt8(0), day: bytes.readUInt16BE(1), bytes };
}

/** Opens a token. `undefined`: another key sealed it, or its content does not have its one form. */
export function openSession(bytes: Buffer, key: SessionKey): OpenedSession | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key.key, bytes.subarray(3, CLEAR_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(additionalData(key));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  const content = decipher.update(bytes.subarray(CLEAR_BYTES, -TAG_BYTES));
  try {
    decipher.final();
  } catch {
    content.fill(0);
    return undefined;
  }
  const session = decode(content);
  if (session === undefined || dayNumber(new Date(1000 * session.issuedAt)) !== key.day) return undefined;
  return { ...session, ...credentialsOf(session.sessionId, session.callerSecret, content) };
}

function additionalData({ kid, day }: SessionKey): Buffer {
  return frame(Buffer.from(TOKEN_PREFIX), Buffer.from(kid), uint16(day));
}

function encode(session: Session): Buffer {
  const details = Buffer.from(sessionDetailsText(session.details));
  if (details.length > MAX_SESSION_DETAILS_BYTES) throw new SessionTooLarge(packedPercent(session.details));
  const fixed = Buffer.concat([
    session.sessionId,
    session.callerSecret,
    Buffer.from(session.tenant, 'hex'),
    Buffer.from(session.slot, 'hex'),
    ...[session.slotSerial, session.roleSerial, session.issuedAt, session.endsAt].map(uint32),
  ]);
  if (fixed.length !== FIXED_BYTES) throw new TypeError('Bad session');
  return Buffer.concat([fixed, details]);
}

/** Percent of what a token holds. */
export function packedPercent(details: SessionDetails): number {
  return Math.ceil((100 * Buffer.byteLength(sessionDetailsText(details))) / MAX_SESSION_DETAILS_BYTES);
}

function decode(content: Buffer): Session | undefined {
  const details = parseSessionDetails(content.toString('utf8', FIXED_BYTES));
  if (details === undefined) return undefined;
  let at = 0;
  const next = (length: number) => {
    at += length;
    return Buffer.from(content.subarray(at - length, at));
  };
  const sessionId = next(SESSION_ID_BYTES);
  const callerSecret = next(CALLER_SECRET_BYTES);
  const tenant = next(TENANT_BYTES).toString('hex');
  const slot = next(SLOT_BYTES).toString('hex');
  const number = () => next(4).readUInt32BE(0);
  return {
    sessionId,
    callerSecret,
    tenant,
    slot,
    slotSerial: number(),
    roleSerial: number(),
    issuedAt: number(),
    endsAt: number(),
    details,
  };
}

/**
 * Derives the credentials. The access key id reveals nothing; the secret access key depends on every byte of the content of the
 * token.
 */
function credentialsOf(
  sessionId: Buffer,
  callerSecret: Buffer,
  content: Buffer,
): Omit<SessionCredentials, 'sessionToken'> {
  const digest = hash('sha256', content, 'buffer');
  const secret = deriveKey(callerSecret, { label: SECRET_LABEL, salt: sessionId, context: [digest] });
  const secretAccessKey = secret.toString('base64url');
  secret.fill(0);
  return { accessKeyId: sessionAccessKeyId(sessionId), secretAccessKey };
}

/** "SGS" and 17 characters, of the session id alone. */
function sessionAccessKeyId(sessionId: Buffer): string {
  const digest = hash('sha256', sessionId, 'buffer');
  let [bits, held, text] = [0, 0, ''];
  for (const byte of digest) {
    bits = (bits << 8) | byte;
    held += 8;
    while (held >= 5 && text.length < ID_CHARACTERS) {
      held -= 5;
      text += BASE32[(bits >> held) & 31];
      bits &= (1 << held) - 1;
    }
  }
  return ID_PREFIX + text;
}

/** Whether an access key id has the form of a session's. */
export function isSessionAccessKeyId(accessKeyId: string): boolean {
  return /^SGS[A-Z2-7]{17}$/.test(accessKeyId);
}
