/**
 * ACLs: everything is the one owner's. An ACL that says so is taken, and changes nothing; any other would share something, which the
 * store cannot. S3: GetBucketAcl, PutBucketAcl, GetObjectAcl, PutObjectAcl.
 */
import { S3Error } from '../../../errors.ts';
import { parseXml, type XmlNode } from '../../../xml/render-xml.ts';
import type { BackendResponse } from '../../backend.ts';
import { settingsOf } from '../bucket-settings.ts';
import { findObject } from '../find-object.ts';
import { versionHeader } from '../object-headers.ts';
import { receiveDocument } from '../receive-body.ts';
import type { StoreRequest } from '../request.ts';
import { documentReply, OWNER, reply } from '../respond.ts';
import type { BucketRow } from '../rows.ts';
import type { Store } from '../store.ts';

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

export async function putBucketAcl(store: Store, request: StoreRequest): Promise<BackendResponse> {
  await checkDocument(store.index.bucket(request.bucket), request);
  return reply(200);
}

export async function getObjectAcl(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, row } = findObject(store, request);
  return documentReply(200, OWNERS_ACL, versionHeader(bucket.versioning === '' ? undefined : row.version));
}

export async function putObjectAcl(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { bucket, row } = findObject(store, request);
  await checkDocument(bucket, request);
  return reply(200, versionHeader(bucket.versioning === '' ? undefined : row.version));
}

/** The header is judged for all operations alike. @throws S3Error MalformedACLError, MissingSecurityHeader, and as `refuse` */
async function checkDocument(bucket: BucketRow, request: StoreRequest): Promise<void> {
  const document = (await receiveDocument(request)).toString();
  if (document === '') {
    if (request.headers['x-amz-acl'] !== undefined) return;
    throw new S3Error('MissingSecurityHeader');
  }
  const grants = parseXml(document, 'AccessControlPolicy').child('AccessControlList')?.children('Grant') ?? [];
  if (grants.length === 0) throw new S3Error('MalformedACLError');
  for (const grant of grants) if (!isOwners(grant)) refuse(bucket, grant);
}

function isOwners(grant: XmlNode): boolean {
  return grant.child('Grantee')?.value('ID') === OWNER.ID;
}

/** @throws S3Error AccessDenied for everybody where the bucket blocks public ACLs; AccessControlListNotSupported */
function refuse(bucket: BucketRow, grant: XmlNode): never {
  const group = grant.child('Grantee')?.value('URI') ?? '';
  const isPublic = /\/groups\/global\/(AllUsers|AuthenticatedUsers)$/.test(group);
  const blocks = isPublic && settingsOf(bucket).accessBlock?.BlockPublicAcls === true;
  throw new S3Error(blocks ? 'AccessDenied' : 'AccessControlListNotSupported');
}
