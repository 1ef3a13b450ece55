/** Why a change of a tenant's keys cannot be made: input and circumstances, never own bugs. Branch on `code`. */
import { MAX_KEYRING_SLOTS, MAX_REGISTERED_IDS } from '../limits.ts';

/** A refusal that the command line shows as it is. */
export abstract class KeyError extends Error {
  abstract readonly code: string;
}

/** The tenant has no such key. */
export class UnknownKey extends KeyError {
  readonly code = 'UNKNOWN_KEY';
  constructor(tenant: string, slot: string) {
    super(`Tenant ${tenant} has no key ${slot}.`);
    this.name = 'UnknownKey';
  }
}

/** The keyring is full, and no key in it has expired. */
export class TooManyKeys extends KeyError {
  readonly code = 'TOO_MANY_KEYS';
  constructor(tenant: string) {
    super(`Tenant ${tenant} has ${MAX_KEYRING_SLOTS} keys, the most there can be. Revoke one that is not used.`);
    this.name = 'TooManyKeys';
  }
}

/** No further id fits the slot. */
export class TooManyIds extends KeyError {
  readonly code = 'TOO_MANY_IDS';
  constructor(slot: string) {
    super(`Key ${slot} has ${MAX_REGISTERED_IDS} registered access key ids. Drop the old ones with --drop-old.`);
    this.name = 'TooManyIds';
  }
}

/** The last key that opens the tenant was to be taken away. */
export class LastKey extends KeyError {
  readonly code = 'LAST_KEY';
  constructor(tenant: string, slot: string) {
    super(
      `Key ${slot} is the last one in use of tenant ${tenant}: without it the tenant's data is unreadable for ever. ` +
        'Make another key first, or say --force.',
    );
    this.name = 'LastKey';
  }
}

/** Terms that contradict each other or the key they are for. */
export class UnsuitableTerms extends KeyError {
  readonly code = 'UNSUITABLE_TERMS';
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'UnsuitableTerms';
  }
}
