/**
 * Vectors that open: every layout, the edges of segments, every attribute.
 */
import { Buffer } from 'node:buffer';
import { createSecretKey } from 'node:crypto';
import { checksumAlgorithms } from '../../../crypto/checksums.ts';
import { sealHeader } from '../../../crypto/header.ts';
import { sealObject } from '../object.ts';
import {
  checksum,
  headers,
  metadata,
  multipart,
  NAME,
  ok,
  pattern,
  root,
  single,
  twoParts,
  type VectorCase,
} from './build.ts';

export const OPENING_CASES: readonly VectorCase[] = [
  ok('small-empty', 'An empty object: one empty last segment.', () => single(0, 0)),
  ok('small-1', 'One byte, with headers and metadata, bytes above 7f included.', () =>
    single(0, 1, { headers, metadata }),
  ),
  ok('small-65535', 'One byte less than a segment.', () => single(0, 65535)),
  ok('small-65536', 'Exactly one segment, which is the last.', () => single(0, 65536)),
  ok('small-65537', 'A whole segment and one byte.', () => single(0, 65537)),
  ok('small-epoch-2', 'Sealed under the second epoch.', () =>
    single(0, 3, { epoch: 2, root: createSecretKey(Buffer.alloc(32, 0x22)) }),
  ),
  ok('small-every-checksum', 'Every checksum algorithm, both types.', () =>
    single(0, 5, {
      checksums: checksumAlgorithms().map((algorithm, i) => ({
        ...checksum(algorithm, 'whole'),
        type: i % 2 === 0 ? 'FULL_OBJECT' : 'COMPOSITE',
      })),
    }),
  ),
  ok('small-every-header', 'Every content header, given in another order than sealed, one empty.', () =>
    single(0, 5, {
      headers: [
        ['expires', '0'],
        ['content-language', 'de, en'],
        ['content-encoding', ''],
        ...headers.slice(0, 2),
        ['cache-control', 'no-cache'],
      ],
    }),
  ),
  {
    ...ok('small-long-key', 'An object key of 1,024 bytes of UTF-8.', () =>
      single(0, 5, { name: { ...NAME, key: 'ü'.repeat(512) } }),
    ),
    name: { ...NAME, key: 'ü'.repeat(512) },
  },
  ok('small-rewritten-multipart', 'Layout 0 with an ETag that ends in -1.', () => {
    const object = single(0, 9);
    const late = { ...object.late, partCount: 1 };
    const attributes = { early: object.early, late };
    return {
      header: sealHeader({
        root,
        epoch: 1,
        name: NAME,
        dek: object.dek,
        binding: object.binding,
        layout: 0,
        attributes,
      }),
      body: object.body,
    };
  }),
  ok('single-header', 'Layout 1, early attributes in the header.', () =>
    single(1, 65540, { headers, metadata, checksums: [checksum('CRC64NVME', 'whole')] }),
  ),
  ok('single-footer', 'Layout 1, early attributes in the footer.', () =>
    single(1, 20, { inFooter: true, headers, metadata }),
  ),
  ok('single-empty', 'Layout 1 and no plaintext.', () => single(1, 0)),
  ok('single-old-footer', 'Early attributes in the header count; older ones in the footer are ignored.', () => {
    const object = single(1, 20, { inFooter: true, headers, metadata });
    const attributes = { early: { ...object.early, metadata: [['colour', 'red']] as const } };
    return {
      header: sealHeader({
        root,
        epoch: 1,
        name: NAME,
        dek: object.dek,
        binding: object.binding,
        layout: 1,
        attributes,
      }),
      body: object.body,
    };
  }),
  ok('single-canonical', 'Layout 1 beyond 1 MiB: the stored length tells the size.', () => single(1, 1_048_577)),
  ok('multipart-one', 'One part.', () => multipart([[1, 10]])),
  ok('multipart-gaps', 'Parts 1, 5 and 10,000, with part checksums; the last part is empty.', () =>
    sealObject({
      root,
      name: NAME,
      layout: 2,
      headers,
      metadata,
      partChecksum: 'CRC32C',
      checksums: [{ ...checksum('CRC32C', 'whole'), type: 'COMPOSITE' }],
      parts: (
        [
          [1, 65537],
          [5, 65536],
          [10000, 0],
        ] as const
      ).map(([number, bytes]) => ({
        number,
        plaintext: pattern(bytes, `part ${number}`),
        checksum: pattern(4, `checksum ${number}`),
      })),
    }),
  ),
  ok('small-no-md5', 'Layout 0 without an MD5.', () => single(0, 9, { withoutMd5: () => true })),
  ok('single-no-md5', 'Layout 1 without an MD5.', () => single(1, 9, { withoutMd5: () => true })),
  ok('multipart-no-md5', 'Parts without MD5s.', () => twoParts({ withoutMd5: () => true })),
  ok('multipart-some-md5', 'One part of two has an MD5: the object has none.', () =>
    twoParts({ withoutMd5: (number) => number === 1 }),
  ),
  ok('multipart-footer', 'Early attributes in the footer.', () => twoParts({ inFooter: true, headers, metadata })),
  ok('multipart-long-table', 'A part table of two segments.', () =>
    multipart(Array.from({ length: 1130 }, (_, i) => [i + 1, i % 3] as const)),
  ),
];
