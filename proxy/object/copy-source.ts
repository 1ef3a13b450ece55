/**
 * `x-amz-copy-source`, both ways. Clients send it percent-encoded, with or without a leading slash, whole or in pieces, and
 * '+' for a space; the version follows an unencoded `?versionId=` (S3 API reference, CopyObject). Towards the backend every
 * byte but the unreserved ones and '/' is encoded.
 */
import { mayAccess } from '../access/authorise.ts';
import { S3Error } from '../errors.ts';
import { checkedBucket, decodePathText } from '../http/request.ts';
import type { Call } from '../operation.ts';
import { evaluate, readConditions } from './conditions.ts';
import type { ObjectAddress, StoredObject } from './stored-object.ts';

const VERSION = '?versionId=';

/** @throws S3Error InvalidArgument, InvalidBucketName */
export function parseCopySource(header: string): ObjectAddress {
  const at = header.indexOf(VERSION);
  const path = decode(at < 0 ? header : header.slice(0, at)).replace(/^\//, '');
  const slash = path.indexOf('/');
  if (slash < 1 || slash === path.length - 1) throw invalid();
  const address = { bucket: checkedBucket(path.slice(0, slash)), key: path.slice(slash + 1) };
  if (at < 0) return address;
  const versionId = decode(header.slice(at + VERSION.length));
  if (versionId === '') throw invalidVersion();
  return { ...address, versionId };
}

/** The header for the backend. */
export function renderCopySource(address: ObjectAddress): string {
  const path = `${encode(address.bucket)}/${encode(address.key)}`;
  return address.versionId === undefined ? path : `${path}${VERSION}${encode(address.versionId)}`;
}

/**
 * The source that a copy names, once the caller is allowed to read it. For every operation with a copy source.
 * @throws S3Error InvalidArgument, AccessDenied
 */
export function authorisedSource(call: Call): ObjectAddress {
  const source = parseCopySource(call.request.header('x-amz-copy-source') ?? '');
  const { tenant, services } = call;
  if (mayAccess(tenant.grants, 'read', source, services.stateBucket)) return source;
  services.emit({
    kind: 'access-denied',
    detail: 'the grants of the access key do not cover the source of a copy',
    tenant: tenant.id,
    requestId: call.request.id,
    bucket: source.bucket,
    key: source.key,
  });
  throw new S3Error('AccessDenied');
}

/** On a copy every condition on the source that does not hold is 412. @throws S3Error PreconditionFailed */
export function requireSourceConditions(call: Call, source: StoredObject): void {
  const conditions = readConditions(call.request, 'x-amz-copy-source-');
  if (conditions === undefined) return;
  const outcome = evaluate(conditions, { etag: source.etag, lastModified: source.facts.lastModified });
  if (outcome !== 'proceed') throw new S3Error('PreconditionFailed');
}

/** The call as requests about the source make it: the owner that the client expects there is another header. */
export function callAboutSource(call: Call): Call {
  const { request } = call;
  const header = (name: string) =>
    request.header(name === 'x-amz-expected-bucket-owner' ? 'x-amz-source-expected-bucket-owner' : name);
  return { ...call, request: { ...request, header } };
}

function decode(text: string): string {
  try {
    return decodePathText(text.replaceAll('+', '%20'));
  } catch (cause) {
    if (cause instanceof S3Error) throw invalid();
    throw cause;
  }
}

function encode(text: string): string {
  return encodeURIComponent(text)
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/');
}

function invalid(): S3Error {
  return new S3Error('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey', {
    details: { ArgumentName: 'x-amz-copy-source' },
  });
}

function invalidVersion(): S3Error {
  return new S3Error('InvalidArgument', 'Version id cannot be the empty string', {
    details: { ArgumentName: 'x-amz-copy-source' },
  });
}
