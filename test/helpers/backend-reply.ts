/** Backend responses made up by test wrappers. */
import { Readable } from 'node:stream';
import type { BackendRequest, BackendResponse } from '../../proxy/backend/backend.ts';
import { renderErrorXml } from '../../proxy/xml/render-xml.ts';

/** An S3 error answer, without a document for HEAD and 304. */
export function errorReply(
  request: BackendRequest,
  o: { status: number; code: string; message?: string },
): BackendResponse {
  if (o.status === 304) return { status: 304, headers: {}, body: Readable.from([]) };
  const document = Buffer.from(renderErrorXml({ Code: o.code, Message: o.message ?? o.code, RequestId: 'test' }));
  const headers = { 'content-type': 'application/xml', 'content-length': String(document.length) };
  return { status: o.status, headers, body: Readable.from(request.method === 'HEAD' ? [] : [document]) };
}

/** Value of a query parameter, '' when it has none; `undefined` when it is absent. */
export function queryValue(request: BackendRequest, name: string): string | undefined {
  return request.query?.find(([one]) => one === name)?.[1];
}

/** Bytes of a request body. */
export function bodyLength(request: BackendRequest): number {
  return request.body?.length ?? 0;
}
