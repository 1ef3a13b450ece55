// Protects: the client gets the code that S3 would give, never blame for the proxy's own credentials, never the
// backend's own text.
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { BackendResponse } from '../../../proxy/backend/backend.ts';
import { backendFailure, type FailureContext, readErrorResponse } from '../../../proxy/backend/errors.ts';
import { MAX_BACKEND_ERROR_BYTES } from '../../../proxy/limits.ts';

describe('backendFailure', () => {
  test.each<[number, string, FailureContext | undefined, string, number]>([
    [404, 'NoSuchKey', undefined, 'NoSuchKey', 404],
    [404, 'NoSuchBucket', undefined, 'NoSuchBucket', 404],
    [404, 'NoSuchUpload', undefined, 'NoSuchUpload', 404],
    [404, 'NoSuchVersion', undefined, 'NoSuchVersion', 404],
    [412, 'PreconditionFailed', undefined, 'PreconditionFailed', 412],
    [409, 'ConditionalRequestConflict', undefined, 'ConditionalRequestConflict', 409],
    [409, 'BucketNotEmpty', undefined, 'BucketNotEmpty', 409],
    [416, 'InvalidRange', undefined, 'InvalidRange', 416],
    [400, 'EntityTooSmall', undefined, 'EntityTooSmall', 400],
    [405, 'MethodNotAllowed', undefined, 'MethodNotAllowed', 405],
    [501, 'NotImplemented', undefined, 'NotImplemented', 501],
    [403, 'InvalidObjectState', undefined, 'InvalidObjectState', 403],
    // A HEAD has no document.
    [404, '', { bucket: 'b', key: 'k' }, 'NoSuchKey', 404],
    [404, '', { bucket: 'b' }, 'NoSuchBucket', 404],
    [404, '', 'HeadObject', 'NoSuchKey', 404],
    [412, '', undefined, 'PreconditionFailed', 412],
    [304, '', undefined, 'NotModified', 304],
    [416, '', undefined, 'InvalidRange', 416],
    [405, '', undefined, 'MethodNotAllowed', 405],
    // The proxy's own credentials.
    [403, 'AccessDenied', undefined, 'ServiceUnavailable', 503],
    [403, 'SignatureDoesNotMatch', undefined, 'ServiceUnavailable', 503],
    [403, 'InvalidAccessKeyId', undefined, 'ServiceUnavailable', 503],
    [403, 'RequestTimeTooSkewed', undefined, 'ServiceUnavailable', 503],
    [400, 'ExpiredToken', undefined, 'ServiceUnavailable', 503],
    [400, 'AuthorizationHeaderMalformed', undefined, 'ServiceUnavailable', 503],
    [403, '', undefined, 'ServiceUnavailable', 503],
    [401, '', undefined, 'ServiceUnavailable', 503],
    [403, 'SomethingNew', undefined, 'ServiceUnavailable', 503],
    // Damaged between proxy and backend.
    [400, 'BadDigest', undefined, 'ServiceUnavailable', 503],
    [400, 'IncompleteBody', undefined, 'ServiceUnavailable', 503],
    [400, 'RequestTimeout', undefined, 'ServiceUnavailable', 503],
    // Out of service.
    [500, 'InternalError', undefined, 'ServiceUnavailable', 503],
    [502, '', undefined, 'ServiceUnavailable', 503],
    [503, 'SlowDown', undefined, 'SlowDown', 503],
    [503, 'SlowDownWrite', undefined, 'SlowDown', 503],
    [429, 'TooManyRequests', undefined, 'SlowDown', 503],
    [503, 'ServiceUnavailable', undefined, 'ServiceUnavailable', 503],
    [507, 'XMinioStorageFull', undefined, 'ServiceUnavailable', 503],
    // Not to be believed, or the proxy's own fault.
    [503, 'NoSuchKey', undefined, 'ServiceUnavailable', 503],
    [404, 'ServiceUnavailable', undefined, 'InternalError', 500],
    [400, 'MissingContentLength', undefined, 'InternalError', 500],
    [400, 'MetadataTooLarge', undefined, 'InternalError', 500],
    [400, 'SomethingNew', undefined, 'InternalError', 500],
    [400, '__proto__', undefined, 'InternalError', 500],
    [400, 'constructor', undefined, 'InternalError', 500],
    [301, 'PermanentRedirect', undefined, 'InternalError', 500],
    // Complete and Copy may fail under 200.
    [200, 'InternalError', undefined, 'ServiceUnavailable', 503],
    [200, 'InvalidPart', undefined, 'InvalidPart', 400],
  ])('%i %s (%j) is %s', (status, code, context, expected, expectedStatus) => {
    expect(backendFailure(status, code, context)).toMatchObject({ code: expected, status: expectedStatus });
  });

  test('says whose credentials were refused', () => {
    const error = backendFailure(403, 'InvalidAccessKeyId', { operation: 'PutObject' });
    expect(error.message).toBe("The proxy's credentials were refused by the backend.");
    expect((error.cause as Error).message).toBe('The backend answered 403 InvalidAccessKeyId to PutObject');
  });
});

describe('readErrorResponse', () => {
  const answer = (body: string | Buffer, status = 404): BackendResponse => ({
    status,
    headers: {},
    body: Readable.from([Buffer.from(body)]),
  });

  test('reads code and message', async () => {
    const body =
      '<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code><Message>gone &amp; lost</Message><Key>k</Key></Error>';
    expect(await readErrorResponse(answer(body))).toEqual({ status: 404, code: 'NoSuchKey', message: 'gone & lost' });
  });

  test.each([
    ['nothing', ''],
    ['HTML', '<html><body>502</body></html>'],
    ['no XML', 'Bad Gateway'],
    ['an entity bomb', '<!DOCTYPE x [<!ENTITY a "aa">]><Error><Code>&a;</Code></Error>'],
    ['too much', Buffer.alloc(MAX_BACKEND_ERROR_BYTES + 1, ' ')],
  ])('%s has no code', async (_, body) => {
    expect(await readErrorResponse(answer(body, 502))).toEqual({ status: 502, code: '', message: '' });
  });

  test('white space before the document is allowed, as stores that keep a client waiting send it', async () => {
    expect(await readErrorResponse(answer('  \n<Error><Code>SlowDown</Code></Error>\n'))).toMatchObject({
      code: 'SlowDown',
    });
  });
});
