/**
 * Headers that override object locks, for the backend. Whether the caller may send them was decided by access/header-actions.ts,
 * which judges the same headers on every operation.
 */
import { isAsked, LOCK_OVERRIDES } from '../../access/header-actions.ts';
import type { S3Request } from '../../http/request.ts';

/** Those that ask for something. */
export function lockHeaders(request: Pick<S3Request, 'header'>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of LOCK_OVERRIDES) {
    const value = request.header(name);
    if (isAsked(name, value)) headers[name] = value;
  }
  return headers;
}
