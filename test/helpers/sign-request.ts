/**
 * Signs requests, chunks and trailers for tests, from the product's own protocol steps (which the published vectors and two
 * independent signers check), so that a test can then break exactly one thing.
 */
import { createHash } from 'node:crypto';
import { canonicalRequest } from '../../sigv4/canonical-request.ts';
import { ALGORITHM, EMPTY_SHA256, UNSIGNED_PAYLOAD } from '../../sigv4/constants.ts';
import { canonicalHeaderValues, type HeaderPair } from '../../sigv4/headers.ts';
import type { SignedRequest } from '../../sigv4/parse.ts';
import { percentEncode } from '../../sigv4/percent.ts';
import { parseQuery } from '../../sigv4/query.ts';
import { sign, signingKey } from '../../sigv4/signing-key.ts';
import { chunkStringToSign, requestStringToSign, scopeText, trailerStringToSign } from '../../sigv4/string-to-sign.ts';

export const ACCESS_KEY_ID = 'AKIAIOSFODNN7EXAMPLE';
export const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
export const DATE = '20130524T000000Z';
export const NOW = new Date('2013-05-24T00:00:00Z');
export const HOST = 'examplebucket.s3.amazonaws.com';

export interface ToSign {
  readonly method?: string;
  readonly path?: string;
  readonly query?: string;
  /** Added to Host, x-amz-date and x-amz-content-sha256. */
  readonly headers?: readonly HeaderPair[];
  readonly payload?: string;
  readonly date?: string;
  readonly region?: string;
  readonly service?: string;
  readonly secret?: string;
  readonly accessKeyId?: string;
  /** All headers when left out. */
  readonly signedHeaders?: readonly string[];
  readonly expires?: string;
}

export function signingSecret(secret: string = SECRET): Buffer {
  return Buffer.from(`AWS4${secret}`);
}

function filled(o: ToSign) {
  const date = o.date ?? DATE;
  const scope = { date: date.slice(0, 8), region: o.region ?? 'us-east-1', service: o.service ?? 's3' };
  const key = signingKey({ signingSecret: signingSecret(o.secret), scope });
  const credential = `${o.accessKeyId ?? ACCESS_KEY_ID}/${scopeText(scope)}`;
  return { method: o.method ?? 'GET', path: o.path ?? '/test.txt', query: o.query ?? '', date, scope, key, credential };
}

function namesOf(headers: readonly HeaderPair[]): readonly string[] {
  return [...new Set(headers.map(([name]) => name.toLowerCase()))].sort();
}

/** A request with an Authorization header. */
export function signByHeader(o: ToSign = {}): SignedRequest {
  const { method, path, query, date, scope, key, credential } = filled(o);
  const payload = o.payload ?? EMPTY_SHA256;
  const headers: HeaderPair[] = [
    ['Host', HOST],
    ['x-amz-date', date],
    ['x-amz-content-sha256', payload],
    ...(o.headers ?? []),
  ];
  const signedHeaders = o.signedHeaders ?? namesOf(headers);
  const canonical = canonicalRequest({
    method,
    path,
    query: parseQuery(query),
    headers: canonicalHeaderValues(headers),
    signedHeaders,
    payloadHash: payload,
  });
  const signature = sign(key, requestStringToSign({ date, scope, canonical }));
  const authorization = `${ALGORITHM} Credential=${credential}, SignedHeaders=${signedHeaders.join(';')}, Signature=${signature}`;
  return { method, path, query, headers: [...headers, ['Authorization', authorization]] };
}

/** A presigned URL as a request. */
export function presign(o: ToSign = {}): SignedRequest {
  const { method, path, query, date, scope, key, credential } = filled(o);
  const headers: HeaderPair[] = [['Host', HOST], ...(o.headers ?? [])];
  const signedHeaders = o.signedHeaders ?? namesOf(headers);
  const parameters: readonly HeaderPair[] = [
    ['X-Amz-Algorithm', ALGORITHM],
    ['X-Amz-Credential', credential],
    ['X-Amz-Date', date],
    ['X-Amz-Expires', o.expires ?? '86400'],
    ['X-Amz-SignedHeaders', signedHeaders.join(';')],
  ];
  const added = parameters.map(([name, value]) => `${name}=${percentEncode(value)}`).join('&');
  const unsigned = query === '' ? added : `${query}&${added}`;
  const canonical = canonicalRequest({
    method,
    path,
    query: parseQuery(unsigned),
    headers: canonicalHeaderValues(headers),
    signedHeaders,
    payloadHash: o.payload ?? UNSIGNED_PAYLOAD,
  });
  const signature = sign(key, requestStringToSign({ date, scope, canonical }));
  return { method, path, query: `${unsigned}&X-Amz-Signature=${signature}`, headers };
}

/** A request with headers removed or replaced after it was signed. */
export function withHeader(request: SignedRequest, name: string, value: string | undefined): SignedRequest {
  const lower = name.toLowerCase();
  const others = request.headers.filter(([found]) => found.toLowerCase() !== lower);
  return { ...request, headers: value === undefined ? others : [...others, [name, value]] };
}

export function headerOf(request: SignedRequest, name: string): string {
  return request.headers.find(([found]) => found.toLowerCase() === name.toLowerCase())?.[1] ?? '';
}

/** Signs the links of a chunk chain that begins at `seed`. */
export class ChunkSigner {
  readonly #link: { date: string; scope: { date: string; region: string; service: string } };
  #previous: string;

  constructor(o: { seed: string; date?: string }) {
    const { date, scope } = filled(o.date === undefined ? {} : { date: o.date });
    this.#link = { date, scope };
    this.#previous = o.seed;
  }

  chunk(data: Buffer): string {
    return this.#sign(chunkStringToSign({ ...this.#link, previous: this.#previous, sha256: sha256Hex(data) }));
  }

  trailer(canonical: string): string {
    const sha256 = sha256Hex(Buffer.from(canonical));
    return this.#sign(trailerStringToSign({ ...this.#link, previous: this.#previous, sha256 }));
  }

  #sign(text: string): string {
    const key = signingKey({ signingSecret: signingSecret(), scope: this.#link.scope });
    this.#previous = sign(key, text);
    return this.#previous;
  }
}

export function sha256Hex(data: Buffer | string): string {
  return createHash('sha256').update(data).digest('hex');
}
