/** Objects of every size around the edges of segments, of the small layout and of parts; headers and metadata; deletes. */

import { KiB, MiB } from '../../helpers/bytes.ts';
import type { Sequence } from '../twin.ts';
import { content, get, head, put, remove } from './content.ts';

const SIZES = [
  0,
  1,
  2,
  15,
  16,
  17,
  1000,
  64 * KiB - 1,
  64 * KiB,
  64 * KiB + 1,
  128 * KiB,
  MiB - 1,
  MiB,
  MiB + 1,
  5 * MiB,
  8 * MiB,
];

const list = { method: 'GET', query: 'list-type=2' } as const;

const sizes: readonly Sequence[] = SIZES.map((size) => ({
  name: `object of ${size} bytes`,
  steps: [
    put('k', content(size)),
    head('k'),
    get('k'),
    list,
    get('k', { headers: [['range', 'bytes=0-0']] }),
    remove('k'),
    get('k'),
    head('k'),
    list,
  ],
}));

const HEADERS = [
  ['content-type', 'text/plain; charset=utf-8'],
  ['cache-control', 'max-age=60, public'],
  ['content-disposition', 'attachment; filename="a b.txt"'],
  ['content-encoding', 'gzip'],
  ['content-language', 'en, de'],
  ['expires', 'Thu, 01 Dec 2033 16:00:00 GMT'],
  ['x-amz-meta-one', 'two'],
  ['x-amz-meta-UPPER', 'Value With Case'],
  ['x-amz-meta-spaces', 'a  b'],
  ['x-amz-meta-empty', ''],
] as const;

const headers: readonly Sequence[] = [
  ...HEADERS.map((header) => ({
    name: `header ${header[0]}`,
    steps: [put('k', 'x', { headers: [header] }), head('k'), get('k')],
  })),
  { name: 'all headers at once', steps: [put('k', 'x', { headers: [...HEADERS] }), head('k'), get('k')] },
  { name: 'no content type', steps: [put('k', 'x'), head('k')] },
  {
    name: 'overwritten',
    steps: [put('k', 'one', { headers: [['x-amz-meta-a', '1']] }), put('k', 'two two'), head('k'), get('k'), list],
  },
  { name: 'delete of what is not there', steps: [remove('k'), put('k', 'x'), remove('k'), remove('k')] },
];

export const OBJECTS: readonly Sequence[] = [...sizes, ...headers];
