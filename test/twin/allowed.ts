/**
 * Every way in which the proxy's reply may differ from the bare store's, by name, with the reason. docs/conformance.md lists the
 * same names and reasons. A rule says where it applies as narrowly as it can: place, operation, and what both sides said.
 */
import type { Difference, Exchange, StoreName } from './difference.ts';
import { headerOf } from './send.ts';

export interface Allowed {
  readonly name: string;
  readonly reason: string;
  /** Stores on which it occurs; all when left out. */
  readonly stores?: readonly StoreName[];
  allows(difference: Difference, exchange: Exchange): boolean;
}

/** Milliseconds between the two writes of one step. */
const CLOCK_TOLERANCE_MS = 5_000;

const SERVER_HEADERS = new Set([
  ...['server', 'date', 'connection', 'keep-alive', 'x-amz-bucket-region', 'access-control-allow-origin', 'vary'],
  ...['strict-transport-security', 'x-content-type-options', 'x-xss-protection', 'content-security-policy'],
  ...['x-ratelimit-limit', 'x-ratelimit-remaining'],
]);

const GENERAL: readonly Allowed[] = [
  {
    name: 'server headers',
    reason: 'headers of the HTTP server that answers, not of S3: Server, Date, connection handling, security headers',
    allows: ({ at }) => at.startsWith('header ') && SERVER_HEADERS.has(at.slice('header '.length)),
  },
  {
    name: 'request ids',
    reason: 'each side numbers its own requests; the proxy always sends both headers',
    allows: ({ at, proxy }) =>
      (/^header x-amz-(request-id|id-2)$/.test(at) || /^xml \/Error\/(RequestId|HostId)$/.test(at)) &&
      proxy !== undefined &&
      proxy !== '',
  },
  {
    name: 'clock',
    reason: 'both sides write within seconds of each other; the form of the time is the same',
    allows: ({ at, bare, proxy }) =>
      /^header last-modified$|\/(LastModified|Initiated|CreationDate)(\[\d+\])?$/.test(at) &&
      bare !== undefined &&
      proxy !== undefined &&
      shapeOf(bare) === shapeOf(proxy) &&
      Math.abs(Date.parse(bare) - Date.parse(proxy)) <= CLOCK_TOLERANCE_MS,
  },
  {
    name: 'wording of errors',
    reason: 'the text for people; the code is compared',
    allows: ({ at, proxy }) =>
      /^xml (\/Error|\/DeleteResult\/Error(\[\d+\])?)\/Message$/.test(at) && proxy !== undefined,
  },
  {
    name: 'more said of an error',
    reason: "the proxy names the resource, and S3's further elements of a code, where the store does not",
    allows: ({ at, bare, proxy }) => /^xml \/Error\/[A-Z]\w+$/.test(at) && bare === undefined && proxy !== undefined,
  },
];

const MINIO: readonly Allowed[] = [
  {
    name: "MinIO's own headers",
    reason: 'x-minio-*, and Accept-Ranges on replies that are not an object',
    stores: ['minio'],
    allows: ({ at, proxy }, { bare }) =>
      proxy === undefined &&
      (at.startsWith('header x-minio-') || (at === 'header accept-ranges' && headerOf(bare, 'etag') === undefined)),
  },
];

const MOTO: readonly Allowed[] = [
  {
    name: "moto's own headers",
    reason: 'moto echoes x-amz-content-sha256, dates what it has just stored, and gives empty bodies a Content-Type',
    stores: ['moto', 'moto-strict'],
    allows: ({ at, proxy }, { operation, bare }) =>
      proxy === undefined &&
      (at === 'header x-amz-content-sha256' ||
        at === 'header x-amzn-requestid' ||
        (at === 'header last-modified' && operation.startsWith('PUT object')) ||
        (at === 'header content-type' && bare.body.length === 0)),
  },
  {
    name: "moto's declaration",
    reason: 'moto writes the encoding in lower case; the proxy as S3 does, which clients that search strings expect',
    stores: ['moto', 'moto-strict'],
    allows: ({ at, proxy }) => at === 'xml-declaration' && proxy === S3_DECLARATION,
  },
];

const S3_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>';

/** Digits and letters of a time replaced by what they are. */
function shapeOf(time: string): string {
  return time.replace(/\d/g, '0').replace(/[A-Za-z]+/g, 'a');
}

export const ALLOWED: readonly Allowed[] = [...GENERAL, ...MINIO, ...MOTO];
