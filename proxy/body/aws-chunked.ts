/**
 * The aws-chunked framing of a body: `size[;chunk-signature=...]\r\n data \r\n`, a final chunk of size 0, then the trailer.
 *
 * The decoder is strict and bounded: every line has a limit, sizes must add up to x-amz-decoded-content-length exactly, and
 * nothing may follow the end. Payload comes out as slices of what came in; nothing of it is copied. Sources: AWS
 * documentation, "Transferring Payload in Multiple Chunks" and "Including Trailing Headers".
 */
import { createHash, type Hash } from 'node:crypto';
import type { ChunkChain } from '../../sigv4/chunk.ts';
import { SigV4Error } from '../../sigv4/errors.ts';
import { S3Error } from '../errors.ts';
import { MAX_CHUNK_HEADER_BYTES, MAX_TRAILER_BYTES } from '../limits.ts';
import type { Framing } from './framing.ts';
import { parseTrailer, TRAILER_SIGNATURE, type Trailer } from './trailer.ts';
import { truncatedFraming } from './truncated-framing.ts';

export interface AwsChunkedOptions {
  /** Bytes of payload, from x-amz-decoded-content-length. */
  readonly plainBytes: number;
  /** Present exactly when the chunks are signed. */
  readonly chain?: ChunkChain;
  /** Whether the framing ends with a trailer. In a signed body the trailer is signed too. */
  readonly trailer: boolean;
}

const UNSIGNED_HEADER = /^([0-9A-Fa-f]{1,16})$/;
const SIGNED_HEADER = /^([0-9A-Fa-f]{1,16});chunk-signature=([0-9a-f]{64})$/;
const CR = 0x0d;
const LF = 0x0a;

type State = 'chunk-header' | 'data' | 'after-data' | 'tail';

