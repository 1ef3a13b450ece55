/**
 * What goes to the backend in clear and what does not: an allow-list, the limits of metadata by both ways of counting, and
 * caches in which no two tenants, keys or versions ever meet (seen elsewhere: a cache keyed by hash alone collided; metadata cached by
 * ETag went stale).
 */
import { describe, expect, test } from 'vitest';
import { S3Error } from '../../../proxy/errors.ts';
import type { S3Request } from '../../../proxy/http/request.ts';
import {
  AttributesCache,
  type ListedAttributes,
  type VersionIdentity,
} from '../../../proxy/object/attributes-cache.ts';
import { etagListed, unquote } from '../../../proxy/object/conditions.ts';
import { encodeListed } from '../../../proxy/object/list-encoding.ts';
import { SplitSource } from '../../../proxy/object/split-source.ts';
import { fitsMetadata, fromBackendHeaders, toBackendHeaders } from '../../../proxy/object/stored-metadata.ts';
import { clientAttributes, storageHeaders } from '../../../proxy/operations/request/client-headers.ts';
import { writeConditions } from '../../../proxy/operations/request/conditions.ts';

/** A request of which only the headers count. */
function requestWith(headers: Readonly<Record<string, string>>): S3Request {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const request: Pick<S3Request, 'headers' | 'header'> & { headerNames(): readonly string[] } = {
    headers: Object.entries(headers),
    header: (name) => lower.get(name),
    headerNames: () => [...lower.keys()],
  };
  return request as S3Request;
}

describe('headers of a PUT', () => {
  test('nothing is passed on that is not on the list', () => {
    const own = [
      'authorization',
      'cookie',
      'referer',
      'user-agent',
      'x-amz-date',
      'x-amz-content-sha256',
      'x-amz-checksum-sha256',
      'content-md5',
      'content-type',
      'x-amz-meta-a',
      'x-forwarded-for',
      'if-match',
      'x-amz-security-token',
      'x-unknown',
    ];
    expect(storageHeaders(requestWith(Object.fromEntries(own.map((name) => [name, 'x']))))).toEqual({});
    const wanted = { 'x-amz-storage-class': 'GLACIER', 'x-amz-tagging': 'a=b', 'x-amz-acl': 'private' };
    expect(storageHeaders(requestWith({ ...wanted, cookie: 'x' }))).toEqual(wanted);
  });

  test.each([
    'x-amz-server-side-encryption-customer-key',
    'x-amz-write-offset-bytes',
    'X-Amz-Fwd-Status',
    'x-minio-extract',
    'x-amz-meta-snowball-auto-extract',
  ])('%s is NotImplemented', (name) => {
    expect(() => storageHeaders(requestWith({ [name]: 'x' }))).toThrow(
      expect.objectContaining({ code: 'NotImplemented' }),
    );
  });

  test('attributes are what the client sent, names in lower case, empty headers left out', () => {
    const { headers, metadata } = clientAttributes(
      requestWith({ 'Content-Type': 'a/b', 'cache-control': '', 'X-Amz-Meta-Name': 'V', etag: 'x' }),
    );
    expect(headers).toEqual([['content-type', 'a/b']]);
    expect(metadata).toEqual([['name', 'V']]);
  });

  test('metadata of 2,048 bytes is accepted, of 2,049 refused with both numbers', () => {
    const sized = (bytes: number) => clientAttributes(requestWith({ 'x-amz-meta-abc': 'x'.repeat(bytes - 3) }));
    expect(sized(2048).metadata).toHaveLength(1);
    expect(() => sized(2049)).toThrow(
      expect.objectContaining({ code: 'MetadataTooLarge', details: { Size: '2049', MaxSizeAllowed: '2048' } }),
    );
  });
});

describe('stored metadata', () => {
  const header = { 'enc-algo': 'sealgate-1', 'enc-dek': 'd', 'enc-tenant': 't', 'enc-attrs': 'a' };

  test('goes out and comes back, and nothing else with it', () => {
    const sent = toBackendHeaders(header);
    expect(Object.keys(sent)).toHaveLength(5);
    expect(fromBackendHeaders({ ...sent, 'x-amz-meta-foreign': 'x', etag: 'e' })).toEqual(header);
    expect(
      fromBackendHeaders({ 'x-amz-meta-foreign': 'x', 'content-type': 'application/octet-stream' }),
    ).toBeUndefined();
  });

  test('fits up to 2,048 bytes with the prefix of each name counted', () => {
    const names = Object.keys(header).reduce((bytes, name) => bytes + 'x-amz-meta-'.length + name.length, 0);
    const filled = (bytes: number) => ({
      ...header,
      'enc-algo': '',
      'enc-dek': '',
      'enc-tenant': '',
      'enc-attrs': 'x'.repeat(bytes - names),
    });
    expect([fitsMetadata(filled(2048)), fitsMetadata(filled(2049))]).toEqual([true, false]);
  });

  test.each([
    { 'enc-dek': 'x' },
    { 'enc-attrs': 'x' },
    { 'enc-new': 'x' },
    { ...header, 'enc-algo': 'sealgate-2' },
    { ...header, 'enc-algo': '' },
  ])('%o is neither ours nor legacy', (entries) => {
    const headers = Object.fromEntries(Object.entries(entries).map(([name, value]) => [`x-amz-meta-${name}`, value]));
    expect(() => fromBackendHeaders(headers)).toThrow(expect.objectContaining({ code: 'MALFORMED_SEALED_OBJECT' }));
  });
});

