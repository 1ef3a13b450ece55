/**
 * Protects the quick way through listings against the general one: rows that are read without a tree say what the general reader
 * says, whatever is in them; what is unusual is left to the general reader; and rows that are written at once are byte for byte
 * those of the general writer.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseListV2 } from '../../../proxy/backend/list.ts';
import { plainRowsOf } from '../../../proxy/backend/list-rows.ts';
import { timeWriter } from '../../../proxy/object/list-time.ts';
import { contentsElement, contentsOf, type PlainRow } from '../../../proxy/object/listing.ts';
import { escapeXml, renderXml } from '../../../proxy/xml/render-xml.ts';

const time = fc.date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true });
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const option = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
const stored = fc.record({
  key: fc.oneof({ weight: 3, arbitrary: fc.stringMatching(/^[a-z0-9/._-]{1,20}$/) }, text),
  time,
  etag: fc.constantFrom('9affad555af89da9b0bfcd5e45bc93da', '9affad555af89da9b0bfcd5e45bc93da-12', 'CPiQ/w=='),
  quote: fc.constantFrom('&quot;', '&#34;', '"', ''),
  size: fc.nat(),
  algorithms: fc.subarray(['CRC32', 'SHA256']),
  owner: option(fc.record({ id: text, name: text })),
  storageClass: option(fc.constantFrom('STANDARD', 'GLACIER', '')),
  extra: fc.constantFrom(
    ...Array.from({ length: 40 }, () => ''),
    '<RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>',
    '\n',
    '<!-- c -->',
  ),
});
type Stored = typeof stored extends fc.Arbitrary<infer T> ? T : never;

function row(o: Stored, encode: boolean): string {
  const key = encode ? encodeURIComponent(o.key).replaceAll('%20', '+') : escapeXml(o.key);
  const checksums = o.algorithms.map((name) => `<ChecksumAlgorithm>${name}</ChecksumAlgorithm>`).join('');
  const { owner } = o;
  const who =
    owner === undefined
      ? ''
      : `<Owner><ID>${escapeXml(owner.id)}</ID><DisplayName>${escapeXml(owner.name)}</DisplayName></Owner>`;
  const storage = o.storageClass === undefined ? '' : `<StorageClass>${o.storageClass}</StorageClass>`;
  const etag = `<ETag>${o.quote}${o.etag}${o.quote}</ETag>`;
  return `<Contents><Key>${key}</Key><LastModified>${o.time.toISOString()}</LastModified>${etag}${checksums}<Size>${o.size}</Size>${who}${storage}${o.extra}</Contents>`;
}

function document(rows: string, encode: boolean): string {
  const encoding = encode ? '<EncodingType>url</EncodingType>' : '';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>${encoding}<IsTruncated>true</IsTruncated>${rows}<CommonPrefixes><Prefix>p%2F</Prefix></CommonPrefixes><NextContinuationToken>t</NextContinuationToken></ListBucketResult>`;
}

describe('rows of a listing', () => {
  it('read without a tree are those of the general reader', () => {
    let quick = 0;
    fc.assert(
      fc.property(fc.array(stored, { maxLength: 8 }), fc.boolean(), (rows, encode) => {
        const xml = document(rows.map((one) => row(one, encode)).join(''), encode);
        if (plainRowsOf(xml) !== undefined) quick += 1;
        // A comment in front of the root is nothing to any reader, and makes the quick way decline.
        expect(parseListV2(xml)).toEqual(parseListV2(`<!-- general -->${xml}`));
      }),
      { numRuns: 400 },
    );
    expect(quick).toBeGreaterThan(40);
  });

  it.each([
    ['no rows', ''],
    ['a row that is cut', '<Contents><Key>a</Key>'],
    [
      'an entity in a key',
      '<Contents><Key>a&amp;b</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>"e"</ETag><Size>1</Size></Contents>',
    ],
    [
      'rows apart',
      `${'<Contents><Key>a</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>"e"</ETag><Size>1</Size></Contents>'.repeat(2).replace('</Contents><', '</Contents> <')}`,
    ],
    ['a row in CDATA', '<Prefix><![CDATA[<Contents>]]></Prefix>'],
    ['no size', '<Contents><Key>a</Key><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>"e"</ETag></Contents>'],
  ])('with %s are left to it', (_, rows) => {
    expect(plainRowsOf(document(rows, true))).toBeUndefined();
  });

  it('written at once are those of the general writer', () => {
    const plain: fc.Arbitrary<PlainRow> = fc.record({
      key: text,
      lastModified: time,
      etag: fc.constantFrom('"9affad555af89da9b0bfcd5e45bc93da"', '"x-1"', '"&<"', '"', ''),
      size: fc.nat(),
      checksums: fc.subarray([
        { algorithm: 'CRC32', type: 'FULL_OBJECT' },
        { algorithm: 'SHA256', type: 'COMPOSITE' },
      ]),
      storageClass: option(fc.constantFrom('STANDARD', 'A&B')),
      owner: option(fc.record({ id: text, displayName: option(text) })),
      restoring: fc.constant(undefined),
    });
    fc.assert(
      fc.property(fc.array(plain, { maxLength: 6 }), fc.boolean(), fc.boolean(), (rows, encode, owner) => {
        const general = renderXml('R', { Contents: rows.map((one) => contentsElement(one, { encode, owner })) });
        expect(renderXml('R', { Contents: contentsOf(rows, { encode, owner }) })).toBe(general);
      }),
    );
  });

  it('have times as Date writes them', () => {
    fc.assert(
      fc.property(fc.array(fc.date({ noInvalidDate: true }), { maxLength: 10 }), (times) => {
        const write = timeWriter();
        expect(times.map((one) => write(one))).toEqual(times.map((one) => one.toISOString()));
      }),
    );
  });
});
