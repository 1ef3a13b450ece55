/** GetObject and HeadObject: conditions, one range, one part, response-* overrides. S3: GetObject, HeadObject. */
import { addAbortSignal } from 'node:stream';
import { S3Error } from '../../../errors.ts';
import { LOCAL_LOOKUP_ATTEMPTS, MAX_PART_NUMBER } from '../../../limits.ts';
import { type BackendResponse, BackendUnavailable } from '../../backend.ts';
import { evaluateRead, readConditions } from '../conditions.ts';
import { openContent } from '../content.ts';
import { type FoundObject, findObject } from '../find-object.ts';
import { describeObject, validatorsOf } from '../object-headers.ts';
import { contentRange, requestedSpan, type Span } from '../range.ts';
import { integerParameter, type StoreRequest } from '../request.ts';
import { reply } from '../respond.ts';
import type { Store } from '../store.ts';

const OVERRIDES = [
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-type',
  'expires',
];

interface Selection {
  readonly status: 200 | 206;
  readonly span: Span;
  readonly headers: Readonly<Record<string, string>>;
}

export async function getObject(store: Store, request: StoreRequest): Promise<BackendResponse> {
  for (let attempt = 0; attempt < LOCAL_LOOKUP_ATTEMPTS; attempt++) {
    const found = findObject(store, request);
    const { status, span, headers } = select(store, request, found);
    const body = await openContent(store, found.body, span);
    if (body !== undefined) return reply(status, headers, addAbortSignal(request.signal, body));
  }
  throw new BackendUnavailable('a stored body is missing, or its object is replaced faster than it can be opened');
}

export async function headObject(store: Store, request: StoreRequest): Promise<BackendResponse> {
  const { status, headers } = select(store, request, findObject(store, request));
  return reply(status, headers);
}

/** @throws S3Error PreconditionFailed, NotModified, InvalidRange, InvalidPartNumber, InvalidArgument, InvalidRequest */
function select(store: Store, request: StoreRequest, found: FoundObject): Selection {
  const { row, bucket } = found;
  const outcome = evaluateRead(readConditions(request.headers), row);
  if (outcome === 'precondition-failed') throw new S3Error('PreconditionFailed');
  if (outcome === 'not-modified') {
    throw new S3Error('NotModified', undefined, { headers: validatorsOf(row, bucket) });
  }
  const headers = { ...describeObject(row, bucket), ...overrides(request) };
  const part = partSpan(store, request, found);
  const span = part?.span ?? requestedSpan(request.headers['range'], row.size);
  const { start, end } = span ?? { start: 0, end: row.size };
  const partial = span !== undefined && end > start;
  return {
    status: partial ? 206 : 200,
    span: { start, end },
    headers: {
      ...headers,
      'content-length': String(end - start),
      ...(partial ? { 'content-range': contentRange(span, row.size) } : {}),
      ...(part === undefined || row.parts === 0 ? {} : { 'x-amz-mp-parts-count': String(row.parts) }),
    },
  };
}

function partSpan(store: Store, request: StoreRequest, { row, body }: FoundObject): { span: Span } | undefined {
  if (!request.query.has('partNumber')) return undefined;
  if (request.headers['range'] !== undefined) {
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
  }
  const number = integerParameter(request, 'partNumber', { min: 1, max: MAX_PART_NUMBER, otherwise: 1 });
  if (row.parts === 0) {
    if (number === 1) return { span: { start: 0, end: row.size } };
  } else {
    const found = store.index.partSpan(body, number);
    if (found !== undefined) return { span: { start: found.start, end: found.start + found.length } };
  }
  throw new S3Error('InvalidPartNumber', undefined, {
    details: { PartNumberRequested: String(number), ActualPartCount: String(Math.max(1, row.parts)) },
  });
}

function overrides({ query }: StoreRequest): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of OVERRIDES) {
    const value = query.get(`response-${name}`);
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}
