/**
 * Where one part of a plain object begins and ends at the store. Of a sealed object its part table tells; of a plain one only the
 * store knows. Source: S3 API reference, HeadObject, `partNumber`.
 */
import { discard } from '../backend/read-body.ts';
import type { StoreAccess } from './context.ts';
import { about } from './object-request.ts';
import type { ByteRange } from './range.ts';
import { type BackendFacts, type ObjectAddress, VersionChanged } from './stored-object.ts';

/** How many parts an object was uploaded in, by its ETag; 0 for a single PUT. */
export function partCountOf({ etag }: Pick<BackendFacts, 'etag'>): number {
  return Number(/-(\d{1,5})"?$/.exec(etag)?.[1] ?? 0);
}

/** `none`: there is no part of that number. `hidden`: the store does not show parts. @throws VersionChanged, BackendUnavailable */
export async function storedPart(
  context: StoreAccess,
  address: ObjectAddress,
  facts: BackendFacts,
  number: number,
): Promise<ByteRange | 'none' | 'hidden'> {
  const { headers, query = [], ...request } = about(context, address);
  const response = await context.store.backend.send({
    method: 'HEAD',
    ...request,
    query: [...query, ['partNumber', String(number)]],
    headers: { ...headers, 'if-match': facts.etag },
  });
  discard(response);
  if (response.status === 412 || response.status === 404) throw new VersionChanged();
  if (response.status === 416) return 'none';
  if (response.status !== 200 && response.status !== 206) return 'hidden';
  const found = response.headers;
  if (found['etag'] !== facts.etag) throw new VersionChanged();
  // A store that does not know parts answers as if it had not been asked for one.
  if (Number(found['x-amz-mp-parts-count']) !== partCountOf(facts)) return 'hidden';
  const [, first = '0'] = /^bytes (\d+)-/.exec(found['content-range'] ?? '') ?? [];
  return { start: Number(first), end: Number(first) + Number(found['content-length']) };
}
