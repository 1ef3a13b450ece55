/** Listings of both versions: prefixes, delimiters, markers, pages of every size, parameters that are wrong. */

import { MiB } from '../../helpers/bytes.ts';
import type { TwinRequest } from '../request.ts';
import type { Sequence } from '../twin.ts';
import { content, put } from './content.ts';

const NAMES = ['a', 'b/1', 'b/2', 'b/c/3', 'c', 'd e', 'd+f', 'z/', 'z/y', 'ü', 'ü/x'];

const filled: readonly TwinRequest[] = [
  ...NAMES.map((key, i) => put(key, content(i * 100))),
  put('large', content(MiB + 1)),
];

const list = (query: TwinRequest['query'], o: Partial<TwinRequest> = {}): TwinRequest => ({
  method: 'GET',
  ...(query === undefined ? {} : { query }),
  ...o,
});

const COMMON = [
  ...[
    '',
    'prefix=b/',
    'prefix=b',
    'prefix=nothing',
    'prefix=',
    'prefix=%C3%BC',
    'delimiter=/',
    'delimiter=',
    'delimiter=c',
  ],
  ...[
    'prefix=b/&delimiter=/',
    'prefix=b/&delimiter=/&encoding-type=url',
    'delimiter=/&encoding-type=url',
    'encoding-type=url',
  ],
  ...[
    'encoding-type=other',
    'encoding-type=',
    'delimiter=%2F%2F',
    'prefix=d%20&encoding-type=url',
    'prefix=d%2B&encoding-type=url',
  ],
  ...[
    'max-keys=0',
    'max-keys=1',
    'max-keys=3',
    'max-keys=1000',
    'max-keys=1001',
    'max-keys=99999',
    'max-keys=-1',
    'max-keys=a',
  ],
  ...[
    'max-keys=',
    'max-keys=2147483648',
    'max-keys=1&delimiter=/',
    'max-keys=2&delimiter=/',
    'max-keys=3&delimiter=/',
    'prefix=z/&delimiter=/',
  ],
  ...['prefix=z/&max-keys=1', 'delimiter=%20', 'prefix=/', 'prefix=//'],
];

const V1 = [
  ...COMMON,
  'marker=b/1',
  'marker=b/',
  'marker=zzz',
  'marker=',
  'marker=b/&delimiter=/',
  'marker=d%20e&encoding-type=url',
  'marker=c&max-keys=2',
];
const V2 = [
  ...COMMON,
  ...[
    'start-after=b/1',
    'start-after=zzz',
    'start-after=',
    'start-after=b/&delimiter=/',
    'start-after=d%20e&encoding-type=url',
  ],
  ...[
    'fetch-owner=true',
    'fetch-owner=false',
    'fetch-owner=',
    'continuation-token=',
    'continuation-token=nonsense',
    'start-after=a&max-keys=2&prefix=b',
  ],
];

/** All pages of a listing, `size` rows each. */
function pages(size: number, more: string, version: 1 | 2): TwinRequest[] {
  const count = Math.ceil((NAMES.length + 1) / size) + 1;
  return Array.from({ length: count }, (_, i) => {
    if (version === 2) {
      const token = i === 0 ? '' : `&continuation-token={{token}}`;
      return list(`list-type=2&max-keys=${size}${more}${token}`, { save: { token: 'xml:NextContinuationToken' } });
    }
    const query: [string, string][] = [
      ['max-keys', String(size)],
      ['delimiter', '/'],
    ];
    if (i > 0) query.push(['marker', '{{marker}}']);
    return list(query, { save: { marker: 'xml:NextMarker' } });
  });
}

export const LISTS: readonly Sequence[] = [
  ...V1.map((query) => ({ name: `ListObjects ${query || 'plain'}`, steps: [...filled, list(query)] })),
  ...V2.map((query) => ({
    name: `ListObjectsV2 ${query || 'plain'}`,
    steps: [...filled, list(query === '' ? 'list-type=2' : `list-type=2&${query}`)],
  })),
  ...[1, 2, 5].flatMap((size) =>
    ['', '&delimiter=/', '&prefix=b'].map((more) => ({
      name: `pages of ${size} rows${more === '' ? '' : ` with ${more.slice(1)}`}, version 2`,
      steps: [...filled, ...pages(size, more, 2).slice(0, more === '&prefix=b' ? 2 : 7)],
    })),
  ),
  {
    name: 'pages of 2 rows with a delimiter, version 1',
    steps: [...filled, ...pages(2, '&delimiter=/', 1).slice(0, 3)],
  },
  {
    name: 'an empty bucket',
    steps: [list(''), list('list-type=2'), list('versions'), list('uploads'), list('list-type=2&max-keys=0')],
  },
  { name: 'a list type that is not', steps: [list('list-type=1'), list('list-type=3'), list('list-type=')] },
  {
    name: 'lists of a bucket that is not there',
    steps: ['', 'list-type=2', 'versions', 'uploads', 'location', 'versioning'].map((query) =>
      list(query, { bucket: 'gone' }),
    ),
  },
  {
    name: 'DuckDB and others name the bucket with a slash',
    steps: [
      ...filled,
      { method: 'GET', path: '/{{bucket}}/', query: 'list-type=2' },
      { method: 'HEAD', path: '/{{bucket}}/' },
    ],
  },
];
