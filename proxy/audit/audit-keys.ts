/**
 * The audit keys: random, and sealed under a seal key in the state (crypto/FORMAT.md, "Audit log"), so that a seal key can be
 * destroyed and the log still opens: `seal-key resign` seals them anew. One serves all servers; two that were made at the same moment
 * do no harm, since every segment names its own.
 */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { utf8 } from '../../crypto/bytes.ts';
import { openOnce, sealOnce } from '../../crypto/gcm.ts';
import { frame } from '../../crypto/keys.ts';
import { randomSalt } from '../../crypto/random.ts';
import type { SealKey, SealKeys } from '../keyring/access-keys/seal-keys.ts';
import { canonicalJson } from '../keyring/state/canonical-json.ts';
import { StateConflict, type StateStore } from '../keyring/state/state.ts';

export const AUDIT_KEY_NAMES = 'audit/key/';
const FORMAT = 'sealgate-audit-key/1';
const KEY_BYTES = 32;

const schema = z.strictObject({ format: z.literal(FORMAT), kid: z.string(), salt: z.string(), sealed: z.string() });

export interface AuditKey {
  /** 8 hex digits. */
  readonly id: string;
  readonly key: KeyObject;
  /** Of the seal key that seals it. */
  readonly kid: string;
}

interface Deps {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
}

/** The key to write under: the first that opens, or a new one. @throws S3Error ServiceUnavailable */
export async function currentAuditKey(deps: Deps, signal: AbortSignal): Promise<AuditKey> {
  for await (const name of deps.state.list(AUDIT_KEY_NAMES, signal)) {
    const found = await auditKey(deps, name.slice(AUDIT_KEY_NAMES.length), signal);
    if (found !== undefined) return found;
  }
  const id = randomBytes(4).toString('hex');
  const secret = randomBytes(KEY_BYTES);
  const sealKey = deps.sealKeys.active;
  await deps.state.put(AUDIT_KEY_NAMES + id, sealAuditKey(secret, { id, sealKey }), { ifAbsent: true }, signal);
  return { id, key: takeKey(secret), kid: sealKey.kid };
}

/** `undefined`: there is none of that id, or no seal key at hand opens it. */
export async function auditKey(deps: Deps, id: string, signal: AbortSignal): Promise<AuditKey | undefined> {
  const record = await deps.state.get(AUDIT_KEY_NAMES + id, signal);
  return record && openAuditKey(record.body, { id, sealKeys: deps.sealKeys });
}

/** Ids of the seal keys that the records name: each record needs its own. */
export async function auditKeyKids(deps: Deps, signal: AbortSignal): Promise<readonly string[]> {
  const kids: string[] = [];
  for await (const name of deps.state.list(AUDIT_KEY_NAMES, signal)) {
    const kid = parseRecord((await deps.state.get(name, signal))?.body)?.kid;
    if (kid !== undefined) kids.push(kid);
  }
  return kids;
}

/** Seals every audit key that opens under the active seal key. @returns how many were not so yet */
export async function resealAuditKeys(deps: Deps, signal: AbortSignal): Promise<number> {
  const sealKey = deps.sealKeys.active;
  let resealed = 0;
  for await (const name of deps.state.list(AUDIT_KEY_NAMES, signal)) {
    const id = name.slice(AUDIT_KEY_NAMES.length);
    const record = await deps.state.get(name, signal);
    const opened = record && openAuditKey(record.body, { id, sealKeys: deps.sealKeys });
    if (record === undefined || opened === undefined || opened.kid === sealKey.kid) continue;
    const secret = opened.key.export();
    try {
      await deps.state.put(name, sealAuditKey(secret, { id, sealKey }), { ifMatch: record.etag }, signal);
      resealed += 1;
    } catch (error) {
      // Another one did the same.
      if (!(error instanceof StateConflict)) throw error;
    } finally {
      secret.fill(0);
    }
  }
  return resealed;
}

/** The record's bytes. `secret`: 32 bytes. */
export function sealAuditKey(secret: Buffer, { id, sealKey }: { id: string; sealKey: SealKey }): Buffer {
  const salt = randomSalt();
  const key = sealKey.auditKeyKey(salt);
  const sealed = sealOnce(key, secret, additionalData(id, sealKey.kid));
  key.fill(0);
  const texts = { salt: salt.toString('base64'), sealed: sealed.toString('base64') };
  return canonicalJson({ format: FORMAT, kid: sealKey.kid, ...texts });
}

/** `undefined`: none of the seal keys sealed it under that id. */
export function openAuditKey(body: Buffer, { id, sealKeys }: { id: string; sealKeys: SealKeys }): AuditKey | undefined {
  const record = parseRecord(body);
  const sealKey = record && sealKeys.withId(record.kid);
  if (record === undefined || sealKey === undefined) return undefined;
  const key = sealKey.auditKeyKey(Buffer.from(record.salt, 'base64'));
  const secret = openOnce(key, Buffer.from(record.sealed, 'base64'), additionalData(id, sealKey.kid));
  key.fill(0);
  return secret?.length === KEY_BYTES ? { id, key: takeKey(secret), kid: sealKey.kid } : undefined;
}

function parseRecord(body: Buffer | undefined): z.infer<typeof schema> | undefined {
  try {
    return body && schema.safeParse(JSON.parse(body.toString('utf8'))).data;
  } catch {
    return undefined;
  }
}

function additionalData(id: string, kid: string): Buffer {
  return frame(utf8(FORMAT), utf8(id), utf8(kid));
}

function takeKey(secret: Buffer): KeyObject {
  const key = createSecretKey(secret);
  secret.fill(0);
  return key;
}
