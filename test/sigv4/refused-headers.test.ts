// Protects: every way in which a request signed in its Authorization header is refused, by name, with S3's own code and the
// details that clients read. Each case starts from a request that verifies and breaks one thing.
import { describe, expect, it } from 'vitest';
import type { SignedRequest } from '../../sigv4/parse.ts';
import { at, authorization, byHeader, expectRefusal, type Refusal, signature, verify } from '../helpers/refusal.ts';
import { ACCESS_KEY_ID, sha256Hex, signByHeader, withHeader } from '../helpers/sign-request.ts';

/** Replaces text in the Authorization header, which must contain it. */
function authorizationWith(from: string, to: string): SignedRequest {
  if (!authorization.includes(from)) throw new Error(`the header does not contain ${from}`);
  return withHeader(byHeader, 'Authorization', authorization.replace(from, to));
}

const HEADER_REFUSALS: Record<string, Refusal> = {
  'an anonymous request': { request: withHeader(byHeader, 'Authorization', undefined), code: 'AccessDenied' },
  'an empty Authorization header': { request: withHeader(byHeader, 'Authorization', ''), code: 'AccessDenied' },
  'Signature Version 2': {
    request: withHeader(byHeader, 'Authorization', 'AWS AKIDEXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg='),
    code: 'InvalidRequest',
    message: /s3v4/,
  },
  'something that is not quite Signature Version 2': {
    request: withHeader(byHeader, 'Authorization', 'AWS HAHAHA'),
    code: 'InvalidArgument',
    message: /Unsupported Authorization Type/,
  },
  SigV4A: {
    request: withHeader(byHeader, 'Authorization', authorization.replace('HMAC-SHA256', 'ECDSA-P256-SHA256')),
    code: 'InvalidRequest',
    message: /SigV4A/,
  },
  'SigV4A chunks': {
    request: withHeader(byHeader, 'x-amz-content-sha256', 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD'),
    code: 'InvalidRequest',
    message: /SigV4A/,
  },
  'a bearer token': {
    request: withHeader(byHeader, 'Authorization', 'Bearer abc'),
    code: 'InvalidArgument',
    message: /Unsupported Authorization Type/,
  },
  'two Authorization headers': {
    request: { ...byHeader, headers: [...byHeader.headers, ['authorization', authorization]] },
    code: 'AuthorizationHeaderMalformed',
  },
  'an Authorization header without its fields': {
    request: withHeader(byHeader, 'Authorization', 'AWS4-HMAC-SHA256'),
    code: 'AuthorizationHeaderMalformed',
  },
  'a missing Credential': {
    request: authorizationWith(/Credential=[^,]+, /.exec(authorization)?.[0] ?? '?', ''),
    code: 'AuthorizationHeaderMalformed',
    message: /missing Credential/,
  },
  'a missing SignedHeaders': {
    request: authorizationWith(/SignedHeaders=[^,]+, /.exec(authorization)?.[0] ?? '?', ''),
    code: 'AuthorizationHeaderMalformed',
    message: /missing SignedHeaders/,
  },
  'a missing Signature': {
    request: authorizationWith(`, Signature=${signature}`, ''),
    code: 'AuthorizationHeaderMalformed',
    message: /missing Signature/,
  },
  'a field given twice': {
    request: authorizationWith('Signature=', `Signature=${signature}, Signature=`),
    code: 'AuthorizationHeaderMalformed',
    message: /more than once/,
  },
  'an unknown field': {
    request: authorizationWith(', Signature=', ', Extra=1, Signature='),
    code: 'AuthorizationHeaderMalformed',
  },
  'a scope of four parts': {
    request: authorizationWith('/s3/aws4_request', '/aws4_request'),
    code: 'AuthorizationHeaderMalformed',
    message: /Credential is mal-formed/,
  },
  'a scope of six parts': {
    request: authorizationWith('/s3/aws4_request', '/s3/aws4_request/more'),
    code: 'AuthorizationHeaderMalformed',
    message: /Credential is mal-formed/,
  },
  'an empty access key id': {
    request: authorizationWith(ACCESS_KEY_ID, ''),
    code: 'AuthorizationHeaderMalformed',
  },
  'an access key id that is too long': {
    request: authorizationWith(ACCESS_KEY_ID, 'A'.repeat(129)),
    code: 'AuthorizationHeaderMalformed',
  },
  'a scope date that is not a date': {
    request: authorizationWith('/20130524/', '/2013-05-24/'),
    code: 'AuthorizationHeaderMalformed',
    message: /yyyyMMdd/,
  },
  'a scope of another day': {
    request: authorizationWith('/20130524/', '/20130525/'),
    code: 'AuthorizationHeaderMalformed',
    message: /not the same as X-Amz-Date/,
  },
  'a scope without a region': {
    request: authorizationWith('/us-east-1/', '//'),
    code: 'AuthorizationHeaderMalformed',
  },
  'another service': {
    request: signByHeader({ service: 'ec2' }),
    code: 'AuthorizationHeaderMalformed',
    message: /incorrect service/,
  },
  'another terminator': {
    request: authorizationWith('/aws4_request', '/aws5_request'),
    code: 'AuthorizationHeaderMalformed',
    message: /incorrect terminal/,
  },
  'another region than the expected one': {
    request: byHeader,
    options: { region: 'eu-central-1' },
    code: 'AuthorizationHeaderMalformed',
    message: "The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'",
    details: { Region: 'eu-central-1' },
  },
  'a region swapped into the scope': {
    request: authorizationWith('/us-east-1/', '/eu-central-1/'),
    code: 'SignatureDoesNotMatch',
  },
  'no date at all': {
    request: withHeader(byHeader, 'x-amz-date', undefined),
    code: 'AccessDenied',
    message: /valid Date/,
  },
  'a malformed x-amz-date, though Date is right': {
    request: withHeader(withHeader(byHeader, 'x-amz-date', '2013-05-24'), 'Date', 'Fri, 24 May 2013 00:00:00 GMT'),
    code: 'AccessDenied',
    message: /valid Date/,
  },
  'a day that does not exist': {
    request: withHeader(byHeader, 'x-amz-date', '20130231T000000Z'),
    code: 'AccessDenied',
    message: /valid Date/,
  },
  'a request 15 minutes and a second old': {
    request: byHeader,
    options: at(901),
    code: 'RequestTimeTooSkewed',
    details: {
      RequestTime: '20130524T000000Z',
      ServerTime: '2013-05-24T00:15:01Z',
      MaxAllowedSkewMilliseconds: '900000',
    },
  },
  'a request 15 minutes and a second ahead': { request: byHeader, options: at(-901), code: 'RequestTimeTooSkewed' },
  'no x-amz-content-sha256': {
    request: withHeader(byHeader, 'x-amz-content-sha256', undefined),
    code: 'InvalidRequest',
    message: 'Missing required header for this request: x-amz-content-sha256',
  },
  'an x-amz-content-sha256 that is no hash': {
    request: signByHeader({ payload: 'deadbeef' }),
    code: 'InvalidArgument',
    details: { ArgumentName: 'x-amz-content-sha256' },
  },
  'an x-amz-content-sha256 given twice': {
    request: signByHeader({ headers: [['X-Amz-Content-Sha256', sha256Hex('other')]] }),
    code: 'InvalidArgument',
  },
  'an unknown streaming mode': {
    request: signByHeader({ payload: 'STREAMING-NONE' }),
    code: 'InvalidArgument',
  },
  'SignedHeaders in upper case': {
    request: authorizationWith('SignedHeaders=host', 'SignedHeaders=Host'),
    code: 'AuthorizationHeaderMalformed',
    message: /lower-case/,
  },
  'a header listed twice in SignedHeaders': {
    request: authorizationWith('SignedHeaders=host', 'SignedHeaders=host;host'),
    code: 'AuthorizationHeaderMalformed',
  },
  'an empty name in SignedHeaders': {
    request: authorizationWith('SignedHeaders=host', 'SignedHeaders=;host'),
    code: 'AuthorizationHeaderMalformed',
  },
  'an unsigned Host': {
    request: signByHeader({ signedHeaders: ['x-amz-content-sha256', 'x-amz-date'] }),
    code: 'AccessDenied',
    message: 'There were headers present in the request which were not signed',
    details: { HeadersNotSigned: 'host' },
  },
  'no Host at all, and none signed': {
    request: withHeader(signByHeader({ signedHeaders: ['x-amz-content-sha256', 'x-amz-date'] }), 'host', undefined),
    code: 'AccessDenied',
    details: { HeadersNotSigned: 'host' },
  },
  'an unsigned x-amz-date': {
    request: signByHeader({ signedHeaders: ['host'] }),
    code: 'AccessDenied',
    details: { HeadersNotSigned: 'x-amz-date' },
  },
  'x-amz-* headers added after signing': {
    request: withHeader(withHeader(byHeader, 'X-Amz-Meta-B', '2'), 'x-amz-acl', 'public-read'),
    code: 'AccessDenied',
    details: { HeadersNotSigned: 'x-amz-acl, x-amz-meta-b' },
  },
  'a signed header that did not arrive': {
    request: withHeader(signByHeader({ headers: [['Range', 'bytes=0-9']] }), 'range', undefined),
    code: 'SignatureDoesNotMatch',
  },
  'a signed header that was changed': {
    request: withHeader(signByHeader({ headers: [['Range', 'bytes=0-9']] }), 'Range', 'bytes=0-99'),
    code: 'SignatureDoesNotMatch',
  },
  'a signed header sent a second time': {
    request: { ...byHeader, headers: [...byHeader.headers, ['Host', 'evil.example']] },
    code: 'SignatureDoesNotMatch',
  },
  'another method': { request: { ...byHeader, method: 'DELETE' }, code: 'SignatureDoesNotMatch' },
  'another path': { request: { ...byHeader, path: '/test.txt/' }, code: 'SignatureDoesNotMatch' },
  'a path that normalises to the signed one': {
    request: { ...byHeader, path: '/x/../test.txt' },
    code: 'SignatureDoesNotMatch',
  },
  'a doubled slash': { request: { ...byHeader, path: '//test.txt' }, code: 'SignatureDoesNotMatch' },
  'a query parameter added after signing': {
    request: { ...byHeader, query: 'versionId=1' },
    code: 'SignatureDoesNotMatch',
  },
  'another payload hash': {
    request: withHeader(byHeader, 'x-amz-content-sha256', sha256Hex('other')),
    code: 'SignatureDoesNotMatch',
  },
  'a signed payload turned into an unsigned one': {
    request: withHeader(byHeader, 'x-amz-content-sha256', 'UNSIGNED-PAYLOAD'),
    code: 'SignatureDoesNotMatch',
  },
  'a body turned into an unsigned trailer': {
    request: withHeader(byHeader, 'x-amz-content-sha256', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'),
    code: 'SignatureDoesNotMatch',
  },
  'an unsigned trailer without any signature': {
    request: {
      method: 'PUT',
      path: '/test.txt',
      query: '',
      headers: [
        ['Host', 'h'],
        ['x-amz-content-sha256', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'],
      ],
    },
    code: 'AccessDenied',
    message: /Anonymous/,
  },
  'another secret': { request: signByHeader({ secret: 'another' }), code: 'SignatureDoesNotMatch' },
  'a signature of another request': {
    request: authorizationWith(signature, sha256Hex('x')),
    code: 'SignatureDoesNotMatch',
  },
  'a signature that is too short': { request: authorizationWith(signature, 'abc'), code: 'SignatureDoesNotMatch' },
  'a signature that is too long': {
    request: authorizationWith(signature, `${signature}00`),
    code: 'SignatureDoesNotMatch',
  },
  'a signature in upper case': {
    request: authorizationWith(signature, signature.toUpperCase()),
    code: 'SignatureDoesNotMatch',
  },
  'a signature of 64 multi-byte characters': {
    request: authorizationWith(signature, 'é'.repeat(64)),
    code: 'SignatureDoesNotMatch',
  },
  'malformed percent-encoding in the path': { request: { ...byHeader, path: '/a%zz' }, code: 'InvalidURI' },
  'a percent sign at the end of the path': { request: { ...byHeader, path: '/a%2' }, code: 'InvalidURI' },
  'malformed percent-encoding in the query': { request: { ...byHeader, query: 'prefix=%' }, code: 'InvalidURI' },
  'a character that is not a byte in the path': { request: { ...byHeader, path: '/\u1234' }, code: 'InvalidURI' },
  'a path that is not absolute': { request: { ...byHeader, path: 'test.txt' }, code: 'InvalidURI' },
};

describe('refused', () => {
  it('starts from a request that verifies', () => {
    expect(verify(byHeader).claim.accessKeyId).toBe(ACCESS_KEY_ID);
    expect(Object.keys(HEADER_REFUSALS)).toHaveLength(64);
  });

  it.each(Object.entries(HEADER_REFUSALS))('%s', (_, refusal) => expectRefusal(refusal));
});
