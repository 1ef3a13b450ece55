/**
 * A client's request as typed values: the raw target taken apart once, headers in the order received. Keys may hold `..`, `//`
 * and `%2F`, so nothing here goes through URL normalisation; the raw path and query stay beside the decoded ones because
 * SigV4 is computed over them (RFC 9112 section 3.2; S3 user guide, "Virtual hosting of buckets").
 */
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { mayStandInQuery } from '../../sigv4/query-headers.ts';
import { S3Error } from '../errors.ts';
import { MAX_KEY_BYTES } from '../limits.ts';
import { credentialsRole, shownPath } from './credentials-path.ts';
import { toHeaderValue } from './header-text.ts';

export interface S3Request {
  readonly id: string;
  readonly method: string;
  /** Raw, as signed: '/' and what follows up to '?'. */
  readonly path: string;
  /** Raw, as signed: what follows '?'; '' without one. */
  readonly rawQuery: string;
  readonly query: Query;
  /** As received, in order, duplicates kept. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /**
   * Other values of Host under which the request would name the same bucket and key: what may have been signed when a balancer
   * in front rewrites Host.
   */
  readonly equalHosts: readonly string[];
  /** For the container-credentials endpoint: what follows its path, as sent. `path` is then without it. */
  readonly credentialsRole?: string;
  /** Where it comes from (client-address.ts); undefined when that is not known. */
  readonly client: string | undefined;
  /** The other end of its connection, which may be a balancer. */
  readonly peer: string | undefined;
  readonly secure: boolean;
  /**
   * Value of a header by lower-case name; duplicates joined with ','. A presigned URL may carry headers as query parameters,
   * x-amz-* and any that is signed, which count where the header itself is absent (S3 API reference, "Authenticating requests:
   * query parameters"; sigv4/query-headers.ts).
   */
  header(name: string): string | undefined;
  /** Lower-case names for which `header` has a value. */
  headerNames(): readonly string[];
}

/**
 * Decoded query parameters, each given once. A signature covers them sorted, not in their order: were one of two values to
 * count, whoever holds a signed URL could choose which by exchanging the two.
 */
export class Query {
  readonly #values = new Map<string, string>();

  /** @throws S3Error InvalidURI; for a name that comes twice, AuthorizationQueryParametersError or InvalidArgument */
  constructor(raw: string) {
    const known = new Set<string>();
    for (const pair of raw === '' ? [] : raw.split('&')) {
      const cut = pair.indexOf('=');
      const name = decodeQueryText(cut < 0 ? pair : pair.slice(0, cut));
      if (name === '') continue;
      // Headers that stand in a URL are read by their lower-case names.
      const readAs = /^x-amz-/i.test(name) ? name.toLowerCase() : name;
      if (known.has(readAs)) throw givenTwice(name);
      known.add(readAs);
      this.#values.set(name, cut < 0 ? '' : decodeQueryText(pair.slice(cut + 1)));
    }
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  names(): readonly string[] {
    return [...this.#values.keys()];
  }
}

const AUTHENTICATION = /^x-amz-(algorithm|credential|date|expires|security-token|signature|signedheaders)$/i;

function givenTwice(name: string): S3Error {
  const message = 'A query parameter is given more than once.';
  if (AUTHENTICATION.test(name)) return new S3Error('AuthorizationQueryParametersError', message);
  return new S3Error('InvalidArgument', message, { details: { ArgumentName: name } });
}

/** @throws S3Error as `Query`; InvalidRequest, InvalidBucketName, KeyTooLongError, HttpVersionNotSupported */
export function parseRequest(
  incoming: IncomingMessage,
  o: { id: string; hostnames: readonly string[]; client: string | undefined; peer: string | undefined },
): S3Request {
  if (!VERSIONS.has(incoming.httpVersion)) throw versionNotSupported();
  const { path, query } = splitTarget(incoming.url ?? '');
  const headers = headerPairs(incoming.rawHeaders);
  const parsedQuery = new Query(query);
  const byName = joinHeaders(headers);
  for (const [name, value] of hoistedHeaders(parsedQuery)) if (!byName.has(name)) byName.set(name, value);
  const host = byName.get('host');
  if (host === undefined || host === '') throw new S3Error('InvalidRequest', 'The request has no Host header.');
  const hostBucket = virtualHostBucket(host, o.hostnames);
  // Below the name of a bucket the same path is a key.
  const role = hostBucket === undefined ? credentialsRole(path) : undefined;
  const address = role === undefined ? addressOf(path, hostBucket) : { bucket: undefined, key: undefined };
  return {
    id: o.id,
    method: incoming.method ?? '',
    path: role === undefined ? path : shownPath(path),
    ...(role === undefined ? {} : { credentialsRole: role }),
    rawQuery: query,
    query: parsedQuery,
    headers,
    ...address,
    equalHosts: hostBucket === undefined ? o.hostnames : o.hostnames.map((base) => `${hostBucket}.${base}`),
    client: o.client,
    peer: o.peer,
    secure: (incoming.socket as TLSSocket).encrypted === true,
    header: (name) => byName.get(name),
    headerNames: () => [...byName.keys()],
  };
}

/** Those that node's parser and this server can answer in; it reads request lines of HTTP/0.9 and HTTP/2.0 too. */
const VERSIONS: ReadonlySet<string> = new Set(['1.0', '1.1']);

/** RFC 9110, section 15.6.6. Its connection is not read any further. */
export function versionNotSupported(): S3Error {
  return new S3Error('HttpVersionNotSupported', undefined, { headers: { Connection: 'close' } });
}

function splitTarget(target: string): { path: string; query: string } {
  const absolute = /^https?:\/\/[^/?]*/i.exec(target);
  const origin = absolute === null ? target : target.slice(absolute[0].length);
  const cut = origin.indexOf('?');
  const path = cut < 0 ? origin : origin.slice(0, cut);
  if (!path.startsWith('/') && path !== '') throw new S3Error('InvalidURI');
  return { path: path === '' ? '/' : path, query: cut < 0 ? '' : origin.slice(cut + 1) };
}

function headerPairs(raw: readonly string[]): readonly (readonly [string, string])[] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) pairs.push([raw[i] ?? '', raw[i + 1] ?? '']);
  return pairs;
}

