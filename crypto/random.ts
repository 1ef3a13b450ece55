/**
 * The only source of randomness of the format: keys and salts, 32 bytes each, and bindings (FORMAT.md sections 3 and 4.5). One
 * module, so that it can be reviewed at a glance. It takes no argument and reads no setting, so that nothing in production can make a salt
 * repeat; the vector generator replaces the whole module in its own process.
 */
import { randomBytes } from 'node:crypto';

export const SALT_BYTES = 32;
export const BINDING_BYTES = 16;

export function randomSalt(): Buffer {
  return randomBytes(SALT_BYTES);
}

/**
 * What ties a header to one footer. A writer draws one with every data key and for every new footer, and carries the old one
 * where a header is sealed again and its footer stays.
 */
export function newBinding(): Buffer {
  return randomBytes(BINDING_BYTES);
}
