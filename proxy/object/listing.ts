/**
 * Rows of a listing as a client may see them. A backend lists ciphertext sizes and ETags, so the attributes of each version are
 * looked up, once per version and a bounded number at once. In opaque mode most lengths and ETags of the store tell those of the
 * object, and nothing is looked up for these. A row agrees with what HEAD says of the object. A row that fails
 * never fails the listing.
 */
import { sealedPartBytes } from '../../crypto/layout.ts';
import { plainBytesOf } from '../../crypto/stored-length.ts';
import { BackendUnavailable, type QueryParameter } from '../backend/backend.ts';
import type { ListedObject } from '../backend/list.ts';
import type { Lane } from '../concurrency/fair-limit.ts';
import { mapBounded } from '../concurrency/map-bounded.ts';
import type { LegacyPolicy } from '../config/config.ts';
import { S3Error } from '../errors.ts';
import { LIST_LOOKUPS_AT_ONCE } from '../limits.ts';
import type { SecurityEventKind } from '../observe/events.ts';
import { escapeXml, WrittenXml, type XmlElement } from '../xml/render-xml.ts';
import { type ListedAttributes, type VersionIdentity, versionName } from './attributes-cache.ts';
import { unquote } from './conditions.ts';
import type { ObjectStore, StoreContext } from './context.ts';
import { type DescribedRows, describedRows, understandRow } from './described-rows.ts';
import { type EtagMode, opaqueEtag, sealedEtag } from './etags.ts';
import { inspectObject } from './inspect-object.ts';
import { encodeListed } from './list-encoding.ts';
import { timeWriter } from './list-time.ts';
import { unkeptHeaders } from './opened-headers.ts';
import { nothingRecent } from './recent-objects.ts';
import { ForeignObject } from './stored-object.ts';

/** The stored bytes of a sealed empty object: anything shorter is legacy. */
const MIN_SEALED_BYTES = sealedPartBytes(0);

const NO_CHECKSUMS: ListedAttributes['checksums'] = [];

export interface PlainRow extends ListedObject, ListedAttributes {
  /** Quoted. */
  readonly etag: string;
  readonly size: number;
}

/** What a page was asked for by. */
export interface ListedPage {
  readonly bucket: string;
  readonly etags: EtagMode;
  /** The prefix that the caller may list. */
  readonly prefix: string;
}

export interface PlainPage<Row> {
  readonly rows: readonly (Row & PlainRow)[];
  /** Every row was known for good: so is the page. */
  readonly isKnown: boolean;
}

/** In the order given. `query`: of the page that they are, where that can be asked for with metadata. */
export async function plainRows<Row extends ListedObject>(
  context: StoreContext,
  page: ListedPage,
  rows: readonly Row[],
  query?: readonly QueryParameter[],
): Promise<PlainPage<Row>> {
  const { bucket } = page;
  const plain: (Row & PlainRow)[] = new Array(rows.length);
  // Most rows of most listings are known: they cost no promise.
  const unknown: number[] = [];
  rows.forEach((row, index) => {
    const known = knownOf(context, page, row);
    if (known === undefined) unknown.push(index);
    else plain[index] = plainRow(page, row, known);
  });
  if (unknown.length === 0) return { rows: plain, isKnown: true };
  const quiet = forLookUps(context);
  const lane = context.store.lookUps.lane();
  const described = await describedRows(quiet, { bucket, query, unknown: unknown.map((index) => rows[index] as Row) });
  await mapBounded(unknown, LIST_LOOKUPS_AT_ONCE, async (index) => {
    const row = rows[index] as Row;
    plain[index] = plainRow(page, row, await lookUpOnce(quiet, { lane, described }, bucket, row));
  });
  return { rows: plain, isKnown: false };
}

type ListedRow = ListedObject & { readonly versionId?: string };

