/**
 * Builds aws-chunked bodies the way clients do, with the parts at hand so that a test can break any one of them.
 */
import type { ChunkSigner } from './sign-request.ts';

/** How a client ends its trailer; `K` stands for `name:value`, `S` for the signature's line. */
export type TrailerStyle = 'aws-sdk' | 'minio-go' | 'spaces';

export interface ChunkedBody {
  readonly payload: Buffer;
  readonly chunkBytes: number;
  /** Signs chunks, and the trailer when there is one. */
  readonly signer?: ChunkSigner;
  readonly trailer?: { readonly name: string; readonly value: string; readonly style?: TrailerStyle };
}

export function chunkedBody(o: ChunkedBody): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; at < o.payload.length; at += o.chunkBytes) {
    const data = o.payload.subarray(at, at + o.chunkBytes);
    pieces.push(chunkHeader(data, o.signer), data, Buffer.from('\r\n'));
  }
  pieces.push(chunkHeader(Buffer.alloc(0), o.signer), Buffer.from(tailOf(o)));
  return Buffer.concat(pieces);
}

function chunkHeader(data: Buffer, signer: ChunkSigner | undefined): Buffer {
  const signature = signer === undefined ? '' : `;chunk-signature=${signer.chunk(data)}`;
  return Buffer.from(`${data.length.toString(16)}${signature}\r\n`);
}

function tailOf({ trailer, signer }: ChunkedBody): string {
  if (trailer === undefined) return '\r\n';
  const { name, value, style = 'aws-sdk' } = trailer;
  const signature = signer?.trailer(`${name}:${value}\n`);
  const signed = signature === undefined ? '' : `x-amz-trailer-signature:${signature}\r\n`;
  switch (style) {
    case 'aws-sdk':
      return `${name}:${value}\r\n${signed}\r\n`;
    case 'minio-go':
      return `${name}:${value}\n\r\n${signed}\r\n`;
    case 'spaces':
      return `${name} : ${value} \r\n${signed.replace(':', ' : ')}\r\n`;
  }
}
