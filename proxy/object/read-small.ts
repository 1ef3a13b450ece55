/**
 * A few stored bytes in one piece: read whole, opened in one call, sent in one write. A stream of a few chunks would cost more
 * than all other work for the request.
 */
import { checkPad, padBytesOf } from '../../crypto/body.ts';
import { FormatError } from '../../crypto/errors.ts';
import { openSegments, PartOpener } from '../../crypto/open.ts';
import type { BackendResponse } from '../backend/backend.ts';
import { readLent } from '../backend/read-body.ts';
import { BACKEND_BLOCK_BYTES } from '../limits.ts';
import type { StoreContext } from './context.ts';
import { asObjectFailure } from './damaged-object.ts';
import type { ReadPlan } from './read-plan.ts';
import { META_PREFIX } from './stored-metadata.ts';
import type { SealedObject } from './stored-object.ts';

/** Whether the stored bytes fit one block of the backend's memory, which is also as much as one call opens. */
export function isSmall(object: SealedObject, plan: ReadPlan): boolean {
  return plan.sealedEnd - plan.sealedStart + object.footerBytes <= BACKEND_BLOCK_BYTES;
}

/** The same of the answer to a GET of a whole object, from its headers alone. */
export function seemsSmall(headers: BackendResponse['headers']): boolean {
  return headers[`${META_PREFIX}enc-algo`] !== undefined && Number(headers['content-length']) <= BACKEND_BLOCK_BYTES;
}

/**
 * Plaintext of a small plan, from an answer with its stored bytes, which may go on with the footer. The answer's body is given
 * back.
 * @throws S3Error InternalError for bytes that do not open; BackendUnavailable for an answer that breaks off, or goes on behind
 *   all of an object
 */
export async function readSmall(
  context: StoreContext,
  object: SealedObject,
  plan: ReadPlan,
  response: BackendResponse,
): Promise<readonly Buffer[]> {
  const maxBytes = plan.sealedEnd - plan.sealedStart + object.footerBytes;
  // A store may send more, without end. Behind all of an object nothing may follow.
  const dropsRest = object.footerBytes > 0 || plan.pieces.some(({ take }) => take < object.size);
  const stored = await readLent(response, { maxBytes, dropsRest });
  try {
    return openAll(object, plan, stored);
  } catch (error) {
    throw await asObjectFailure(context, object.address, error);
  } finally {
    response.body.giveBack?.();
  }
}

function openAll(object: SealedObject, plan: ReadPlan, stored: Buffer): Buffer[] {
  const { dek, layout, late, facts, footerBytes } = object;
  const opened: Buffer[] = [];
  let at = 0;
  for (const { sealedBytes, ...piece } of plan.pieces) {
    const sealed = stored.subarray(at, at + sealedBytes);
    at += sealedBytes;
    if (sealed.length < sealedBytes) throw new FormatError('LENGTH_MISMATCH');
    opened.push(...openSegments({ ...piece, opener: new PartOpener({ dek, layout, ...piece }), sealed }));
  }
  // There only in the answer to a GET of all of an object.
  if (plan.sealedEnd === facts.size - footerBytes) checkPad(stored.subarray(at, at + padBytesOf(late)));
  return opened;
}
