/** A stored body in its place with one PUT, or in parts where it is too long for one. */
import type { BackendBody, BackendResponse } from '../backend/backend.ts';
import { MAX_STORED_PUT_BYTES } from '../limits.ts';
import type { StoreAccess } from './context.ts';
import { storeInParts } from './store-in-parts.ts';

/** @returns the answer, 200 or not, its body not read yet @throws as `storeInParts`, and what the body throws */
export function putStored(
  context: StoreAccess,
  o: { bucket: string; key: string; headers: Readonly<Record<string, string>>; body: BackendBody },
): Promise<BackendResponse> {
  const { bucket, key, headers, body } = o;
  if (!Buffer.isBuffer(body) && body.length > MAX_STORED_PUT_BYTES) {
    return storeInParts(context, { bucket, key, headers, body });
  }
  return context.store.backend.send({ method: 'PUT', bucket, key, headers, body, signal: context.signal });
}
