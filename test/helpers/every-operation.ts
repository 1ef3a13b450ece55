/** A request of every operation, at an object, an upload or a bucket of a test's choice: for tests of who may do what. */
import type { Operation } from '../../proxy/operation.ts';
import {
  type Header,
  md5Header,
  objectPath,
  type RawRequest,
  type SigningCredentials,
  signedForm,
} from './raw-client.ts';

export interface Target {
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

/** What a request of the operation has beside its method, path and sub-resources. */
interface Row {
  readonly query?: (target: Target) => string;
  readonly headers?: (target: Target) => readonly Header[];
  readonly body?: (target: Target) => string;
  /** It has to open the object, or the upload, that it names: a tenant that does not own it is refused. */
  readonly opens?: true;
}

const upload = (t: Target): string => `uploadId=${encodeURIComponent(t.uploadId)}`;
const OWN_SOURCE = 'scratch-bucket-of-the-stranger/source';

const deletionOf = (t: Target): string => `<Delete><Object><Key>${t.key}</Key></Object></Delete>`;

export const ROWS: Readonly<Record<string, Row>> = {
  ListBuckets: {},
  CreateBucket: {},
  HeadBucket: {},
  DeleteBucket: {},
  GetBucketLocation: {},
  ListObjects: { query: (t) => `prefix=${t.key}` },
  ListObjectsV2: { query: (t) => `list-type=2&prefix=${t.key}` },
  ListObjectVersions: { query: (t) => `versions&prefix=${t.key}` },
  ListMultipartUploads: { query: (t) => `uploads&prefix=${t.key}` },
  DeleteObjects: { headers: (t) => [md5Header(deletionOf(t))], body: deletionOf },
  PutObject: { body: () => 'overwritten' },
  PostObject: {},
  GetObject: { opens: true },
  HeadObject: { opens: true },
  GetObjectAttributes: { headers: () => [['x-amz-object-attributes', 'ETag,ObjectSize']], opens: true },
  DeleteObject: {},
  CopyObject: { headers: () => [['x-amz-copy-source', OWN_SOURCE]] },
  CreateMultipartUpload: {},
  UploadPart: { query: (t) => `partNumber=1&${upload(t)}`, body: () => 'x'.repeat(1000), opens: true },
  UploadPartCopy: {
    query: (t) => `partNumber=1&${upload(t)}`,
    headers: (t) => [['x-amz-copy-source', `/${t.bucket}/${t.key}`]],
    opens: true,
  },
  ListParts: { query: upload, opens: true },
  CompleteMultipartUpload: {
    query: upload,
    body: () =>
      `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"${'0'.repeat(32)}"</ETag></Part></CompleteMultipartUpload>`,
    opens: true,
  },
  AbortMultipartUpload: { query: upload },
  RestoreObject: { body: () => '<RestoreRequest><Days>1</Days></RestoreRequest>' },
};

/** Operations that hand a sub-resource on: their selector is the whole request. */
export const PLAIN = [
  ...['Get', 'Put', 'Delete'].map((verb) => `${verb}ObjectTagging`),
  ...['Get', 'Put'].flatMap((verb) => [`${verb}ObjectAcl`, `${verb}ObjectRetention`, `${verb}ObjectLegalHold`]),
];

export const rowOf = (operation: Operation): Row | undefined => {
  const { level } = operation.selector;
  const isBucketConfiguration = level === 'bucket' && (operation.selector.subresources?.length ?? 0) === 1;
  return ROWS[operation.name] ?? (PLAIN.includes(operation.name) || isBucketConfiguration ? {} : undefined);
};

export function requestOf(operation: Operation, target: Target): RawRequest {
  const row = rowOf(operation) ?? {};
  const { method, level, subresources = [] } = operation.selector;
  const path =
    level === 'service' ? '/' : level === 'bucket' ? `/${target.bucket}` : objectPath(target.bucket, target.key);
  const body = row.body?.(target);
  return {
    method,
    path,
    query: row.query?.(target) ?? subresources.join('&'),
    headers: row.headers?.(target) ?? [],
    ...(body === undefined ? {} : { body }),
  };
}

/** A browser's upload to it; `sessionToken` where the credentials are of a session. */
export function formRequestOf(
  target: Target,
  as: SigningCredentials & { readonly sessionToken?: string },
  host: string,
): { method: string; target: string; headers: Header[]; body: Buffer } {
  const fields = as.sessionToken === undefined ? {} : { 'x-amz-security-token': as.sessionToken };
  const form = signedForm({ bucket: target.bucket, key: target.key, content: 'overwritten', fields }, as);
  return { method: 'POST', target: form.path, headers: [['host', host], ...form.headers], body: form.body };
}
