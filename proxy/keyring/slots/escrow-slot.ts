/**
 * Slots of type `escrow`: every root key in use, sealed to a public key whose private half is kept offline (crypto/FORMAT.md,
 * "Keyring and access key ids", slots of type escrow). No access key id names such a slot: it signs nothing. Whoever adds,
 * replaces or removes one needs the root key.
 *
 * HPKE base mode, RFC 9180, with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM. Each wrap has an encapsulation of
 * its own, so that one HPKE key seals one message; tenant, epoch and public key are bound as HPKE's `info`, the slot's record
 * as additional data.
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from 'hpke';
import { z } from 'zod';
import { uint32 } from '../../../crypto/bytes.ts';
import { context, lp } from '../../../crypto/keys.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { base64, epochNumber, slotId, time, timestamp, wrapsOf } from '../state/fields.ts';
import type { EscrowPrivateKey } from './escrow-key.ts';
import type { OpenedSlot, Reseal, RootKeys, SlotType } from './slot-type.ts';

const LABEL = 'sealgate/1/escrow';
/** The one suite there is: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. */
const SUITE = 1;
const hpke = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** Everything but the wraps: under the root MAC, and additional data of each wrap. There are no operator's terms. */
const RECORD = {
  created: time,
  id: slotId,
  publicKey: base64(32),
  suite: z.literal(SUITE),
  type: z.literal('escrow'),
};

const wrapSchema = z.strictObject({ enc: base64(32), epoch: epochNumber, wrapped: base64(48) });
const schema = z.strictObject({ ...RECORD, wraps: wrapsOf(wrapSchema) });

export type EscrowSlot = z.infer<typeof schema>;

interface Sealing {
  /** 8 hex digits. */
  readonly id: string;
  /** 32 bytes that `parseEscrowPublicKey` accepted. */
  readonly publicKey: Buffer;
  readonly now: Date;
}

interface Opening {
  readonly key: EscrowPrivateKey;
}

export const escrowSlot = {
  type: 'escrow',
  schema,
  most: 1,
  signs: false,
  operatorRemoves: false,
  needsKms: false,
  record,
  fault: () => undefined,
  grants: () => [],
  serverManaged: () => false,
  sealKeyIds: () => [],
  details: ({ publicKey }) => ({ publicKey }),
  reseal,
  seal,
  open,
} as const satisfies SlotType<EscrowSlot, Sealing, Opening>;

/** `roots`: of all epochs that are not retired. */
async function seal(o: { readonly tenant: string; readonly roots: RootKeys } & Sealing): Promise<EscrowSlot> {
  const publicKey = o.publicKey.toString('base64');
  const sealed = { created: timestamp(o.now), id: o.id, publicKey, suite: SUITE, type: 'escrow' } as const;
  const recipient = await hpke.DeserializePublicKey(o.publicKey);
  const wraps: EscrowSlot['wraps'] = [];
  for (const [epoch, root] of [...o.roots].sort(([a], [b]) => a - b)) {
    const secret = root.export();
    const info = infoOf({ tenant: o.tenant, epoch, publicKey: o.publicKey });
    const message = await hpke.Seal(recipient, secret, { info, aad: canonicalJson(sealed) });
    secret.fill(0);
    const enc = Buffer.from(message.encapsulatedSecret).toString('base64');
    wraps.push({ enc, epoch, wrapped: Buffer.from(message.ciphertext).toString('base64') });
  }
  return { ...sealed, wraps };
}

async function open(o: { readonly tenant: string; readonly slot: EscrowSlot } & Opening): Promise<OpenedSlot> {
  const { slot } = o;
  const { publicKey } = o.key;
  if (slot.publicKey !== publicKey.toString('base64')) return { failure: 'wrong-key' };
  const pair = {
    privateKey: await hpke.DeserializePrivateKey(o.key.secret, false),
    publicKey: await hpke.DeserializePublicKey(publicKey),
  };
  const roots = new Map<number, KeyObject>();
  for (const { epoch, enc, wrapped } of slot.wraps) {
    const options = { info: infoOf({ tenant: o.tenant, epoch, publicKey }), aad: canonicalJson(record(slot)) };
    try {
      const opened = await hpke.Open(pair, Buffer.from(enc, 'base64'), Buffer.from(wrapped, 'base64'), options);
      // The KeyObject holds a copy: only then may the bytes be wiped.
      roots.set(epoch, createSecretKey(opened));
      opened.fill(0);
    } catch {
      return { failure: 'damaged' };
    }
  }
  return { roots };
}

/** Sealing to a public key takes no secret, so an escrow always goes along. */
function reseal({ id, publicKey }: EscrowSlot): Reseal<EscrowSlot> {
  return ({ tenant, roots, now }) => seal({ tenant, roots, now, id, publicKey: Buffer.from(publicKey, 'base64') });
}

function record({ created, id, publicKey, suite, type }: EscrowSlot): Pick<EscrowSlot, keyof typeof RECORD> {
  return { created, id, publicKey, suite, type };
}

/** LP(label) || ctx(suite, tenant, epoch, public key). */
function infoOf(o: { tenant: string; epoch: number; publicKey: Buffer }): Buffer {
  const fields = context(Buffer.of(SUITE), Buffer.from(o.tenant, 'hex'), uint32(o.epoch), o.publicKey);
  return Buffer.concat([lp(Buffer.from(LABEL, 'utf8')), fields]);
}
