/**
 * Reads and deletes of what a bucket never has here, answered as S3 answers them of a bucket for which nobody has set it; and the ACLs, which
 * say that everything is its one owner's. S3 API reference, operations of the same names.
 */
import { S3Error, type S3ErrorCode } from '../../../errors.ts';
import type { XmlElement } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { findObject } from '../find-object.ts';
import { versionHeader } from '../object-headers.ts';
import type { StoreRequest } from '../request.ts';
import { documentReply, OWNER, reply, xmlReply } from '../respond.ts';
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

const XSI = 'http://www.w3.org/2001/XMLSchema-instance';
/** The type of a grantee is an attribute, which the writer of documents does not have. */
const OWNERS_ACL =
  '<?xml version="1.0" encoding="UTF-8"?>\n' +
  '<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' +
  `<Owner><ID>${OWNER.ID}</ID><DisplayName>${OWNER.DisplayName}</DisplayName></Owner>` +
  `<AccessControlList><Grant><Grantee xmlns:xsi="${XSI}" xsi:type="CanonicalUser">` +
  `<ID>${OWNER.ID}</ID><DisplayName>${OWNER.DisplayName}</DisplayName></Grantee>` +
  '<Permission>FULL_CONTROL</Permission></Grant></AccessControlList></AccessControlPolicy>';

export async function getBucketAcl(store: Store, request: StoreRequest): Promise<BackendResponse> {
  store.index.bucket(request.bucket);
  return documentReply(200, OWNERS_ACL);
}

export async function getObjectAcl(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, row } = findObject(store, request);
  return documentReply(200, OWNERS_ACL, versionHeader(bucket.versioning === '' ? undefined : row.version));
}
