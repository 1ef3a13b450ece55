/**
 * From a request's bytes to one operation and a decision about it: decoding, selection that depends on no order, and grants
 * (seen elsewhere: auth by the first route that matches; identity taken from a path parameter).
 */
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { authorise, mayAccess, seesBucket } from '../../proxy/access/authorise.ts';
import { S3Error } from '../../proxy/errors.ts';
import { decodePathText, parseRequest, Query, type S3Request } from '../../proxy/http/request.ts';
import type { Grant } from '../../proxy/keyring/grants.ts';
import type { Access, Operation } from '../../proxy/operation.ts';
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
  return parseRequest(incoming, { id: 'test', hostnames });
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

describe('grants', () => {
  const STATE = 'state';
  const operation = (access: Access): Operation => ({
    name: 'Test',
    selector: { method: 'GET', level: 'object' },
    parameters: [],
    access,
    body: 'none',
    memory: 'small',
    run: () => Promise.resolve({ status: 200 }),
  });
  const allows = (
    access: Access,
    grant: Grant,
    target: { bucket?: string; key?: string; prefix?: string },
  ): boolean => {
    const { bucket, key, prefix } = target;
    return (
      codeOf(() =>
        authorise({
          operation: operation(access),
          grants: [grant],
          target: { bucket, key, prefix },
          stateBucket: STATE,
        }),
      ) === 'accepted'
    );
  };
  const grant = (o: Partial<Grant> = {}): Grant => ({ bucket: 'b', prefix: '', access: 'read-write', ...o });
  const object = { bucket: 'b', key: 'p/k' };

  const table: readonly (readonly [
    access: Access,
    grant: Partial<Grant>,
    target: { bucket?: string; key?: string; prefix?: string },
    allowed: boolean,
  ])[] = [
    ['read', {}, object, true],
    ['read', { access: 'read-only' }, object, true],
    ['read', { bucket: '*' }, object, true],
    ['read', { bucket: 'other' }, object, false],
    ['read', { bucket: 'B' }, object, false],
    ['read', { prefix: 'p/' }, object, true],
    ['read', { prefix: 'p/k' }, object, true],
    ['read', { prefix: 'p/k2' }, object, false],
    ['read', { prefix: '/p' }, object, false],
    ['write', {}, object, true],
    ['write', { access: 'read-only' }, object, false],
    ['write', { prefix: 'q/' }, object, false],
    ['list', {}, { bucket: 'b' }, true],
    ['list', { prefix: 'p/' }, { bucket: 'b' }, false],
    ['list', { prefix: 'p/' }, { bucket: 'b', prefix: 'p' }, false],
    ['list', { prefix: 'p/' }, { bucket: 'b', prefix: 'p/q' }, true],
    ['bucket-read', { prefix: 'p/' }, { bucket: 'b' }, true],
    ['bucket-read', { bucket: 'c' }, { bucket: 'b' }, false],
    ['bucket-write', {}, { bucket: 'b' }, true],
    ['bucket-write', { prefix: 'p/' }, { bucket: 'b' }, false],
    ['bucket-write', { access: 'read-only' }, { bucket: 'b' }, false],
    ['each', { access: 'read-only', prefix: 'x' }, { bucket: 'b' }, true],
    ['each', { bucket: 'c' }, { bucket: 'b' }, false],
    ['service', { bucket: 'c' }, {}, true],
    ['read', { bucket: '*' }, { bucket: STATE, key: 'k' }, false],
    ['read', { bucket: STATE }, { bucket: STATE, key: 'k' }, false],
    ['write', { bucket: '*' }, { bucket: 'STATE', key: 'k' }, false],
    ['list', { bucket: '*' }, { bucket: STATE }, false],
    ['bucket-write', { bucket: '*' }, { bucket: STATE }, false],
    ['read', { bucket: '*' }, {}, false],
  ];
  test.each(table)('%s with %o on %o: %s', (access, given, target, allowed) => {
    expect(allows(access, grant(given), target)).toBe(allowed);
  });

  test('without grants nothing but the service is open', () => {
    for (const access of ['read', 'write', 'list', 'each', 'bucket-read', 'bucket-write'] as const) {
      expect(
        codeOf(() =>
          authorise({
            operation: operation(access),
            grants: [],
            target: { bucket: 'b', key: 'k', prefix: '' },
            stateBucket: STATE,
          }),
        ),
      ).toBe('AccessDenied');
    }
  });

  test('grants add up, and one of them has to cover all of a request', () => {
    const grants = [grant({ access: 'read-only' }), grant({ prefix: 'mine/' })];
    expect(mayAccess(grants, 'write', { bucket: 'b', key: 'mine/a' }, STATE)).toBe(true);
    expect(mayAccess(grants, 'write', { bucket: 'b', key: 'yours/a' }, STATE)).toBe(false);
    expect(mayAccess(grants, 'read', { bucket: 'b', key: 'yours/a' }, STATE)).toBe(true);
    expect([
      seesBucket(grants, 'b', STATE),
      seesBucket(grants, 'c', STATE),
      seesBucket([grant({ bucket: '*' })], STATE, STATE),
    ]).toEqual([true, false, false]);
  });
});
