/**
 * The only source of randomness of the format: keys and salts, 32 bytes each (FORMAT.md section 3). One module, so that
 * it can be reviewed at a glance. It takes no argument and reads no setting, so that nothing in production can make a salt
 * repeat; the vector generator replaces the whole module in its own process.
 */
import { randomBytes } from 'node:crypto';

export const SALT_BYTES = 32;

export function randomSalt(): Buffer {
  return randomBytes(SALT_BYTES);
}
