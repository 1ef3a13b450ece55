/** Names of objects that programs do use and that servers get wrong; raw targets; names in listings, as they are and encoded. */
import type { Sequence } from '../twin.ts';
import { get, head, put, remove, xml } from './content.ts';

const KEYS = [
  ...[
    'a b',
    'a+b',
    'a%b',
    'a%20b',
    'a%2Fb',
    'a&b',
    'a=b',
    'a?b',
    'a#b',
    "a'b",
    'a"b',
    'a<b>c',
    'a;b',
    'a,b',
    'a:b@c$d',
  ],
  ...[
    'ü',
    'e\u0301',
    'ﬃ',
    '日本語',
    '😀',
    'a b+ü%.txt',
    '(a)!*~',
    'a|b^c`d{e}[f]',
    'a\\b',
    '-',
    '.hidden',
    'a.',
    '...',
    'x/...',
  ],
  ...[
    'a/b/c',
    'a/',
    'a/b/',
    '_',
    'A',
    'trailing ',
    ' leading',
    'null',
    'undefined',
    '?',
    '%',
    '&amp;',
    '&#x41;',
    ']]>',
    '<![CDATA[x]]>',
  ],
  ...['x'.repeat(255), `${'d'.repeat(200)}/${'e'.repeat(200)}`, `${'d'.repeat(100)}/`.repeat(10)],
];

/** MinIO keeps names as paths and refuses these by design. */
const NO_PATHS = [
  'a//b',
  '/a',
  'a/../b',
  'a/./b',
  '..',
  '.',
  '../x',
  'a/..',
  '//',
  'x'.repeat(1024),
  `${'ü'.repeat(512)}`,
];

const CONTROLS = ['a\tb', 'a\u0001b', 'a\u007fb', '\ufffe'];
const LINES = ['a\nb', 'a\rb'];

const sequence = (key: string): Sequence => ({
  name: `key ${JSON.stringify(key.length > 40 ? `${key.slice(0, 12)}... of ${Buffer.byteLength(key)} bytes` : key)}`,
  steps: [
    put(key, 'content'),
    head(key),
    get(key),
    { method: 'GET', query: 'list-type=2&encoding-type=url' },
    {
      method: 'GET',
      query: [
        ['list-type', '2'],
        ['prefix', key],
        ['encoding-type', 'url'],
      ],
    },
    {
      method: 'GET',
      query: [
        ['encoding-type', 'url'],
        ['delimiter', '/'],
      ],
    },
    ...(isXmlText(key) ? [{ method: 'GET', query: 'list-type=2' }] : []),
    { method: 'PUT', key: 'copy', headers: [['x-amz-copy-source', `/{{bucket}}/${encoded(key)}`]] },
    get('copy'),
    ...(isXmlText(key)
      ? [
          {
            method: 'POST',
            query: 'delete',
            digest: 'md5' as const,

            body: xml('Delete', `<Object><Key>${escaped(key)}</Key></Object>`),
          },
        ]
      : [remove(key)]),
    head(key),
  ],
});

/** XML 1.0 has no spelling for the others. */
const isXmlText = (key: string): boolean => [...key].every((c) => c >= ' ' && c !== '\u007f' && c !== '\ufffe');
const encoded = (key: string): string => encodeURIComponent(key).replaceAll('%2F', '/');
const escaped = (key: string): string =>
  key.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const RAW_PATHS = [
  '/{{bucket}}/raw%2Fslash',
  '/{{bucket}}/raw+plus',
  '/{{bucket}}/raw%2bplus',
  '/{{bucket}}/%72aw',
  '/{{bucket}}/raw%zz',
  '/{{bucket}}/raw%',
  '/{{bucket}}/raw%ff',
  '/{{bucket}}/raw;a=b',
  '/{{bucket}}/raw,a',
  '/{{bucket}}/raw~',
  "/{{bucket}}/raw'()*!",
];

export const KEYS_CORPUS: readonly Sequence[] = [
  ...KEYS.map(sequence),
  ...CONTROLS.map(sequence),
  ...LINES.map((key) => ({ ...sequence(key), stores: ['embedded', 'minio'] as const })),
  ...NO_PATHS.map((key) => ({ ...sequence(key), stores: ['embedded', 'moto', 'moto-strict'] as const })),
  ...RAW_PATHS.map((path) => ({
    name: `raw path ${path}`,
    steps: [
      { method: 'PUT', path, body: 'x' },
      { method: 'GET', path },
      { method: 'GET', query: 'list-type=2&encoding-type=url' },
    ],
  })),
  {
    name: 'a key that is too long',
    steps: [put('x'.repeat(1025), 'x'), get('x'.repeat(1025)), head('x'.repeat(1025)), remove('x'.repeat(1025))],
  },
];
