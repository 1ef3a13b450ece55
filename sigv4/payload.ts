/**
 * What a signature says about the body: its SHA-256, nothing, or that it comes in chunks.
 *
 * Source: AWS documentation, "x-amz-content-sha256". How the body is framed follows from this value alone, never from
 * Content-Encoding.
 */
import { SIGNED_CHUNKS, SIGNED_CHUNKS_TRAILER, UNSIGNED_PAYLOAD, UNSIGNED_TRAILER } from './constants.ts';
import { SigV4Error } from './errors.ts';

export type PayloadMode =
  | { readonly kind: 'sha256' /** as sent: 64 hex digits */; readonly hex: string }
  | { readonly kind: 'unsigned' }
  | { readonly kind: 'signed-chunks'; readonly trailer: boolean }
  | { readonly kind: 'unsigned-trailer' };

const HEX_SHA256 = /^[0-9A-Fa-f]{64}$/;

/**
 * Reads x-amz-content-sha256.
 * @throws SigV4Error InvalidArgument for any other text; InvalidRequest for SigV4A's chunks.
 */
export function parsePayloadMode(value: string): PayloadMode {
  if (HEX_SHA256.test(value)) return { kind: 'sha256', hex: value };
  if (value === UNSIGNED_PAYLOAD) return { kind: 'unsigned' };
  if (value === UNSIGNED_TRAILER) return { kind: 'unsigned-trailer' };
  if (value === SIGNED_CHUNKS) return { kind: 'signed-chunks', trailer: false };
  if (value === SIGNED_CHUNKS_TRAILER) return { kind: 'signed-chunks', trailer: true };
  if (value.startsWith('STREAMING-AWS4-ECDSA-')) throw sigV4aRefused();
  throw new SigV4Error(
    'InvalidArgument',
    `x-amz-content-sha256 must be ${UNSIGNED_PAYLOAD}, ${UNSIGNED_TRAILER}, ${SIGNED_CHUNKS}, ${SIGNED_CHUNKS_TRAILER} or a valid sha256 value.`,
    { ArgumentName: 'x-amz-content-sha256' },
  );
}

/** The last line of the canonical request: the value that was read. */
export function payloadLine(payload: PayloadMode): string {
  switch (payload.kind) {
    case 'sha256':
      return payload.hex;
    case 'unsigned':
      return UNSIGNED_PAYLOAD;
    case 'unsigned-trailer':
      return UNSIGNED_TRAILER;
    case 'signed-chunks':
      return payload.trailer ? SIGNED_CHUNKS_TRAILER : SIGNED_CHUNKS;
  }
}

export function sigV4aRefused(): SigV4Error {
  return new SigV4Error(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported: SigV4A (AWS4-ECDSA-P256-SHA256) is signed with another kind of key. Please use AWS4-HMAC-SHA256: set a single region and signature version s3v4.',
  );
}
