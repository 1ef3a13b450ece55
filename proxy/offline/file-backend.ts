/**
 * One stored object in a file, behind the backend interface: HEAD and GET, whole or in ranges. So an object that somebody
 * downloaded opens through the same code as one in a bucket.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { Backend, BackendRequest, BackendResponse } from '../backend/backend.ts';
import type { StoredHeaders } from './stored-headers.ts';

/** @throws Error when there is no such file */
export async function openFileBackend(o: { path: string; headers: StoredHeaders }): Promise<Backend> {
  const found = await stat(o.path);
  if (!found.isFile()) throw new Error(`${o.path} is not a file.`);
  const { size, mtime } = found;
  const headers = {
    etag: '"file"',
    ...o.headers,
    'last-modified': httpDate(o.headers['last-modified']) ?? mtime.toUTCString(),
  };
  return {
    description: `file:${o.path}`,
    send: async (request) => answer(o.path, size, headers, request),
    close: async () => {},
  };
}

function httpDate(text: string | undefined): string | undefined {
  const time = new Date(text ?? '');
  return Number.isNaN(time.getTime()) ? undefined : time.toUTCString();
}

function answer(path: string, size: number, headers: StoredHeaders, request: BackendRequest): BackendResponse {
  if (request.method !== 'GET' && request.method !== 'HEAD') return reply(501, {}, Readable.from([]));
  const range = request.headers?.['range'];
  const span = range === undefined ? { start: 0, end: size } : spanOf(range, size);
  if (span === undefined) return reply(416, {}, Readable.from([]));
  const partial = range === undefined ? {} : { 'content-range': `bytes ${span.start}-${span.end - 1}/${size}` };
  const isEmpty = request.method === 'HEAD' || span.start === span.end;
  const body = isEmpty ? Readable.from([]) : createReadStream(path, { start: span.start, end: span.end - 1 });
  const length = { 'content-length': String(span.end - span.start) };
  return reply(range === undefined ? 200 : 206, { ...headers, ...partial, ...length }, body);
}

function reply(status: number, headers: StoredHeaders, body: Readable): BackendResponse {
  return { status, headers, body };
}

/** `bytes=A-B`, `bytes=A-` or `bytes=-N`; undefined when no byte of the file is in it. */
function spanOf(range: string, size: number): { start: number; end: number } | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  return start < end ? { start, end } : undefined;
}
