/**
 * A backend's listings as typed rows. Requests always ask for `encoding-type=url`, since XML 1.0 cannot carry every key;
 * the answer is decoded here, once, and only where it says that it is encoded: some stores ignore the parameter.
 * Source: Amazon S3 API reference, ListObjectsV2, ListObjects, ListObjectVersions, ListBuckets.
 */
import type { XmlNode } from '../xml/render-xml.ts';
import { parseAnswer } from './answer-xml.ts';
import { BackendUnavailable, type QueryParameter } from './backend.ts';
import { type PlainRowText, plainRowsOf } from './list-rows.ts';

/** Belongs into the query of every listing. */
export const LIST_ENCODING: QueryParameter = ['encoding-type', 'url'];

interface ListedOwner {
  readonly id: string;
  readonly displayName: string | undefined;
}

export interface ListedObject {
  readonly key: string;
  /** Bytes as stored. */
  readonly size: number;
  /** With quotes, as the ETag header has it. */
  readonly etag: string;
  readonly lastModified: Date;
  readonly storageClass: string | undefined;
  readonly owner: ListedOwner | undefined;
  /** `<RestoreStatus>` of an archived object. */
  readonly restoring: boolean | undefined;
}

export interface ListPage {
  readonly objects: readonly ListedObject[];
  readonly commonPrefixes: readonly string[];
  readonly isTruncated: boolean;
  /** ListObjectsV2: the opaque continuation token of the next page. */
  readonly nextToken: string | undefined;
  /** ListObjects V1: where the next page starts. Stores give it only with a delimiter; else it is the last key. */
  readonly nextMarker: string | undefined;
}

export interface ListedVersion extends ListedObject {
  readonly versionId: string;
  readonly isLatest: boolean;
  readonly isDeleteMarker: boolean;
}

export interface VersionsPage {
  /** Versions and delete markers, in the store's order. */
  readonly versions: readonly ListedVersion[];
  readonly commonPrefixes: readonly string[];
  readonly isTruncated: boolean;
  readonly nextKeyMarker: string | undefined;
  readonly nextVersionIdMarker: string | undefined;
}

/** A row with what it says of the object's metadata. */
export interface DescribedObject extends ListedObject {
  /** By lower-case header names; without what it does not say. */
  readonly headers: Readonly<Record<string, string>>;
}

interface ListedBucket {
  readonly name: string;
  readonly creationDate: Date;
  readonly region: string | undefined;
}

export interface BucketsPage {
  readonly buckets: readonly ListedBucket[];
  readonly owner: ListedOwner | undefined;
  readonly nextToken: string | undefined;
}

type Decode = (text: string) => string;

/** @throws BackendUnavailable for what is no such document, or a row without what every row has. */
export function parseListV2(xml: string | Buffer): ListPage {
  return parseList(xml);
}

/** @throws BackendUnavailable for what is no such document, or a row without what every row has. */
export function parseListV1(xml: string | Buffer): ListPage {
  return parseList(xml);
}

/** Belongs into the query of a listing by version 2 that is to show metadata. */
export const WITH_METADATA: QueryParameter = ['metadata', 'true'];

/**
 * The rows that show the named headers (lower case, `x-amz-meta-...`), of a listing that was asked for with WITH_METADATA: an
 * extension of MinIO's, which puts `<UserMetadata>` into each row. Rows that lack the first of them are left out.
 * @throws BackendUnavailable for what is no such document, or a row without what every row has.
 */
export function parseDescribed(xml: Buffer, names: readonly [string, ...string[]]): DescribedObject[] {
  const root = parseAnswer(textOf(xml), 'ListBucketResult');
  const decode = decoderOf(root);
  const elements = names.map((name) => [name, name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase())] as const);
  return root.children('Contents').flatMap((row) => {
    const metadata = row.child('UserMetadata');
    const found = elements.map(([name, element]) => [name, metadata?.value(element) ?? ''] as const);
    const shown = found.filter(([, value]) => value !== '');
    return shown[0]?.[0] === names[0] ? [{ ...objectOf(row, decode), headers: Object.fromEntries(shown) }] : [];
  });
}

function parseList(xml: string | Buffer): ListPage {
  const text = textOf(xml);
  const plain = plainRowsOf(text);
  const root = parseAnswer(plain?.rest ?? text, 'ListBucketResult');
  const decode = decoderOf(root);
  const objects =
    plain?.rows.map((row) => plainObjectOf(row, decode)) ??
    root.children('Contents').map((row) => objectOf(row, decode));
  const commonPrefixes = prefixesOf(root, decode);
  const isTruncated = root.value('IsTruncated')?.trim() === 'true';
  const marker = root.value('NextMarker');
  return {
    objects,
    commonPrefixes,
    isTruncated,
    nextToken: nonEmpty(root.value('NextContinuationToken')),
    nextMarker: isTruncated ? (nonEmpty(marker && decode(marker)) ?? lastName(objects, commonPrefixes)) : undefined,
  };
}

