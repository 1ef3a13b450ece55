/** Which operation a request to the sink is, and how often each was asked for. Signatures are not looked at. */
import { setTimeout as wait } from 'node:timers/promises';
import { crc32c } from '@node-rs/crc32';
import type { SinkHandler, SinkReply } from './http-server.ts';
import { document, listObjects } from './listing.ts';
import { SinkUploads } from './multipart.ts';
import {
  copyObject,
  deleteObject,
  failure,
  isDropped,
  putObject,
  type ReceivedBody,
  readObject,
  xml,
} from './objects.ts';
import type { SinkRequest } from './request.ts';
import { SinkFull, SinkStore } from './store.ts';

export class SinkOperations implements SinkHandler {
  readonly store = new SinkStore();
  readonly #uploads = new SinkUploads(this.store);
  /** Requests since the last `takeCounts`, by operation. */
  #counts = new Map<string, number>();
  /** Milliseconds before each answer. */
  delayMs = 0;

  takeCounts(): Readonly<Record<string, number>> {
    const counts = Object.fromEntries(this.#counts);
    this.#counts = new Map();
    return counts;
  }

  keeps(request: SinkRequest): boolean {
    return !(isDropped(request) && request.method === 'PUT');
  }

  reply(request: SinkRequest, body: ReceivedBody): SinkReply | Promise<SinkReply> {
    const name = operationOf(request);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    const answer = () => this.#answer(name, request, body);
    return this.delayMs === 0 ? answer() : wait(this.delayMs).then(answer);
  }

  #answer(name: SinkOperation, request: SinkRequest, body: ReceivedBody): SinkReply {
    try {
      return this.#run(name, request, body);
    } catch (error) {
      if (error instanceof SinkFull) return failure(507, 'SinkFull');
      return failure(400, 'InvalidRequest');
    }
  }

  #run(name: SinkOperation, request: SinkRequest, body: ReceivedBody): SinkReply {
    const { store } = this;
    switch (name) {
      case 'PutObject':
        if (this.keeps(request) && !hasItsCrc32c(request, body)) return failure(400, 'BadDigest');
        return putObject(store, request, body);
      case 'GetObject':
      case 'HeadObject':
        return readObject(store, request);
      case 'DeleteObject':
        return deleteObject(store, request);
      case 'CopyObject':
        return copyObject(store, request);
      case 'CreateMultipartUpload':
        return this.#uploads.create(request);
      case 'UploadPart':
        return this.#uploads.uploadPart(request, body);
      case 'ListParts':
        return this.#uploads.listParts(request);
      case 'CompleteMultipartUpload':
        return this.#uploads.complete(request, body);
      case 'AbortMultipartUpload':
        return this.#uploads.abort(request);
      case 'ListObjects':
        return store.hasBucket(request.bucket) ? xml(listObjects(store, request)) : failure(404, 'NoSuchBucket');
      case 'DeleteObjects':
        return deleteObjects(store, request, body);
      case 'HeadBucket':
        return store.hasBucket(request.bucket) ? { status: 200 } : failure(404, 'NoSuchBucket');
      case 'CreateBucket':
        store.makeBucket(request.bucket);
        return { status: 200, headers: `location: /${request.bucket}\r\n` };
      case 'GetBucketVersioning':
        return xml(document('VersioningConfiguration', []));
      case 'GetBucketLocation':
        return xml(document('LocationConstraint', []));
      case 'NotImplemented':
        return failure(501, 'NotImplemented');
    }
  }
}

/** Looked at where the body is kept: so a proxy finds a store that compares it, as most do, and its uploads cost the sink nothing. */
function hasItsCrc32c({ headers }: SinkRequest, { pieces }: ReceivedBody): boolean {
  const wanted = headers.get('x-amz-checksum-crc32c');
  if (wanted === undefined) return true;
  const value = Buffer.alloc(4);
  value.writeUInt32BE(pieces.reduce((state, piece) => crc32c(piece, state), 0));
  return value.toString('base64') === wanted;
}

export type SinkOperation = ReturnType<typeof operationOf>;

function operationOf(request: SinkRequest) {
  return request.key === '' ? bucketOperation(request) : objectOperation(request);
}

function bucketOperation({ method, bucket, query }: SinkRequest) {
  if (bucket === '') return 'NotImplemented' as const;
  if (method === 'HEAD') return 'HeadBucket' as const;
  if (method === 'PUT' && (query.size === 0 || query.has('x-id'))) return 'CreateBucket' as const;
  if (method === 'POST' && query.has('delete')) return 'DeleteObjects' as const;
  if (method !== 'GET') return 'NotImplemented' as const;
  if (query.has('versioning')) return 'GetBucketVersioning' as const;
  if (query.has('location')) return 'GetBucketLocation' as const;
  const isOther = ['uploads', 'acl', 'cors', 'policy', 'lifecycle', 'tagging'].some((name) => query.has(name));
  return isOther ? ('NotImplemented' as const) : ('ListObjects' as const);
}

function objectOperation({ method, query, headers }: SinkRequest) {
  const hasUpload = query.has('uploadId');
  switch (method) {
    case 'PUT':
      if (query.has('tagging') || query.has('acl')) return 'NotImplemented' as const;
      if (headers.has('x-amz-copy-source')) return hasUpload ? ('NotImplemented' as const) : ('CopyObject' as const);
      return hasUpload ? ('UploadPart' as const) : ('PutObject' as const);
    case 'GET':
      return hasUpload ? ('ListParts' as const) : ('GetObject' as const);
    case 'HEAD':
      return 'HeadObject' as const;
    case 'DELETE':
      return hasUpload ? ('AbortMultipartUpload' as const) : ('DeleteObject' as const);
    case 'POST':
      if (query.has('uploads')) return 'CreateMultipartUpload' as const;
      return hasUpload ? ('CompleteMultipartUpload' as const) : ('NotImplemented' as const);
    default:
      return 'NotImplemented' as const;
  }
}

function deleteObjects(store: SinkStore, request: SinkRequest, body: ReceivedBody): SinkReply {
  const keys = [
    ...Buffer.concat(body.pieces)
      .toString()
      .matchAll(/<Key>([^<]*)<\/Key>/g),
  ].map(([, key = '']) => key);
  const plainKey = (key: string) => key.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
  for (const key of keys) store.delete(request.bucket, plainKey(key));
  return xml(
    document(
      'DeleteResult',
      keys.map((key) => `<Deleted><Key>${key}</Key></Deleted>`),
    ),
  );
}
