/** What a client says of an object for others to read: content headers and user metadata. Both are sealed. */
import { SEALED_HEADERS } from '../../crypto/attributes.ts';

/** Sealed, and returned exactly. */
export const CONTENT_HEADERS: readonly string[] = SEALED_HEADERS;

export interface ClientAttributes {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly metadata: readonly (readonly [name: string, value: string])[];
}
