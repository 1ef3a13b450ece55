/** Refusals of what never became a request, so that no `ServerResponse` can carry them: S3's error document, written by hand. */
import { STATUS_CODES } from 'node:http';
import { S3Error } from '../errors.ts';
import { errorReply } from './reply.ts';
import { versionNotSupported } from './request.ts';
import { createRequestId } from './request-id.ts';

/** A whole reply, after which the connection is closed. */
export function refusalText(refusal: S3Error): string {
  const requestId = createRequestId();
  const body = String(errorReply(refusal, { method: 'GET', resource: '/', requestId }).body);
  return (
    `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\nContent-Type: application/xml\r\n` +
    `x-amz-request-id: ${requestId}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  );
}

/** For what node's parser did not understand, by the code of its error. */
export function unreadable(code: string | undefined): S3Error {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new S3Error('RequestHeaderSectionTooLarge');
    case 'HPE_INVALID_VERSION':
    case 'HPE_PAUSED_H2_UPGRADE':
      return versionNotSupported();
    default:
      return new S3Error('InvalidRequest', 'The request is not valid HTTP/1.1.');
  }
}
