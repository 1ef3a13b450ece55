// Protects: URLs as the AWS SDK for JavaScript v2 signs them. It lists headers in SignedHeaders and sends their values in the query
// alone. Recorded from aws-sdk 2.1692.0, `getSignedUrl`, with the example credentials of AWS's documentation.
import { describe, expect, it } from 'vitest';
import { parseClaim, type SignedRequest } from '../../sigv4/parse.ts';
import { verifyRequest } from '../../sigv4/verify.ts';
import { signingSecret } from '../helpers/sign-request.ts';

const NOW = new Date('2026-11-27T17:17:00Z');

const URLS: readonly (readonly [name: string, method: string, target: string])[] = [
  [
    'an ACL',
    'PUT',
    '/b/k%20e%2By/%C3%A4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T171659Z&X-Amz-Expires=3600&X-Amz-Signature=67d15c4f9ceff552f8e04cd76b71d9a7e7108c873b50212368d592b32d4d9e0c&X-Amz-SignedHeaders=host%3Bx-amz-acl&x-amz-acl=public-read',
  ],
  [
    'metadata',
    'PUT',
    '/b/k%20e%2By/%C3%A4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T171659Z&X-Amz-Expires=3600&X-Amz-Signature=d5c94fe43f04bd7bc31d38a192cb1ede79efab0934deab2a6b13333cc4bd11f3&X-Amz-SignedHeaders=host%3Bx-amz-meta-n%3Bx-amz-meta-who&x-amz-meta-n=1&x-amz-meta-who=me%20you',
  ],
  [
    'storage class and encryption',
    'PUT',
    '/b/k%20e%2By/%C3%A4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T171659Z&X-Amz-Expires=3600&X-Amz-Signature=b596cec952f929e2c9a043970f05d5ddb21e7f9f5257fca2f5158827bd57707c&X-Amz-SignedHeaders=host%3Bx-amz-server-side-encryption%3Bx-amz-storage-class&x-amz-server-side-encryption=AES256&x-amz-storage-class=STANDARD_IA',
  ],
  [
    'a type, which is not signed as a header',
    'PUT',
    '/b/k%20e%2By/%C3%A4?Content-Type=text%2Fplain&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T171659Z&X-Amz-Expires=3600&X-Amz-Signature=5631cc3f878ff614efceb2c74872e35758ab12a56ab0e9b2374505c580f3f123&X-Amz-SignedHeaders=host',
  ],
  [
    'a cache rule',
    'PUT',
    '/b/k%20e%2By/%C3%A4?Cache-Control=no-cache%2C%20max-age%3D0&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T171659Z&X-Amz-Expires=3600&X-Amz-Signature=3e1c64217a3d4f3e49a08b00810f1b7999a12623c48888955572d431cdb6a930&X-Amz-SignedHeaders=cache-control%3Bhost',
  ],
  [
    'a digest',
    'PUT',
    '/b/k%20e%2By/%C3%A4?Content-MD5=1B2M2Y8AsgTpgAmY7PhCfg%3D%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T171659Z&X-Amz-Expires=3600&X-Amz-Signature=50d0876e1093e1f749e02193e3ba35f7962e1a0164a7816ed86c48700342b56f&X-Amz-SignedHeaders=content-md5%3Bhost',
  ],
  [
    'all of them',
    'PUT',
    '/b/k%20e%2By/%C3%A4?Cache-Control=no-cache&Content-Type=text%2Fplain&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T171659Z&X-Amz-Expires=3600&X-Amz-Signature=5306312db6d68323ffecdacb63153555b12b10c4de23f3a5fe9861861ec9cd75&X-Amz-SignedHeaders=cache-control%3Bhost%3Bx-amz-acl%3Bx-amz-meta-a%3Bx-amz-server-side-encryption%3Bx-amz-storage-class%3Bx-amz-tagging&x-amz-acl=private&x-amz-meta-a=b%20c&x-amz-server-side-encryption=AES256&x-amz-storage-class=STANDARD&x-amz-tagging=a%3Db%26c%3Dd',
  ],
  [
    'a part',
    'PUT',
    '/b/k%20e%2By/%C3%A4?Content-MD5=1B2M2Y8AsgTpgAmY7PhCfg%3D%3D&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T171659Z&X-Amz-Expires=3600&X-Amz-Signature=b5852846c394bca7e63bef73fce387579df0d2f2e7cff2ae6fb51161070d000c&X-Amz-SignedHeaders=content-md5%3Bhost&partNumber=1&uploadId=u',
  ],
  [
    'a read',
    'GET',
    '/b/k%20e%2By/%C3%A4?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20261127%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20261127T171659Z&X-Amz-Expires=3600&X-Amz-Signature=fc115defd6243ea2ac6dbde7212bc95e026e12e09e1e599e29728eda3f8fc4f7&X-Amz-SignedHeaders=host&response-content-type=text%2Fplain',
  ],
];

function request(method: string, target: string): SignedRequest {
  const [path = '', query = ''] = target.split('?');
  return { method, path, query, headers: [['Host', '127.0.0.1:9000']] };
}
const verify = (signed: SignedRequest) =>
  verifyRequest(signed, parseClaim(signed), { signingSecret: signingSecret(), now: NOW, region: 'us-east-1' });

describe('a URL of the AWS SDK for JavaScript v2', () => {
  it('has 9 kinds', () => expect(URLS).toHaveLength(9));

  it.each(URLS)('with %s verifies, the headers sent or not', (_, method, target) => {
    const plain = request(method, target);
    expect(verify(plain).claim.kind).toBe('presigned');
    const parameters = new URLSearchParams(plain.query);
    const signed = new Set((parameters.get('X-Amz-SignedHeaders') ?? '').split(';'));
    const sent = [...parameters]
      .filter(([name]) => signed.has(name.toLowerCase()))
      .map(([name, value]) => [name, value] as const);
    expect(verify({ ...plain, headers: [...plain.headers, ...sent] }).claim.kind).toBe('presigned');
  });

  it.each(URLS)('with %s does not verify with another value, in the query or in a header', (_, method, target) => {
    const { query } = request(method, target);
    const parameters = new URLSearchParams(query);
    const signed = (parameters.get('X-Amz-SignedHeaders') ?? '').split(';');
    const name = [...parameters.keys()].find((parameter) => signed.includes(parameter.toLowerCase()));
    if (name === undefined) return;
    const changed = request(method, target.replace(new RegExp(`${name}=[^&]*`), `${name}=other`));
    expect(() => verify(changed)).toThrow('does not match');
    const plain = request(method, target);
    expect(() => verify({ ...plain, headers: [...plain.headers, [name, 'other']] })).toThrow('does not match');
  });
});

describe('what the query cannot say', () => {
  it.each(['host', 'content-length', 'transfer-encoding', 'authorization'])(
    '%s: only the request itself has it',
    (name) => {
      const [, method, target] = URLS[0] ?? ['', '', ''];
      const plain = request(
        method,
        `${target.replace('SignedHeaders=host', `SignedHeaders=${name}%3Bhost`)}&${name}=x`,
      );
      const withoutHost = name === 'host' ? { ...plain, headers: [] } : plain;
      expect(() => verify(withoutHost)).toThrow();
    },
  );
});
