/** Conditions of a request, on the ETags of the sink. */
import type { SinkRequest } from './request.ts';
import type { StoredObject } from './store.ts';

/** The status that refuses the request (412, 404 or 304), or `undefined` to go on. */
export function refusedBy(request: SinkRequest, object: StoredObject | undefined): number | undefined {
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  const match = request.headers.get('if-match');
  if (match !== undefined && object === undefined) return 404;
  if (match !== undefined && !names(match, object)) return 412;
  const noneMatch = request.headers.get('if-none-match');
  if (noneMatch !== undefined && object !== undefined && names(noneMatch, object)) return isRead ? 304 : 412;
  return undefined;
}

export function names(condition: string, object: StoredObject | undefined): boolean {
  if (object === undefined) return false;
  return condition.split(',').some((one) => one.trim() === '*' || one.trim().replaceAll('"', '') === object.etag);
}
