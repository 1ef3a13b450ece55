/**
 * One stored object with another body or metadata than the store has, served as the store would: what a holder of the bucket can
 * do to it, without moving the bytes for every change.
 */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { BackendRequest, BackendResponse } from '../../proxy/backend/backend.ts';
import { errorReply } from './backend-reply.ts';
import type { StoredCopy } from './stored.ts';
import type { WatchedBackend } from './watched-backend.ts';

/** Until the returned function is called, HEAD and GET of the object see `copy`, as a version of its own. */
export function serveInstead(
  backend: WatchedBackend,
  address: { bucket: string; key: string },
  copy: Pick<StoredCopy, 'body' | 'metadata'>,
): () => void {
  const before = backend.intercept;
  const etag = `"${randomBytes(16).toString('hex')}-2"`;
  const metadata = Object.entries(copy.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value] as const);
  const headers = {
    etag,
    'last-modified': new Date().toUTCString(),
    'content-type': 'application/octet-stream',
    ...Object.fromEntries(metadata),
  };
  backend.intercept = async (request, next) => {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const isIt = request.bucket === address.bucket && request.key === address.key;
    return isRead && isIt ? answer(request, { body: copy.body, headers }) : before(request, next);
  };
  return () => {
    backend.intercept = before;
  };
}

function answer(
  request: BackendRequest,
  { body, headers }: { body: Buffer; headers: Readonly<Record<string, string>> },
): BackendResponse {
  const { range, 'if-match': wanted } = request.headers ?? {};
  if (wanted !== undefined && wanted !== headers['etag']) {
    return errorReply(request, { status: 412, code: 'PreconditionFailed' });
  }
  const span = spanOf(range, body.length);
  if (span === undefined) return errorReply(request, { status: 416, code: 'InvalidRange' });
  const bytes = body.subarray(span.start, span.end);
  const partial = range === undefined ? {} : { 'content-range': `bytes ${span.start}-${span.end - 1}/${body.length}` };
  return {
    status: range === undefined ? 200 : 206,
    headers: { ...headers, ...partial, 'content-length': String(bytes.length) },
    body: Readable.from(request.method === 'HEAD' || bytes.length === 0 ? [] : [bytes]),
  };
}

function spanOf(range: string | undefined, length: number): { start: number; end: number } | undefined {
  if (range === undefined) return { start: 0, end: length };
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  const start = first === '' ? Math.max(0, length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? length : Math.min(length, Number(last) + 1);
  return start < end ? { start, end } : undefined;
}
