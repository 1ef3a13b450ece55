/**
 * Escrow: every root key in use, sealed to a public key whose private half is kept offline (crypto/FORMAT.md, "Escrow").
 * HPKE base mode, RFC 9180, with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM. Each wrap has an encapsulation of
 * its own, so that one HPKE key seals one message; tenant, epoch and public key are bound as HPKE's `info`, the member
 * without its wraps as additional data.
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { AEAD_AES_256_GCM, CipherSuite, KDF_HKDF_SHA256, KEM_DHKEM_X25519_HKDF_SHA256 } from 'hpke';
import { uint32 } from '../../../crypto/bytes.ts';
import { context, lp } from '../../../crypto/keys.ts';
import { canonicalJson } from '../state/canonical-json.ts';
import { type Escrow, timestamp } from '../state/document.ts';
import type { EscrowPrivateKey } from './escrow-key.ts';
import type { RootKeys } from './slot.ts';

const LABEL = 'sealgate/1/escrow';
/** The one suite there is: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM. */
const SUITE = 1;
const hpke = new CipherSuite(KEM_DHKEM_X25519_HKDF_SHA256, KDF_HKDF_SHA256, AEAD_AES_256_GCM);

/** `other-key`: sealed to another public key. `damaged`: sealed to this one, and yet a wrap does not open. */
export type OpenedEscrow = { readonly roots: RootKeys } | { readonly failure: 'other-key' | 'damaged' };

/**
 * Seals the root key of every epoch in `roots`, which must be all those not retired. `publicKey`: 32 bytes that
 * `parseEscrowPublicKey` accepted; `tenant`: 24 hex digits. The keyring's root MAC must be made again over the result.
 */
export async function sealEscrow(o: {
  publicKey: Buffer;
  tenant: string;
  roots: RootKeys;
  now: Date;
}): Promise<Escrow> {
  const record = { created: timestamp(o.now), publicKey: o.publicKey.toString('base64'), suite: SUITE } as const;
  const recipient = await hpke.DeserializePublicKey(o.publicKey);
  const wraps: Escrow['wraps'] = [];
  for (const [epoch, root] of [...o.roots].sort(([a], [b]) => a - b)) {
    const secret = root.export();
    const info = infoOf({ tenant: o.tenant, epoch, publicKey: o.publicKey });
    const sealed = await hpke.Seal(recipient, secret, { info, aad: canonicalJson(record) });
    secret.fill(0);
    const enc = Buffer.from(sealed.encapsulatedSecret).toString('base64');
    wraps.push({ enc, epoch, wrapped: Buffer.from(sealed.ciphertext).toString('base64') });
  }
  return { ...record, wraps };
}

/** Opens every wrap, or none. That the roots are the keyring's own is for its root MAC to say. */
export async function openEscrow(o: { escrow: Escrow; tenant: string; key: EscrowPrivateKey }): Promise<OpenedEscrow> {
  const { wraps, ...record } = o.escrow;
  const { publicKey } = o.key;
  if (record.publicKey !== publicKey.toString('base64')) return { failure: 'other-key' };
  const pair = {
    privateKey: await hpke.DeserializePrivateKey(o.key.secret, false),
    publicKey: await hpke.DeserializePublicKey(publicKey),
  };
  const roots = new Map<number, KeyObject>();
  for (const { epoch, enc, wrapped } of wraps) {
    const options = { info: infoOf({ tenant: o.tenant, epoch, publicKey }), aad: canonicalJson(record) };
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

/** LP(label) || ctx(suite, tenant, epoch, public key). */
function infoOf(o: { tenant: string; epoch: number; publicKey: Buffer }): Buffer {
  const fields = context(Buffer.of(SUITE), Buffer.from(o.tenant, 'hex'), uint32(o.epoch), o.publicKey);
  return Buffer.concat([lp(Buffer.from(LABEL, 'utf8')), fields]);
}
