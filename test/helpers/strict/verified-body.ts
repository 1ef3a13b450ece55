/** Request bodies compared with their Content-MD5, checksums and length before the last of them may pass. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';
import type { BackendRequest } from '../../../proxy/backend/backend.ts';
import type { Broken } from './request-rules.ts';

interface Digester {
  update(chunk: Buffer): void;
  /** Base64. */
  digest(): string;
}

/** Watches a body go by; `broken()` says what is wrong with the whole. */
export class BodyVerifier {
  readonly #announced: number;
  readonly #claims: readonly { readonly header: string; readonly value: string; readonly digester: Digester }[];
  #length = 0;

  constructor(request: BackendRequest) {
    this.#announced = request.body?.length ?? 0;
    const headers = request.headers ?? {};
    this.#claims = Object.entries(DIGESTERS).flatMap(([header, open]) => {
      const value = headers[header];
      return value === undefined ? [] : [{ header, value, digester: open() }];
    });
  }

  /** Bytes seen so far. */
  get length(): number {
    return this.#length;
  }

  update(chunk: Buffer): void {
    this.#length += chunk.length;
    for (const { digester } of this.#claims) digester.update(chunk);
  }

  broken(): Broken | undefined {
    if (this.#length !== this.#announced) {
      return { status: 400, code: 'IncompleteBody', message: `${this.#length} of ${this.#announced} bytes` };
    }
    for (const { header, value, digester } of this.#claims) {
      if (digester.digest() !== value) return { status: 400, code: 'BadDigest', message: header };
    }
    return undefined;
  }
}

const DIGESTERS: Readonly<Record<string, () => Digester>> = {
  'content-md5': () => hash('md5'),
  'x-amz-checksum-sha1': () => hash('sha1'),
  'x-amz-checksum-sha256': () => hash('sha256'),
  'x-amz-checksum-crc32': () => crc(crc32),
  'x-amz-checksum-crc32c': () => crc(crc32c),
};

function hash(algorithm: string): Digester {
  const state = createHash(algorithm);
  return { update: (chunk) => void state.update(chunk), digest: () => state.digest('base64') };
}

function crc(next: (chunk: Buffer, before: number) => number): Digester {
  let value = 0;
  return {
    update(chunk) {
      value = next(chunk, value);
    },
    digest() {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32BE(value >>> 0);
      return bytes.toString('base64');
    },
  };
}