export class AwsChunkedDecoder implements Framing {
  readonly #options: AwsChunkedOptions;
  #state: State = 'chunk-header';
  /** Payload bytes that no chunk has announced yet. */
  #unannounced: number;
  /** Payload bytes of the current chunk still to come. */
  #inChunk = 0;
  /** Bytes of the CRLF after a chunk's data still to come. */
  #afterData = 0;
  /** Pieces of a line, or of the trailer, that has not arrived whole. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  #hash: Hash | undefined;
  #signature = '';

  constructor(options: AwsChunkedOptions) {
    this.#options = options;
    this.#unannounced = options.plainBytes;
  }

  /**
   * Takes the next bytes of the body and gives the payload in them.
   * @throws S3Error IncompleteBody, MalformedTrailerError, SignatureDoesNotMatch.
   */
  *push(input: Buffer): Generator<Buffer, void, undefined> {
    let at = 0;
    while (at < input.length) {
      switch (this.#state) {
        case 'chunk-header':
          at = this.#takeHeader(input, at);
          break;
        case 'data': {
          const slice = input.subarray(at, at + this.#inChunk);
          at += slice.length;
          this.#takeData(slice);
          yield slice;
          break;
        }
        case 'after-data':
          at = this.#takeAfterData(input, at);
          break;
        case 'tail':
          this.#hold(input.subarray(at), MAX_TRAILER_BYTES);
          return;
      }
    }
  }

  /**
   * Call it when the body has ended.
   * @returns the trailer's fields by lower-case name, without the signature
   * @throws S3Error IncompleteBody when it ended early; MalformedTrailerError; SignatureDoesNotMatch.
   */
  finish(): Trailer {
    if (this.#state !== 'tail') throw truncatedFraming();
    const tail = Buffer.concat(this.#held, this.#heldBytes).toString('latin1');
    if (!this.#options.trailer) {
      if (tail === '\r\n') return new Map();
      throw truncatedFraming('\r\n'.startsWith(tail) ? undefined : 'there are bytes after the final chunk');
    }
    const { fields, canonical, signature } = parseTrailer(tail);
    const { chain } = this.#options;
    if (chain === undefined) {
      if (signature !== undefined) throw new S3Error('MalformedTrailerError');
    } else {
      if (signature === undefined) {
        throw new S3Error('MalformedTrailerError', `The trailer has no ${TRAILER_SIGNATURE}.`);
      }
      asS3Error(() => chain.verifyTrailer(canonical, signature));
    }
    return fields;
  }

  #takeHeader(input: Buffer, from: number): number {
    const newline = input.indexOf(LF, from);
    const end = newline === -1 ? input.length : newline + 1;
    this.#hold(input.subarray(from, end), MAX_CHUNK_HEADER_BYTES);
    if (newline === -1) return end;
    const line = Buffer.concat(this.#held, this.#heldBytes).toString('latin1');
    this.#held = [];
    this.#heldBytes = 0;
    if (!line.endsWith('\r\n')) throw truncatedFraming('a chunk header does not end with CRLF');
    this.#startChunk(line.slice(0, -2));
    return end;
  }

  #startChunk(header: string): void {
    const signed = this.#options.chain !== undefined;
    const match = (signed ? SIGNED_HEADER : UNSIGNED_HEADER).exec(header);
    if (match === null) throw truncatedFraming('a chunk header is not a size in hex, with a chunk-signature if signed');
    const size = Number.parseInt(match[1] ?? '', 16);
    this.#signature = match[2] ?? '';
    this.#hash = signed ? createHash('sha256') : undefined;
    if (size > this.#unannounced) {
      throw truncatedFraming('the chunks hold more bytes than x-amz-decoded-content-length announced');
    }
    this.#unannounced -= size;
    this.#inChunk = size;
    if (size > 0) {
      this.#state = 'data';
      return;
    }
    if (this.#unannounced > 0) {
      throw truncatedFraming('the chunks hold fewer bytes than x-amz-decoded-content-length announced');
    }
    this.#verifyChunk();
    this.#state = 'tail';
  }

  #takeData(slice: Buffer): void {
    this.#hash?.update(slice);
    this.#inChunk -= slice.length;
    if (this.#inChunk > 0) return;
    this.#verifyChunk();
    this.#afterData = 2;
    this.#state = 'after-data';
  }

  #takeAfterData(input: Buffer, at: number): number {
    if (input[at] !== (this.#afterData === 2 ? CR : LF)) {
      throw truncatedFraming('the data of a chunk is not followed by CRLF');
    }
    this.#afterData -= 1;
    if (this.#afterData === 0) this.#state = 'chunk-header';
    return at + 1;
  }

  #verifyChunk(): void {
    const { chain } = this.#options;
    const hash = this.#hash;
    if (chain === undefined || hash === undefined) return;
    this.#hash = undefined;
    asS3Error(() => chain.verifyChunk(hash.digest('hex'), this.#signature));
  }

  /** Copies the bytes, because they are kept longer than the buffer that they came in. */
  #hold(piece: Buffer, limit: number): void {
    this.#heldBytes += piece.length;
    if (this.#heldBytes > limit) {
      throw this.#state === 'tail'
        ? new S3Error('MalformedTrailerError', `The trailer is longer than ${limit} bytes.`)
        : truncatedFraming(`a chunk header is longer than ${limit} bytes`);
    }
    this.#held.push(Buffer.from(piece));
  }
}

/**
 * Content-Encoding without `aws-chunked`, which describes the transfer and is not stored; `undefined` when nothing is left.
 */
export function stripAwsChunked(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const tokens = value.split(',').map((token) => token.trim());
  if (!tokens.some((token) => token.toLowerCase() === 'aws-chunked')) return value;
  const kept = tokens.filter((token) => token !== '' && token.toLowerCase() !== 'aws-chunked');
  return kept.length === 0 ? undefined : kept.join(', ');
}

function asS3Error(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof SigV4Error) throw new S3Error('SignatureDoesNotMatch', error.message, { cause: error });
    throw error;
  }
}