/** @throws BackendUnavailable for what is no such document, or a row without what every row has. */
export function parseListVersions(xml: string | Buffer): VersionsPage {
  // The parser groups rows by name. Order between versions and delete markers is restored from the text, which the
  // store writes row by row.
  const text = textOf(xml);
  const root = parseAnswer(text, 'ListVersionsResult');
  const decode = decoderOf(root);
  const versions = root.children('Version').values();
  const markers = root.children('DeleteMarker').values();
  const rows: ListedVersion[] = [];
  for (const [, name] of text.matchAll(/<(?:[\w.-]+:)?(Version|DeleteMarker)(?=[\s/>])/g)) {
    const row = (name === 'Version' ? versions : markers).next().value;
    if (row === undefined) throw new BackendUnavailable('its listing of versions cannot be understood');
    rows.push(versionOf(row, { isDeleteMarker: name === 'DeleteMarker', decode }));
  }
  const nextKey = root.value('NextKeyMarker');
  return {
    versions: rows,
    commonPrefixes: prefixesOf(root, decode),
    isTruncated: root.value('IsTruncated')?.trim() === 'true',
    nextKeyMarker: nonEmpty(nextKey && decode(nextKey)),
    nextVersionIdMarker: nonEmpty(root.value('NextVersionIdMarker')),
  };
}

/** @throws BackendUnavailable for what is no such document, or a row without what every row has. */
export function parseListBuckets(xml: string | Buffer): BucketsPage {
  const root = parseAnswer(textOf(xml), 'ListAllMyBucketsResult');
  const rows = root.child('Buckets')?.children('Bucket') ?? [];
  return {
    buckets: rows.map((row) => ({
      name: required(row, 'Name'),
      creationDate: dateOf(row, 'CreationDate'),
      region: nonEmpty(row.value('BucketRegion')),
    })),
    owner: ownerOf(root),
    nextToken: nonEmpty(root.value('ContinuationToken')),
  };
}

/**
 * A name under `encoding-type=url`: percent-encoded UTF-8 with '+' for a space. Text that is not valid percent-encoding
 * is returned as it is: the store did not encode it, whatever it said.
 */
export function decodeListedName(text: string): string {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

function decoderOf(root: XmlNode): Decode {
  return root.value('EncodingType')?.trim() === 'url' ? decodeListedName : (text) => text;
}

function objectOf(row: XmlNode, decode: Decode): ListedObject {
  const size = Number(required(row, 'Size').trim() || Number.NaN);
  if (!Number.isSafeInteger(size) || size < 0) throw new BackendUnavailable('its listing has a row without a size');
  return {
    key: decode(required(row, 'Key')),
    size,
    etag: quoted(row.value('ETag') ?? ''),
    lastModified: dateOf(row, 'LastModified'),
    storageClass: nonEmpty(row.value('StorageClass')),
    owner: ownerOf(row),
    restoring: restoringOf(row),
  };
}

/** The same of a row that was read without a tree. */
function plainObjectOf(row: PlainRowText, decode: Decode): ListedObject {
  const lastModified = new Date(row.lastModified.trim());
  if (Number.isNaN(lastModified.getTime()))
    throw new BackendUnavailable('its listing has a row whose LastModified is no date');
  return {
    key: decode(row.key),
    size: Number(row.size),
    etag: `"${row.etag}"`,
    lastModified,
    storageClass: nonEmpty(row.storageClass),
    owner: row.ownerId === undefined ? undefined : { id: row.ownerId, displayName: nonEmpty(row.ownerName) },
    restoring: undefined,
  };
}

function versionOf(row: XmlNode, o: { isDeleteMarker: boolean; decode: Decode }): ListedVersion {
  const common = { versionId: row.value('VersionId') ?? 'null', isLatest: row.value('IsLatest')?.trim() === 'true' };
  if (!o.isDeleteMarker) return { ...objectOf(row, o.decode), ...common, isDeleteMarker: false };
  return {
    key: o.decode(required(row, 'Key')),
    size: 0,
    etag: '',
    lastModified: dateOf(row, 'LastModified'),
    storageClass: undefined,
    owner: ownerOf(row),
    restoring: undefined,
    ...common,
    isDeleteMarker: true,
  };
}

function prefixesOf(root: XmlNode, decode: Decode): string[] {
  return root.children('CommonPrefixes').flatMap((group) => group.children('Prefix').map((p) => decode(p.text)));
}

/** V1 without a delimiter: the next page starts after the greatest name of this one, by UTF-8 bytes. */
function lastName(objects: readonly ListedObject[], prefixes: readonly string[]): string | undefined {
  const names = [objects.at(-1)?.key, prefixes.at(-1)].filter((name) => name !== undefined);
  return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).at(-1);
}

function ownerOf(row: XmlNode): ListedOwner | undefined {
  const owner = row.child('Owner');
  return owner && { id: owner.value('ID') ?? '', displayName: nonEmpty(owner.value('DisplayName')) };
}

function restoringOf(row: XmlNode): boolean | undefined {
  const status = row.child('RestoreStatus');
  return status && status.value('IsRestoreInProgress')?.trim() === 'true';
}

function dateOf(row: XmlNode, name: string): Date {
  const date = new Date(required(row, name).trim());
  if (Number.isNaN(date.getTime())) throw new BackendUnavailable(`its listing has a row whose ${name} is no date`);
  return date;
}

function required(row: XmlNode, name: string): string {
  const value = row.value(name);
  if (value === undefined) throw new BackendUnavailable(`its listing has a row without ${name}`);
  return value;
}

function quoted(etag: string): string {
  return etag === '' || etag.startsWith('"') ? etag : `"${etag}"`;
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}

function textOf(xml: string | Buffer): string {
  return typeof xml === 'string' ? xml : xml.toString('utf8');
}
