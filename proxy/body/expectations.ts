/**
 * What a request's headers promise about its plaintext: how long it is, and what it hashes to.
 *
 * Everything that can be refused from the headers alone is refused here, before a byte is read. Sources: Amazon S3 API
 * reference, PutObject; S3 user guide, "Checking object integrity" and "Trailing checksums".
 */
import type { PayloadMode } from '../../sigv4/parse.ts';
import { S3Error } from '../errors.ts';
import {
  CHECKSUM_NAMES,
  type ChecksumName,
  checksumHeader,
  checksumName,
  decodeBase64,
  decodeChecksum,
  UNKNOWN_ALGORITHM,
} from './checksums.ts';

export interface BodyExpectations {
  /** Exact length of the plaintext, bytes. */
  readonly plainBytes: number;
  /** 16 bytes. */
  readonly contentMd5?: Buffer;
  /** The checksum to compare with, or the trailer that will bring it. */
  readonly checksum?: { readonly algorithm: ChecksumName; readonly value: Buffer | 'trailer' };
  /** SHA-256 of the body, 64 hex digits as sent. */
  readonly sha256Hex?: string;
  /** The client asked for this checksum without sending a value: it is computed, and compared with nothing. */
  readonly computeOnly?: ChecksumName;
}

export type HeaderLookup = ReadonlyMap<string, string> | ((name: string) => string | undefined);

/**
 * Reads what a request promises about its body. Header names are looked up in lower case.
 * @throws S3Error MissingContentLength, InvalidArgument, InvalidDigest, InvalidRequest, MalformedTrailerError.
 */
export function bodyExpectations(headers: HeaderLookup, payload: PayloadMode): BodyExpectations {
  const header = typeof headers === 'function' ? headers : (name: string) => headers.get(name);
  const contentMd5 = md5Of(header('content-md5'));
  const checksum = checksumOf(header, payload);
  const computeOnly = checksum === undefined ? askedFor(header) : undefined;
  return {
    plainBytes: plainBytesOf(header, payload),
    ...(contentMd5 === undefined ? {} : { contentMd5 }),
    ...(checksum === undefined ? {} : { checksum }),
    ...(payload.kind === 'sha256' ? { sha256Hex: payload.hex } : {}),
    ...(computeOnly === undefined ? {} : { computeOnly }),
  };
}

type Header = (name: string) => string | undefined;

function isStreaming(payload: PayloadMode): boolean {
  return payload.kind === 'signed-chunks' || payload.kind === 'unsigned-trailer';
}

function hasTrailer(payload: PayloadMode): boolean {
  return payload.kind === 'unsigned-trailer' || (payload.kind === 'signed-chunks' && payload.trailer);
}

/**
 * A chunked body announces the length of its plaintext in a header of its own. Content-Length, if present, counts the framing too.
 */
function plainBytesOf(header: Header, payload: PayloadMode): number {
  const name = isStreaming(payload) ? 'x-amz-decoded-content-length' : 'content-length';
  const text = header(name)?.trim();
  if (text === undefined) throw new S3Error('MissingContentLength');
  const bytes = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(bytes)) {
    throw new S3Error('InvalidArgument', `The ${name} header is not a length in bytes.`, {
      details: { ArgumentName: name },
    });
  }
  return bytes;
}

function md5Of(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  const value = decodeBase64(text.trim(), 16);
  if (value === undefined) throw new S3Error('InvalidDigest');
  return value;
}

/** At most one checksum, in a header or announced for the trailer. */
function checksumOf(header: Header, payload: PayloadMode): BodyExpectations['checksum'] {
  const named = CHECKSUM_NAMES.filter((name) => header(checksumHeader(name)) !== undefined);
  const trailer = announcedTrailer(header('x-amz-trailer'), payload);
  if (named.length + (trailer === undefined ? 0 : 1) > 1) {
    throw invalid('Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.');
  }
  const algorithm = named[0] ?? trailer;
  checkSdkAlgorithm(header('x-amz-sdk-checksum-algorithm'), algorithm);
  if (algorithm === undefined) return undefined;
  if (trailer !== undefined) return { algorithm, value: 'trailer' };
  const value = decodeChecksum(algorithm, header(checksumHeader(algorithm))?.trim() ?? '');
  if (value === undefined) throw invalid(`Value for ${checksumHeader(algorithm)} header is invalid.`);
  return { algorithm, value };
}

/** x-amz-trailer names the one trailer that S3 knows: a checksum. */
function announcedTrailer(text: string | undefined, payload: PayloadMode): ChecksumName | undefined {
  if (text === undefined) return undefined;
  if (!hasTrailer(payload)) {
    throw new S3Error(
      'MalformedTrailerError',
      'x-amz-trailer announces a trailer, but x-amz-content-sha256 does not say that the body has one.',
    );
  }
  const names = text.split(',').map((name) => name.trim().toLowerCase());
  if (names.length > 1) {
    throw invalid('Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.');
  }
  const name = names[0] ?? '';
  const algorithm = name.startsWith('x-amz-checksum-') ? checksumName(name.slice('x-amz-checksum-'.length)) : undefined;
  if (algorithm !== undefined) return algorithm;
  throw invalid('The value specified in the x-amz-trailer header is not supported');
}

function checkSdkAlgorithm(text: string | undefined, algorithm: ChecksumName | undefined): void {
  if (text === undefined) return;
  const asked = checksumName(text.trim());
  if (asked === undefined) throw unsupported();
  if (algorithm === undefined) {
    throw invalid(
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
    );
  }
  if (asked !== algorithm) throw invalid('Value for x-amz-sdk-checksum-algorithm header is invalid.');
}

function askedFor(header: Header): ChecksumName | undefined {
  const text = header('x-amz-checksum-algorithm')?.trim();
  if (text === undefined) return undefined;
  const asked = checksumName(text);
  if (asked === undefined) throw unsupported();
  return asked;
}

function unsupported(): S3Error {
  return invalid(UNKNOWN_ALGORITHM);
}

function invalid(message: string): S3Error {
  return new S3Error('InvalidRequest', message);
}
