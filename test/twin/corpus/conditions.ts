/** Conditions on reads, writes, deletes and copies: every header, alone and combined, on objects that are and that are not. */

import { MiB } from '../../helpers/bytes.ts';
import type { TwinRequest } from '../request.ts';
import type { Sequence } from '../twin.ts';
import { content, get, head, put, remove } from './content.ts';

const PAST = 'Thu, 01 Jan 1998 00:00:00 GMT';
const FUTURE = 'Thu, 01 Dec 2033 16:00:00 GMT';
const ETAG = '{{etag}}';
const OTHER = '"0123456789abcdef0123456789abcdef"';

type Headers = NonNullable<TwinRequest['headers']>;

const READS: readonly Headers[] = [
  ...[ETAG, OTHER, '*', `${OTHER}, ${ETAG}`, `${ETAG},${OTHER}`, `W/${ETAG}`, '{{bare}}', '""', 'x'].flatMap(
    (value): Headers[] => [[['if-match', value]], [['if-none-match', value]]],
  ),
  ...[PAST, FUTURE, '{{time}}', 'nonsense', '2033-12-01T16:00:00Z'].flatMap((value): Headers[] => [
    [['if-modified-since', value]],
    [['if-unmodified-since', value]],
  ]),
  [
    ['if-match', ETAG],
    ['if-unmodified-since', PAST],
  ],
  [
    ['if-match', OTHER],
    ['if-unmodified-since', FUTURE],
  ],
  [
    ['if-none-match', ETAG],
    ['if-modified-since', PAST],
  ],
  [
    ['if-none-match', OTHER],
    ['if-modified-since', FUTURE],
  ],
  [
    ['if-none-match', OTHER],
    ['if-modified-since', '{{time}}'],
  ],
  [
    ['if-match', ETAG],
    ['if-none-match', ETAG],
  ],
  [
    ['if-match', ETAG],
    ['if-none-match', OTHER],
  ],
  [
    ['if-match', ETAG],
    ['if-modified-since', '{{time}}'],
  ],
  [
    ['if-unmodified-since', PAST],
    ['if-modified-since', PAST],
  ],
  [
    ['if-match', OTHER],
    ['range', 'bytes=0-1'],
  ],
  [
    ['if-match', ETAG],
    ['range', 'bytes=0-1'],
  ],
  [
    ['if-none-match', ETAG],
    ['range', 'bytes=0-1'],
  ],
  [
    ['if-match', OTHER],
    ['range', 'bytes=9999999999-'],
  ],
];

/** Saves the ETag quoted and unquoted: the body is known, so its MD5 is written out. */
const written = (size: number): readonly TwinRequest[] => [
  put('k', content(size), {
    headers: [
      ['cache-control', 'max-age=5'],
      ['x-amz-meta-a', 'b'],
    ],
    save: { etag: 'header:etag' },
  }),
  head('k', { save: { time: 'header:last-modified' } }),
  { method: 'GET', query: 'list-type=2', save: { bare: 'xml:Contents/ETag' } },
];

const reads: readonly Sequence[] = [10, 2 * MiB].flatMap((size) => [
  ...READS.map((headers) => ({
    name: `reads of ${size} bytes if ${headers.map(([name, value]) => `${name} ${value}`).join(', ')}`,
    steps: [...written(size), get('k', { headers }), head('k', { headers })],
  })),
]);

const missing: readonly Sequence[] = [
  {
    name: 'conditions on what is not there',
    steps: READS.slice(0, 30)
      .filter((headers) => headers.every(([, value]) => !value.includes('{{')))
      .flatMap((headers) => [get('gone', { headers }), head('gone', { headers })]),
  },
];

const WRITES: readonly Headers[] = [
  [['if-none-match', '*']],
  [['if-match', ETAG]],
  [['if-match', OTHER]],
  [['if-match', '*']],
  [['if-none-match', ETAG]],
  [['if-none-match', OTHER]],
  [
    ['if-match', ETAG],
    ['if-none-match', '*'],
  ],
  [['if-match', '{{bare}}']],
];

const writes: readonly Sequence[] = WRITES.flatMap((headers) => {
  const name = headers.map(([header, value]) => `${header} ${value}`).join(', ');
  return [
    { name: `PUT over an object if ${name}`, steps: [...written(10), put('k', 'new', { headers }), get('k')] },
    {
      name: `PUT of a large body if ${name}`,
      steps: [...written(10), put('k', content(2 * MiB, 'b'), { headers }), head('k')],
    },
    { name: `DELETE if ${name}`, steps: [...written(10), remove('k', { headers }), head('k')] },
    { name: `PUT of a new key if ${name}`, steps: [...written(10), put('new', 'new', { headers }), head('new')] },
    { name: `DELETE of what is not there if ${name}`, steps: [...written(10), remove('new', { headers })] },
  ];
});

const copies: readonly Sequence[] = [
  ...[ETAG, OTHER, '*'].flatMap((value): Headers[] => [[['if-match', value]], [['if-none-match', value]]]),
  ...[PAST, FUTURE].flatMap((value): Headers[] => [[['if-modified-since', value]], [['if-unmodified-since', value]]]),
  [
    ['if-match', ETAG],
    ['if-unmodified-since', PAST],
  ],
  [
    ['if-none-match', OTHER],
    ['if-modified-since', FUTURE],
  ],
].map((headers) => ({
  name: `copy if source ${headers.map(([name, value]) => `${name} ${value}`).join(', ')}`,
  steps: [
    ...written(10),
    {
      method: 'PUT',
      key: 'copy',
      headers: [
        ['x-amz-copy-source', '/{{bucket}}/k'],
        ...headers.map(([name = '', value = '']) => [`x-amz-copy-source-${name}`, value] as const),
      ],
    },
    head('copy'),
  ],
}));

export const CONDITIONS: readonly Sequence[] = [...reads, ...missing, ...writes, ...copies];
