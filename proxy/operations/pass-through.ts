/**
 * Sub-resources that mean the same on both sides of the proxy: tags, ACLs, bucket configuration. A row describes each. The
 * backend request is built from the row: query parameters and headers by name, a verified and bounded document that is written
 * anew, and a Content-MD5 of the proxy's own. The client's request is never copied. The backend's document is the answer.
 */
import { createHash } from 'node:crypto';
import { isAsked } from '../access/header-actions.ts';
import type { BackendMethod, BackendResponse, QueryParameter } from '../backend/backend.ts';
import { backendFailure, readErrorResponse } from '../backend/errors.ts';
import { readBody } from '../backend/read-body.ts';
import { collectBody } from '../body/verified-body.ts';
import { S3Error } from '../errors.ts';
import type { WholeReply } from '../http/reply.ts';
import { MAX_BACKEND_XML_BYTES, MAX_CONFIGURATION_BYTES } from '../limits.ts';
import { bodyOf, bucketOf, type Call, type Level, type Operation } from '../operation.ts';
import { parseAnyXml, parseXml, writeAnew, type XmlNode, xmlText } from '../xml/render-xml.ts';

export interface PassThrough {
  readonly name: string;
  readonly method: Exclude<BackendMethod, 'HEAD'>;
  readonly level: Exclude<Level, 'service'>;
  readonly subresource: string;
  /** Further query parameters, passed on when given. */
  readonly parameters?: readonly string[];
  /** Request headers, passed on when given. */
  readonly headers?: readonly string[];
  /** The request's document. `root`: of an XML document. `optional`: headers may say the same. */
  readonly document?: { readonly root: string; readonly optional?: true } | 'json';
  /** Refuses what cannot be right behind this endpoint. */
  readonly check?: (call: Call, document: XmlNode) => Promise<void> | void;
  /** Runs once the backend has accepted. */
  readonly done?: (call: Call) => void;
}

/** About the answer, passed on. */
const ANSWERED = [
  'x-amz-version-id',
  'x-amz-request-charged',
  'x-amz-restore-output-path',
  'x-amz-transition-default-minimum-object-size',
] as const;

export function passThrough(row: PassThrough): Operation {
  const { name, method, level, subresource, parameters = [] } = row;
  return {
    name,
    selector: { method, level, subresources: [subresource] },
    parameters,
    body: row.document === undefined ? 'none' : 'document',
    memory: 'small',
    run: (call) => run(call, row),
  };
}

async function run(call: Call, row: PassThrough): Promise<WholeReply> {
  const { method, name, level } = row;
  const { key } = call;
  const bucket = bucketOf(call);
  const body = row.document === undefined ? undefined : await checkedDocument(call, row, row.document);
  const response = await call.context.store.backend.send({
    method,
    bucket,
    ...(level === 'object' && key !== undefined ? { key } : {}),
    query: queryOf(call, row),
    headers: { ...call.context.accountHeaders, ...named(call, row.headers ?? []), ...headersOf(row, body) },
    ...(body === undefined ? {} : { body }),
    signal: call.context.signal,
  });
  if (response.status < 200 || response.status > 299) {
    const versionId = call.request.query.get('versionId');
    throw backendFailure(await readErrorResponse(response), { operation: name, bucket, key, versionId });
  }
  const reply = await answer(row, response);
  row.done?.(call);
  return reply;
}

async function answer(row: PassThrough, response: BackendResponse): Promise<WholeReply> {
  const { status, headers } = response;
  const body = await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES });
  if (row.method === 'GET') requireDocument(row, body);
  const passed = Object.fromEntries(ANSWERED.map((name) => [name, headers[name]]));
  if (body.length === 0) return { status, headers: passed };
  return { status, headers: { ...passed, 'Content-Type': headers['content-type'] ?? 'application/xml' }, body };
}

/** A store that does not know a sub-resource may answer with the object itself. @throws S3Error NotImplemented */
function requireDocument(row: PassThrough, body: Buffer): void {
  const text = body.toString('utf8').trim();
  try {
    if (row.subresource === 'policy') JSON.parse(text);
    else parseAnyXml(text);
  } catch (cause) {
    throw new S3Error('NotImplemented', `The backend does not implement ${row.name}.`, { cause });
  }
}

function queryOf(call: Call, row: PassThrough): QueryParameter[] {
  const given = (row.parameters ?? []).flatMap((name): QueryParameter[] => {
    const value = call.request.query.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  return [[row.subresource, ''], ...given];
}

function named(call: Call, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = call.request.header(name);
    if (isAsked(name, value)) found[name] = value;
  }
  return found;
}

function headersOf(row: PassThrough, body: Buffer | undefined): Record<string, string> {
  if (body === undefined) return {};
  const type = row.document === 'json' ? 'application/json' : 'application/xml';
  return { 'content-type': type, 'content-md5': createHash('md5').update(body).digest('base64') };
}

/**
 * The client's document. XML is written anew from what was parsed, so that the store cannot read another thing in it than what
 * was judged here. @throws S3Error MalformedXML, MalformedPolicy, and as the body's verification
 */
async function checkedDocument(
  call: Call,
  row: PassThrough,
  document: NonNullable<PassThrough['document']>,
): Promise<Buffer> {
  const body = await collectBody(bodyOf(call), { maxBytes: MAX_CONFIGURATION_BYTES, tooLarge: 'MalformedXML' });
  const text = xmlText(body);
  if (document === 'json') {
    requireJson(text);
    return body;
  }
  if (body.length === 0 && document.optional === true) return body;
  const root = parseXml(text, document.root);
  await row.check?.(call, root);
  return Buffer.from(writeAnew(document.root, root));
}

function requireJson(text: string): void {
  try {
    JSON.parse(text);
  } catch (cause) {
    throw new S3Error('MalformedPolicy', undefined, { cause });
  }
}
