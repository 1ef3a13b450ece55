/** Random requests about one object: PUT, GET, HEAD, DELETE, CopyObject, attributes and tags. */
import { type Header, percentEncode } from '../../helpers/raw-client.ts';
import { content, xml } from '../corpus/content.ts';
import type { StoreName } from '../difference.ts';
import { md5Hex, type TwinRequest } from '../request.ts';
import { checksumFor, randomBody, someChecksums, travel } from './bodies.ts';
import type { Model } from './model.ts';

const CONTENT_HEADERS: readonly Header[] = [
  ['content-type', 'text/plain; charset=utf-8'],
  ['content-type', 'application/x-random'],
  ['cache-control', 'no-cache'],
  ['content-disposition', 'attachment; filename="x y.txt"'],
  ['content-language', 'de'],
  ['x-amz-meta-colour', 'blue'],
  ['x-amz-meta-Shape', 'Round  and square'],
  ['x-amz-meta-n', '0'],
];

export function described(model: Model): readonly Header[] {
  const { dice } = model;
  const headers = [
    ...dice.maybe(40, () => dice.pick(CONTENT_HEADERS)),
    ...dice.maybe(30, () => dice.pick(CONTENT_HEADERS)),
  ];
  return headers.filter(([name], at) => headers.findIndex(([other]) => other === name) === at);
}

/** On `percent` of writes: half of them hold. */
export function writeConditions(model: Model, key: string, percent: number): readonly Header[] {
  const { dice } = model;
  if (!dice.percent(percent)) return [];
  return dice.percent(55) ? [['if-none-match', '*']] : [['if-match', model.etag(key)]];
}

export function putObject(model: Model): TwinRequest {
  const { dice } = model;
  const key = model.key();
  const body = randomBody(dice);
  const { headers, rest } = travel(dice, body, checksumFor(dice, body, someChecksums(dice, model.store)));
  const conditions = writeConditions(model, key, 22);
  const isLikely = conditions.length === 0;
  const tagging = dice.maybe(8, (): Header => ['x-amz-tagging', dice.pick(['a=1', 'a=1&b=2'])]);
  if (isLikely || dice.percent(50)) model.stored(key, { size: body.length, etag: md5Hex(body), parts: 0 });
  return {
    method: 'PUT',
    key,
    body,
    headers: [...described(model), ...headers, ...conditions, ...tagging],
    ...rest,
    ...model.saveVersion(key, isLikely),
  };
}

/** S3 takes one range; others are answered with everything. */
function randomRange(model: Model, size: number): string {
  const { dice } = model;
  const edges = [0, 1, 15, 16, 65_535, 65_536, 65_537, 1_048_575, 1_048_576, size - 1, size, size + 1, size >> 1];
  const place = () => Math.max(0, dice.pick(edges));
  const first = place();
  return dice.weighted([
    [50, `bytes=${first}-${first + place()}`],
    [15, `bytes=${first}-`],
    [20, `bytes=-${place()}`],
    [5, `bytes=${first + 1}-${first}`],
    [5, `bytes=0-0,2-3`],
    [5, dice.pick(['bytes=', 'bytes=a-b', 'items=0-1', 'bytes=-'])],
  ]);
}

const PAST = 'Sat, 01 Jan 2000 00:00:00 GMT';

function readConditions(model: Model, key: string): readonly Header[] {
  const { dice } = model;
  if (!dice.percent(25)) return [];
  const conditions: readonly (readonly Header[])[] = [
    [['if-match', model.etag(key)]],
    [['if-none-match', model.etag(key)]],
    [['if-match', '*']],
    [['if-none-match', '*']],
    [['if-modified-since', PAST]],
    [['if-unmodified-since', PAST]],
    [
      ['if-match', model.etag(key)],
      ['if-unmodified-since', PAST],
    ],
    [
      ['if-none-match', model.etag(key)],
      ['if-modified-since', PAST],
    ],
  ];
  return dice.pick(conditions);
}

const OVERRIDES = [
  ['response-content-type', 'text/x-other'],
  ['response-cache-control', 'max-age=1'],
  ['response-content-disposition', 'inline'],
] as const;

export function readObject(model: Model): TwinRequest {
  const { dice } = model;
  const key = model.key('there');
  const known = model.objects.get(key);
  const size = known?.size ?? 100;
  const query: (readonly [string, string])[] = [...model.versionOf(key)];
  const headers: Header[] = [...readConditions(model, key)];
  if (dice.percent(40)) headers.push(['range', randomRange(model, size)]);
  else if ((known?.parts ?? 0) > 0 && dice.percent(50)) query.push(['partNumber', String(1 + dice.below(4))]);
  if (dice.percent(35)) headers.push(['x-amz-checksum-mode', 'ENABLED']);
  const method = dice.percent(65) ? 'GET' : 'HEAD';
  const isPresigned = dice.percent(10);
  if (method === 'GET' && dice.percent(8)) query.push(dice.pick(OVERRIDES));
  return { method, key, query, headers, ...(isPresigned ? { sign: { by: 'query' as const } } : {}) };
}

/** Percent of copies and deletes with a condition on what they replace. MinIO and moto ignore it, and then a sequence ends. */
const CONDITIONAL: Readonly<Record<StoreName, { readonly copy: number; readonly delete: number }>> = {
  embedded: { copy: 30, delete: 30 },
  'moto-strict': { copy: 30, delete: 30 },
  moto: { copy: 10, delete: 4 },
  minio: { copy: 10, delete: 4 },
};

