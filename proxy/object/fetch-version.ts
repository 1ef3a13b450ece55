/**
 * Stored bytes of exactly the version that was looked at: every read after the first look is pinned to its ETag, and compared,
 * since some backends ignore If-Match on reads.
 */
import type { BackendRequest, BackendResponse } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import type { StoreAccess } from './context.ts';
import { about, factsOf, failureOf } from './object-request.ts';
import type { ByteRange } from './range.ts';
import { type BackendFacts, type ObjectAddress, VersionChanged } from './stored-object.ts';

/** The answer to a GET of stored bytes `range`, its body not read yet. @throws VersionChanged, S3Error */
export async function fetchVersion(
  context: StoreAccess,
  address: ObjectAddress,
  facts: BackendFacts,
  range: ByteRange,
  o: Pick<BackendRequest, 'lends'> = {},
): Promise<BackendResponse> {
  const whole = range.start === 0 && range.end === facts.size;
  const pin = { 'if-match': facts.etag, ...(whole ? {} : { range: `bytes=${range.start}-${range.end - 1}` }) };
  const { headers, ...request } = about(context, address);
  const response = await context.store.backend.send({
    ...request,
    method: 'GET',
    headers: { ...headers, ...pin },
    ...o,
  });
  if (response.status === 412 || response.status === 404 || response.status === 416) {
    discard(response);
    throw new VersionChanged();
  }
  if (response.status !== (whole ? 200 : 206)) {
    throw await failureOf(response, { operation: 'GetObject', bucket: address.bucket, key: address.key });
  }
  try {
    const found = factsOf(response.headers);
    if (found.etag === facts.etag && found.size === facts.size && found.versionId === facts.versionId) return response;
    throw new VersionChanged();
  } catch (error) {
    discard(response);
    throw error;
  }
}
