/**
 * How much memory a request may take at most, from what is known before any of it is read: what admission.ts reserves. The
 * numbers are upper bounds of what the code of the operation holds at once, rounded up.
 */
import { SEGMENT_BYTES } from '../../crypto/layout.ts';
import {
  LISTING_MEMORY_BYTES,
  MAX_CONFIGURATION_BYTES,
  MAX_XML_BODY_BYTES,
  REQUEST_MEMORY_BYTES,
  SMALL_BODY_BYTES,
  STREAM_MEMORY_BYTES,
  UNKNOWN_LENGTH_PART_BYTES,
  UPLOAD_VIEW_MEMORY_BYTES,
} from '../limits.ts';
import type { HeldMemory, Operation } from '../operation.ts';

/** The plaintext as it arrived, the plaintext in one piece, and the sealed body. */
const COPIES_OF_A_SMALL_BODY = 3;
/** Behind a small body whose metadata do not fit beside it (crypto/FORMAT.md, section 7.5). */
const PAD_OF_A_SMALL_BODY = SEGMENT_BYTES;
/** A document as bytes, as text, and as a tree that is several times as large. */
const COPIES_OF_A_DOCUMENT = 6;

const HELD: Readonly<Record<HeldMemory, number>> = {
  small: 0,
  stream: STREAM_MEMORY_BYTES,
  listing: LISTING_MEMORY_BYTES,
  'upload-view': UPLOAD_VIEW_MEMORY_BYTES,
};

/** Bytes. `bodyBytes`: length of the request's plaintext body; undefined when it has none, or shows only at its end. */
export function memoryOf(operation: Pick<Operation, 'memory' | 'body'>, bodyBytes: number | undefined): number {
  return REQUEST_MEMORY_BYTES + HELD[operation.memory] + ofBody(operation.body, bodyBytes);
}

function ofBody(body: Operation['body'], bytes: number | undefined): number {
  switch (body) {
    case 'none':
      return 0;
    case 'form':
      return STREAM_MEMORY_BYTES + 2 * UNKNOWN_LENGTH_PART_BYTES;
    case 'document':
      return COPIES_OF_A_DOCUMENT * documentBytes(bytes ?? MAX_CONFIGURATION_BYTES);
    case 'object':
      if (bytes === undefined || bytes > SMALL_BODY_BYTES) return STREAM_MEMORY_BYTES;
      return COPIES_OF_A_SMALL_BODY * bytes + PAD_OF_A_SMALL_BODY;
  }
}

/**
 * A longer document is refused unread. Otherwise a client could announce a long one and make all other requests wait for the whole
 * budget.
 */
function documentBytes(announced: number): number {
  return announced > MAX_XML_BODY_BYTES ? 0 : announced;
}
