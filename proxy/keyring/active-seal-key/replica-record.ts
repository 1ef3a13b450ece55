/**
 * What one running server says of itself: which seal keys it holds, and which one it signs with (crypto/FORMAT.md, "Reports of
 * replicas"). The report is sealed under the seal key that the server signs with. For every seal key that it holds there is a
 * proof under that seal key, so that another secret under the same id is noticed. The report counts for some minutes only.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { utf8 } from '../../../crypto/bytes.ts';
import { openOnce, sealOnce } from '../../../crypto/gcm.ts';
import { frame } from '../../../crypto/keys.ts';
import { randomSalt } from '../../../crypto/random.ts';
import { MAX_REPLICA_BYTES, MAX_REPLICA_KEYS } from '../../running-limits.ts';
import type { SealKey, SealKeys } from '../access-keys/seal-keys.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { base64, hex, sealKeyId, time } from '../state/fields.ts';
import { SEAL_KEY_NAMES } from './active-record.ts';

export const REPLICA_NAMES = `${SEAL_KEY_NAMES}replicas/`;
export const BOOT_BYTES = 8;
const FORMAT = 'sealgate-replica/1';
const MAX_HOST_CHARACTERS = 64;

const outerSchema = z.strictObject({
  format: z.literal(FORMAT),
  kid: sealKeyId,
  salt: base64(32),
  sealed: z.base64().max(MAX_REPLICA_BYTES),
});

const innerSchema = z.strictObject({
  active: sealKeyId,
  expires: time,
  generation: z.int().min(1),
  held: z
    .array(z.strictObject({ kid: sealKeyId, proof: base64(32) }))
    .min(1)
    .max(MAX_REPLICA_KEYS),
  host: z.string().max(MAX_HOST_CHARACTERS),
  started: time,
});

export interface ReplicaReport {
  /** Of this run of the server: 16 hex digits. */
  readonly boot: string;
  /** Name of the machine or the Pod. */
  readonly host: string;
  readonly started: string;
  /** The report does not count from then on. */
  readonly expires: string;
  /** The active seal key, and the generation of its record, as the server knows them. The server may not have that seal key. */
  readonly active: string;
  readonly generation: number;
}

export interface OpenedReport extends ReplicaReport {
  /** Of the seal key that the server signs with. */
  readonly signs: string;
  /** Ids of the seal keys at hand which the server holds as well, with the same secret. */
  readonly held: readonly string[];
  /** Ids that the server has another secret under. */
  readonly differing: readonly string[];
}

/** A report under a seal key that is not at hand, or of nobody who has one of them. */
export type UnreadReport = { readonly boot: string; readonly kid: string | undefined };

export function replicaName(boot: string): string {
  return REPLICA_NAMES + boot;
}

/** The report's bytes, for the seal keys of the server and sealed under its active one. */
export function sealReport(report: ReplicaReport, sealKeys: SealKeys): Buffer {
  const { boot, host, started, expires, active, generation } = report;
  const signer = sealKeys.active;
  const held = sealKeys.all
    .slice(0, MAX_REPLICA_KEYS)
    .map((key) => ({ kid: key.kid, proof: proofOf(key, { boot, expires }).toString('base64') }));
  const shown = printable(host);
  const plain = canonicalJson({ active, expires, generation, held, host: shown, started });
  const salt = randomSalt();
  const key = signer.replicaKey(salt);
  const sealed = sealOnce(key, plain, additionalData(signer.kid, boot));
  key.fill(0);
  const texts = { salt: salt.toString('base64'), sealed: sealed.toString('base64') };
  return canonicalJson({ format: FORMAT, kid: signer.kid, ...texts });
}

/** `kid` of what cannot be read: the seal key that it takes, where it is not at hand. */
export function openReport(body: Buffer, boot: string, sealKeys: SealKeys): OpenedReport | UnreadReport {
  const outer = parsed(outerSchema, body, MAX_REPLICA_BYTES);
  if (outer === undefined) return { boot, kid: undefined };
  const sealKey = sealKeys.withId(outer.kid);
  if (sealKey === undefined) return { boot, kid: outer.kid };
  const key = sealKey.replicaKey(Buffer.from(outer.salt, 'base64'));
  const plain = openOnce(key, Buffer.from(outer.sealed, 'base64'), additionalData(outer.kid, boot));
  key.fill(0);
  const inner = plain && parsed(innerSchema, plain, MAX_REPLICA_BYTES);
  if (inner === undefined) return { boot, kid: undefined };
  const { active, expires, generation, host, started } = inner;
  const known = inner.held.flatMap(({ kid, proof }) => {
    const own = sealKeys.withId(kid);
    if (own === undefined) return [];
    return [{ kid, isSame: timingSafeEqual(Buffer.from(proof, 'base64'), proofOf(own, { boot, expires })) }];
  });
  const held = known.filter(({ isSame }) => isSame).map(({ kid }) => kid);
  const differing = known.filter(({ isSame }) => !isSame).map(({ kid }) => kid);
  return { boot, host, started, expires, active, generation, signs: outer.kid, held, differing };
}

function parsed<T>(schema: z.ZodType<T>, body: Buffer, most: number): T | undefined {
  if (body.length > most) return undefined;
  try {
    return schema.parse(JSON.parse(body.toString('utf8')));
  } catch {
    return undefined;
  }
}

/** Of the characters that names of machines have; others are shown as `?`. */
function printable(host: string): string {
  return host.slice(0, MAX_HOST_CHARACTERS).replace(/[^A-Za-z0-9._-]/g, '?');
}

function proofOf(sealKey: SealKey, { boot, expires }: Pick<ReplicaReport, 'boot' | 'expires'>): Buffer {
  const data = frame(utf8(FORMAT), utf8(boot), utf8(expires));
  return createHmac('sha256', sealKey.replicaProofKey()).update(data).digest();
}

function additionalData(kid: string, boot: string): Buffer {
  return frame(utf8(FORMAT), utf8(kid), utf8(boot));
}

export const isBootId = (text: string): boolean => hex(BOOT_BYTES).safeParse(text).success;
