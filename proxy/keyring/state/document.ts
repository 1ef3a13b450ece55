/**
 * The keyring as stored: one canonical JSON document per tenant (crypto/FORMAT.md, "Keyring and access key ids", keyring).
 * Reading is strict: unknown members, other lengths, other encodings and every non-canonical byte are refused, so that
 * there is exactly one document for one meaning. What the MACs cover is in macs.ts.
 */
import { z } from 'zod';
import {
  MAX_KEY_LABEL_CHARACTERS,
  MAX_KEYRING_BYTES,
  MAX_KEYRING_EPOCHS,
  MAX_KEYRING_SLOTS,
  MAX_REGISTERED_IDS,
  MAX_REMOVED_SLOTS,
  MAX_SLOT_GRANTS,
} from '../../limits.ts';
import { type Grant, grantSchema } from '../grants.ts';
import { kdfSchema } from '../slots/kdf.ts';
import { canonicalJson, isPlainText } from './canonical-json.ts';

export const KEYRING_FORMAT = 'sealgate-keyring/1';

const hex = (bytes: number) => z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`));
const base64 = (bytes: number) =>
  z.string().refine((text) => {
    const decoded = Buffer.from(text, 'base64');
    return decoded.length === bytes && decoded.toString('base64') === text;
  });
/** `2026-01-31T23:59:59Z`: UTC, whole seconds, a day that exists. */
const time = z
  .string()
  .refine((text) => /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/.test(text) && timestamp(new Date(text)) === text);
const epochNumber = z.int().min(1).max(0xffff_ffff);
/** Id of a seal key. */
const kid = z.string().regex(/^[a-z0-9-]{1,16}$/);
/** Form of registered access key ids: registered-id.ts. */
const registeredId = z.string().regex(/^SGRK[A-Z2-7]{16}$/);

const wrapSchema = z.strictObject({ epoch: epochNumber, salt: base64(32), wrapped: base64(48) });

const slotSchema = z.strictObject({
  accessKeyId: z.enum(['sealed', 'registered']),
  commitment: base64(32),
  created: time,
  expires: time.nullable(),
  grants: z.array(grantSchema).max(MAX_SLOT_GRANTS),
  id: hex(4),
  idKid: kid,
  kdf: kdfSchema,
  kdfUpgrade: kdfSchema.nullable(),
  label: z.string().max(MAX_KEY_LABEL_CHARACTERS).refine(isPlainText),
  registeredIds: z.array(registeredId).max(MAX_REGISTERED_IDS),
  salt: base64(32),
  status: z.enum(['active', 'inactive']),
  type: z.literal('api-key'),
  wraps: z.array(wrapSchema).min(1).max(MAX_KEYRING_EPOCHS),
});

const epochSchema = z.strictObject({
  created: time,
  epoch: epochNumber,
  state: z.enum(['current', 'draining', 'retired']),
});

/** A way in for the holder of an offline private key: HPKE encapsulations of every root key in use. */
const escrowSchema = z.strictObject({
  created: time,
  publicKey: base64(32),
  suite: z.literal(1),
  wraps: z
    .array(z.strictObject({ enc: base64(32), epoch: epochNumber, wrapped: base64(48) }))
    .min(1)
    .max(MAX_KEYRING_EPOCHS),
});

const keyringSchema = z.strictObject({
  created: time,
  epochs: z.array(epochSchema).min(1).max(MAX_KEYRING_EPOCHS),
  escrow: escrowSchema.nullable(),
  format: z.literal(KEYRING_FORMAT),
  generation: z.int().min(1),
  operatorKid: kid,
  operatorMac: base64(32),
  removed: z.array(z.strictObject({ digest: hex(32), id: hex(4), removed: time })).max(MAX_REMOVED_SLOTS),
  rootMac: base64(32),
  slots: z.array(slotSchema).max(MAX_KEYRING_SLOTS),
  tenant: hex(12),
  updated: time,
});

export type Keyring = z.infer<typeof keyringSchema>;
export type Slot = z.infer<typeof slotSchema>;
export type Wrap = z.infer<typeof wrapSchema>;
export type Escrow = z.infer<typeof escrowSchema>;
export type RemovedSlot = Keyring['removed'][number];
export type Epoch = z.infer<typeof epochSchema>;

/** The bytes are not a keyring. Says where, never what was found there. */
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

const termsSchema = slotSchema.pick({ grants: true, label: true });

/** What an operator gives for a new slot, before anything is made of it. @throws KeyringMalformed */
export function checkTerms(terms: { grants: readonly Grant[]; label: string }): void {
  const parsed = termsSchema.safeParse(terms);
  if (!parsed.success) throw malformedAt(parsed.error);
}

/** UTC, whole seconds. */
export function timestamp(date: Date): string {
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, 19)}Z`;
}

/** The last epoch: its root key wraps new DEKs and makes the root MAC. */
export function currentEpoch(keyring: Keyring): number {
  const last = keyring.epochs.at(-1);
  if (last === undefined) throw new KeyringMalformed('epochs');
  return last.epoch;
}

function malformedAt(error: z.ZodError): KeyringMalformed {
  return new KeyringMalformed(`at ${error.issues[0]?.path.join('.') || 'the top level'}`);
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new KeyringMalformed('not JSON in UTF-8');
  }
}

/** What no single member shows: order, uniqueness, and that every slot opens every epoch that is still in use. */
function checkRelations({ epochs, slots, removed, escrow }: Keyring): void {
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
    if ((slot.accessKeyId === 'registered') !== slot.registeredIds.length > 0) {
      throw new KeyringMalformed('registered ids and the kind of access key id do not agree');
    }
    if (!isAscending(slot.registeredIds)) throw new KeyringMalformed('registered ids are not ascending');
  }
  if (escrow !== null && escrow.wraps.map((wrap) => wrap.epoch).join() !== open.join()) {
    throw new KeyringMalformed('the escrow does not wrap every epoch in use');
  }
}

function isAscending<T extends number | string>(values: readonly T[]): boolean {
  return values.every((value, index) => {
    const before = values[index - 1];
    return before === undefined || before < value;
  });
}
