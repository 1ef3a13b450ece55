/**
 * A form's policy document: what its signer allows (S3 API reference, "Creating a POST policy"). Every field and the
 * bucket have to be named by a condition, every condition has to hold.
 */
import { z } from 'zod';
import { S3Error } from '../errors.ts';

const Condition = z.union([
  z.record(z.string(), z.string()),
  z.tuple([z.string(), z.union([z.string(), z.number()]), z.union([z.string(), z.number()])]),
]);
const Document = z.object({ expiration: z.string(), conditions: z.array(Condition) });

/** Fields that need no condition. */
const FREE = /^(x-amz-signature|policy|file|x-ignore-.*)$/;

/** Plaintext bytes that the policy allows. */
export interface AllowedLength {
  readonly min: number;
  readonly max: number;
}

/**
 * @param fields by lower-case name, without the bucket
 * @throws S3Error InvalidPolicyDocument, AccessDenied
 */
export function checkPolicy(
  policy: string,
  o: { fields: ReadonlyMap<string, string>; bucket: string; now: Date; maxBytes: number },
): AllowedLength {
  const { expiration, conditions } = parsePolicy(policy);
  if (!(Date.parse(expiration) > o.now.getTime())) throw denied('Policy expired.');
  const named = new Set<string>();
  let length: AllowedLength = { min: 0, max: o.maxBytes };
  const values = new Map([...o.fields, ['bucket', o.bucket]]);
  for (const condition of conditions) {
    if (!Array.isArray(condition)) {
      for (const [name, wanted] of Object.entries(condition)) named.add(requireValue(values, name, 'eq', wanted));
    } else if (String(condition[0]).toLowerCase() === 'content-length-range') {
      length = lengthRange(condition[1], condition[2], length);
    } else {
      const [operator, field, wanted] = condition;
      if (!String(field).startsWith('$')) throw new S3Error('InvalidPolicyDocument');
      named.add(requireValue(values, String(field).slice(1), operator.toLowerCase(), String(wanted)));
    }
  }
  // The bucket is in the URL and not in a field, and the signature does not cover the URL. Without a condition on it the form would
  // be valid for every bucket.
  const given = [...o.fields.keys(), 'bucket'];
  const extra = given.filter((name) => !named.has(name) && !FREE.test(name));
  if (extra.length > 0) throw denied(`Extra input fields: ${extra.join(', ')}`);
  return length;
}

function parsePolicy(policy: string): z.infer<typeof Document> {
  try {
    return Document.parse(JSON.parse(Buffer.from(policy, 'base64').toString('utf8')));
  } catch (cause) {
    throw new S3Error('InvalidPolicyDocument', undefined, { cause });
  }
}

/** @returns the field's lower-case name */
function requireValue(values: ReadonlyMap<string, string>, field: string, operator: string, wanted: string): string {
  const name = field.toLowerCase();
  const value = values.get(name) ?? '';
  if (operator !== 'eq' && operator !== 'starts-with') throw new S3Error('InvalidPolicyDocument');
  const holds = operator === 'eq' ? value === wanted : value.startsWith(wanted);
  if (!holds) throw denied(`Policy Condition failed: ["${operator}", "$${field}", "${wanted}"]`);
  return name;
}

function lengthRange(from: string | number, to: string | number, outer: AllowedLength): AllowedLength {
  const min = Number(from);
  const max = Number(to);
  if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || min < 0 || max < min) {
    throw new S3Error('InvalidPolicyDocument');
  }
  return { min: Math.max(min, outer.min), max: Math.min(max, outer.max) };
}

function denied(reason: string): S3Error {
  return new S3Error('AccessDenied', `Invalid according to Policy: ${reason}`);
}
