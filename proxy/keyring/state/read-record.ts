/** Records of the state that have one form: whoever alters a byte of one, white space included, makes another record of it. */
import type { z } from 'zod';
import { canonicalJson, type JsonValue } from './canonical-json.ts';

/** `undefined`: longer than `maxBytes`, not of the schema, or not in canonical form. The MAC is for the caller to check. */
export function readRecord<T extends JsonValue>(body: Buffer, schema: z.ZodType<T>, maxBytes: number): T | undefined {
  if (body.length > maxBytes) return undefined;
  try {
    const record = schema.parse(JSON.parse(body.toString('utf8')));
    return canonicalJson(record).equals(body) ? record : undefined;
  } catch {
    return undefined;
  }
}
