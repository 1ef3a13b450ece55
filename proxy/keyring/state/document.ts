/**
 * The keyring as stored: one canonical JSON document per tenant (crypto/FORMAT.md, "Keyring and access key ids", keyring).
 * Reading is strict: unknown members, other lengths, other encodings and every non-canonical byte are refused, so that
 * there is exactly one document for one meaning. What the MACs cover is in macs.ts.
 */
import { z } from 'zod';
import { MAX_KEYRING_BYTES, MAX_KEYRING_EPOCHS, MAX_REMOVED_SLOTS } from '../../limits.ts';
import type { Grant } from '../grants.ts';
import { givenTermsSchema } from '../slots/slot-terms.ts';
import { MAX_SLOTS, REMOVABLE_TYPES, slotSchema, slotsOfType, typeOf } from '../slots/slot-types.ts';
import { canonicalJson } from './canonical-json.ts';
import { base64, epochNumber, hex, sealKeyId, slotId, tenantId, tenantName, time } from './fields.ts';

export const KEYRING_FORMAT = 'sealgate-keyring/1';

const epochSchema = z.strictObject({
  created: time,
  epoch: epochNumber,
  state: z.enum(['current', 'draining', 'retired']),
});

const removedSchema = z.strictObject({
  digest: hex(32),
  id: slotId,
  removed: time,
  type: z.enum(REMOVABLE_TYPES),
});

const keyringSchema = z.strictObject({
  created: time,
  epochs: z.array(epochSchema).min(1).max(MAX_KEYRING_EPOCHS),
  format: z.literal(KEYRING_FORMAT),
  generation: z.int().min(1),
  name: tenantName,
  operatorKid: sealKeyId,
  operatorMac: base64(32),
  removed: z.array(removedSchema).max(MAX_REMOVED_SLOTS),
  /** Set: every slot needs a KMS. Under the root MAC. */
  requireKms: z.literal('yes').exactOptional(),
  rootMac: base64(32),
  slots: z.array(slotSchema).max(MAX_SLOTS),
  tenant: tenantId,
  updated: time,
});

export type Keyring = z.infer<typeof keyringSchema>;
export type RemovedSlot = Keyring['removed'][number];
export type Epoch = z.infer<typeof epochSchema>;

/** The bytes are not a keyring. The message says where, and never what was found there. */
export class KeyringMalformed extends Error {
  readonly code = 'KEYRING_MALFORMED';
  constructor(where: string) {
    super(`The keyring is malformed: ${where}`);
    this.name = 'KeyringMalformed';
  }
}

/** @throws KeyringMalformed for anything but the canonical bytes of a well-formed keyring. */
export function parseKeyring(bytes: Buffer): Keyring {
  if (bytes.length > MAX_KEYRING_BYTES) throw new KeyringMalformed(`over ${MAX_KEYRING_BYTES} bytes`);
  const parsed = keyringSchema.safeParse(parseJson(bytes));
  if (!parsed.success) throw malformedAt(parsed.error);
  if (!canonicalJson(parsed.data).equals(bytes)) throw new KeyringMalformed('not in canonical form');
  checkRelations(parsed.data);
  return parsed.data;
}

/** The bytes to store. @throws KeyringMalformed when `keyring` could not be read back. */
export function serializeKeyring(keyring: Keyring): Buffer {
  const bytes = canonicalJson(keyring);
  parseKeyring(bytes);
  return bytes;
}

/** Checks what an operator gives for a new slot, before anything is made of it. @throws KeyringMalformed */
export function checkTerms(terms: { grants: readonly Grant[]; policy: string | null; label: string }): void {
  const parsed = givenTermsSchema.safeParse(terms);
  if (!parsed.success) throw malformedAt(parsed.error);
}

/** The last epoch: its root key wraps new DEKs and makes the root MAC. */
export function currentEpoch(keyring: Keyring): number {
  const last = keyring.epochs.at(-1);
  if (last === undefined) throw new KeyringMalformed('epochs');
  return last.epoch;
}

function malformedAt(error: z.ZodError): KeyringMalformed {
  const [issue] = error.issues;
  const where = `at ${issue?.path.join('.') || 'the top level'}`;
  const isUnknownType = issue?.code === 'invalid_union' && /^slots\.\d+\.type$/.test(issue.path.join('.'));
  // The table has no row for the type. What such a record is, and so whether the root MAC holds, only a newer version can say.
  return new KeyringMalformed(isUnknownType ? `${where}, a type of slot that is not known here` : where);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new KeyringMalformed('not JSON in UTF-8');
  }
}

/** Checks what no single member shows: order, uniqueness, and that every slot opens every epoch that is still in use. */
function checkRelations({ epochs, slots, removed, requireKms }: Keyring): void {
  if (!isAscending(epochs.map((epoch) => epoch.epoch))) throw new KeyringMalformed('epochs are not ascending');
  const current = epochs.findIndex((epoch) => epoch.state === 'current');
  if (current !== epochs.length - 1) throw new KeyringMalformed('the last epoch, and no other, is current');
  const ids = [...slots, ...removed].map((slot) => slot.id);
  if (!isAscending(slots.map((slot) => slot.id))) throw new KeyringMalformed('slots are not ascending');
  if (!isAscending(removed.map((slot) => slot.id))) throw new KeyringMalformed('removed slots are not ascending');
  if (new Set(ids).size !== ids.length) throw new KeyringMalformed('a slot id is used twice');
  const open = epochs.filter((epoch) => epoch.state !== 'retired').map((epoch) => epoch.epoch);
  for (const slot of slots) {
    const wrapped = slot.wraps.map((wrap) => wrap.epoch);
    if (wrapped.join() !== open.join()) throw new KeyringMalformed('a slot does not wrap every epoch in use');
    const { most, fault, needsKms } = typeOf(slot);
    if (requireKms === 'yes' && !needsKms) throw new KeyringMalformed('a slot that opens without a KMS');
    if (slotsOfType({ slots }, slot.type).length > most) throw new KeyringMalformed('too many slots of one type');
    const wrong = fault(slot);
    if (wrong !== undefined) throw new KeyringMalformed(wrong);
  }
}

function isAscending<T extends number | string>(values: readonly T[]): boolean {
  return values.every((value, index) => {
    const before = values[index - 1];
    return before === undefined || before < value;
  });
}
