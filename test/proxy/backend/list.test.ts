// Protects: every key of a listing is exactly the stored key, whichever way the store writes it, and a row that lacks
// what every row has is an error and not a wrong object.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BackendUnavailable } from '../../../proxy/backend/backend.ts';
import {
  decodeListedName,
  parseListBuckets,
  parseListV1,
  parseListV2,
  parseListVersions,
} from '../../../proxy/backend/list.ts';
import { escapeXml } from '../../../proxy/xml/render-xml.ts';

const DATE = '2026-01-02T03:04:05.678Z';
const row = (key: string, extra = '') =>
  `<Contents><Key>${key}</Key><LastModified>${DATE}</LastModified><ETag>&quot;abc&quot;</ETag><Size>12</Size>${extra}</Contents>`;
const result = (content: string, encoding = '<EncodingType>url</EncodingType>') =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${encoding}${content}</ListBucketResult>`;

describe('names', () => {
  test.each([
    ['a+b', 'a b'],
    ['a%20b%2B%C3%BC%25.txt', 'a b+ü%.txt'],
    ['%252F', '%2F'],
    ['dir/a%2Fb', 'dir/a/b'],
    ['100%', '100%'],
    ['%ff', '%ff'],
  ])('%s is %s', (listed, key) => {
    expect(decodeListedName(listed)).toBe(key);
    expect(parseListV2(result(row(escapeXml(listed)))).objects[0]?.key).toBe(key);
  });

  test('a store that ignores encoding-type is taken by its word', () => {
    const raw = 'a+b %2F&<ü';
    expect(parseListV2(result(row(escapeXml(raw)), '')).objects[0]?.key).toBe(raw);
  });

  test('both encodings of any key decode to it', () => {
    const key = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(key, (name) => {
        const percent = encodeURIComponent(name);
        expect(decodeListedName(percent)).toBe(name);
        expect(decodeListedName(percent.replaceAll('%20', '+'))).toBe(name);
      }),
    );
  });

  test('white space is part of a key', () => {
    expect(parseListV2(result(row('  '), '')).objects[0]?.key).toBe('  ');
  });
});

describe('ListObjectsV2', () => {
  test('a page', () => {
    const page = parseListV2(
      result(
        `${row('a', '<StorageClass>GLACIER</StorageClass><Owner><ID>1</ID><DisplayName>o</DisplayName></Owner><RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>')}${row('b')}` +
          '<CommonPrefixes><Prefix>p%2B/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>q/</Prefix></CommonPrefixes>' +
          '<IsTruncated>true</IsTruncated><NextContinuationToken>t+%2F=</NextContinuationToken>',
      ),
    );
    expect(page.objects[0]).toEqual({
      key: 'a',
      size: 12,
      etag: '"abc"',
      lastModified: new Date(DATE),
      storageClass: 'GLACIER',
      owner: { id: '1', displayName: 'o' },
      restoring: true,
    });
    expect(page.objects).toHaveLength(2);
    expect(page.objects[1]).toMatchObject({ storageClass: undefined, owner: undefined, restoring: undefined });
    expect(page.commonPrefixes).toEqual(['p+/', 'q/']);
    // A token is opaque: it is not decoded.
    expect(page).toMatchObject({ isTruncated: true, nextToken: 't+%2F=' });
  });

  test('an empty page', () => {
    const empty = { objects: [], commonPrefixes: [], isTruncated: false, nextToken: undefined, nextMarker: undefined };
    expect(parseListV2(result('<IsTruncated>false</IsTruncated>'))).toEqual(empty);
    expect(parseListV2('<ListBucketResult/>')).toEqual(empty);
  });

  test('an ETag without quotes gets them', () => {
    const bare = row('a').replaceAll('&quot;', '');
    expect(parseListV2(result(bare)).objects[0]?.etag).toBe('"abc"');
  });

  test.each([
    ['without a key', row('a').replace('<Key>a</Key>', '')],
    ['without a size', row('a').replace('<Size>12</Size>', '')],
    ['with an empty size', row('a').replace('12', '')],
    ['with a negative size', row('a').replace('12', '-1')],
    ['with a size that is no number', row('a').replace('12', '1e400')],
    ['without a date', row('a').replace(DATE, 'yesterday')],
  ])('a row %s is an error', (_, bad) => {
    expect(() => parseListV2(result(bad))).toThrowError(BackendUnavailable);
  });

  test('another document is an error', () => {
    for (const document of ['<Error><Code>X</Code></Error>', '<html>', '', 'not XML at all'])
      expect(() => parseListV2(document)).toThrowError(BackendUnavailable);
  });
});

describe('ListObjects V1', () => {
  test.each([
    ['the marker given', `${row('a')}<IsTruncated>true</IsTruncated><NextMarker>a%2Bz</NextMarker>`, 'a+z'],
    ['else the last key', `${row('a')}${row('b%2B')}<IsTruncated>true</IsTruncated>`, 'b+'],
    [
      'or the last prefix',
      `${row('a')}<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes><IsTruncated>true</IsTruncated>`,
      'b/',
    ],
    [
      'by UTF-8, not by UTF-16',
      `${row('%F0%9F%98%80')}<CommonPrefixes><Prefix>%EF%BC%A1/</Prefix></CommonPrefixes><IsTruncated>true</IsTruncated>`,
      '😀',
    ],
    ['none at the end', `${row('a')}<IsTruncated>false</IsTruncated>`, undefined],
  ])('continues after %s', (_, content, marker) => {
    expect(parseListV1(result(content)).nextMarker).toBe(marker);
  });
});

describe('ListObjectVersions', () => {
  const version = (key: string, id: string) =>
    row(key, `<VersionId>${id}</VersionId><IsLatest>false</IsLatest>`).replaceAll('Contents', 'Version');
  const marker = (key: string, id: string) =>
    `<DeleteMarker><Key>${key}</Key><VersionId>${id}</VersionId><IsLatest>true</IsLatest><LastModified>${DATE}</LastModified></DeleteMarker>`;
  const versions = (content: string) => result(content).replaceAll('ListBucketResult', 'ListVersionsResult');

  test('rows keep the order of the store, delete markers among versions', () => {
    const page = parseListVersions(
      versions(
        `${version('a', '1')}${marker('b', '2')}${version('b', '3')}${marker('c%3CVersion%3E', '4')}` +
          '<IsTruncated>true</IsTruncated><NextKeyMarker>c+d</NextKeyMarker><NextVersionIdMarker>4</NextVersionIdMarker>',
      ),
    );
    expect(page.versions.map((one) => [one.key, one.versionId, one.isDeleteMarker, one.isLatest])).toEqual([
      ['a', '1', false, false],
      ['b', '2', true, true],
      ['b', '3', false, false],
      ['c<Version>', '4', true, true],
    ]);
    expect(page).toMatchObject({ isTruncated: true, nextKeyMarker: 'c d', nextVersionIdMarker: '4' });
  });

  test('a key that looks like a row is not one', () => {
    const page = parseListVersions(
      versions(version(escapeXml('<Version>'), '1')).replace('<EncodingType>url</EncodingType>', ''),
    );
    expect(page.versions.map((one) => one.key)).toEqual(['<Version>']);
  });
});

describe('ListBuckets', () => {
  test('a page', () => {
    const page = parseListBuckets(
      `<ListAllMyBucketsResult><Buckets><Bucket><Name>a</Name><CreationDate>${DATE}</CreationDate><BucketRegion>eu-west-3</BucketRegion></Bucket>` +
        `<Bucket><Name>b</Name><CreationDate>${DATE}</CreationDate></Bucket></Buckets><Owner><ID>1</ID></Owner><ContinuationToken>t</ContinuationToken></ListAllMyBucketsResult>`,
    );
    expect(page.buckets).toEqual([
      { name: 'a', creationDate: new Date(DATE), region: 'eu-west-3' },
      { name: 'b', creationDate: new Date(DATE), region: undefined },
    ]);
    expect(page).toMatchObject({ owner: { id: '1', displayName: undefined }, nextToken: 't' });
  });

  test('none', () => {
    expect(parseListBuckets('<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>').buckets).toEqual([]);
  });
});
