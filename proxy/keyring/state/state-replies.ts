/**
 * Reading what a backend answers about state records: error codes, listings, bounded bodies. An answer that cannot be used is
 * a 503, never an absent record (docs/architecture.md, state).
 */
import type { BackendResponse } from '../../backend/backend.ts';
import { readBody } from '../../backend/read-body.ts';
import { S3Error } from '../../errors.ts';
import { MAX_BACKEND_ERROR_BYTES } from '../../limits.ts';
import { parseAnyXml, type XmlNode } from '../../xml/render-xml.ts';

/** Decoded key of a row in a listing. */
export function keyOf(entry: XmlNode, page: XmlNode): string {
  const key = entry.value('Key') ?? '';
  return page.value('EncodingType') === 'url' ? decodeURIComponent(key.replaceAll('+', ' ')) : key;
}

/** With versioning off there is no id, or the id `null`. */
export function isVersioned(response: BackendResponse): boolean {
  return (response.headers['x-amz-version-id'] ?? 'null') !== 'null';
}

/** The `<Code>` of an error document; '' when there is none. */
export async function errorCode(response: BackendResponse): Promise<string> {
  const text = (await readReply(response, MAX_BACKEND_ERROR_BYTES)).toString('utf8');
  try {
    return parseAnyXml(text).child('Error')?.value('Code') ?? '';
  } catch {
    return '';
  }
}

/** A body that breaks off is an answer that never came. */
export async function readReply(response: BackendResponse, maxBytes: number): Promise<Buffer> {
  try {
    return await readBody(response, { maxBytes });
  } catch (cause) {
    throw new S3Error('ServiceUnavailable', undefined, { cause });
  }
}

/** The backend answered, but not so that it could be used. */
export function unusable(what: string, status: number): S3Error {
  return new S3Error('ServiceUnavailable', undefined, {
    cause: new Error(`State bucket: ${what} gave status ${status}`),
  });
}
