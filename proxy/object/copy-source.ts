/**
 * The source of a copy, towards the backend: `x-amz-copy-source` with every byte encoded but the unreserved ones and '/', and
 * the client's conditions on the source (S3 API reference, CopyObject).
 */
import { S3Error } from '../errors.ts';
import { evaluate, type ReadConditions } from './conditions.ts';
import type { ObjectAddress, StoredObject } from './stored-object.ts';

/** In front of the version. */
export const VERSION = '?versionId=';

/** The header for the backend. */
export function renderCopySource(address: ObjectAddress): string {
  const path = `${encode(address.bucket)}/${encode(address.key)}`;
  return address.versionId === undefined ? path : `${path}${VERSION}${encode(address.versionId)}`;
}

/** On a copy every condition on the source that does not hold is 412. @throws S3Error PreconditionFailed */
export function requireSourceConditions(conditions: ReadConditions | undefined, source: StoredObject): void {
  if (conditions === undefined) return;
  const { etag, otherEtag, facts } = source;
  const outcome = evaluate(conditions, { etag, otherEtag, lastModified: facts.lastModified });
  if (outcome === 'proceed') return;
  const unmodified = conditions.ifNoneMatch === undefined ? 'If-Modified-Since' : 'If-None-Match';
  const condition = outcome === 'not-modified' ? unmodified : outcome;
  throw new S3Error('PreconditionFailed', undefined, { details: { Condition: `x-amz-copy-source-${condition}` } });
}

function encode(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/');
}
