/**
 * Root keys under a slot secret of 32 bytes (crypto/FORMAT.md, "Keyring and access key ids", wraps): a commitment tells a wrong
 * secret before anything is unwrapped, and each epoch's root key is sealed under a key from its own fresh salt, with the slot's
 * record as additional data. Slots of every type that a secret opens are made of these.
 */
import { createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { uint32 } from '../../../crypto/bytes.ts';
import { openOnce, sealOnce } from '../../../crypto/gcm.ts';
import { deriveKey } from '../../../crypto/keys.ts';
import { randomSalt } from '../../../crypto/random.ts';
import { canonicalJson, type JsonValue } from '../state/canonical-json.ts';
import { base64, epochNumber } from '../state/fields.ts';
import type { OpenedSlot, RootKeys } from './slot-type.ts';

const COMMIT_LABEL = 'sealgate/1/slot-commit';
const WRAP_LABEL = 'sealgate/1/root-wrap';

export const secretWrapSchema = z.strictObject({ epoch: epochNumber, salt: base64(32), wrapped: base64(48) });

export type SecretWrap = z.infer<typeof secretWrapSchema>;

/** The secret of one slot. */
export interface SlotSecret {
  readonly slotSecret: Buffer;
  /** 24 hex digits. */
  readonly tenant: string;
  /** 8 hex digits. */
  readonly slot: string;
}

/** base64 of 32 bytes. `salt`: the slot's. */
export function commitmentOf(o: SlotSecret, salt: Buffer): string {
  return commitmentBytes(o, salt).toString('base64');
}

/** One for each root key, ascending by epoch. `record`: what is bound to each of them. */
export function wrapRoots(o: SlotSecret & { readonly record: JsonValue; readonly roots: RootKeys }): SecretWrap[] {
  return [...o.roots].sort(([a], [b]) => a - b).map(([epoch, root]) => wrapRoot(o, epoch, root));
}

/** Nothing is unwrapped unless the commitment matches; every wrap opens, or none. */
export function unwrapRoots(
  o: SlotSecret & {
    readonly salt: string;
    readonly commitment: string;
    readonly record: JsonValue;
    readonly wraps: readonly SecretWrap[];
  },
): OpenedSlot {
  const committed = Buffer.from(o.commitment, 'base64');
  const expected = commitmentBytes(o, Buffer.from(o.salt, 'base64'));
  if (committed.length !== expected.length || !timingSafeEqual(expected, committed)) return { failure: 'wrong-key' };
  const roots = new Map<number, KeyObject>();
  for (const wrap of o.wraps) {
    const root = unwrapRoot(o, wrap);
    if (root === undefined) return { failure: 'damaged' };
    roots.set(wrap.epoch, root);
  }
  return { roots };
}

function commitmentBytes({ slotSecret, ...of }: SlotSecret, salt: Buffer): Buffer {
  return deriveKey(slotSecret, { label: COMMIT_LABEL, salt, context: idsOf(of) });
}

function wrapRoot(o: SlotSecret & { readonly record: JsonValue }, epoch: number, rootKey: KeyObject): SecretWrap {
  const salt = randomSalt();
  const key = wrapKey(o, epoch, salt);
  const root = rootKey.export();
  const wrapped = sealOnce(key, root, canonicalJson(o.record)).toString('base64');
  key.fill(0);
  root.fill(0);
  return { epoch, salt: salt.toString('base64'), wrapped };
}

function unwrapRoot(o: SlotSecret & { readonly record: JsonValue }, wrap: SecretWrap): KeyObject | undefined {
  const key = wrapKey(o, wrap.epoch, Buffer.from(wrap.salt, 'base64'));
  const root = openOnce(key, Buffer.from(wrap.wrapped, 'base64'), canonicalJson(o.record));
  key.fill(0);
  if (root === undefined) return undefined;
  // The KeyObject holds a copy: only then may the buffer be wiped, and never the key that is in use.
  const rootKey = createSecretKey(root);
  root.fill(0);
  return rootKey;
}

function wrapKey({ slotSecret, ...of }: SlotSecret, epoch: number, salt: Buffer): Buffer {
  return deriveKey(slotSecret, { label: WRAP_LABEL, salt, context: [...idsOf(of), uint32(epoch)] });
}

function idsOf({ tenant, slot }: Omit<SlotSecret, 'slotSecret'>): readonly [Buffer, Buffer] {
  return [Buffer.from(tenant, 'hex'), Buffer.from(slot, 'hex')];
}
