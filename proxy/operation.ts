/**
 * What an S3 operation is: the requests that select it, and how it runs. One file per operation in operations/; route.ts finds
 * it. Which permissions it needs is a row of access/action-table.ts. What no operation selects answers NotImplemented.
 */
import type { Gate } from './access/gate.ts';
import type { PublicAcls } from './access/public-acls.ts';
import type { VerifiedBody } from './body/verified-body.ts';
import type { CorsConfigurations } from './cors/configurations.ts';
import type { UploadForm } from './form/read-form.ts';
import type { Reply, WholeReply } from './http/reply.ts';
import type { S3Request } from './http/request.ts';
import type { OpenTenant } from './keyring/open-tenant.ts';
import type { UploadContext, UploadStore } from './multipart/upload-context.ts';
import type { ListedPages } from './object/listed-pages.ts';
import type { RecordEvent } from './observe/events.ts';

export type Level = 'service' | 'bucket' | 'object';

export interface Selector {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly level: Level;
  /** Query parameters that select the operation, such as `uploads`: all of them must be present, and no other selecting one. */
  readonly subresources?: readonly string[];
  /** True when x-amz-copy-source must be present. Otherwise the header must be absent. */
  readonly copySource?: true;
}

/**
 * What an operation may hold in memory at once, beside the body of its request (`body`): admission reserves as much.
 * `small`: no more than any request does. `stream`: plaintext or ciphertext that passes through. `listing`: a page of a
 * thousand rows and more. `upload-view`: every part of a multipart upload, its receipts and the backend's own list.
 */
export type HeldMemory = 'small' | 'stream' | 'listing' | 'upload-view';

interface OperationProperties {
  /** S3's name, as in its API reference. */
  readonly name: string;
  readonly selector: Selector;
  /** Further query parameters it understands. On writes any other one is refused: it might have meant something else. */
  readonly parameters: readonly string[];
  /** `none`: a body is ignored; `document`: XML, bounded; `object`: the plaintext of an object; `form`: a browser's upload. */
  readonly body: 'none' | 'document' | 'object' | 'form';
  /** The document may be sent in chunks (aws-chunked), as objects may. S3 accepts chunks for nothing else. */
  readonly chunked?: true;
  /** The x-amz-checksum-* headers describe the object and not the request body. The operation compares them itself. */
  readonly objectChecksums?: true;
  /** The operation may take longer than clients wait without hearing anything. Its answer is an XML document. */
  readonly isSlow?: true;
}

/** Only an operation that reserves the memory of a stream can answer with one. */
export type Operation = OperationProperties &
  (
    | { readonly memory: 'stream'; run(call: Call): Promise<Reply> }
    | { readonly memory: Exclude<HeldMemory, 'stream'>; run(call: Call): Promise<WholeReply> }
  );

/** What all requests of a process share: the store, and what only requests need beside it. */
export interface Services {
  readonly store: UploadStore;
  /** Pages of listings as they were sent. */
  readonly pages: ListedPages;
  /** Takes every event. */
  readonly record: RecordEvent;
  /** Region that clients are told, and that CreateBucket may name. */
  readonly region: string;
  readonly stateBucket: string;
  readonly cors: CorsConfigurations;
  readonly publicAcls: PublicAcls;
}

/** A verified, authorised request. */
export interface Call {
  readonly request: S3Request;
  /** Who asks: whose grants count. */
  readonly tenant: OpenTenant;
  /** What work on stored objects needs. It knows nothing about the request. */
  readonly context: UploadContext;
  /** Decides about resources that only the request body names. */
  readonly gate: Gate;
  readonly services: Services;
  /** Present only for operations at that level; `bucketOf` and `objectOf` narrow the types. */
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /** Plaintext of the request body; reading it to its end verifies it. */
  readonly body: VerifiedBody | undefined;
  /** Only for operations that take a form. */
  readonly form: UploadForm | undefined;
}

/** The call's object. Routing guarantees that it is there; its absence is our own bug. */
export function objectOf(call: Call): { bucket: string; key: string } {
  if (call.bucket === undefined || call.key === undefined) throw new Error('an object operation ran without an object');
  return { bucket: call.bucket, key: call.key };
}

export function bucketOf(call: Call): string {
  if (call.bucket === undefined) throw new Error('a bucket operation ran without a bucket');
  return call.bucket;
}

export function bodyOf(call: Call): VerifiedBody {
  if (call.body === undefined) throw new Error('an operation with a body ran without one');
  return call.body;
}
