/**
 * From a request's bytes to one operation: decoding, and selection that depends on no order (seen elsewhere: auth by the first
 * route that matches; identity taken from a path parameter).
 */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { S3Error } from '../../proxy/errors.ts';
import { decodePathText, parseRequest, Query, type S3Request } from '../../proxy/http/request.ts';
import type { Operation } from '../../proxy/operation.ts';
import { OPERATIONS } from '../../proxy/operations/table.ts';
import { createRouter } from '../../proxy/route.ts';

function request(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  hostnames: readonly string[] = [],
): S3Request {
  const incoming = new IncomingMessage(new Socket());
  incoming.method = method;
  incoming.url = target;
  incoming.httpVersion = '1.1';
  incoming.rawHeaders = Object.entries({ host: 'localhost', ...headers }).flat();
  return parseRequest(incoming, { id: 'test', hostnames, client: '192.0.2.1', peer: '192.0.2.1' });
}

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
  return 'accepted';
};

describe('targets', () => {
  const cases: readonly (readonly [target: string, bucket: string | undefined, key: string | undefined])[] = [
    ['/', undefined, undefined],
    ['/?x=y', undefined, undefined],
    ['', undefined, undefined],
    ['/bucket', 'bucket', undefined],
    ['/bucket/', 'bucket', undefined],
    ['/bucket//', 'bucket', '/'],
    ['/bucket/a/../b', 'bucket', 'a/../b'],
    ['/bucket/%2e%2e/%2F', 'bucket', '../' + '/'],
    ['/bucket/a+b', 'bucket', 'a+b'],
    ['/bucket/a%2Bb%20c', 'bucket', 'a+b c'],
    ['/bucket/k?a=/x/y', 'bucket', 'k'],
    ['/b%75cket/k', 'bucket', 'k'],
    ['http://other.test/bucket/k?x', 'bucket', 'k'],
    ['HTTPS://other.test', undefined, undefined],
    ['/bucket/http://x/y', 'bucket', 'http://x/y'],
  ];
  test.each(cases)('%s', (target, bucket, key) => {
    const parsed = request('GET', target);
    expect([parsed.bucket, parsed.key]).toEqual([bucket, key]);
  });

  test('any key survives percent-encoding, and no two spell the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 100 }), (key) => {
        const encoded = [...Buffer.from(key)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
        expect(request('GET', `/bucket/${encoded}`).key).toBe(key);
      }),
      { numRuns: 200 },
    );
  });

  test('bytes that are no UTF-8, sent raw or encoded, are InvalidURI', () => {
    for (const bad of ['%ff', '\xff', '%c0%80', '%ed%a0%80', '%e2%82', '\xe2\x82'])
      expect([bad, codeOf(() => decodePathText(bad))]).toEqual([bad, 'InvalidURI']);
    expect(decodePathText('\xc3\xbc')).toBe('\u00fc');
  });

  test('without a Host there is no request', () => {
    expect(codeOf(() => request('GET', '/', { host: '' }))).toBe('InvalidRequest');
  });
});

describe('queries', () => {
  test('are decoded once, and a name alone is empty', () => {
    const query = new Query('a=1&b&c=&d=x+y%2B%26&%65=f&=g&&h=i=j');
    expect(query.names()).toEqual(['a', 'b', 'c', 'd', 'e', 'h']);
    expect(['a', 'b', 'c', 'd', 'e', 'h', 'z'].map((name) => query.get(name))).toEqual([
      '1',
      '',
      '',
      'x y+&',
      'f',
      'i=j',
      undefined,
    ]);
    expect(() => new Query('a=%zz')).toThrow(S3Error);
  });

  test.each([
    ['a=1&b&a=2', 'InvalidArgument'],
    ['a=1&a=1', 'InvalidArgument'],
    ['e=1&%65=2', 'InvalidArgument'],
    ['x-amz-acl=private&X-Amz-Acl=public-read', 'InvalidArgument'],
    ['X-Amz-Expires=1&X-Amz-Expires=604800', 'AuthorizationQueryParametersError'],
    ['X-Amz-Signature=a&X-Amz-Signature=b', 'AuthorizationQueryParametersError'],
  ])('%s: no name counts in one of two values', (query, code) => {
    expect(codeOf(() => new Query(query))).toBe(code);
  });
});

describe('selection', () => {
  const router = createRouter(OPERATIONS);

  function example({ selector }: Operation): S3Request {
    const { method, level, subresources = [], copySource } = selector;
    const path = level === 'service' ? '/' : level === 'bucket' ? '/bucket' : '/bucket/key';
    return request(
      method,
      `${path}?${subresources.join('&')}`,
      copySource === true ? { 'x-amz-copy-source': '/b/k' } : {},
    );
  }

  test('each operation is found by its own request, in any order of the table', () => {
    const shuffled = createRouter([...OPERATIONS].reverse());
    let found = 0;
    for (const operation of OPERATIONS) {
      expect(router.find(example(operation)).name).toBe(operation.name);
      expect(shuffled.find(example(operation)).name).toBe(operation.name);
      found++;
    }
    expect(found).toBe(OPERATIONS.length);
  });

  test('parameters of authentication and of SDKs do not change the operation', () => {
    const extra =
      'x-id=PutObject&X-Amz-Algorithm=a&X-Amz-Credential=b&X-Amz-Date=c&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=d';
    expect(router.find(request('PUT', `/bucket/key?${extra}`)).name).toBe('PutObject');
    expect(router.find(request('GET', `/bucket?${extra}`)).name).toBe('ListObjects');
  });

  const refused: readonly (readonly [method: string, target: string, code: string])[] = [
    ['PUT', '/bucket/key?torrent', 'NotImplemented'],
    ['PUT', '/bucket/key?unknown=1', 'NotImplemented'],
    ['PUT', '/bucket/key?versionId=1', 'NotImplemented'],
    ['PUT', '/bucket/key?acl&tagging', 'NotImplemented'],
    ['DELETE', '/bucket/key?uploadId=1&tagging', 'NotImplemented'],
    ['POST', '/bucket/key', 'NotImplemented'],
    ['POST', '/', 'NotImplemented'],
    ['DELETE', '/', 'NotImplemented'],
    ['GET', '/?location', 'NotImplemented'],
    ['PATCH', '/bucket/key', 'MethodNotAllowed'],
    ['CONNECT', '/bucket/key', 'MethodNotAllowed'],
  ];
  test.each(refused)('%s %s is %s', (method, target, code) => {
    expect(codeOf(() => router.find(request(method, target)))).toBe(code);
  });

  test('a part is no object: PUT with half of what names a part is refused', () => {
    for (const query of ['uploadId=x', 'partNumber=1']) {
      const outcome = codeOf(() => router.find(request('PUT', `/bucket/key?${query}`)));
      const found = outcome === 'accepted' ? router.find(request('PUT', `/bucket/key?${query}`)).name : outcome;
      expect([query, found]).not.toEqual([query, 'PutObject']);
    }
  });
});
