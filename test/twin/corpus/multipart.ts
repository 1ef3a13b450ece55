/** Multipart uploads: layouts of parts, uploads of a part again, Complete right and wrong, twice and never, lists of both kinds. */

import { KiB, MiB } from '../../helpers/bytes.ts';
import type { TwinRequest } from '../request.ts';
import { crc32Text, md5Hex, md5Text } from '../request.ts';
import type { Sequence } from '../twin.ts';
import { content, get, head, put, remove, xml } from './content.ts';

type Part = readonly [number: number, size: number, seed?: string];

const create = (o: Partial<TwinRequest> = {}): TwinRequest => ({
  method: 'POST',
  key: 'k',
  query: 'uploads',
  save: { u: 'xml:UploadId' },
  ...o,
});
const upload = ([number, size, seed = 'a']: Part, o: Partial<TwinRequest> = {}): TwinRequest => ({
  method: 'PUT',
  key: 'k',
  query: `partNumber=${number}&uploadId={{u}}`,
  body: content(size, `${number}${seed}`),
  ...o,
});
const etagOf = ([number, size, seed = 'a']: Part): string => md5Hex(content(size, `${number}${seed}`));
const listed = (parts: readonly Part[], quote = '"'): string =>
  parts
    .map((part) => `<Part><PartNumber>${part[0]}</PartNumber><ETag>${quote}${etagOf(part)}${quote}</ETag></Part>`)
    .join('');
const complete = (inner: string, o: Partial<TwinRequest> = {}): TwinRequest => ({
  method: 'POST',
  key: 'k',
  query: 'uploadId={{u}}',
  body: xml('CompleteMultipartUpload', inner),
  ...o,
});
const abort: TwinRequest = { method: 'DELETE', key: 'k', query: 'uploadId={{u}}' };
const listParts = (more = ''): TwinRequest => ({ method: 'GET', key: 'k', query: `uploadId={{u}}${more}` });
const attributes: TwinRequest = {
  method: 'GET',
  key: 'k',
  query: 'attributes',
  headers: [['x-amz-object-attributes', 'ETag,Checksum,ObjectSize,StorageClass,ObjectParts']],
};
const list: TwinRequest = { method: 'GET', query: 'list-type=2' };

const LAYOUTS: readonly (readonly Part[])[] = [
  [[1, 0]],
  [[1, 1]],
  [[1, 64 * KiB]],
  [[1, 5 * MiB]],
  [
    [1, 5 * MiB],
    [2, 1],
  ],
  [
    [1, 5 * MiB],
    [2, 0],
  ],
  [
    [1, 5 * MiB + 1],
    [2, 70_000],
  ],
  [
    [3, 5 * MiB],
    [7, 6 * MiB],
    [9, 100],
  ],
  [[10000, 10]],
  [
    [1, 5 * MiB],
    [10000, 10],
  ],
];

const layouts: readonly Sequence[] = LAYOUTS.map((parts) => ({
  name: `parts ${parts.map(([number, size]) => `${number} of ${size}`).join(', ')}`,
  steps: [
    create({
      headers: [
        ['content-type', 'text/x-parts'],
        ['x-amz-meta-a', 'b'],
      ],
    }),
    ...parts.map((part) => upload(part)),
    listParts(),
    complete(listed(parts)),
    head('k'),
    get('k'),
    list,
    ...parts.flatMap((_, i) => [
      get('k', { query: `partNumber=${i + 1}` }),
      head('k', { query: `partNumber=${parts[i]?.[0]}` }),
    ]),
    get('k', { query: `partNumber=${parts.length + 1}` }),
    get('k', { headers: [['range', `bytes=${(parts[0]?.[1] ?? 0) - 1}-${(parts[0]?.[1] ?? 0) + 3}`]] }),
    attributes,
    get('k', { headers: [['if-match', `"${etagOf(parts[0] ?? [1, 0])}"`]] }),
  ],
}));

const two: readonly Part[] = [
  [1, 5 * MiB],
  [2, 100],
];
const WRONG: Readonly<Record<string, TwinRequest>> = {
  'a wrong ETag': complete(`<Part><PartNumber>1</PartNumber><ETag>"${'0'.repeat(32)}"</ETag></Part>`),
  'a part that was not uploaded': complete(listed([...two, [3, 1]])),
  'the wrong order': complete(listed([...two].reverse())),
  'a part twice': complete(
    listed([
      [1, 5 * MiB],
      [1, 5 * MiB],
    ]),
  ),
  'no part': complete(''),
  'no document': complete('', { body: '' }),
  'a malformed document': complete('', { body: '<CompleteMultipartUpload><Part>' }),
  'another root': complete('', { body: xml('Other', listed(two)) }),
  'part number 0': complete(`<Part><PartNumber>0</PartNumber><ETag>"${etagOf([1, 5 * MiB])}"</ETag></Part>`),
  'part number 10001': complete(`<Part><PartNumber>10001</PartNumber><ETag>"${etagOf([1, 5 * MiB])}"</ETag></Part>`),
  'part number a': complete(`<Part><PartNumber>a</PartNumber><ETag>"${etagOf([1, 5 * MiB])}"</ETag></Part>`),
  'a part without an ETag': complete('<Part><PartNumber>1</PartNumber></Part>'),
  'a part without a number': complete(`<Part><ETag>"${etagOf([1, 5 * MiB])}"</ETag></Part>`),
  'If-None-Match *': complete(listed(two), { headers: [['if-none-match', '*']] }),
  'If-Match of something else': complete(listed(two), {
    headers: [['if-match', '"0123456789abcdef0123456789abcdef"']],
  }),
};

