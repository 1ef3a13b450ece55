/** Random multipart uploads: layouts, parts uploaded again, copies of parts, lists, every way to complete and to abort. */

import { MiB } from '../../helpers/bytes.ts';
import { type Header, percentEncode } from '../../helpers/raw-client.ts';
import { content, xml } from '../corpus/content.ts';
import { md5Hex, type TwinRequest } from '../request.ts';
import { checksumFor, checksumOfUpload, randomBody, someChecksums, travel } from './bodies.ts';
import type { KnownPart, KnownUpload, Model } from './model.ts';
import { described, writeConditions } from './objects.ts';

export function createUpload(model: Model): TwinRequest {
  const { dice } = model;
  const key = model.key();
  const checksum = checksumOfUpload(dice, model.store);
  const name = model.name('upload');
  model.uploads.push({ name, key, checksum, parts: new Map(), isOver: false });
  const headers: Header[] = [...described(model)];
  if (checksum !== undefined) headers.push(['x-amz-checksum-algorithm', checksum]);
  return { method: 'POST', key, query: 'uploads', headers, save: { [name]: 'xml:UploadId' } };
}

/** Of an upload, rarely of none. */
function idOf(model: Model, upload: KnownUpload): string {
  return model.dice.percent(4) ? 'no-such-upload' : `{{${upload.name}}}`;
}

export function uploadPart(model: Model): TwinRequest | undefined {
  const { dice } = model;
  const upload = model.upload();
  if (upload === undefined) return undefined;
  const isLarge = dice.percent(12);
  const body = isLarge ? content(5 * MiB + dice.below(2), dice.pick(['a', 'b'])) : randomBody(dice);
  const number = dice.weighted([
    [85, 1 + dice.below(4)],
    [8, dice.pick([9, 100, 9999, 10_000])],
    [4, 10_001],
    [3, 0],
  ]);
  const among = upload.checksum === undefined ? someChecksums(dice, model.store) : [upload.checksum];
  const { headers, rest } = travel(dice, body, checksumFor(dice, body, among));
  if (number >= 1 && number <= 10_000) upload.parts.set(number, { size: body.length, etag: md5Hex(body) });
  const query = [
    ['partNumber', String(number)],
    ['uploadId', idOf(model, upload)],
  ] as const;
  return { method: 'PUT', key: upload.key, query, body, headers, ...rest };
}

export function uploadPartCopy(model: Model): TwinRequest | undefined {
  const { dice } = model;
  const upload = model.upload();
  if (upload === undefined) return undefined;
  const source = model.key('there');
  const known = model.objects.get(source);
  const size = known?.size ?? 10;
  const last = Math.max(0, size - 1);
  const headers: Header[] = [['x-amz-copy-source', `/{{bucket}}/${percentEncode(source, '/')}`]];
  const from = dice.below(size + 1);
  const to = from + dice.below(Math.max(1, size - from));
  if (dice.percent(50))
    headers.push(['x-amz-copy-source-range', `bytes=${Math.min(from, last)}-${Math.max(to, from)}`]);
  else if (dice.percent(20)) headers.push(['x-amz-copy-source-if-match', model.etag(source)]);
  else if (known?.parts === 0) upload.parts.set(5, { size, etag: known.etag });
  const query = [
    ['partNumber', '5'],
    ['uploadId', idOf(model, upload)],
  ] as const;
  return { method: 'PUT', key: upload.key, query, headers };
}

export function listParts(model: Model): TwinRequest | undefined {
  const { dice } = model;
  const upload = model.upload();
  if (upload === undefined) return undefined;
  const query: (readonly [string, string])[] = [['uploadId', idOf(model, upload)]];
  if (dice.percent(30)) query.push(['max-parts', dice.pick(['0', '1', '2', '1000'])]);
  if (dice.percent(20)) query.push(['part-number-marker', dice.pick(['0', '1', '3', '10000'])]);
  return { method: 'GET', key: upload.key, query };
}

export function abortUpload(model: Model): TwinRequest | undefined {
  const upload = model.upload();
  if (upload === undefined) return undefined;
  const id = idOf(model, upload);
  if (id.startsWith('{')) upload.isOver = true;
  return { method: 'DELETE', key: upload.key, query: [['uploadId', id]] };
}

interface Row {
  readonly number: number;
  readonly part: KnownPart;
}

export function completeUpload(model: Model): TwinRequest | undefined {
  const { dice } = model;
  const upload = model.upload();
  if (upload === undefined || (upload.parts.size === 0 && dice.percent(70))) return undefined;
  const all = [...upload.parts].sort(([a], [b]) => a - b).map(([number, part]) => ({ number, part }));
  const fitting = dice.percent(80) ? completable(all) : all.filter(() => dice.percent(70));
  const id = idOf(model, upload);
  const spoilt = dice.percent(15) ? spoil(model, fitting) : undefined;
  const rows = spoilt ?? fitting;
  const conditions = writeConditions(model, upload.key, model.objects.has(upload.key) ? 60 : 20);
  const isLikely = spoilt === undefined && rows.length > 0 && conditions.length === 0;
  const request: TwinRequest = {
    method: 'POST',
    key: upload.key,
    query: [['uploadId', id]],
    headers: conditions,
    body: xml('CompleteMultipartUpload', rows.map(rowText).join('')),
    ...model.saveVersion(upload.key, isLikely && !upload.isOver),
  };
  if ((isLikely || (spoilt === undefined && dice.percent(50))) && rows.length > 0 && id.startsWith('{'))
    completed(model, upload, rows);
  return request;
}

/** All that are large enough, and one more. */
function completable(rows: readonly Row[]): readonly Row[] {
  const last = rows.findLastIndex(({ part }) => part.size >= 0);
  return rows.filter(({ part }, at) => part.size >= 5 * MiB || at === last);
}

function spoil(model: Model, rows: readonly Row[]): readonly Row[] {
  const other = { size: 1, etag: model.dice.pick(model.oldEtags) };
  return model.dice.pick<readonly Row[]>([
    [...rows].reverse(),
    [...rows, { number: 77, part: other }],
    rows.map(({ number }) => ({ number, part: other })),
    [],
  ]);
}

const rowText = ({ number, part }: Row): string =>
  `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${part.etag}&quot;</ETag></Part>`;

function completed(model: Model, upload: KnownUpload, rows: readonly Row[]): void {
  upload.isOver = model.dice.percent(80);
  const digests = Buffer.concat(rows.map(({ part }) => Buffer.from(part.etag, 'hex')));
  const size = rows.reduce((sum, { part }) => sum + part.size, 0);
  model.stored(upload.key, { size, etag: `${md5Hex(digests)}-${rows.length}`, parts: rows.length });
}

export function listUploads(model: Model): TwinRequest {
  const { dice } = model;
  const query: (readonly [string, string?])[] = [['uploads']];
  if (dice.percent(20)) query.push(['prefix', dice.pick(['', 'a', 'k', 'zz'])]);
  if (dice.percent(15)) query.push(['max-uploads', dice.pick(['1', '2', '1000'])]);
  return { method: 'GET', query };
}
