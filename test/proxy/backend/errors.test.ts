// Protects: the client gets the code, the elements and the words that S3 would give, never blame for the proxy's own
// credentials, and nothing of the operator's: addresses, accounts, access key ids.
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { BackendResponse } from '../../../proxy/backend/backend.ts';
import {
  backendFailure,
  type FailureContext,
  readErrorResponse,
  withoutDocument,
} from '../../../proxy/backend/errors.ts';
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
    // Refused to whoever asks: another account's bucket, a policy, a lock.
    [403, 'AccessDenied', undefined, 'AccessDenied', 403],
    [403, 'InvalidPayer', undefined, 'InvalidPayer', 403],
    // The proxy's own credentials.
    [403, 'InvalidTokenId', undefined, 'ServiceUnavailable', 503],
    [400, 'AuthorizationQueryParametersError', undefined, 'ServiceUnavailable', 503],
    [400, 'SignatureVersionNotSupported', undefined, 'ServiceUnavailable', 503],
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
    // Codes that only the store knows.
    [400, 'SomethingNew', undefined, 'SomethingNew', 400],
    [400, 'InvalidLocationConstraint', undefined, 'InvalidLocationConstraint', 400],
    [404, 'ReplicationConfigurationNotFoundError', undefined, 'ReplicationConfigurationNotFoundError', 404],
    [400, 'KMS.NotFoundException', undefined, 'KMS.NotFoundException', 400],
    [409, 'KMS.KMSInvalidStateException', undefined, 'KMS.KMSInvalidStateException', 409],
    [407, 'ProxyAuthenticationRequired', undefined, 'InternalError', 500],
    [500, 'SomethingNew', undefined, 'ServiceUnavailable', 503],
    [400, 'not a code', undefined, 'InternalError', 500],
    [400, `A${'a'.repeat(80)}`, undefined, 'InternalError', 500],
    [400, '__proto__', undefined, 'InternalError', 500],
    [400, 'constructor', undefined, 'InternalError', 500],
    [301, 'PermanentRedirect', undefined, 'ServiceUnavailable', 503],
    [301, '', undefined, 'ServiceUnavailable', 503],
    [307, 'TemporaryRedirect', undefined, 'ServiceUnavailable', 503],
    // Complete and Copy may fail under 200.
    [200, 'InternalError', undefined, 'ServiceUnavailable', 503],
    [200, 'InvalidPart', undefined, 'InvalidPart', 400],
  ])('%i %s (%j) is %s', (status, code, context, expected, expectedStatus) => {
    expect(backendFailure(withoutDocument(status, code), context)).toMatchObject({
      code: expected,
      status: expectedStatus,
    });
  });

  test('says whose credentials were refused', () => {
    const error = backendFailure(withoutDocument(403, 'InvalidAccessKeyId'), { operation: 'PutObject' });
    expect(error.message).toBe("The proxy's credentials were refused by the backend.");
    expect((error.cause as Error).message).toBe('The backend answered 403 InvalidAccessKeyId to PutObject');
  });
});

describe('what the client reads', () => {
  const failure = async (document: string, status: number, context?: FailureContext) =>
    backendFailure(await readErrorResponse(answer(document, status)), context);

  test("S3's own text for a code that has one, whatever the store wrote", async () => {
    const error = await failure('<Error><Code>NoSuchBucket</Code><Message>no bucket</Message></Error>', 404, {
      bucket: 'b',
    });
    expect(error).toMatchObject({ message: 'The specified bucket does not exist', details: { BucketName: 'b' } });
  });

  test('the condition that did not hold', async () => {
    const document = '<Error><Code>PreconditionFailed</Code><Condition>If-None-Match</Condition></Error>';
    const error = await failure(document, 412);
    expect(error.message).toBe('At least one of the pre-conditions you specified did not hold');
    expect(error.details).toEqual({ Condition: 'If-None-Match' });
  });

  test("the store's text where it says what is wrong", async () => {
    const message = 'Cannot provide multiple Tags with the same key';
    const document = `<Error><Code>InvalidTag</Code><Message>${message}</Message><TagKey>a</TagKey></Error>`;
    expect(await failure(document, 400)).toMatchObject({ message, details: { TagKey: 'a' } });
    const unknown = `<Error><Code>InvalidLocationConstraint</Code><Message>The specified location-constraint is not valid</Message><LocationConstraint>moon</LocationConstraint></Error>`;
    expect(await failure(unknown, 400)).toMatchObject({
      code: 'InvalidLocationConstraint',
      message: 'The specified location-constraint is not valid',
      details: { LocationConstraint: 'moon' },
    });
  });

  test('names are those of the client, not of the store', async () => {
    const document =
      '<Error><Code>NoSuchUpload</Code><UploadId>internal</UploadId><BucketName>backend-7</BucketName><Key>x</Key></Error>';
    const error = await failure(document, 404, { bucket: 'b', key: 'k', uploadId: 'u' });
    expect(error.details).toEqual({ UploadId: 'u' });
  });

  test.each([
    'User: arn:aws:iam::123456789012:user/sealgate is not authorized',
    'see https://store.internal/help',
    'host minio-3.storage.svc refused it',
    'the key AKIAIOSFODNN7EXAMPLE is wrong',
    '10.0.0.7 refused it',
    'localhost:9000 refused it',
    'a\u0001b',
    'x'.repeat(1025),
  ])("nothing of the operator's: %s", async (text) => {
    const document = (code: string) =>
      `<Error><Code>${code}</Code><Message>${text}</Message><ArgumentName>${text}</ArgumentName></Error>`;
    for (const code of ['InvalidArgument', 'InvalidRequest', 'SomethingNew']) {
      const error = await failure(document(code), 400);
      expect([error.message, error.details]).toEqual([
        { InvalidArgument: 'Invalid Argument', InvalidRequest: 'Invalid Request', SomethingNew: '' }[code],
        {},
      ]);
    }
  });

  test('sizes, digests and ETags of the sealed body stay behind', async () => {
    const document =
      '<Error><Code>InvalidRequest</Code><ProposedSize>9</ProposedSize><ETag>"a"</ETag><ActualObjectSize>7</ActualObjectSize></Error>';
    expect((await failure(document, 400)).details).toEqual({});
  });

  test('a lock says so; any other denial does not name who denied', async () => {
    const locked = '<Error><Code>AccessDenied</Code><Message>Object is WORM protected</Message></Error>';
    expect((await failure(locked, 403)).message).toBe('Access Denied because object protected by object lock.');
    const account = '<Error><Code>AccessDenied</Code><Message>account 1234 is not allowed</Message></Error>';
    expect((await failure(account, 403)).message).toBe('Access Denied');
  });
});

