/**
 * Conditions of writes, decided from what the inner store holds at the moment of the commit. Source: Amazon S3 API
 * reference: If-Match on a missing key is 404, everything else that does not hold is 412.
 */
import type { Backend, BackendRequest } from '../../../proxy/backend/backend.ts';
import { discard } from '../../../proxy/backend/read-body.ts';
import { queryValue } from '../backend-reply.ts';
import type { Broken } from './request-rules.ts';

const FAILED: Broken = { status: 412, code: 'PreconditionFailed', message: 'a condition does not hold' };
const MISSING: Broken = { status: 404, code: 'NoSuchKey', message: 'If-Match on a missing key' };

/** Query parameters with which a PUT or DELETE is about something else than the object itself. */
const OTHER = ['acl', 'tagging', 'retention', 'legal-hold', 'partNumber', 'restore', 'attributes'];

/** Does the request change which object is under its key? */
export function writesObject(request: BackendRequest): boolean {
  if (request.key === undefined || OTHER.some((name) => queryValue(request, name) !== undefined)) return false;
  if (request.method === 'POST') return queryValue(request, 'uploadId') !== undefined;
  if (request.method === 'DELETE') return queryValue(request, 'uploadId') === undefined;
  return request.method === 'PUT';
}

/** The condition of the request that does not hold now. Call it with the lock of the key held. */
export async function brokenCondition(inner: Backend, request: BackendRequest): Promise<Broken | undefined> {
  const headers = request.headers ?? {};
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (writesObject(request) && (match !== undefined || noneMatch !== undefined)) {
    const current = await etagOf(inner, request, queryValue(request, 'versionId'));
    if (match !== undefined && current === undefined) return MISSING;
    if (match !== undefined && current !== undefined && !matches(match, current)) return FAILED;
    if (noneMatch !== undefined && current !== undefined && matches(noneMatch, current)) return FAILED;
  }
  return brokenSource(inner, request);
}

async function brokenSource(inner: Backend, request: BackendRequest): Promise<Broken | undefined> {
  const headers = request.headers ?? {};
  const {
    'x-amz-copy-source': source,
    'x-amz-copy-source-if-match': match,
    'x-amz-copy-source-if-none-match': noneMatch,
  } = headers;
  if (source === undefined || (match === undefined && noneMatch === undefined)) return undefined;
  const [path = '', version] = source.replace(/^\//, '').split('?versionId=');
  const decoded = decodeURIComponent(path);
  const slash = decoded.indexOf('/');
  const { signal } = request;
  const named = { bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1), signal };
  const current = await etagOf(inner, named, version);
  if (current === undefined) return undefined;
  if (match !== undefined && !matches(match, current)) return FAILED;
  return noneMatch !== undefined && matches(noneMatch, current) ? FAILED : undefined;
}

/** ETag of what is stored; `undefined` when there is nothing. */
async function etagOf(
  inner: Backend,
  o: Pick<BackendRequest, 'bucket' | 'key' | 'signal'>,
  version: string | undefined,
): Promise<string | undefined> {
  const { bucket, key, signal } = o;
  const response = await inner.send({
    method: 'HEAD',
    ...(bucket === undefined ? {} : { bucket }),
    ...(key === undefined ? {} : { key }),
    ...(version === undefined ? {} : { query: [['versionId', version]] }),
    signal,
  });
  discard(response);
  const { etag = '' } = response.headers;
  return response.status === 200 ? etag : undefined;
}

export function matches(condition: string, etag: string): boolean {
  const bare = (text: string) => text.trim().replace(/^"|"$/g, '');
  return condition.trim() === '*' || condition.split(',').some((one) => bare(one) === bare(etag));
}
