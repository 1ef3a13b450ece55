/**
 * The operator's signature on a keyring: every write of one ends here (crypto/FORMAT.md, "Keyring and access key ids",
 * MACs). The root MAC is made before, by those who hold the root key.
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { randomSalt } from '../../../crypto/random.ts';
import type { SealKey } from '../access-keys/seal-keys.ts';
import { type Keyring, serializeKeyring } from './document.ts';
import { operatorMac } from './macs.ts';

/** The bytes to store, signed under `sealKey`. @throws KeyringMalformed for what could not be read back. */
export function signKeyring(keyring: Omit<Keyring, 'operatorKid' | 'operatorMac'>, sealKey: SealKey): Buffer {
  const covered = { ...keyring, operatorKid: sealKey.kid };
  return serializeKeyring({ ...covered, operatorMac: operatorMac(covered, sealKey) });
}

/** 32 random bytes for a new epoch. They leave the process only wrapped. */
export function newRootKey(): KeyObject {
  const bytes = randomSalt();
  const root = createSecretKey(bytes);
  bytes.fill(0);
  return root;
}
