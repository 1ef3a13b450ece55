/** Ranges of every form, on objects of both layouts and of none, by GET and by HEAD; part numbers; response-* overrides. */

import { KiB, MiB } from '../../helpers/bytes.ts';
import type { Sequence } from '../twin.ts';
import { content, get, head, put } from './content.ts';

const FORMS = [
  ...['bytes=0-', 'bytes=0-0', 'bytes=0-9', 'bytes=1-1', 'bytes=5-4', 'bytes=-1', 'bytes=-5', 'bytes=-0', 'bytes=-'],
  ...['bytes=0-99999999', 'bytes=99999999-', 'bytes=99999999-99999999', 'bytes=-99999999', 'bytes=65535-65536'],
  ...['bytes=65536-65536', 'bytes=65535-65535', 'bytes=131071-131073', 'bytes=0-65535', 'bytes=0-65536'],
  ...[
    'bytes=0-0,2-2',
    'bytes=a-b',
    'bytes 0-1',
    'chars=0-1',
    'bytes=1',
    '0-1',
    'bytes=0-1-2',
    'bytes= 0-1',
    'bytes=0 -1',
  ],
  ...['BYTES=0-1', 'bytes=18446744073709551615-', 'bytes=0-18446744073709551615', 'bytes=00-01', 'bytes=+1-2', ''],
];

const SIZES = [0, 1, 10, 64 * KiB, 64 * KiB + 1, 200 * KiB, MiB + 70_001];

const ranges: readonly Sequence[] = SIZES.flatMap((size) => [
  {
    name: `ranges of ${size} bytes by GET`,
    steps: [put('k', content(size)), ...FORMS.map((range) => get('k', { headers: [['range', range]] }))],
  },
  {
    name: `ranges of ${size} bytes by HEAD`,
    steps: [put('k', content(size)), ...FORMS.slice(0, 12).map((range) => head('k', { headers: [['range', range]] }))],
  },
]);

const edges = [MiB - 1, MiB, MiB + 70_000, 2 * MiB + 1].map((at) => `bytes=${at - 1}-${at + 1}`);

const OVERRIDES = [
  ['response-content-type', 'text/x-other'],
  ['response-cache-control', 'no-store'],
  ['response-content-disposition', 'attachment; filename="a b.txt"'],
  ['response-content-encoding', 'br'],
  ['response-content-language', 'fr'],
  ['response-expires', 'Thu, 01 Dec 2033 16:00:00 GMT'],
] as const;

export const RANGES: readonly Sequence[] = [
  ...ranges,
  {
    name: 'ranges around a megabyte',
    steps: [put('k', content(3 * MiB)), ...edges.map((range) => get('k', { headers: [['range', range]] }))],
  },
  {
    name: 'If-Range',
    steps: [
      put('k', content(1000), { save: { etag: 'header:etag' } }),
      head('k', { save: { time: 'header:last-modified' } }),
      ...['{{etag}}', '"other"', '{{time}}', 'Thu, 01 Jan 1998 00:00:00 GMT', 'nonsense'].map((validator) =>
        get('k', {
          headers: [
            ['range', 'bytes=1-2'],
            ['if-range', validator],
          ],
        }),
      ),
    ],
  },
  {
    name: 'part numbers of a single PUT',
    steps: [
      put('k', content(1000)),
      ...['1', '2', '0', '10000', '10001', 'a', '-1', ''].flatMap((n) => [
        get('k', { query: [['partNumber', n]] }),
        head('k', { query: [['partNumber', n]] }),
      ]),
      get('k', { query: 'partNumber=1', headers: [['range', 'bytes=0-1']] }),
      put('empty', ''),
      get('empty', { query: 'partNumber=1' }),
    ],
  },
  {
    name: 'response overrides',
    steps: [
      put('k', 'x', {
        headers: [
          ['content-type', 'text/plain'],
          ['content-language', 'de'],
        ],
      }),
      ...OVERRIDES.map(([name, value]) => get('k', { query: [[name, value]] })),
      get('k', { query: [...OVERRIDES] }),
      head('k', { query: [...OVERRIDES] }),
      get('k', { query: 'response-content-type=', headers: [['range', 'bytes=0-0']] }),
      get('gone', { query: [...OVERRIDES] }),
    ],
  },
  {
    name: 'a response override that is not ASCII',
    stores: ['minio'],
    steps: [put('k', 'x'), get('k', { query: [['response-content-disposition', 'attachment; filename="ü.txt"']] })],
  },
  {
    name: 'a part number with checksums asked for',
    steps: [put('k', 'x'), get('k', { query: 'partNumber=1', headers: [['x-amz-checksum-mode', 'ENABLED']] })],
  },
];
