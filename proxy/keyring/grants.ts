/**
 * What a slot may reach: buckets, a key prefix, reading or writing. Grants stand in the keyring under the operator's MAC;
 * this file is their one definition, for the command line and for what is read back.
 */
import { z } from 'zod';
import { MAX_KEY_BYTES } from '../limits.ts';
import { isPlainText } from './state/canonical-json.ts';

export interface Grant {
  /** A bucket's name, or `*` for every bucket. */
  readonly bucket: string;
  /** Keys must start with it; '' for all keys. */
  readonly prefix: string;
  readonly access: 'read-write' | 'read-only';
}

/** Input from an operator that names no possible grant. The message says what is wrong with it. */
export class InvalidGrant extends Error {
  readonly code = 'INVALID_GRANT';
  constructor(message: string) {
    super(message);
    this.name = 'InvalidGrant';
  }
}

/** As stored: the same rules as `parseGrant`, unknown members refused. */
export const grantSchema = z.strictObject({
  bucket: z.string().refine((name) => bucketFault(name) === undefined),
  prefix: z.string().refine((prefix) => prefixFault(prefix) === undefined),
  access: z.enum(['read-write', 'read-only']),
});

/** From command-line values. `prefix` defaults to '', `access` to read-write. @throws InvalidGrant */
export function parseGrant(o: { bucket: string; prefix?: string; access?: Grant['access'] }): Grant {
  const { bucket, prefix = '', access = 'read-write' } = o;
  const fault = bucketFault(bucket) ?? prefixFault(prefix);
  if (fault !== undefined) throw new InvalidGrant(fault);
  return { bucket, prefix, access };
}

/** Of a key that is to be made or changed. @throws InvalidGrant for none, and for the state bucket */
export function checkGrants(grants: readonly Grant[], stateBucket: string): void {
  if (grants.length === 0) throw new InvalidGrant('A key needs at least one grant.');
  if (grants.some(({ bucket }) => bucket === stateBucket))
    throw new InvalidGrant('The state bucket cannot be granted.');
}

/** S3 user guide, "General purpose bucket naming rules"; `*` besides. */
function bucketFault(name: string): string | undefined {
  if (name === '*') return undefined;
  if (name.length < 3 || name.length > 63) return 'A bucket name has 3 to 63 characters.';
  if (!/^[a-z0-9][a-z0-9.-]*[a-z0-9]$/.test(name)) {
    return 'A bucket name has lower-case letters, digits, dots and hyphens, and begins and ends with a letter or digit.';
  }
  if (name.includes('..')) return 'A bucket name has no two adjacent dots.';
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return 'A bucket name is not formatted as an IP address.';
  if (/^(xn--|sthree-|amzn-s3-demo-)/.test(name)) return 'This bucket name begins with a prefix that S3 reserves.';
  if (/(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/.test(name))
    return 'This bucket name ends in a suffix that S3 reserves.';
  return undefined;
}

function prefixFault(prefix: string): string | undefined {
  if (Buffer.byteLength(prefix) > MAX_KEY_BYTES) return `A prefix has at most ${MAX_KEY_BYTES} bytes.`;
  if (!isPlainText(prefix)) return 'A prefix has no control characters and is well-formed Unicode.';
  return undefined;
}