function joinHeaders(headers: readonly (readonly [string, string])[]): Map<string, string> {
  const joined = new Map<string, string>();
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    const seen = joined.get(lower);
    joined.set(lower, seen === undefined ? value : `${seen},${value}`);
  }
  return joined;
}

/** Query parameters of a presigned URL that are no headers: authentication, and checksums, which S3 ignores there. */
const NOT_HOISTED =
  /^x-amz-(algorithm|credential|date|expires|signature|signedheaders|content-sha256|checksum-.*|sdk-.*)$/;

/** Those of S3 are headers wherever they stand; any other is one when it is signed as a header. */
function hoistedHeaders(query: Query): ReadonlyMap<string, string> {
  const hoisted = new Map<string, string>();
  if (!query.has('X-Amz-Signature')) return hoisted;
  const signed = new Set((query.get('X-Amz-SignedHeaders') ?? '').split(';'));
  for (const name of query.names()) {
    const lower = name.toLowerCase();
    const isHeader = signed.has(lower)
      ? mayStandInQuery(lower)
      : lower.startsWith('x-amz-') && !NOT_HOISTED.test(lower);
    if (!isHeader) continue;
    if (hoisted.has(lower)) throw givenTwice(name);
    hoisted.set(lower, toHeaderValue(lower, query.get(name) ?? ''));
  }
  return hoisted;
}

/** The bucket in `bucket.<configured host name>[:port]`; of names that end in each other the longest counts. */
function virtualHostBucket(host: string, hostnames: readonly string[]): string | undefined {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  if (hostnames.includes(name)) return undefined;
  const bases = hostnames.filter((base) => name.endsWith(`.${base}`)).sort((a, b) => b.length - a.length);
  return bases[0] === undefined ? undefined : name.slice(0, -bases[0].length - 1);
}

function addressOf(
  path: string,
  hostBucket: string | undefined,
): { bucket: string | undefined; key: string | undefined } {
  if (hostBucket !== undefined) return { bucket: checkedBucket(hostBucket), key: keyFrom(path.slice(1)) };
  const slash = path.indexOf('/', 1);
  const bucket = decodePathText(slash < 0 ? path.slice(1) : path.slice(1, slash));
  if (bucket === '' && slash < 0) return { bucket: undefined, key: undefined };
  return { bucket: checkedBucket(bucket), key: slash < 0 ? undefined : keyFrom(path.slice(slash + 1)) };
}

/** S3's oldest rule for names, which every later one narrows. Checked for every request: a backend may resolve `..`. */
const BUCKET_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;

/** @throws S3Error InvalidBucketName */
export function checkedBucket(name: string): string {
  if (BUCKET_NAME.test(name) && !name.includes('..')) return name;
  throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: name } });
}

function keyFrom(raw: string): string | undefined {
  if (raw === '') return undefined;
  const key = decodePathText(raw);
  requireKeyLength(key);
  return key;
}

/** @throws S3Error KeyTooLongError */
export function requireKeyLength(key: string): void {
  const size = Buffer.byteLength(key);
  if (size <= MAX_KEY_BYTES) return;
  throw new S3Error('KeyTooLongError', undefined, {
    details: { Size: String(size), MaxSizeAllowed: String(MAX_KEY_BYTES) },
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Percent-decodes into UTF-8 text; '+' stands for itself. @throws S3Error InvalidURI */
export function decodePathText(raw: string): string {
  if (!raw.includes('%') && isAscii(raw)) return raw;
  if (/%(?![0-9A-Fa-f]{2})/.test(raw)) throw new S3Error('InvalidURI');
  // Node hands over the target as latin1: each char is one byte of what was sent.
  const bytes = Buffer.from(
    raw.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  );
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new S3Error('InvalidURI', undefined, { cause });
  }
}

function decodeQueryText(raw: string): string {
  return decodePathText(raw.includes('+') ? raw.replaceAll('+', '%20') : raw);
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false;
  return true;
}
