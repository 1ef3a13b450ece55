/** Copies: onto others and onto themselves, with metadata kept and replaced, from parts, by range into parts. */

import { MiB } from '../../helpers/bytes.ts';
import type { TwinRequest } from '../request.ts';
import { md5Hex } from '../request.ts';
import type { Sequence } from '../twin.ts';
import { content, get, head, put, xml } from './content.ts';

type Headers = NonNullable<TwinRequest['headers']>;

const copy = (key: string, more: Headers = [], source = '/{{bucket}}/k'): TwinRequest => ({
  method: 'PUT',
  key,
  headers: [['x-amz-copy-source', source], ...more],
});
const described: Headers = [
  ['content-type', 'text/plain'],
  ['cache-control', 'no-cache'],
  ['x-amz-meta-a', 'b'],
  ['x-amz-tagging', 'x=y'],
];
const REPLACE: Headers = [
  ['x-amz-metadata-directive', 'REPLACE'],
  ['content-type', 'text/new'],
  ['x-amz-meta-new', 'n'],
];
const tags = (key: string): TwinRequest => ({ method: 'GET', key, query: 'tagging' });
const sources = ['/{{bucket}}/k', '{{bucket}}/k', '%2F{{bucket}}%2Fk', '/{{bucket}}%2Fk', '{{bucket}}%2Fk'];

const upload = (range: string | undefined, number: number, more: Headers = []): TwinRequest => ({
  method: 'PUT',
  key: 'joined',
  query: `partNumber=${number}&uploadId={{u}}`,
  headers: [
    ['x-amz-copy-source', '/{{bucket}}/k'],
    ...(range === undefined ? [] : ([['x-amz-copy-source-range', range]] as const)),
    ...more,
  ],
});
const create: TwinRequest = { method: 'POST', key: 'joined', query: 'uploads', save: { u: 'xml:UploadId' } };
const big = content(6 * MiB, 'big');
const part = (number: number, bytes: Buffer) =>
  `<Part><PartNumber>${number}</PartNumber><ETag>"${md5Hex(bytes)}"</ETag></Part>`;

export const COPIES: readonly Sequence[] = [
  ...[0, 10, 2 * MiB].flatMap((size): Sequence[] => [
    {
      name: `copy of ${size} bytes`,
      steps: [
        put('k', content(size), { headers: described }),
        copy('c'),
        head('c'),
        get('c'),
        tags('c'),
        { method: 'GET', query: 'list-type=2' },
      ],
    },
    {
      name: `copy of ${size} bytes, replaced`,
      steps: [
        put('k', content(size), { headers: described }),
        copy('c', REPLACE),
        head('c'),
        tags('c'),
        copy('k', REPLACE),
        head('k'),
        get('k'),
      ],
    },
  ]),
  {
    name: 'copy onto itself without a change',
    steps: [
      put('k', 'x', { headers: described }),
      copy('k'),
      copy('k', [['x-amz-metadata-directive', 'COPY']]),
      head('k'),
    ],
  },
  {
    name: 'copy with tags',
    steps: [
      put('k', 'x', { headers: described }),
      copy('c', [
        ['x-amz-tagging-directive', 'REPLACE'],
        ['x-amz-tagging', 'p=q'],
      ]),
      tags('c'),
      copy('d', [['x-amz-tagging-directive', 'COPY']]),
      tags('d'),
      copy('e', [['x-amz-tagging', 'p=q']]),
      tags('e'),
    ],
  },
  {
    name: 'directives that are not',
    steps: [
      put('k', 'x'),
      copy('c', [['x-amz-metadata-directive', 'OTHER']]),
      copy('c', [['x-amz-tagging-directive', 'OTHER']]),
      copy('c', [['x-amz-metadata-directive', 'replace']]),
      head('c'),
    ],
  },
  ...sources.map(
    (source): Sequence => ({ name: `copy source ${source}`, steps: [put('k', 'x'), copy('c', [], source), get('c')] }),
  ),
  {
    name: 'copy between buckets',
    steps: [
      put('k', 'x', { headers: described }),
      { method: 'PUT', bucket: 'other' },
      { ...copy('c'), bucket: 'other' },
      { method: 'GET', bucket: 'other', key: 'c' },
      { method: 'HEAD', bucket: 'other', key: 'c' },
    ],
  },
  {
    name: 'copy of a multipart object',
    steps: [
      { method: 'POST', key: 'k', query: 'uploads', save: { u: 'xml:UploadId' } },
      { method: 'PUT', key: 'k', query: 'partNumber=1&uploadId={{u}}', body: content(5 * MiB) },
      { method: 'PUT', key: 'k', query: 'partNumber=2&uploadId={{u}}', body: 'end' },
      {
        method: 'POST',
        key: 'k',
        query: 'uploadId={{u}}',
        body: xml('CompleteMultipartUpload', part(1, content(5 * MiB)) + part(2, Buffer.from('end'))),
      },
      copy('copy-of-parts'),
      get('copy-of-parts', { headers: [['range', 'bytes=-5']] }),
    ],
  },
  {
    name: 'parts copied by range',
    steps: [
      put('k', big),
      create,
      upload('bytes=0-5242879', 1),
      upload('bytes=5242880-6291455', 2),
      { method: 'GET', key: 'joined', query: 'uploadId={{u}}' },
      {
        method: 'POST',
        key: 'joined',
        query: 'uploadId={{u}}',
        body: xml('CompleteMultipartUpload', part(1, big.subarray(0, 5_242_880)) + part(2, big.subarray(5_242_880))),
      },
      head('joined'),
      get('joined'),
    ],
  },
  {
    name: 'parts copied whole',
    steps: [
      put('k', content(100)),
      create,
      upload(undefined, 1),
      {
        method: 'POST',
        key: 'joined',
        query: 'uploadId={{u}}',
        body: xml('CompleteMultipartUpload', part(1, content(100))),
      },
      get('joined'),
    ],
  },
  {
    name: 'ranges of parts that are not',
    steps: [
      put('k', content(100)),
      create,
      ...[
        'bytes=0-100',
        'bytes=100-',
        'bytes=5-',
        'bytes=-5',
        'bytes=9-5',
        'nonsense',
        'bytes=0-99',
        'bytes=99-99',
        '0-5',
      ].map((range) => upload(range, 1)),
    ],
  },
  {
    name: 'conditions of parts copied',
    steps: [
      put('k', content(100), { save: { etag: 'header:etag' } }),
      create,
      ...[
        ['if-match', '{{etag}}'],
        ['if-match', '"x"'],
        ['if-none-match', '{{etag}}'],
        ['if-none-match', '"x"'],
        ['if-unmodified-since', 'Thu, 01 Jan 1998 00:00:00 GMT'],
      ].map(([name, value = '']) => upload('bytes=0-9', 1, [[`x-amz-copy-source-${name}`, value]])),
    ],
  },
  {
    name: 'storage class and website redirect',
    steps: [
      put('k', 'x', { headers: [['x-amz-storage-class', 'REDUCED_REDUNDANCY']] }),
      head('k'),
      copy('c'),
      head('c'),
      put('l', 'x', { headers: [['x-amz-storage-class', 'NONSENSE']] }),
    ],
  },
];
