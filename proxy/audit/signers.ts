/** The keys that sign checkpoints of the audit: each follows from a seal key, so no further secret has to be kept. */
import type { KeyObject } from 'node:crypto';
import type { SealKey, SealKeys } from '../keyring/access-keys/seal-keys.ts';
import { publicKeyOf, signingKey, type Verifier } from './format/signed-note.ts';

interface Signer {
  readonly kid: string;
  readonly key: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Buffer;
}

export function signerOf(sealKey: SealKey): Signer {
  const seed = sealKey.auditSigningSeed();
  const key = signingKey(seed);
  seed.fill(0);
  return { kid: sealKey.kid, key, publicKey: publicKeyOf(key) };
}

export class Signers {
  readonly #sealKeys: SealKeys;
  readonly #known = new Map<string, Signer>();

  constructor(sealKeys: SealKeys) {
    this.#sealKeys = sealKeys;
  }

  /** Of the active seal key. */
  get active(): Signer {
    return this.#signer(this.#sealKeys.active);
  }

  /** The key behind a public key; undefined when it is of none of the seal keys. */
  find({ publicKey }: Pick<Verifier, 'publicKey'>): Signer | undefined {
    return this.#sealKeys.all.map((key) => this.#signer(key)).find((signer) => signer.publicKey.equals(publicKey));
  }

  #signer(sealKey: SealKey): Signer {
    const signer = this.#known.get(sealKey.kid) ?? signerOf(sealKey);
    this.#known.set(sealKey.kid, signer);
    return signer;
  }
}