/** In opaque mode no row has checksums: those of rows that are not looked up are not known. */
function plainRow<Row extends ListedObject>(page: ListedPage, row: Row, known: ListedAttributes): Row & PlainRow {
  const { size, etag, checksums } = known;
  if (page.etags === 'md5') return { ...row, size, etag: `"${etag}"`, checksums };
  // A legacy object keeps its ETag: it is the store's own in the other mode too.
  const isStored = row.etag.length === etag.length + 2 && unquote(row.etag) === etag;
  return { ...row, size, etag: `"${isStored ? etag : opaqueEtag(row.etag)}"`, checksums: NO_CHECKSUMS };
}

function knownOf(context: StoreContext, page: ListedPage, row: ListedRow): ListedAttributes | undefined {
  if (row.size < MIN_SEALED_BYTES) return asListed(row);
  // The grants cover the prefix that was asked for. A store may list more, which the key is not to see.
  if (!row.key.startsWith(page.prefix)) return withoutDigest(row);
  const told = page.etags === 'opaque' ? toldByLength(context, row) : undefined;
  return told ?? context.store.cache.listed(identityOf(context, page.bucket, row));
}

/** In opaque mode: what the stored length tells of a row that cannot be legacy (crypto/FORMAT.md, section 7.5). */
function toldByLength({ store }: StoreContext, row: ListedRow): ListedAttributes | undefined {
  const size = isSealedForSure(store.legacy, row) ? plainBytesOf(row.size) : undefined;
  return size === undefined ? undefined : { size, etag: opaqueEtag(row.etag), checksums: [] };
}

/** Whether a HEAD would refuse the row's object if it were legacy. HEAD knows the time by the second. */
function isSealedForSure(legacy: LegacyPolicy, { lastModified }: ListedRow): boolean {
  if (legacy.kind === 'before') return Math.floor(lastModified.getTime() / 1000) * 1000 >= legacy.time;
  return legacy.kind === 'deny';
}

function identityOf(
  context: StoreContext,
  bucket: string,
  { key, etag, lastModified, size }: ListedRow,
): VersionIdentity {
  return { tenant: context.tenant.id, bucket, key, etag, lastModified, size };
}

/**
 * Two listings that need the same version share one look-up. A listing that is given up does not cancel the other one's
 * look-ups.
 */
function lookUpOnce(
  context: StoreContext,
  o: { lane: Lane; described: DescribedRows },
  bucket: string,
  row: ListedRow,
): Promise<ListedAttributes> {
  const identity = identityOf(context, bucket, row);
  const name = `${row.versionId ?? ''}\0${versionName(identity)}`;
  return context.store.listing.run(name, context.signal, () =>
    o.lane(() => lookUp(context, identity, row, o.described)),
  );
}

async function lookUp(
  context: StoreContext,
  identity: VersionIdentity,
  row: ListedRow,
  described: DescribedRows,
): Promise<ListedAttributes> {
  context.signal.throwIfAborted();
  const { bucket, key } = identity;
  try {
    const address = { bucket, key, versionId: row.versionId };
    const object =
      (await understandRow(context, address, row, described)) ??
      (await onceMore(context, () => inspectObject(context, address, { storedBytes: row.size })));
    if (object.kind === 'sealed') {
      const { size, late, facts } = object;
      return { size, etag: sealedEtag('md5', { late, stored: facts.etag }), checksums: late.checksums };
    }
    return remembered(context, identity, asListed(row));
  } catch (error) {
    context.signal.throwIfAborted();
    // A size that is wrong for the moment would make sync tools copy again: the client is to ask again instead.
    if (isOutage(error)) throw error;
    const shown = withoutDigest(row);
    const isForeign = error instanceof S3Error && error.cause instanceof ForeignObject;
    return isForeign ? remembered(context, identity, shown) : shown;
  }
}

function asListed(row: ListedRow): ListedAttributes {
  return { size: row.size, etag: unquote(row.etag), checksums: [] };
}