const answer = (body: string | Buffer, status = 404): BackendResponse => ({
  status,
  headers: {},
  body: Readable.from([Buffer.from(body)]),
});

describe('readErrorResponse', () => {
  test('reads code and message', async () => {
    const body =
      '<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code><Message>gone &amp; lost</Message><Key>k</Key></Error>';
    expect(await readErrorResponse(answer(body))).toEqual({
      ...{ status: 404, code: 'NoSuchKey', message: 'gone & lost' },
      elements: {},
      shown: 'gone & lost',
    });
  });

  test('reads where the bucket is and what time it is there', async () => {
    const headers = { 'x-amz-bucket-region': 'eu-west-1', date: 'Fri, 27 Nov 2026 16:00:00 GMT' };
    expect(await readErrorResponse({ ...answer('', 301), headers })).toMatchObject({
      region: 'eu-west-1',
      storeTime: Date.parse('2026-11-27T16:00:00Z'),
    });
    const body = '<Error><Code>AuthorizationHeaderMalformed</Code><Region>garage</Region></Error>';
    expect(await readErrorResponse(answer(body, 400))).toMatchObject({ region: 'garage' });
  });

  const permission = 'User: arn:aws:iam::123456789012:user/me may not s3:PutObject on my-sealgate-state-2026';

  test.each([
    ['the id that signed', '<Message>No such key: my-own-name</Message>', 'No such key: [withheld]'],
    ['the id beside it', '<Message>who is u1?</Message><AWSAccessKeyId>u1</AWSAccessKeyId>', 'who is [withheld]?'],
    ['an id of AWS', '<Message>key AKIAIOSFODNN7EXAMPLE</Message>', 'key [withheld]'],
    ['a signature', `<Message>got ${'0a'.repeat(32)}.</Message>`, 'got [withheld].'],
    ['what moves a terminal', '<Message>a&#155;2J\n b</Message>', 'a 2J  b'],
    ['a permission is kept', `<Message>${permission}</Message>`, permission],
  ])('its message for the operator is without secrets: %s', async (_, elements, message) => {
    const response = { ...answer(`<Error><Code>X</Code>${elements}</Error>`, 403), secrets: ['my-own-name'] };
    expect((await readErrorResponse(response)).shown).toBe(message);
  });

  test.each([
    ['nothing', '', undefined],
    ['HTML', '<html><script>x()</script><body><h1>502</h1>Bad  Gateway</body></html>', '502 Bad Gateway'],
    ['no XML', 'Bad Gateway', 'Bad Gateway'],
    ['an entity bomb', '<!DOCTYPE x [<!ENTITY a "aa">]><Error><Code>&a;</Code></Error>', ']> &a;'],
    ['too much', Buffer.alloc(MAX_BACKEND_ERROR_BYTES + 1, ' '), undefined],
  ])('%s has no code', async (_, body, shown) => {
    expect(await readErrorResponse(answer(body, 502))).toEqual({ ...withoutDocument(502), shown });
  });

  test('white space before the document is allowed, as stores that keep a client waiting send it', async () => {
    expect(await readErrorResponse(answer('  \n<Error><Code>SlowDown</Code></Error>\n'))).toMatchObject({
      code: 'SlowDown',
    });
  });
});