describe('the cache of attributes', () => {
  const version: VersionIdentity = {
    tenant: 't',
    bucket: 'b',
    key: 'k',
    etag: '"e"',
    lastModified: 'Sun, 01 Mar 2026 12:00:00 GMT',
    size: 5,
  };
  const listed = { size: 1, etag: 'x', checksums: [] };
  const open = (bytes = 100_000) => new AttributesCache({ bytes, listedBytes: bytes });

  test('knows a version again from a listing and from a HEAD', () => {
    const cache = open();
    cache.addListed(version, listed);
    cache.add(version, { isPlain: true });
    const again = { ...version, etag: 'e', lastModified: '2026-03-01T12:00:00.000Z' };
    expect([cache.listed(again), cache.get(again)]).toEqual([listed, { isPlain: true }]);
  });

  const kinds = (...names: string[]) =>
    names.map((name) => ({ algorithm: name.split(' ')[0] ?? '', type: name.split(' ')[1] ?? '' }));
  test.each<ListedAttributes>([
    { size: 0, etag: '', checksums: [] },
    { size: 5 * 1024 ** 4, etag: `${'a'.repeat(32)}-10000`, checksums: kinds('CRC64NVME FULL_OBJECT') },
    { size: 7, etag: 'any, thing: at all\u20ac ', checksums: kinds('SHA256 COMPOSITE', 'CRC32 FULL_OBJECT') },
  ])('gives back what a listing shows: %o', (attributes) => {
    const cache = open();
    cache.addListed(version, attributes);
    expect(cache.listed(version)).toEqual(attributes);
  });

  const other: readonly Partial<VersionIdentity>[] = [
    { tenant: 'u' },
    { bucket: 'c' },
    { key: 'l' },
    { etag: '"f"' },
    { size: 6 },
    { lastModified: 'Sun, 01 Mar 2026 12:00:01 GMT' },
    { bucket: 'b\0k', key: '' },
  ];
  test.each(other)('takes %o for another one', (change) => {
    const cache = open();
    cache.addListed(version, listed);
    cache.add(version, { isPlain: true });
    const changed = { ...version, ...change };
    expect([cache.listed(changed), cache.get(changed)]).toEqual([undefined, undefined]);
  });

  test('adds to what is known, and forgets the oldest beyond its bound', () => {
    const cache = open(700);
    cache.add(version, { isPlain: true });
    cache.add(version, { table: [] });
    cache.addListed(version, listed);
    expect(cache.get(version)).toEqual({ isPlain: true, table: [] });
    for (const key of ['2', '3', '4', '5']) {
      cache.add({ ...version, key }, { table: [] });
      cache.addListed({ ...version, key }, listed);
    }
    const newest = { ...version, key: '5' };
    expect([cache.get(version), cache.get(newest)]).toEqual([undefined, { table: [] }]);
    expect([cache.listed(version), cache.listed(newest)]).toEqual([undefined, listed]);
  });
});

describe('conditions', () => {
  test('entity tags in every spelling', () => {
    for (const text of ['"abc"', 'abc', 'W/"abc"', ' "abc" ', '"x", "abc"', '*', 'x,abc'])
      expect([text, etagListed(text, 'abc')]).toEqual([text, true]);
    for (const text of ['"ab"', '', '"abc', 'abcd', '"*"x', 'ABC'])
      expect([text, etagListed(text, 'abc')]).toEqual([text, false]);
    expect([unquote('W/"a"'), unquote('"a"'), unquote('a'), unquote('""')]).toEqual(['a', 'a', 'a', '']);
  });

  test('of writes: one of two kinds, never both', () => {
    expect(writeConditions(requestWith({}))).toBeUndefined();
    expect(writeConditions(requestWith({ 'if-none-match': '*' }))).toEqual({ ifNoneMatch: '*' });
    expect(writeConditions(requestWith({ 'if-match': '"e"' }))).toEqual({ ifMatch: 'e' });
    for (const headers of [{ 'if-none-match': '"e"' }, { 'if-none-match': '*', 'if-match': 'e' }]) {
      expect(() => writeConditions(requestWith(headers))).toThrow(S3Error);
    }
  });
});

test('encoding-type=url writes names as S3 does', () => {
  const cases = [
    ['a b', 'a+b'],
    ['a+b', 'a%2Bb'],
    ['a/b', 'a/b'],
    ['\u00fc%', '%C3%BC%25'],
    ["!'()*~-_.", '%21%27%28%29*%7E-_.'],
    ['\u0001\n', '%01%0A'],
  ] as const;
  for (const [text, encoded] of cases) {
    expect(encodeListed(text, { encode: true })).toBe(encoded);
    expect(encodeListed(text, { encode: false })).toBe(text);
  }
});

describe('a split source', () => {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (const text of ['ab', '', 'cdef', 'g']) yield Buffer.from(text);
  }
  const text = async (source: AsyncIterable<Buffer>) => {
    const pieces: Buffer[] = [];
    for await (const piece of source) pieces.push(piece);
    return Buffer.concat(pieces).toString();
  };

  test('hands out consecutive stretches, and ends early when the source does', async () => {
    const source = new SplitSource(chunks());
    expect([
      await text(source.take(1)),
      await text(source.take(0)),
      await text(source.take(4)),
      await text(source.take(9)),
    ]).toEqual(['a', '', 'bcde', 'fg']);
    await source.drain();
  });

  test('closes its source when it is given up', async () => {
    let closed = false;
    async function* watched(): AsyncGenerator<Buffer> {
      try {
        yield* chunks();
      } finally {
        closed = true;
      }
    }
    const source = new SplitSource(watched());
    expect(await text(source.take(2))).toBe('ab');
    await source.close();
    expect(closed).toBe(true);
  });
});