/** Another tenant's, damaged, or replaced meanwhile: shown, but never under an ETag that looks like an MD5 of plaintext. */
function withoutDigest(row: ListedRow): ListedAttributes {
  return { ...asListed(row), etag: opaqueEtag(row.etag) };
}

/** A version never changes, so these attributes stay true. */
function remembered(context: StoreContext, identity: VersionIdentity, attributes: ListedAttributes): ListedAttributes {
  context.store.cache.addListed(identity, attributes);
  return attributes;
}

/** A backend that fails once under many look-ups does not fail the listing. */
async function onceMore<T>(context: StoreContext, lookUpOnce: () => Promise<T>): Promise<T> {
  try {
    return await lookUpOnce();
  } catch (error) {
    if (context.signal.aborted || !isOutage(error)) throw error;
    return lookUpOnce();
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof BackendUnavailable || (error instanceof S3Error && error.status === 503);
}

const OF_READERS: ReadonlySet<string> = new Set<SecurityEventKind>(['foreign-object', 'unencrypted-object']);

/**
 * The context of look-ups. Seeing the name of another tenant's object, or of one without encryption, is no attempt to read that
 * object, so there is no security event. Objects of a listing are seldom read next, so they take no place in the caches of objects that are read.
 */
function forLookUps(context: StoreContext): StoreContext {
  const { record } = context.store;
  const store: ObjectStore = {
    ...context.store,
    headers: unkeptHeaders,
    recent: nothingRecent,
    record: (event) => (OF_READERS.has(event.kind) ? undefined : record(event)),
  };
  return { ...context, store };
}

/** `<Contents>` of all rows, as `contentsElement` has them: written at once, since a page has a thousand. */
export function contentsOf(rows: readonly PlainRow[], o: { encode: boolean; owner: boolean }): WrittenXml {
  const timeOf = timeWriter();
  let text = '';
  for (const row of rows) {
    const kinds = row.checksums.map(({ algorithm }) => `<ChecksumAlgorithm>${algorithm}</ChecksumAlgorithm>`).join('');
    const [checksum] = row.checksums;
    const type = checksum === undefined ? '' : `<ChecksumType>${checksum.type}</ChecksumType>`;
    const key = escapeXml(encodeListed(row.key, o));
    text += `<Contents><Key>${key}</Key><LastModified>${timeOf(row.lastModified)}</LastModified>`;
    text += `<ETag>${quotedText(row.etag)}</ETag>${kinds}${type}<Size>${row.size}</Size>${o.owner ? ownerText(row) : ''}`;
    text += `<StorageClass>${escapeXml(row.storageClass ?? 'STANDARD')}</StorageClass></Contents>`;
  }
  return new WrittenXml(text);
}

/** Quotes are what every ETag has to be escaped for. */
function quotedText(etag: string): string {
  return etag.startsWith('"') && etag.endsWith('"') && etag.length > 1
    ? `&quot;${escapeXml(etag.slice(1, -1))}&quot;`
    : escapeXml(etag);
}

function ownerText({ owner }: PlainRow): string {
  const id = owner?.id ?? '';
  const name = owner?.displayName ?? id;
  return `<Owner><ID>${escapeXml(id)}</ID><DisplayName>${escapeXml(name)}</DisplayName></Owner>`;
}

export function contentsElement(row: PlainRow, o: { encode: boolean; owner: boolean }): XmlElement {
  return {
    Key: encodeListed(row.key, o),
    LastModified: row.lastModified.toISOString(),
    ETag: row.etag,
    ChecksumAlgorithm: row.checksums.map(({ algorithm }) => algorithm),
    ChecksumType: row.checksums[0]?.type,
    Size: row.size,
    Owner: o.owner
      ? { ID: row.owner?.id ?? '', DisplayName: row.owner?.displayName ?? row.owner?.id ?? '' }
      : undefined,
    StorageClass: row.storageClass ?? 'STANDARD',
  };
}
