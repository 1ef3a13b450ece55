/**
 * A copy from a legacy object is sealed on the way. The bytes stream through the proxy as in an upload, and the ETag is that
 * of an upload. Content headers and user metadata of the source are sealed too.
 */
import type { HeaderPair } from '../../crypto/attributes.ts';
import { discard } from '../backend/read-body.ts';
import { plaintextBody } from '../body/plaintext-body.ts';
import { type ClientAttributes, CONTENT_HEADERS } from './client-attributes.ts';
import type { StoreContext } from './context.ts';
import type { ConditionsFor, Copied, CopyRequest } from './copy-directives.ts';
import { failureOf } from './object-request.ts';
import { fetchStretch } from './read-object.ts';
import { refuseReplacement } from './replacement-check.ts';
import { storeObject } from './store-object.ts';
import { META_PREFIX } from './stored-metadata.ts';
import type { LegacyObject } from './stored-object.ts';
import { taggingHeaders } from './stored-tags.ts';

/** @throws S3Error, VersionChanged */
export async function copyLegacy(
  context: StoreContext,
  source: LegacyObject,
  o: CopyRequest,
  conditionsFor: ConditionsFor,
): Promise<Copied> {
  const { directives, sourceContext, target } = o;
  const conditions = await conditionsFor('put');
  const tagging = await taggingHeaders(sourceContext, source, directives, 'relay');
  const stored = await fetchStretch(sourceContext, source, { start: 0, end: source.size });
  try {
    const { response, result, etag } = await storeObject(context, {
      bucket: target.bucket,
      key: target.key,
      attributes: directives.attributes ?? legacyAttributes(source),
      body: plaintextBody({
        plainBytes: source.size,
        chunks: refuseReplacement(context, source, stored as AsyncIterable<Buffer>),
        checksums: directives.checksum === undefined ? [] : [directives.checksum],
      }),
      headers: { ...directives.storage, ...tagging, ...conditions },
    });
    if (response.status !== 200) throw await failureOf(response, { operation: 'PutObject', ...target });
    discard(response);
    const checksums = result().checksums.map((checksum) => ({ ...checksum, type: 'FULL_OBJECT' as const }));
    const { headers } = response;
    const storedEtag = headers['etag'];
    return { source, headers, lastModified: undefined, storedEtag, etag: await etag(), checksums, partCount: 0 };
  } finally {
    stored.destroy();
  }
}

/** What the backend's headers say of a legacy object. */
export function legacyAttributes(source: LegacyObject): ClientAttributes {
  const { headers } = source.facts;
  const described = CONTENT_HEADERS.flatMap((name): HeaderPair[] => {
    const value = headers[name];
    return value === undefined || value === '' ? [] : [[name, value]];
  });
  const metadata = Object.entries(headers).flatMap(([name, value]): HeaderPair[] =>
    name.startsWith(META_PREFIX) ? [[name.slice(META_PREFIX.length), value]] : [],
  );
  return { headers: described, metadata };
}
