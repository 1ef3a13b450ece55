// Protects: every way in which a presigned URL is refused, by name, with S3's own code and the details that clients read. Each
// case starts from a URL that verifies and breaks one thing.
import { describe, expect, it } from 'vitest';
import type { SignedRequest } from '../../sigv4/parse.ts';
import { at, authorization, byUrl, expectRefusal, type Refusal, urlSignature, verify } from '../helpers/refusal.ts';
import { ACCESS_KEY_ID, presign, withHeader } from '../helpers/sign-request.ts';

function queryWith(from: string | RegExp, to: string): SignedRequest {
  const query = byUrl.query.replace(from, to);
  if (query === byUrl.query) throw new Error(`the query does not contain ${from}`);
  return { ...byUrl, query };
}

const URL_REFUSALS: Record<string, Refusal> = {
  'a presigned URL together with an Authorization header': {
    request: withHeader(byUrl, 'Authorization', authorization),
    code: 'InvalidArgument',
    message: /^Only one auth mechanism allowed/,
    details: { ArgumentName: 'Authorization' },
  },
  'a presigned URL together with any other Authorization header': {
    request: withHeader(byUrl, 'Authorization', 'Bearer abc'),
    code: 'InvalidArgument',
    message: /^Only one auth mechanism allowed/,
  },
  'a Signature Version 2 URL': {
    request: {
      ...byUrl,
      query: 'AWSAccessKeyId=AKIDEXAMPLE&Expires=1369353600&Signature=frJIUN8DYpKDtOLCwo%2F%2FyllqDzg%3D',
    },
    code: 'InvalidRequest',
    message: /s3v4/,
  },
  'a SigV4A URL': {
    request: queryWith('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'),
    code: 'AuthorizationQueryParametersError',
    message: 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256"',
  },
  'another algorithm': {
    request: queryWith('AWS4-HMAC-SHA256', 'AWS4-HMAC-MD5'),
    code: 'AuthorizationQueryParametersError',
  },
  'a missing X-Amz-Algorithm': {
    request: queryWith('X-Amz-Algorithm=AWS4-HMAC-SHA256&', ''),
    code: 'AuthorizationQueryParametersError',
  },
  'a missing X-Amz-Credential': {
    request: queryWith(/X-Amz-Credential=[^&]+&/, ''),
    code: 'AuthorizationQueryParametersError',
    message: /requires the X-Amz-Algorithm/,
  },
  'a missing X-Amz-Date': {
    request: queryWith(/X-Amz-Date=[^&]+&/, ''),
    code: 'AuthorizationQueryParametersError',
  },
  'a missing X-Amz-Expires': {
    request: queryWith(/X-Amz-Expires=[^&]+&/, ''),
    code: 'AuthorizationQueryParametersError',
  },
  'a missing X-Amz-SignedHeaders': {
    request: queryWith(/&X-Amz-SignedHeaders=[^&]+/, ''),
    code: 'AuthorizationQueryParametersError',
  },
  'a missing X-Amz-Signature': {
    request: queryWith(/&X-Amz-Signature=.*/, ''),
    code: 'AuthorizationQueryParametersError',
  },
  'a duplicated X-Amz-Signature': {
    request: { ...byUrl, query: `${byUrl.query}&X-Amz-Signature=${urlSignature}` },
    code: 'AuthorizationQueryParametersError',
    message: /more than once/,
  },
  'a duplicated X-Amz-Credential': {
    request: queryWith(/(X-Amz-Credential=[^&]+)/, '$1&$1'),
    code: 'AuthorizationQueryParametersError',
    message: /more than once/,
  },
  'a duplicated X-Amz-Expires': {
    request: queryWith('X-Amz-Expires=', 'X-Amz-Expires=1&X-Amz-Expires='),
    code: 'AuthorizationQueryParametersError',
    message: /more than once/,
  },
  'a duplicated X-Amz-Algorithm': {
    request: queryWith('X-Amz-Algorithm=', 'X-Amz-Algorithm=none&X-Amz-Algorithm='),
    code: 'AuthorizationQueryParametersError',
    message: /more than once/,
  },
  'a malformed credential in the URL': {
    request: queryWith('%2Fs3%2F', '%2F'),
    code: 'AuthorizationQueryParametersError',
  },
  'a malformed X-Amz-Date': {
    request: queryWith('20130524T000000Z', '2013-05-24T00:00:00Z'),
    code: 'AuthorizationQueryParametersError',
    message: /ISO8601/,
  },
  'another region in the URL than the expected one': {
    request: byUrl,
    options: { region: 'eu-central-1' },
    code: 'AuthorizationQueryParametersError',
    details: { Region: 'eu-central-1' },
  },
  'a lifetime of zero': { request: presign({ expires: '0' }), code: 'AccessDenied', message: /at least 1/ },
  'a negative lifetime': { request: presign({ expires: '-1' }), code: 'AccessDenied', message: /at least 1/ },
  'a lifetime of over seven days': {
    request: presign({ expires: '604801' }),
    code: 'AccessDenied',
    details: { 'X-Amz-Expires': '604801' },
  },
  'a lifetime that is not a number': {
    request: presign({ expires: '1e3' }),
    code: 'AuthorizationQueryParametersError',
    message: /should be a number/,
  },
  'an expired URL': {
    request: presign({ expires: '60' }),
    options: at(61),
    code: 'AccessDenied',
    message: 'Request has expired',
    details: { 'X-Amz-Expires': '60', Expires: '2013-05-24T00:01:00Z', ServerTime: '2013-05-24T00:01:01Z' },
  },
  'a URL from the future': {
    request: byUrl,
    options: at(-901),
    code: 'AccessDenied',
    message: 'Request is not yet valid',
  },
  'a lengthened lifetime': {
    request: queryWith('X-Amz-Expires=86400', 'X-Amz-Expires=604800'),
    code: 'SignatureDoesNotMatch',
  },
  'a parameter added to a signed URL': {
    request: { ...byUrl, query: `${byUrl.query}&versionId=1` },
    code: 'SignatureDoesNotMatch',
  },
  'a signature of the wrong length in a URL': {
    request: queryWith(urlSignature, urlSignature.slice(2)),
    code: 'SignatureDoesNotMatch',
  },
  'an x-amz-* header added to a presigned request': {
    request: withHeader(byUrl, 'x-amz-copy-source', '/other/secret'),
    code: 'AccessDenied',
    details: { HeadersNotSigned: 'x-amz-copy-source' },
  },
  'a URL that does not sign Host': {
    request: presign({ signedHeaders: ['range'], headers: [['Range', 'bytes=0-1']] }),
    code: 'AccessDenied',
    details: { HeadersNotSigned: 'host' },
  },
  'an unsigned trailer beside a presigned URL': {
    request: withHeader(byUrl, 'x-amz-content-sha256', 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'),
    code: 'InvalidRequest',
    message: /cannot be used/,
  },
  'signed chunks beside a presigned URL': {
    request: presign({
      query: 'X-Amz-Content-Sha256=STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
      payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    }),
    code: 'InvalidRequest',
    message: /cannot be used/,
  },
  'a session token both in the URL and in a header': {
    request: presign({ query: 'X-Amz-Security-Token=a', headers: [['x-amz-security-token', 'b']] }),
    code: 'AuthorizationQueryParametersError',
  },
  'an unsigned payload header that is no hash': {
    request: withHeader(byUrl, 'x-amz-content-sha256', 'deadbeef'),
    code: 'InvalidArgument',
  },
};

describe('refused', () => {
  it('starts from a request that verifies', () => {
    expect(verify(byUrl).claim.accessKeyId).toBe(ACCESS_KEY_ID);
    expect(Object.keys(URL_REFUSALS)).toHaveLength(33);
  });

  it.each(Object.entries(URL_REFUSALS))('%s', (_, refusal) => expectRefusal(refusal));
});
