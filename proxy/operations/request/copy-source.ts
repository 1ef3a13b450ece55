/**
 * The source that a copy names. Clients send `x-amz-copy-source` percent-encoded, with or without a leading slash, whole or in
 * pieces, and '+' for a space; the version follows an unencoded `?versionId=` (S3 API reference, CopyObject).
 */
import { S3Error } from '../../errors.ts';
import { checkedBucket, decodePathText } from '../../http/request.ts';
import { type StoreContext, storeContext } from '../../object/context.ts';
import { VERSION } from '../../object/copy-source.ts';
import type { ObjectAddress } from '../../object/stored-object.ts';
import type { Call } from '../../operation.ts';
import { accountHeaders } from './client-headers.ts';

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

/** The source that a copy names. Whether the caller may read it was decided before the operation runs (access/demands.ts). */
export function copySourceOf({ request }: Call): ObjectAddress {
  return parseCopySource(request.header('x-amz-copy-source') ?? '');
}

/** For requests about the source: the owner that the client expects of its bucket is named by another header. */
export function sourceContext({ context, request }: Call): StoreContext {
  const { store, tenant, signal, requestId } = context;
  const headers = accountHeaders(request, { owner: 'x-amz-source-expected-bucket-owner' });
  return storeContext(store, { tenant, signal, requestId, accountHeaders: headers });
}

function decode(text: string): string {
  try {
    return decodePathText(text.replaceAll('+', '%20'));
  } catch (cause) {
    if (cause instanceof S3Error) throw invalid();
    throw cause;
  }
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
