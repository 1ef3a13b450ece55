/** The sink's operations on one object: PUT, GET, HEAD, DELETE, copy. */
import { names, refusedBy } from './conditions.ts';
import type { SinkReply } from './http-server.ts';
import { document } from './listing.ts';
import type { SinkRequest } from './request.ts';
import { DROPPED_PREFIX, type SinkStore, type StoredObject } from './store.ts';

export interface ReceivedBody {
  readonly bytes: number;
  readonly pieces: readonly Buffer[];
}

const KEPT_HEADERS = /^(x-amz-meta-|(content-type|cache-control|content-disposition|content-language|expires)$)/;

export function isDropped(request: SinkRequest): boolean {
  return request.key.startsWith(DROPPED_PREFIX);
}

export function storedHeaders(headers: ReadonlyMap<string, string>): string {
  let lines = '';
  for (const [name, value] of headers) if (KEPT_HEADERS.test(name)) lines += `${name}: ${value}\r\n`;
  return lines;
}

export function putObject(store: SinkStore, request: SinkRequest, body: ReceivedBody): SinkReply {
  const refused = refusedBy(request, store.get(request.bucket, request.key));
  if (refused !== undefined) return failure(refused);
  const etag = store.nextEtag();
  store.put(request.bucket, request.key, {
    ...contentOf(request, body),
    etag,
    modified: new Date(),
    headers: storedHeaders(request.headers),
  });
  return { status: 200, headers: `etag: "${etag}"\r\n` };
}

/** aws-chunked framing is taken off, so that what is read is what was meant. */
export function contentOf(request: SinkRequest, body: ReceivedBody): Pick<StoredObject, 'size' | 'body'> {
  const isFramed = request.headers.get('x-amz-content-sha256')?.startsWith('STREAMING-') === true;
  const size = isFramed ? Number(request.headers.get('x-amz-decoded-content-length')) : body.bytes;
  if (isDropped(request)) return { size, body: undefined };
  const whole = Buffer.concat(body.pieces, body.bytes);
  return { size, body: [isFramed ? unframe(whole) : whole] };
}

/** Signatures and trailers are skipped, not checked. */
export function unframe(framed: Buffer): Buffer {
  const pieces: Buffer[] = [];
  for (let at = 0; ; ) {
    const end = framed.indexOf('\r\n', at);
    const size = end < 0 ? Number.NaN : Number.parseInt(framed.toString('latin1', at, end), 16);
    if (Number.isNaN(size)) throw new Error('an aws-chunked body is not understood');
    if (size === 0) return Buffer.concat(pieces);
    pieces.push(framed.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

export function readObject(store: SinkStore, request: SinkRequest): SinkReply {
  const object = store.get(request.bucket, request.key);
  if (object === undefined) return failure(404, 'NoSuchKey');
  const refused = refusedBy(request, object);
  if (refused !== undefined) return failure(refused);
  const headers = `${object.headers}etag: "${object.etag}"\r\nlast-modified: ${object.modified.toUTCString()}\r\naccept-ranges: bytes\r\n`;
  const range = rangeOf(request, object.size);
  if (range === 'unsatisfiable') return failure(416, 'InvalidRange');
  const { start, end } = range ?? { start: 0, end: object.size };
  const status = range === undefined ? 200 : 206;
  const contentRange = range === undefined ? '' : `content-range: bytes ${start}-${end - 1}/${object.size}\r\n`;
  if (request.method === 'HEAD') return { status, headers: headers + contentRange, length: end - start };
  if (object.body === undefined) return failure(410, 'BodyWasDropped');
  return { status, headers: headers + contentRange, body: slice(object.body, start, end) };
}

/** Half-open. @see RFC 9110, section 14.1.2 */
export function rangeOf(
  request: SinkRequest,
  size: number,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(request.headers.get('range') ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : Math.min(size, Number(last) + 1);
  return start < end ? { start, end } : 'unsatisfiable';
}

/** Views of the pieces between two offsets. */
export function slice(pieces: readonly Buffer[], start: number, end: number): Buffer[] {
  const found: Buffer[] = [];
  let at = 0;
  for (const piece of pieces) {
    const [from, to] = [Math.max(0, start - at), Math.min(piece.length, end - at)];
    if (from < to) found.push(piece.subarray(from, to));
    at += piece.length;
  }
  return found;
}

export function deleteObject(store: SinkStore, request: SinkRequest): SinkReply {
  const refused = refusedBy(request, store.get(request.bucket, request.key));
  if (refused !== undefined) return failure(refused);
  store.delete(request.bucket, request.key);
  return { status: 204 };
}

export function copyObject(store: SinkStore, request: SinkRequest): SinkReply {
  const path = decodeURIComponent(request.headers.get('x-amz-copy-source') ?? '').replace(/^\//, '');
  const slash = path.indexOf('/');
  const source = store.get(path.slice(0, slash), path.slice(slash + 1).replace(/\?versionId=.*$/, ''));
  if (source === undefined) return failure(404, 'NoSuchKey');
  const pin = request.headers.get('x-amz-copy-source-if-match');
  if (pin !== undefined && !names(pin, source)) return failure(412);
  const refused = refusedBy(request, store.get(request.bucket, request.key));
  if (refused !== undefined) return failure(refused);
  const isReplaced = request.headers.get('x-amz-metadata-directive') === 'REPLACE';
  const headers = isReplaced ? storedHeaders(request.headers) : source.headers;
  const copy = { ...source, headers, etag: store.nextEtag(), modified: new Date() };
  store.put(request.bucket, request.key, copy);
  return xml(
    document('CopyObjectResult', [
      `<LastModified>${copy.modified.toISOString()}</LastModified><ETag>&quot;${copy.etag}&quot;</ETag>`,
    ]),
  );
}

export function xml(text: string): SinkReply {
  return { status: 200, headers: 'content-type: application/xml\r\n', body: [Buffer.from(text)] };
}

const CODES: Readonly<Record<number, string>> = { 404: 'NoSuchKey', 412: 'PreconditionFailed' };

export function failure(status: number, code = CODES[status] ?? 'Refused'): SinkReply {
  if (status === 304) return { status };
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code></Error>`);
  return { status, headers: 'content-type: application/xml\r\n', body: [body] };
}
