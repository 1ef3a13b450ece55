/**
 * Opens a keyring with an API key, or the escrow private key, alone: no server, and no seal key unless there is one. What the root MAC covers (slots
 * and epochs) is verified; the operator's MAC needs a seal key, and with it fall the terms that only it covers: expiry,
 * status and grants bind servers, not whoever holds the keyring and the API key.
 */

import { S3Error } from '../errors.ts';
import type { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import type { OpenTenant } from '../keyring/open-tenant.ts';
import { openTenantOf } from '../keyring/open-tenant.ts';
import { apiKeyFromText, kdfInput, MAX_REGISTERED_RAW_BYTES } from '../keyring/slots/api-key.ts';
import type { EscrowPrivateKey } from '../keyring/slots/escrow-key.ts';
import { escrowedRoots } from '../keyring/slots/escrowed-roots.ts';
import { processKdfRunner } from '../keyring/slots/kdf.ts';
import { keySlots, openKeySlot } from '../keyring/slots/slot-types.ts';
import { currentEpoch, type Keyring, KeyringMalformed, parseKeyring } from '../keyring/state/document.ts';
import { hasRootMac } from '../keyring/state/macs.ts';
import { KeyringTampered, verifyKeyring } from '../keyring/state/records.ts';
import type { KmsSecrets } from '../kms/kms-secrets.ts';

/** The keyring does not open with this API key. */
export class KeyringUnopened extends Error {
  readonly code = 'KEYRING_UNOPENED';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'KeyringUnopened';
  }
}

export interface OfflineTenant {
  readonly tenant: OpenTenant;
  /** Whether a seal key was there to check the operator's MAC. */
  readonly operatorChecked: boolean;
}

/**
 * `body`: a keyring record as the state bucket holds it; `secretAccessKey`: the API key as clients configure it. Every key's
 * slot is tried, since only the access key id would tell which.
 * @throws KeyringUnopened: not a keyring, altered, or of another key
 */
export async function openOffline(
  o: { body: Buffer; secretAccessKey: string; sealKeys: SealKeys | undefined; kms: KmsSecrets },
  signal: AbortSignal,
): Promise<OfflineTenant> {
  const keyring = checkedKeyring(o);
  const secret = kdfInput(apiKeyFromText(o.secretAccessKey, { maxRawBytes: MAX_REGISTERED_RAW_BYTES }));
  const slots = keySlots(keyring);
  let withoutKms: S3Error | undefined;
  for (const slot of slots) {
    const opened = await openKeySlot(
      { tenant: keyring.tenant, slot, secret, runner: processKdfRunner, kms: o.kms },
      signal,
    ).catch((cause: unknown) => {
      if (!(cause instanceof S3Error)) throw cause;
      // A slot whose KMS did not agree. The API key may open another one.
      withoutKms ??= cause;
      return { failure: 'wrong-key' } as const;
    });
    if ('roots' in opened) {
      const root = opened.roots.get(currentEpoch(keyring));
      if (root === undefined || !hasRootMac(keyring, root)) {
        throw new KeyringUnopened('The keyring was altered: its root MAC does not match.');
      }
      const tenant = openTenantOf({ keyring, slot, roots: opened.roots });
      return { tenant, operatorChecked: o.sealKeys !== undefined };
    }
    if (opened.failure === 'damaged') throw new KeyringUnopened('The keyring was altered: a root key does not unwrap.');
  }
  if (withoutKms !== undefined) throw new KeyringUnopened(whyNot(withoutKms), { cause: withoutKms });
  throw new KeyringUnopened(`The API key opens none of the ${slots.length} keys of the keyring.`);
}

/** A slot that needs a KMS, which did not agree. */
function whyNot({ message, cause }: S3Error): string {
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}

/**
 * The same with the escrow private key, and no API key at all: as a recovery, but for reading only.
 * @throws KeyringUnopened: not a keyring, or altered; NotRecoverable: not escrowed to this key
 */
export async function openOfflineByEscrow(o: {
  body: Buffer;
  key: EscrowPrivateKey;
  sealKeys: SealKeys | undefined;
}): Promise<OfflineTenant> {
  const keyring = checkedKeyring(o);
  const roots = await escrowedRoots(keyring, o.key);
  if (roots === undefined) {
    throw new KeyringUnopened("The keyring was altered: its escrow does not open to the keyring's own root keys.");
  }
  return { tenant: openTenantOf({ keyring, roots }), operatorChecked: o.sealKeys !== undefined };
}

function checkedKeyring(o: { body: Buffer; sealKeys: SealKeys | undefined }): Keyring {
  try {
    const keyring = parseKeyring(o.body);
    return o.sealKeys === undefined ? keyring : verifyKeyring(o.body, { tenant: keyring.tenant, sealKeys: o.sealKeys });
  } catch (cause) {
    if (!(cause instanceof KeyringMalformed || cause instanceof KeyringTampered)) throw cause;
    throw new KeyringUnopened(cause.message, { cause });
  }
}
