/**
 * Which seal key signs: one record in the state, for all servers (crypto/FORMAT.md, "Active seal key"). The seal key that it names
 * signs the record, and so does the one that was active before. A server that holds either of them sees that somebody with that
 * seal key wanted the change; whoever has the state bucket alone cannot make such a record up.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { MAX_ACTIVE_RECORD_BYTES } from '../../running-limits.ts';
import type { SealKey, SealKeys } from '../access-keys/seal-keys.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { base64, sealKeyId, time } from '../state/fields.ts';
import { readRecord } from '../state/read-record.ts';

export const SEAL_KEY_NAMES = 'seal-keys/';
export const ACTIVE_RECORD = `${SEAL_KEY_NAMES}active.json`;
const FORMAT = 'sealgate-active-seal-key/1' as const;

const schema = z
  .strictObject({
    before: sealKeyId.nullable(),
    beforeMac: base64(32).nullable(),
    format: z.literal(FORMAT),
    generation: z.int().min(1),
    kid: sealKeyId,
    mac: base64(32),
    updated: time,
  })
  .refine(({ before, beforeMac, kid }) => (before === null) === (beforeMac === null) && before !== kid);

type Stored = z.infer<typeof schema>;
type Covered = Omit<Stored, 'mac' | 'beforeMac'>;

export interface ActiveRecord {
  readonly generation: number;
  /** Of the active seal key. */
  readonly kid: string;
  /** Of the one before; null in the first record, and in one that was replaced without proof. */
  readonly before: string | null;
  readonly updated: string;
}

/** A record that was read. */
export interface OpenedActiveRecord extends ActiveRecord {
  /** The active seal key; undefined where it is not at hand. */
  readonly sealKey: SealKey | undefined;
  /** Whether the seal key before is at hand, and signed it. */
  readonly isProved: boolean;
}

/** The record does not count, or says what cannot be done here. The message says why, and holds no stored value but ids. */
export class ActiveRecordRefused extends Error {
  readonly code = 'ACTIVE_SEAL_KEY_REFUSED';
  /** The active seal key, where that is not configured: whether the record is right cannot be told then. */
  readonly missingKid: string | undefined;
  constructor(message: string, o: { readonly missingKid?: string } = {}) {
    super(message);
    this.name = 'ActiveRecordRefused';
    this.missingKid = o.missingKid;
  }
}

/** The record's bytes. `before`: the seal key that was active until now. */
export function signActiveRecord(
  o: { readonly generation: number; readonly updated: string },
  { sealKey, before }: { readonly sealKey: SealKey; readonly before: SealKey | undefined },
): Buffer {
  const { generation, updated } = o;
  const covered = { before: before?.kid ?? null, format: FORMAT, generation, kid: sealKey.kid, updated };
  const beforeMac = before === undefined ? null : macOf(covered, before).toString('base64');
  return canonicalJson({ ...covered, beforeMac, mac: macOf(covered, sealKey).toString('base64') });
}

/** @throws ActiveRecordRefused for what none of the seal keys at hand signed */
export function openActiveRecord(body: Buffer, sealKeys: SealKeys): OpenedActiveRecord {
  const record = readRecord(body, schema, MAX_ACTIVE_RECORD_BYTES);
  if (record === undefined) throw new ActiveRecordRefused('the record of the active seal key is malformed');
  const { mac, beforeMac, ...covered } = record;
  const { generation, kid, before, updated } = covered;
  const sealKey = sealKeys.withId(kid);
  const earlier = before === null ? undefined : sealKeys.withId(before);
  if (sealKey === undefined && earlier === undefined) throw notConfigured(kid);
  const isSigned = sealKey === undefined || isEqual(mac, macOf(covered, sealKey));
  const isProved = earlier !== undefined && beforeMac !== null && isEqual(beforeMac, macOf(covered, earlier));
  if (!isSigned || (earlier !== undefined && !isProved)) {
    throw new ActiveRecordRefused('the record of the active seal key is not signed by the seal keys that it names');
  }
  return { generation, kid, before, updated, sealKey, isProved };
}

export function notConfigured(kid: string): ActiveRecordRefused {
  return new ActiveRecordRefused(`seal key '${kid}' is the active one, and is not configured here`, {
    missingKid: kid,
  });
}

function macOf(covered: Covered, sealKey: SealKey): Buffer {
  return createHmac('sha256', sealKey.activeRecordKey()).update(canonicalJson(covered)).digest();
}

function isEqual(mac: string, computed: Buffer): boolean {
  return timingSafeEqual(Buffer.from(mac, 'base64'), computed);
}
