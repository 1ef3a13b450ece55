/** Responses in S3's form: status, headers, XML; errors as S3's error document, without a body for HEAD and 304. */
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { S3Error } from '../../errors.ts';
import { renderErrorXml, renderXml, type XmlElement } from '../../xml/render-xml.ts';
import type { BackendResponse } from '../backend.ts';

type Headers = Readonly<Record<string, string>>;

/** The one owner of everything in the store. */
export const OWNER = { ID: 'sealgate', DisplayName: 'sealgate' };

export function reply(status: number, headers: Headers = {}, body?: Readable): BackendResponse {
  const length = body === undefined && status !== 204 && status !== 304 ? { 'content-length': '0' } : {};
  return { status, headers: { ...length, ...requestIds(), ...headers }, body: body ?? Readable.from([]) };
}

export function xmlReply(root: string, content: XmlElement, headers: Headers = {}): BackendResponse {
  return documentReply(200, renderXml(root, content), headers);
}

export function documentReply(status: number, document: string, headers: Headers = {}): BackendResponse {
  const bytes = Buffer.from(document);
  const described = { 'content-type': 'application/xml', 'content-length': String(bytes.length), ...headers };
  return reply(status, described, Readable.from([bytes]));
}

export function errorReply(error: S3Error, o: { readonly head: boolean; readonly resource: string }): BackendResponse {
  if (o.head || error.status === 304) {
    const headers = error.status === 304 ? {} : { 'content-type': 'application/xml' };
    return {
      status: error.status,
      headers: { ...headers, ...error.headers, ...requestIds() },
      body: Readable.from([]),
    };
  }
  const ids = requestIds();
  const document = renderErrorXml({
    Code: error.code,
    Message: error.message,
    ...error.details,
    Resource: o.resource,
    RequestId: ids['x-amz-request-id'],
    HostId: ids['x-amz-id-2'],
  });
  return documentReply(error.status, document, { ...error.headers, ...ids });
}

/** ETags are quoted in headers and documents alike. */
export function quoted(etag: string): string {
  return `"${etag}"`;
}

/** RFC 9110 date: whole seconds. */
export function httpDate(milliseconds: number): string {
  return new Date(milliseconds).toUTCString();
}

/** The date of listings, with the same second as HEAD's Last-Modified. */
export function isoDate(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}.000Z`;
}

function requestIds(): { readonly 'x-amz-request-id': string; readonly 'x-amz-id-2': string } {
  const id = randomBytes(8).toString('hex').toUpperCase();
  return { 'x-amz-request-id': id, 'x-amz-id-2': id };
}
