/**
 * Where keyrings are kept, and the checks that every reader makes before it believes one (crypto/FORMAT.md, "Keyring and
 * access key ids", reading a keyring): canonical form, the tenant in its name, the operator's MAC. No key is derived from
 * a secret here.
 */

import type { SealKeys } from '../access-keys/seal-keys.ts';
import { isTenantId } from '../ids.ts';
import { type Keyring, KeyringMalformed, parseKeyring } from './document.ts';
import { hasOperatorMac } from './macs.ts';

export const KEYRING_NAMES = 'keyrings/';
const SUFFIX = '.json';

/**
 * The stored bytes are not a keyring of this tenant that the operator signed. The message says what failed, and holds no stored
 * value.
 */
export class KeyringTampered extends Error {
  readonly code: string = 'KEYRING_TAMPERED';
  /** The seal key that the bytes name; absent when they name none. */
  readonly kid: string | undefined;
  constructor(message: string, options?: ErrorOptions & { readonly kid?: string }) {
    super(message, options);
    this.name = 'KeyringTampered';
    this.kid = options?.kid;
  }
}

/** The keyring names a seal key that is not configured: whether somebody tampered with it cannot be told. */
export class SealKeyMissing extends KeyringTampered {
  override readonly code = 'SEAL_KEY_MISSING';
  override readonly kid: string;
  constructor(kid: string) {
    super(`The keyring is signed under seal key '${kid}', which is not configured.`);
    this.name = 'SealKeyMissing';
    this.kid = kid;
  }
}

/** There is no such tenant. */
export class UnknownTenant extends Error {
  readonly code = 'UNKNOWN_TENANT';
  constructor(tenant: string) {
    super(`There is no tenant ${tenant}.`);
    this.name = 'UnknownTenant';
  }
}

/** Record name of a tenant's keyring. */
export function keyringName(tenant: string): string {
  return `${KEYRING_NAMES}${tenant}${SUFFIX}`;
}

/** The tenant of a record name; `undefined` when it names no keyring. */
export function tenantOfName(name: string): string | undefined {
  if (!name.startsWith(KEYRING_NAMES) || !name.endsWith(SUFFIX)) return undefined;
  const tenant = name.slice(KEYRING_NAMES.length, -SUFFIX.length);
  return isTenantId(tenant) ? tenant : undefined;
}

/** @throws KeyringTampered */
export function verifyKeyring(body: Buffer, o: { tenant: string; sealKeys: SealKeys }): Keyring {
  const keyring = parse(body);
  if (keyring.tenant !== o.tenant) throw new KeyringTampered("The keyring is another tenant's.");
  const { operatorKid: kid } = keyring;
  if (o.sealKeys.withId(kid) === undefined) throw new SealKeyMissing(kid);
  if (!hasOperatorMac(keyring, o.sealKeys)) {
    throw new KeyringTampered("The keyring's operator MAC does not match.", { kid });
  }
  return keyring;
}

function parse(body: Buffer): Keyring {
  try {
    return parseKeyring(body);
  } catch (cause) {
    if (!(cause instanceof KeyringMalformed)) throw cause;
    throw new KeyringTampered(cause.message, { cause });
  }
}
