/** Uploads in the four ways that clients send bodies, ready as bytes: `drive` only has to write them. */
import { crc32 } from 'node:zlib';
import { ChunkChainSigner } from '../../helpers/raw-client.ts';
import { sha256 } from './plaintext.ts';
import { type Endpoint, type RequestToSign, signedHead } from './signed-request.ts';

/** What x-amz-content-sha256 announces. */
export type BodyKind = 'unsigned' | 'sha256' | 'signed-chunks' | 'unsigned-trailer';

/** Bytes of plaintext in an aws-chunked chunk; clients use 64 KiB to 1 MiB. */
const CHUNK_BYTES = 64 * 1024;
const CRLF = Buffer.from('\r\n');

/** The whole request, head first. `body` is not copied. */
export function upload(
  endpoint: Endpoint,
  o: { key: string; query?: RequestToSign['query']; body: Buffer; kind: BodyKind },
): readonly Buffer[] {
  const request: RequestToSign = { method: 'PUT', key: o.key, ...(o.query === undefined ? {} : { query: o.query }) };
  switch (o.kind) {
    case 'unsigned':
      return [signedHead(endpoint, { ...request, bytes: o.body.length }).head, o.body];
    case 'sha256':
      return [signedHead(endpoint, { ...request, bytes: o.body.length, payload: sha256(o.body) }).head, o.body];
    case 'signed-chunks':
      return signedChunks(endpoint, request, o.body);
    case 'unsigned-trailer':
      return unsignedTrailer(endpoint, request, o.body);
  }
}

function signedChunks(endpoint: Endpoint, request: RequestToSign, body: Buffer): readonly Buffer[] {
  const { head, headers } = signedHead(endpoint, {
    ...request,
    payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    headers: framingHeaders(body),
    bytes: framedBytes(body.length, ';chunk-signature='.length + 64) + CRLF.length,
  });
  const signer = new ChunkChainSigner(endpoint.credentials, headers);
  return [head, ...framed(body, (data) => `;chunk-signature=${signer.chunk(data)}`), CRLF];
}

function unsignedTrailer(endpoint: Endpoint, request: RequestToSign, body: Buffer): readonly Buffer[] {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32(body));
  const trailer = Buffer.from(`x-amz-checksum-crc32:${value.toString('base64')}\r\n\r\n`);
  const { head } = signedHead(endpoint, {
    ...request,
    payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    headers: [...framingHeaders(body), ['x-amz-trailer', 'x-amz-checksum-crc32']],
    bytes: framedBytes(body.length, 0) + trailer.length,
  });
  return [head, ...framed(body, () => ''), trailer];
}

function framingHeaders(body: Buffer): readonly (readonly [string, string])[] {
  return [
    ['content-encoding', 'aws-chunked'],
    ['x-amz-decoded-content-length', String(body.length)],
  ];
}

/** Chunks and the final empty chunk's line. `extension` follows each size. */
function framed(body: Buffer, extension: (data: Buffer) => string): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0; at < body.length; at += CHUNK_BYTES) {
    const data = body.subarray(at, at + CHUNK_BYTES);
    pieces.push(Buffer.from(`${data.length.toString(16)}${extension(data)}\r\n`), data, CRLF);
  }
  pieces.push(Buffer.from(`0${extension(Buffer.alloc(0))}\r\n`));
  return pieces;
}

/** Bytes of `framed`, with extensions of one length. */
export function framedBytes(bytes: number, extension: number): number {
  const line = (size: number) => size.toString(16).length + extension + CRLF.length;
  const whole = Math.floor(bytes / CHUNK_BYTES);
  const rest = bytes % CHUNK_BYTES;
  const last = rest === 0 ? 0 : line(rest) + rest + CRLF.length;
  return whole * (line(CHUNK_BYTES) + CHUNK_BYTES + CRLF.length) + last + line(0);
}
