/**
 * Reads and deletes of what a bucket never has here, answered as S3 answers them of a bucket for which nobody has
 * set it. S3 API reference, operations of the same names.
 */
import { S3Error, type S3ErrorCode } from '../../../errors.ts';
import type { XmlElement } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import type { StoreRequest } from '../request.ts';
import { reply, xmlReply } from '../respond.ts';
import type { Store } from '../store.ts';

type Read = (store: Store, request: StoreRequest) => Promise<BackendResponse>;

/** The error of a configuration that does not exist, after NoSuchBucket. */
export function notConfigured(code: S3ErrorCode): Read {
  return async (store, { bucket }) => {
    store.index.bucket(bucket);
    throw new S3Error(code, undefined, { details: { BucketName: bucket } });
  };
}

/** To take away what nobody can have set succeeds, as it does on S3. */
export async function nothingToDelete(store: Store, { bucket }: StoreRequest): Promise<BackendResponse> {
  store.index.bucket(bucket);
  return reply(204);
}

/** The document of a configuration that every bucket has. */
export function always(root: string, content: XmlElement = {}): Read {
  return async (store, { bucket }) => {
    store.index.bucket(bucket);
    return xmlReply(root, content);
  };
}
