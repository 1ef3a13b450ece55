/** Bodies and what is promised of them: digests, lengths, checksums as headers and trailers, every framing, right and wrong. */
import { createHash } from 'node:crypto';
import { crc32c } from '@node-rs/crc32';
import { KiB, MiB } from '../../helpers/bytes.ts';
import type { Framing, TwinRequest } from '../request.ts';
import { crc32Text, md5Text } from '../request.ts';
import type { Sequence } from '../twin.ts';
import { content, get, head, put } from './content.ts';

const BODY = 'some content';
const base64Of = (value: number): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
};
const sha = (algorithm: string) => createHash(algorithm).update(BODY).digest('base64');
const RIGHT: Readonly<Record<string, string>> = {
  crc32: crc32Text(Buffer.from(BODY)),
  crc32c: base64Of(crc32c(BODY)),
  sha1: sha('sha1'),
  sha256: sha('sha256'),
};
const ENABLED = { headers: [['x-amz-checksum-mode', 'ENABLED']] } as const;
const after = [
  head('k', ENABLED),
  get('k', ENABLED),
  get('k', { headers: [...ENABLED.headers, ['range', 'bytes=0-3']] }),
  get('k'),
];

const digests: readonly Sequence[] = [md5Text(BODY), md5Text('other'), 'nonsense', '', 'AAAA', `${md5Text(BODY)}=`].map(
  (value) => ({
    name: `Content-MD5 ${value || 'empty'}`,
    steps: [put('k', BODY, { headers: [['content-md5', value]] }), head('k')],
  }),
);

const checksums: readonly Sequence[] = Object.entries(RIGHT).flatMap(([algorithm, right]) => {
  const header = `x-amz-checksum-${algorithm}`;
  const changed = Buffer.from(right, 'base64');
  changed[0] = (changed[0] ?? 0) ^ 1;
  return [
    { name: `${algorithm} header, right`, steps: [put('k', BODY, { headers: [[header, right]] }), ...after] },
    {
      name: `${algorithm} header, wrong`,
      steps: [put('k', BODY, { headers: [[header, changed.toString('base64')]] }), head('k')],
    },
    {
      name: `${algorithm} header, malformed`,
      steps: [put('k', BODY, { headers: [[header, 'nonsense']] }), head('k')],
    },
    {
      name: `${algorithm} trailer, right`,
      steps: [put('k', BODY, { framing: 'unsigned-trailer', trailer: [header, right] }), ...after],
    },
    {
      name: `${algorithm} trailer, signed`,
      steps: [put('k', BODY, { framing: 'chunks-trailer', trailer: [header, right] }), ...after],
    },
    {
      name: `${algorithm} trailer, wrong`,
      steps: [
        put('k', BODY, { framing: 'unsigned-trailer', trailer: [header, changed.toString('base64')] }),
        head('k'),
      ],
    },
    {
      name: `${algorithm} named, header and trailer`,
      steps: [
        put('k', BODY, {
          headers: [
            ['x-amz-sdk-checksum-algorithm', algorithm.toUpperCase()],
            [header, right],
          ],
        }),
        head('k', ENABLED),
        { method: 'GET', query: 'list-type=2' },
        {
          method: 'GET',
          key: 'k',
          query: 'attributes',
          headers: [['x-amz-object-attributes', 'ETag,Checksum,ObjectSize,StorageClass,ObjectParts']],
        },
      ],
    },
  ];
});

const FRAMINGS: readonly Framing[] = ['signed', 'unsigned', 'chunks', 'chunks-trailer', 'unsigned-trailer'];
const framings: readonly Sequence[] = FRAMINGS.flatMap((framing) =>
  [0, 1, 64 * KiB, 64 * KiB + 1, MiB + 1].map((size) => {
    const trailer = framing.endsWith('trailer') ? { trailer: ['x-amz-checksum-crc32'] as const } : {};
    const plain: TwinRequest = put('k', content(size), { framing, ...trailer });
    const steps = [plain, get('k'), head('k', ENABLED)];
    return {
      name: `${framing} body of ${size} bytes`,
      steps:
        framing === 'signed' || framing === 'unsigned'
          ? steps
          : [...steps, { ...plain, chunkedTransfer: true as const }, get('k'), { ...plain, chunkBytes: 8 * KiB }],
    };
  }),
);

const EXPECT = [['expect', '100-continue']] as const;

export const BODIES: readonly Sequence[] = [
  ...digests,
  ...checksums,
  ...framings,
  {
    name: 'lengths that are not true',
    steps: [
      put('k', BODY, { framing: 'chunks', headers: [['x-amz-decoded-content-length', '5']] }),
      head('k'),
      put('k', BODY, {
        framing: 'unsigned-trailer',
        trailer: ['x-amz-checksum-crc32'],
        headers: [['x-amz-decoded-content-length', '500']],
      }),
      head('k'),
    ],
  },
  { name: 'no length', steps: [put('k', BODY, { chunkedTransfer: true }), head('k')] },
  {
    name: 'Expect',
    steps: [put('k', BODY, { headers: EXPECT }), get('k'), put('k', content(2 * MiB), { headers: EXPECT }), head('k')],
  },
  {
    name: 'a trailer that was not announced, and one that does not come',
    steps: [
      put('k', BODY, { framing: 'unsigned-trailer', headers: [['x-amz-trailer', 'x-amz-checksum-crc32']] }),
      head('k'),
      put('k', BODY, {
        framing: 'unsigned-trailer',
        trailer: ['x-amz-checksum-crc32'],
        headers: [['x-amz-trailer', 'x-amz-checksum-sha1']],
      }),
      head('k'),
    ],
  },
  {
    name: 'aws-chunked named without its framing, and gzip with it',
    steps: [
      put('k', BODY, { headers: [['content-encoding', 'aws-chunked']] }),
      head('k'),
      put('k', BODY, { framing: 'chunks', headers: [['content-encoding', 'gzip,aws-chunked']] }),
      head('k'),
      put('k', BODY, { framing: 'chunks', headers: [['content-encoding', 'aws-chunked,gzip']] }),
      head('k'),
    ],
  },
  {
    name: 'another body than was signed',
    steps: [put('k', BODY, { headers: [['x-amz-content-sha256', 'a'.repeat(64)]] }), head('k')],
  },
  {
    name: 'two checksums at once',
    steps: [
      put('k', BODY, {
        headers: [
          ['x-amz-checksum-crc32', RIGHT['crc32'] ?? ''],
          ['x-amz-checksum-sha256', RIGHT['sha256'] ?? ''],
        ],
      }),
      head('k'),
    ],
  },
  {
    name: 'metadata of 2 KiB and more',
    steps: [
      put('k', BODY, { headers: [['x-amz-meta-a', 'x'.repeat(2047)]] }),
      head('k'),
      put('k', BODY, { headers: [['x-amz-meta-a', 'x'.repeat(2048)]] }),
      head('k'),
    ],
  },
  {
    name: 'metadata twice, with UTF-8, and RFC 2047',
    steps: [
      put('k', BODY, {
        headers: [
          ['x-amz-meta-a', '1'],
          ['x-amz-meta-a', '2'],
        ],
      }),
      head('k'),
      put('k', BODY, { headers: [['x-amz-meta-a', Buffer.from('ü').toString('latin1')]] }),
      head('k'),
      put('k', BODY, { headers: [['x-amz-meta-a', '=?UTF-8?B?w7w=?=']] }),
      head('k'),
    ],
  },
];
