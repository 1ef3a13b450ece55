/** What two replies to one request differ in: one entry for each place, in words that an allowed difference can match. */
import type { TwinEtags } from './etags.ts';
import type { TwinRequest } from './request.ts';
import type { TwinReply } from './send.ts';

export type StoreName = 'moto' | 'moto-strict' | 'minio' | 'embedded';

/**
 * `outcome` (the status and the code of an error document), `connection`, `header NAME`, `body`, `xml-declaration`, `xml-namespace`,
 * `xml-order PATH`, `xml PATH`. Paths are from the root: `/ListBucketResult/Contents[2]/Size`; `[1]` is left out.
 */
export interface Difference {
  readonly at: string;
  /** `undefined`: not there. */
  readonly bare: string | undefined;
  readonly proxy: string | undefined;
}

/** What was asked, and both answers whole. */
export interface Exchange {
  readonly store: StoreName;
  readonly request: TwinRequest;
  /** As `operationOf` names it. */
  readonly operation: string;
  readonly bare: TwinReply;
  readonly proxy: TwinReply;
  /** ETags, unquoted, that earlier replies of the bare store named where the proxy named others. */
  readonly otherEtags: ReadonlySet<string>;
  /** In opaque mode: which ETags of the proxy stand for which of the bare store. */
  readonly etags?: TwinEtags;
}

/** Query parameters that make another operation of a request. */
const SELECTING = [
  ...['accelerate', 'acl', 'attributes', 'cors', 'delete', 'encryption', 'legal-hold', 'lifecycle', 'location'],
  ...['logging', 'notification', 'object-lock', 'ownershipControls', 'partNumber', 'policy', 'policyStatus'],
  ...['publicAccessBlock', 'requestPayment', 'restore', 'retention', 'tagging', 'uploadId', 'uploads', 'versioning'],
  ...['versions', 'website', 'list-type', 'select', 'torrent'],
];

/** `PUT object`, `GET bucket?list-type`, `PUT object?partNumber&uploadId+copy`: method, level, selecting parameters. */
export function operationOf(request: TwinRequest): string {
  const { method, path, query = '' } = request;
  const names =
    typeof query === 'string'
      ? query.split('&').map((pair) => decodeURIComponent(pair.split('=')[0] ?? ''))
      : query.map(([name]) => name);
  const isObject = path === undefined ? request.key !== undefined : /^\/[^/]+\/./.test(path);
  const level = isObject ? 'object' : request.bucket === 'none' || path === '/' ? 'service' : 'bucket';
  const selecting = SELECTING.filter((name) => names.includes(name)).filter(
    (name, _, all) => name !== 'partNumber' || all.includes('uploadId'),
  );
  const copies = (request.headers ?? []).some(([name]) => name.toLowerCase() === 'x-amz-copy-source');
  return `${method} ${level}${selecting.length === 0 ? '' : `?${selecting.join('&')}`}${copies ? '+copy' : ''}`;
}
