/**
 * Where a request goes: host and raw request target, built from decoded names and sent exactly as signed. Keys may hold
 * `..`, `//`, `%2F` and any other character; nothing here normalises a path, and no URL parser ever sees a key.
 * Source: Amazon S3 user guide, "Virtual hosting of buckets"; API reference, "Create a canonical request" (UriEncode).
 */
import { S3Error } from '../../errors.ts';
import type { QueryParameter } from '../backend.ts';

export interface Addressing {
  readonly endpoint: URL;
  /** `true`: `/bucket/key` always. `false`: `bucket.host/key` for bucket names that can be one DNS label. */
  readonly pathStyle: boolean;
}

export interface Target {
  /** Name or address to connect to, without port and without the brackets of an IPv6 address. */
  readonly hostname: string;
  /** Value of the Host header: with the port unless it is the scheme's own. */
  readonly host: string;
  /** Path and query as they stand on the request line: every byte but A-Z a-z 0-9 - . _ ~ and / is encoded. */
  readonly path: string;
}

/** @throws S3Error InvalidURI for a name that is not valid Unicode (a lone surrogate has no UTF-8). */
export function requestTarget(
  addressing: Addressing,
  request: { readonly bucket?: string; readonly key?: string; readonly query?: readonly QueryParameter[] },
): Target {
  const { bucket, key } = request;
  const { hostname, host } = addressing.endpoint;
  const query = encodeQuery(request.query ?? []);
  if (bucket === undefined) return { hostname: unbracket(hostname), host, path: `/${query}` };
  const object = key === undefined ? '' : encodePath(key);
  if (!addressing.pathStyle && isDnsLabel(bucket) && !isAddress(hostname)) {
    return { hostname: `${bucket}.${hostname}`, host: `${bucket}.${host}`, path: `/${object}${query}` };
  }
  const level = key === undefined ? '' : `/${object}`;
  return { hostname: unbracket(hostname), host, path: `/${encodeName(bucket)}${level}${query}` };
}

/** `?a=1&b=` with names sorted as SigV4 wants them, or ''. A parameter without a value keeps its `=`. */
function encodeQuery(query: readonly QueryParameter[]): string {
  if (query.length === 0) return '';
  const encoded = query.map(([name, value]) => [encodeName(name), encodeName(value)] as const);
  encoded.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `?${encoded.map(([name, value]) => `${name}=${value}`).join('&')}`;
}

function encodePath(key: string): string {
  return encodeName(key).replaceAll('%2F', '/');
}

const LEFT_BY_ENCODE_URI_COMPONENT = /[!'()*]/g;

/** Percent-encodes all but RFC 3986's unreserved characters, in upper-case hexadecimal. */
function encodeName(text: string): string {
  if (!text.isWellFormed()) throw new S3Error('InvalidURI', 'The name is not valid Unicode.');
  const encoded = encodeURIComponent(text);
  return encoded.replace(LEFT_BY_ENCODE_URI_COMPONENT, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A bucket with dots would not match a wildcard certificate, so it is addressed by path. */
function isDnsLabel(bucket: string): boolean {
  return /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(bucket);
}

function isAddress(hostname: string): boolean {
  return hostname.startsWith('[') || /^[0-9.]+$/.test(hostname);
}

function unbracket(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}
