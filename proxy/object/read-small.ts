/**
 * A small object in one piece: up to one segment of plaintext is read whole, opened in one call and sent in one write. A
 * stream of one chunk would cost a small GET more than everything else that is done for it.
 */
import { FormatError } from '../../crypto/errors.ts';
import { PART_HEADER_BYTES, SEGMENT_BYTES, sealedPartBytes } from '../../crypto/layout.ts';
import { PartOpener } from '../../crypto/open.ts';
import type { BackendResponse } from '../backend/backend.ts';
import { readBody } from '../backend/read-body.ts';
import type { Call } from '../operation.ts';
import { MalformedSealedObject } from './stored-metadata.ts';
import { asObjectFailure, type SealedObject, type StoredObject } from './stored-object.ts';

/** Stored bytes of a sealed object of one segment, without a footer. */
const ONE_SEGMENT_BYTES = sealedPartBytes(SEGMENT_BYTES);

export function isSmall(object: StoredObject): object is SealedObject {
  return object.kind === 'sealed' && object.layout === 0 && object.facts.size <= ONE_SEGMENT_BYTES;
}

/**
 * The plaintext of a small object, from the answer to a GET of all its stored bytes.
 * @throws S3Error InternalError for bytes that do not open; BackendUnavailable for an answer that breaks off
 */
export async function readSmall(call: Call, object: SealedObject, response: BackendResponse): Promise<Buffer> {
  const stored = await readBody(response, { maxBytes: object.facts.size });
  try {
    return openWhole(object, stored);
  } catch (error) {
    throw asObjectFailure(call, object.address, error);
  }
}

function openWhole(object: SealedObject, stored: Buffer): Buffer {
  const { dek, layout, size, early, facts } = object;
  if (early.partSalt === undefined) throw new MalformedSealedObject('the part salt is missing');
  if (stored.length !== facts.size) throw new FormatError('LENGTH_MISMATCH');
  const opener = new PartOpener({ dek, layout, partNumber: 0, salt: early.partSalt, plainBytes: size });
  opener.checkHeader(stored.subarray(0, PART_HEADER_BYTES));
  return opener.open(stored.subarray(PART_HEADER_BYTES));
}
