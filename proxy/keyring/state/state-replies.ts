/**
 * Reading what a backend answers about state records: refusals, listings, bounded bodies. An answer that cannot be used is
 * a 503, never an absent record (docs/architecture.md, state).
 */
import { type BackendResponse, BackendUnavailable } from '../../backend/backend.ts';
import { readBody } from '../../backend/read-body.ts';
import { type BackendErrorDocument, StoreRefusal } from '../../backend/trouble/store-refusal.ts';
import { S3Error } from '../../errors.ts';
import type { XmlNode } from '../../xml/render-xml.ts';

/** Decoded key of a row in a listing. */
export function keyOf(entry: XmlNode, page: XmlNode): string {
  return decodedKey(entry.value('Key') ?? '', page);
}

export function decodedKey(key: string, page: XmlNode): string {
  return page.value('EncodingType') === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key;
}

/** With versioning off there is no id, or the id `null`. */
export function isVersioned(response: BackendResponse): boolean {
  return (response.headers['x-amz-version-id'] ?? 'null') !== 'null';
}

/** A body that breaks off counts as no answer. */
export async function readReply(response: BackendResponse, maxBytes: number): Promise<Buffer> {
  try {
    return await readBody(response, { maxBytes });
  } catch (cause) {
    throw new S3Error('ServiceUnavailable', undefined, { cause });
  }
}

/** The backend answered, but the answer cannot be used. */
export function unusable(answer: BackendErrorDocument, operation: string): S3Error {
  return new S3Error('ServiceUnavailable', undefined, { cause: new StoreRefusal(answer, operation) });
}

/** The backend reported success, but left out something that must come with it. */
export function incomplete(what: string): S3Error {
  return new S3Error('ServiceUnavailable', undefined, { cause: new BackendUnavailable(what) });
}

/** A store that has no versions at all lists none. Where it made a version of a record, deleting the record has failed before. */
export function noneWithoutVersions(error: unknown): [] {
  const cause = error instanceof S3Error ? error.cause : undefined;
  if (cause instanceof StoreRefusal && cause.answer.status === 501) return [];
  throw error;
}
