/** Why a change of a tenant's keys cannot be made: input and circumstances, never own bugs. Branch on `code`. */
import { MAX_KEYRING_SLOTS, MAX_REGISTERED_IDS } from '../../limits.ts';

/** A refusal that the command line shows as it is. */
export abstract class KeyError extends Error {
  abstract readonly code: string;
  override readonly name: string = this.constructor.name;
}

/** The tenant has no such key. */
export class UnknownKey extends KeyError {
  readonly code = 'UNKNOWN_KEY';
  constructor(tenant: string, slot: string) {
    super(`Tenant ${tenant} has no key ${slot}.`);
  }
}

/** The tenant has no key with that label. */
export class UnknownLabel extends KeyError {
  readonly code = 'UNKNOWN_LABEL';
  constructor(tenant: string, label: string) {
    super(
      `Tenant ${tenant} has no key with the label ${JSON.stringify(label)}: 'sealgate key list ${tenant}' shows the labels.`,
    );
  }
}

/** Several keys of the tenant have that label. */
export class AmbiguousLabel extends KeyError {
  readonly code = 'AMBIGUOUS_LABEL';
  constructor(label: string, slots: readonly string[]) {
    super(`Several keys have the label ${JSON.stringify(label)}: name one of ${slots.join(', ')}.`);
  }
}

/** The keyring is full, and no key in it has expired. */
export class TooManyKeys extends KeyError {
  readonly code = 'TOO_MANY_KEYS';
  constructor(tenant: string) {
    super(
      `Tenant ${tenant} has ${MAX_KEYRING_SLOTS} keys, the most there can be, and none has expired. ` +
        `Revoke one that is not used: 'sealgate key list ${tenant}' shows them, 'sealgate key revoke ${tenant} KEY' takes one away.`,
    );
  }
}

/** No further id fits the slot. */
export class TooManyIds extends KeyError {
  readonly code = 'TOO_MANY_IDS';
  constructor(slot: string) {
    super(`Key ${slot} has ${MAX_REGISTERED_IDS} registered access key ids. Drop the old ones with --drop-old.`);
  }
}

/** The change would have removed the last key that opens the tenant. */
export class LastKey extends KeyError {
  readonly code = 'LAST_KEY';
  constructor(tenant: string, slot: string) {
    super(
      `Key ${slot} is the last one in use of tenant ${tenant}: without it the tenant's data is unreadable for ever. ` +
        'Make another key first, or say --force.',
    );
  }
}

/** The tenant's keyring requires a KMS, and the slot that was to be added opens without one. */
export class KmsRequired extends KeyError {
  readonly code = 'KMS_REQUIRED';
  constructor(tenant: string) {
    super(
      `Tenant ${tenant} requires a KMS: every way in must need it. Make the key with --kms; a role or an escrow cannot be added. ` +
        "'sealgate kms require --off' takes the requirement back.",
    );
  }
}

/** The tenant has no slot that a key of a KMS opens alone. */
export class NoKmsSlot extends KeyError {
  readonly code = 'NO_KMS_SLOT';
  constructor(tenant: string) {
    super(
      `Tenant ${tenant} has no slot that a KMS opens alone: 'sealgate kms add' makes one with a key of the tenant.`,
    );
  }
}

/** Terms that contradict each other or the key they are for. */
export class UnsuitableTerms extends KeyError {
  readonly code = 'UNSUITABLE_TERMS';
}