/** S3 knows If-Match alone on a delete, and If-None-Match with nothing but `*` on a copy. */
function targetConditions(model: Model, key: string, o: { of: 'copy' | 'delete' }): readonly Header[] {
  const { dice } = model;
  if (!dice.percent(CONDITIONAL[model.store][o.of])) return [];
  if (o.of === 'copy' && dice.percent(45)) return [['if-none-match', '*']];
  return [['if-match', dice.percent(12) ? '*' : model.etag(key)]];
}

export function deleteObject(model: Model): TwinRequest {
  const key = model.key('there');
  const query = model.versionOf(key);
  const isThere = model.objects.has(key);
  const headers = targetConditions(model, key, { of: 'delete' });
  if (query.length === 0 && (headers.length === 0 || model.dice.percent(50))) model.removed(key);
  const isLikely = query.length === 0 && isThere && headers.length === 0;
  return { method: 'DELETE', key, query, headers, ...model.saveVersion(key, isLikely) };
}

export function deleteObjects(model: Model): TwinRequest {
  const { dice } = model;
  const keys = [...new Set([model.key('there'), model.key(), model.key()])];
  for (const key of keys) model.removed(key);
  const rows = keys.map((key) => `<Object><Key>${escaped(key)}</Key></Object>`).join('');
  const quiet = dice.percent(40) ? '<Quiet>true</Quiet>' : '';
  const body = dice.percent(92) ? xml('Delete', `${quiet}${rows}`) : '<Delete><Object>';
  return { method: 'POST', query: 'delete', body, headers: [['content-md5', md5Base64(body)]] };
}

const md5Base64 = (text: string): string => Buffer.from(md5Hex(text), 'hex').toString('base64');

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

function sourceConditions(model: Model, source: string): readonly Header[] {
  const { dice } = model;
  if (!dice.percent(20)) return [];
  return [
    dice.pick([
      ['x-amz-copy-source-if-match', model.etag(source)],
      ['x-amz-copy-source-if-none-match', model.etag(source)],
      ['x-amz-copy-source-if-modified-since', PAST],
      ['x-amz-copy-source-if-unmodified-since', PAST],
    ] as const),
  ];
}

export function copySource(model: Model, source: string): Header {
  const [version] = model.versionOf(source);
  const suffix = version === undefined ? '' : `?versionId=${version[1]}`;
  return ['x-amz-copy-source', `/{{bucket}}/${percentEncode(source, '/')}${suffix}`];
}

export function copyObject(model: Model): TwinRequest {
  const { dice } = model;
  const source = model.key('there');
  const key = dice.percent(15) ? source : model.key();
  const replaces = dice.percent(40) || (key === source && dice.percent(70));
  const headers: Header[] = [copySource(model, source), ...sourceConditions(model, source)];
  if (replaces) headers.push(['x-amz-metadata-directive', 'REPLACE'], ...described(model));
  if (dice.percent(10)) headers.push(['x-amz-tagging-directive', 'REPLACE'], ['x-amz-tagging', 'copied=yes']);
  headers.push(...targetConditions(model, key, { of: 'copy' }));
  const known = model.objects.get(source);
  model.copied(key, known);
  return { method: 'PUT', key, headers, ...model.saveVersion(key, known !== undefined && headers.length === 1) };
}

export function attributesOf(model: Model): TwinRequest {
  const { dice } = model;
  const key = model.key('there');
  const all = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'];
  const wanted = all.filter(() => dice.percent(60));
  const named = dice.percent(90) ? (wanted.length === 0 ? 'ETag' : wanted.join(',')) : 'Colour';
  const query: (readonly [string, string?])[] = [['attributes'], ...model.versionOf(key)];
  return { method: 'GET', key, query, headers: [['x-amz-object-attributes', named]] };
}

export function tagging(model: Model): TwinRequest {
  const { dice } = model;
  const key = model.key(dice.percent(85) ? 'there' : 'any');
  const query: (readonly [string, string?])[] = [['tagging'], ...model.versionOf(key)];
  const method = dice.weighted([
    [40, 'PUT'],
    [40, 'GET'],
    [20, 'DELETE'],
  ]);
  if (method !== 'PUT') return { method, key, query };
  const row = (name: string, value: string) => `<Tag><Key>${name}</Key><Value>${value}</Value></Tag>`;
  const rows = dice.percent(90)
    ? row('a', '1') + (dice.percent(50) ? row('b', 'two words') : '')
    : row('a', '1').repeat(2);
  return { method, key, query, body: xml('Tagging', `<TagSet>${rows}</TagSet>`) };
}

/** A body that is not what the headers say it is. */
export function spoiltPut(model: Model): TwinRequest {
  const { dice } = model;
  const body = content(1000, 'a');
  const headers = dice.pick<readonly Header[]>([
    [['content-md5', md5Base64('something else')]],
    [['content-md5', 'no base64']],
    [['x-amz-checksum-crc32', 'AAAAAA==']],
    [['x-amz-checksum-sha256', `${'A'.repeat(43)}=`]],
  ]);
  return { method: 'PUT', key: model.key(), body, headers };
}
