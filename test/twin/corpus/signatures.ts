/** Who is asking: presigned requests, forms, and signatures with one thing wrong. Only for stores that verify signatures. */

import { MiB } from '../../helpers/bytes.ts';
import type { Signing, TwinForm, TwinRequest } from '../request.ts';
import type { Sequence } from '../twin.ts';
import { content, get, head, put } from './content.ts';

const stores = ['minio'] as const;
const query = (sign: Signing = {}) => ({ sign: { by: 'query' as const, ...sign } });

const WRONG: Readonly<Record<string, Signing>> = {
  'a wrong secret': { wrong: 'secret' },
  'an unknown access key id': { wrong: 'access key id' },
  'a changed signature': { wrong: 'signature' },
  'the day of another scope': { wrong: 'scope date' },
  'another service': { service: 'ec2' },
  'a clock 20 minutes late': { shift: -1200 },
  'a clock 20 minutes early': { shift: 1200 },
  'a clock 10 minutes late': { shift: -600 },
  'an unsigned x-amz- header': { unsignedHeaders: [['x-amz-meta-unsigned', 'x']] },
  'an unsigned other header': { unsignedHeaders: [['x-other', 'x']] },
  'an unsigned host': { signedHeaders: ['x-amz-date', 'x-amz-content-sha256'] },
  nobody: { by: 'nobody' },
};

const EXPIRES = ['0', '-1', '604800', '604801', 'a', '1'];

const form = (o: Omit<TwinForm, 'fields'> & { fields?: Readonly<Record<string, string>> }): TwinRequest => ({
  method: 'POST',
  form: { ...o, fields: { key: 'k', ...o.fields } },
});

export const SIGNATURES: readonly Sequence[] = [
  ...Object.entries(WRONG).flatMap(([name, sign]): Sequence[] => [
    {
      name: `signed with ${name}`,
      stores,
      steps: [
        put('k', 'x'),
        ...[
          get('k', { sign }),
          head('k', { sign }),
          put('l', 'x', { sign }),
          { method: 'GET', query: 'list-type=2', sign },
        ].map((request) => ({ ...request, compare: 'code' as const })),
      ],
    },
    ...(sign.by === 'nobody'
      ? []
      : [
          {
            name: `presigned with ${name}`,
            stores,
            steps: [
              put('k', 'x'),
              get('k', { ...query(sign), compare: 'code' as const }),
              put('l', 'x', { ...query(sign), compare: 'code' as const }),
            ],
          },
        ]),
  ]),
  ...EXPIRES.map(
    (expires): Sequence => ({
      name: `presigned for ${expires} seconds`,
      stores,
      steps: [put('k', 'x'), get('k', { ...query({ expires }), compare: 'code' })],
    }),
  ),
  {
    name: 'presigned and over',
    stores,
    steps: [put('k', 'x'), get('k', { ...query({ expires: '10', shift: -60 }), compare: 'code' })],
  },
  {
    name: 'presigned',
    stores: ['minio', 'embedded', 'moto-strict'],
    steps: [
      put('k', content(MiB + 1), query()),
      get('k', query()),
      head('k', query()),
      get('k', { ...query(), headers: [['range', 'bytes=1-3']] }),
      get('k', { ...query(), query: 'response-content-type=text/x-y&response-content-disposition=attachment' }),
      put('l', 'x', {
        ...query(),
        headers: [
          ['content-type', 'text/x-z'],
          ['x-amz-meta-a', 'b'],
        ],
      }),
      head('l'),
      { method: 'GET', query: 'list-type=2', ...query() },
      { method: 'DELETE', key: 'l', ...query() },
      get('gone', query()),
    ],
  },
  {
    name: 'duplicated signed headers',
    stores,
    steps: [
      put('k', 'x', {
        headers: [
          ['x-amz-meta-a', '1'],
          ['x-amz-meta-a', '2'],
        ],
      }),
      head('k'),
      put('k', 'x', { headers: [['x-amz-meta-a', '  spaces   inside  ']] }),
      head('k'),
    ],
  },
  {
    name: 'forms',
    stores,
    steps: [
      form({}),
      get('k'),
      head('k'),
      form({ fields: { 'Content-Type': 'text/x-form', 'x-amz-meta-a': 'b' } }),
      head('k'),
      form({ fields: { success_action_status: '201' } }),
      form({ fields: { success_action_status: '200' } }),
      form({ fields: { success_action_status: '999' } }),
      form({ fields: { key: 'dir/$' + '{filename}' } }),
      { method: 'GET', query: 'list-type=2' },
      form({ further: [['content-length-range', 0, 5]] }),
      form({ further: [['content-length-range', 0, 500]] }),
      form({ further: [['content-length-range', 100, 500]] }),
      form({ expiration: '2020-01-01T00:00:00Z' }),
      form({ conditions: [{ bucket: 'other' }] }),
      form({ file: { content: content(2 * MiB), fileName: 'f' } }),
      head('k'),
      form({ fields: { success_action_redirect: 'http://example.com/done?x=y' } }),
    ],
  },
];
