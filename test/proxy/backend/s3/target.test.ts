// Protects: the request line holds exactly the key, encoded once and never normalised; and the right host for it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { requestTarget } from '../../../../proxy/backend/s3/target.ts';
import { AWKWARD_KEYS, AWKWARD_VALUES } from './awkward-keys.ts';

const endpoint = new URL('http://store.example:9000');
const byPath = { endpoint, pathStyle: true };
const byHost = { endpoint, pathStyle: false };

describe('path style', () => {
  test.each([
    [{}, '/'],
    [{ query: [['max-buckets', '5']] as const }, '/?max-buckets=5'],
    [{ bucket: 'data' }, '/data'],
    [{ bucket: 'data', key: '' }, '/data/'],
    [{ bucket: 'data', key: '/' }, '/data//'],
    [{ bucket: 'data', key: '..' }, '/data/..'],
    [{ bucket: 'data', key: 'a b+ü%.txt' }, '/data/a%20b%2B%C3%BC%25.txt'],
    [{ bucket: 'data', key: "*'()!~" }, '/data/%2A%27%28%29%21~'],
    [{ bucket: 'data', key: 'a%2Fb' }, '/data/a%252Fb'],
    [{ bucket: 'data', key: 'k', query: [['acl', '']] as const }, '/data/k?acl='],
    [
      {
        bucket: 'd',
        query: [
          ['prefix', 'a b'],
          ['list-type', '2'],
          ['delimiter', '/'],
        ] as const,
      },
      '/d?delimiter=%2F&list-type=2&prefix=a%20b',
    ],
  ])('%j', (request, path) => {
    expect(requestTarget(byPath, request)).toEqual({ hostname: 'store.example', host: 'store.example:9000', path });
  });

  test('every awkward key decodes back to itself and leaves only unreserved characters', () => {
    let cases = 0;
    for (const key of AWKWARD_KEYS) {
      const { path } = requestTarget(byPath, { bucket: 'data', key });
      expect(path).toMatch(/^\/data\/(?:[A-Za-z0-9\-._~/]|%[0-9A-F]{2})*$/);
      expect(path.slice('/data/'.length).split('/').map(decodeURIComponent).join('/')).toBe(key);
      cases++;
    }
    expect(cases).toBe(23);
  });

  test('query values decode back to themselves', () => {
    for (const value of AWKWARD_VALUES) {
      const { path } = requestTarget(byPath, { bucket: 'b', query: [['prefix', value]] });
      expect(decodeURIComponent(path.slice('/b?prefix='.length))).toBe(value);
    }
    expect(AWKWARD_VALUES).toHaveLength(10);
  });

  test('any two keys have different targets', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(text, text, (a, b) => {
        const pathOf = (key: string) => requestTarget(byPath, { bucket: 'b', key }).path;
        expect(pathOf(a) === pathOf(b)).toBe(a === b);
      }),
    );
  });

  test('a name without UTF-8 is refused, not sent as something else', () => {
    expect(() => requestTarget(byPath, { bucket: 'b', key: 'a\ud800' })).toThrowError(
      expect.objectContaining({ code: 'InvalidURI' }),
    );
  });
});

describe('virtual-host style', () => {
  test('the bucket goes before the host, and the path starts at the key', () => {
    expect(requestTarget(byHost, { bucket: 'data', key: 'a/b' })).toEqual({
      hostname: 'data.store.example',
      host: 'data.store.example:9000',
      path: '/a/b',
    });
    expect(requestTarget(byHost, { bucket: 'data' }).path).toBe('/');
    expect(requestTarget(byHost, { bucket: 'data', key: '/x' }).path).toBe('//x');
  });

  test.each(['with.dots', 'Upper', 'under_score', 'ab', '-dash', 'a'.repeat(64)])(
    '%s is addressed by path',
    (bucket) => {
      expect(requestTarget(byHost, { bucket, key: 'k' })).toMatchObject({
        hostname: 'store.example',
        path: `/${bucket}/k`,
      });
    },
  );

  test.each([
    ['http://127.0.0.1:9000', '127.0.0.1', '127.0.0.1:9000'],
    ['http://[::1]:9000', '::1', '[::1]:9000'],
  ])('%s has no sub-domains', (address, hostname, host) => {
    const target = requestTarget({ endpoint: new URL(address), pathStyle: false }, { bucket: 'data', key: 'k' });
    expect(target).toEqual({ hostname, host, path: '/data/k' });
  });

  test("the scheme's own port is not part of Host", () => {
    const target = requestTarget({ endpoint: new URL('https://s3.example:443'), pathStyle: false }, { bucket: 'data' });
    expect(target.host).toBe('data.s3.example');
  });
});