const PART_NUMBERS = ['0', '-1', '10001', 'a', '', '1.5', '01'];
const CRC = 'x-amz-checksum-crc32';
const crcOf = (part: Part): string => crc32Text(content(part[1], `${part[0]}a`));

/** The strict wrapper takes only what the proxy sends, which has no checksums of uploads. */
const CHECKSUM_STORES = ['embedded', 'minio', 'moto'] as const;

export const MULTIPART: readonly Sequence[] = [
  ...layouts,
  ...Object.entries(WRONG).map(([name, request]) => ({
    name: `Complete with ${name}`,
    steps: [
      put('k', 'before'),
      create(),
      ...two.map((part) => upload(part)),
      request,
      head('k'),
      listParts(),
      abort,
      head('k'),
    ],
  })),
  {
    name: 'Complete of a small part that is not the last',
    steps: [
      create(),
      upload([1, 100]),
      upload([2, 100]),
      complete(
        listed([
          [1, 100],
          [2, 100],
        ]),
      ),
      listParts(),
      abort,
    ],
  },
  {
    name: 'Complete of a subset',
    steps: [
      create(),
      upload([1, 5 * MiB]),
      upload([2, 5 * MiB]),
      upload([3, 10]),
      complete(
        listed([
          [1, 5 * MiB],
          [3, 10],
        ]),
      ),
      get('k'),
      list,
    ],
  },
  {
    name: 'Complete with unquoted ETags',
    steps: [create(), upload([1, 10]), complete(listed([[1, 10]], '')), head('k')],
  },
  {
    name: 'Complete with escaped quotes',
    steps: [create(), upload([1, 10]), complete(listed([[1, 10]], '&quot;')), head('k')],
  },
  {
    name: 'Complete twice',
    steps: [
      create(),
      upload([1, 10]),
      complete(listed([[1, 10]])),
      complete(listed([[1, 10]])),
      complete(listed([[1, 11]])),
      abort,
      listParts(),
      upload([2, 5]),
    ],
  },
  {
    name: 'a part uploaded again',
    steps: [
      create(),
      upload([1, 10]),
      upload([1, 20, 'b']),
      listParts(),
      complete(listed([[1, 10]])),
      complete(listed([[1, 20, 'b']])),
      get('k'),
    ],
  },
  {
    name: 'abort',
    steps: [
      create(),
      upload([1, 10]),
      abort,
      abort,
      listParts(),
      upload([1, 10]),
      complete(listed([[1, 10]])),
      head('k'),
      { method: 'GET', query: 'uploads' },
    ],
  },
  {
    name: 'an upload that is not',
    steps: ['nonsense', '', 'a/b', 'x'.repeat(300)].flatMap((id): TwinRequest[] => [
      {
        method: 'PUT',
        key: 'k',
        query: [
          ['partNumber', '1'],
          ['uploadId', id],
        ],
        body: 'x',
      },
      { method: 'GET', key: 'k', query: [['uploadId', id]] },
      { method: 'DELETE', key: 'k', query: [['uploadId', id]] },
      { method: 'POST', key: 'k', query: [['uploadId', id]], body: xml('CompleteMultipartUpload', listed([[1, 10]])) },
    ]),
  },
  {
    name: "another key's upload",
    steps: [
      create(),
      upload([1, 10], { key: 'other' }),
      { ...listParts(), key: 'other' },
      { ...abort, key: 'other' },
      complete(listed([[1, 10]]), { key: 'other' }),
    ],
  },
  ...PART_NUMBERS.map((number) => ({
    name: `part number ${number || 'empty'}`,
    steps: [
      create(),
      {
        method: 'PUT',
        key: 'k',
        query: [
          ['partNumber', number],
          ['uploadId', '{{u}}'],
        ] as const,
        body: 'x',
      },
      listParts(),
    ],
  })),
  {
    name: 'a part without an upload, an upload without a part',
    steps: [
      create(),
      { method: 'PUT', key: 'k', query: 'partNumber=1', body: 'x' },
      { method: 'PUT', key: 'k', query: 'uploadId={{u}}', body: 'x' },
      head('k'),
    ],
  },
  {
    name: 'pages of parts',
    steps: [
      create(),
      ...[1, 2, 3, 5, 8].map((n) => upload([n, n * 10])),
      listParts(),
      listParts('&max-parts=2'),
      listParts('&max-parts=2&part-number-marker=2'),
      listParts('&part-number-marker=8'),
      listParts('&max-parts=0'),
      listParts('&max-parts=1001'),
      listParts('&max-parts=-1'),
      listParts('&max-parts=a'),
      listParts('&part-number-marker=a'),
      listParts('&part-number-marker=0'),
    ],
  },
  {
    name: 'lists of uploads',
    steps: [
      { method: 'GET', query: 'uploads' },
      create({ key: 'a/1', save: { u: 'xml:UploadId' } }),
      create({ key: 'a/2', save: { u2: 'xml:UploadId' } }),
      create({ key: 'b', save: { u3: 'xml:UploadId' } }),
      ...[
        '',
        '&prefix=a/',
        '&delimiter=/',
        '&prefix=a/&delimiter=/',
        '&max-uploads=1',
        '&max-uploads=0',
        '&max-uploads=1001',
        '&max-uploads=a',
        '&key-marker=a/1',
        '&key-marker=a/1&upload-id-marker={{u}}',
        '&encoding-type=url',
        '&prefix=none',
      ].map((more) => ({ method: 'GET', query: `uploads${more}` })),
      { method: 'DELETE', key: 'a/1', query: 'uploadId={{u}}' },
      { method: 'GET', query: 'uploads' },
      { method: 'DELETE' },
    ],
  },
  {
    name: 'digests of parts',
    steps: [
      create(),
      upload([1, 10], { headers: [['content-md5', md5Text(content(10, '1a'))]] }),
      upload([1, 10], { headers: [['content-md5', md5Text('other')]] }),
      upload([1, 10], { headers: [['content-md5', 'x']] }),
      listParts(),
      abort,
    ],
  },
  ...(['FULL_OBJECT', 'COMPOSITE', undefined] as const).map(
    (type): Sequence => ({
      name: `parts with CRC32, ${type ?? 'no type'}`,
      stores: CHECKSUM_STORES,
      steps: [
        create({
          headers: [
            ['x-amz-checksum-algorithm', 'CRC32'],
            ...(type === undefined ? [] : ([['x-amz-checksum-type', type]] as const)),
          ],
        }),
        ...two.map((part) => upload(part, { headers: [[CRC, crcOf(part)]] })),
        listParts(),
        complete(
          two
            .map(
              (part) =>
                `<Part><PartNumber>${part[0]}</PartNumber><ETag>"${etagOf(part)}"</ETag><ChecksumCRC32>${crcOf(part)}</ChecksumCRC32></Part>`,
            )
            .join(''),
        ),
        head('k', { headers: [['x-amz-checksum-mode', 'ENABLED']] }),
        get('k', { query: 'partNumber=2', headers: [['x-amz-checksum-mode', 'ENABLED']] }),
        attributes,
        list,
      ],
    }),
  ),
  {
    name: 'parts with wrong CRC32',
    stores: CHECKSUM_STORES,
    steps: [
      create({ headers: [['x-amz-checksum-algorithm', 'CRC32']] }),
      upload([1, 10], { headers: [[CRC, 'AAAAAA==']] }),
      upload([1, 10], { headers: [[CRC, crcOf([1, 10])]] }),
      complete(
        `<Part><PartNumber>1</PartNumber><ETag>"${etagOf([1, 10])}"</ETag><ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part>`,
      ),
      listParts(),
      abort,
    ],
  },
  {
    name: 'framings of parts',
    steps: [
      create(),
      upload([1, 70_000], { framing: 'chunks' }),
      upload([2, 70_000], { framing: 'unsigned-trailer', trailer: [CRC] }),
      upload([3, 70_000], { framing: 'unsigned' }),
      listParts(),
      abort,
    ],
  },
  {
    name: 'the size that Complete expects',
    steps: [
      create(),
      upload([1, 10]),
      complete(listed([[1, 10]]), { headers: [['x-amz-mp-object-size', '11']] }),
      complete(listed([[1, 10]]), { headers: [['x-amz-mp-object-size', '10']] }),
      head('k'),
    ],
  },
  {
    name: 'an upload replaces an object, and is deleted',
    bucket: { versioning: 'Enabled' },
    steps: [
      put('k', 'one'),
      create(),
      upload([1, 10]),
      complete(listed([[1, 10]]), { save: { v: 'header:x-amz-version-id' } }),
      { method: 'GET', query: 'versions' },
      remove('k', { query: 'versionId={{v}}' }),
      get('k'),
    ],
  },
];
