/**
 * Rows of a page whose objects need no look-up, since the store shows their metadata in listings (MinIO does). The metadata of
 * a row are believed as far as the answer to a HEAD is: they must open for the name of the object and agree with the size in
 * the row. A row without metadata, or with those of another version, is looked up.
 */
import { askFor } from '../backend/ask.ts';
import type { QueryParameter } from '../backend/backend.ts';
import { type DescribedObject, parseDescribed, WITH_METADATA } from '../backend/list.ts';
import { LIST_DESCRIBED_ROWS } from '../limits.ts';
import type { StoreContext } from './context.ts';
import { LARGEST_SMALL_BYTES } from './inspect-object.ts';
import { STORED_HEADERS } from './stored-metadata.ts';
import { type ObjectAddress, type StoredObject, VersionChanged } from './stored-object.ts';
import { understand } from './understand.ts';

type ListedRow = Pick<DescribedObject, 'key' | 'size' | 'etag' | 'lastModified'>;

/** By key. */
export type DescribedRows = ReadonlyMap<string, DescribedObject>;

const NONE: DescribedRows = new Map();

/**
 * The same page once more, with metadata, if enough of its rows are `unknown`. `query`: the query of the page, by version 2.
 * When the store does not give the page, all rows are looked up.
 */
export async function describedRows(
  context: StoreContext,
  o: { bucket: string; query: readonly QueryParameter[] | undefined; unknown: readonly ListedRow[] },
): Promise<DescribedRows> {
  const { bucket, query, unknown } = o;
  if (query === undefined || !context.store.capabilities.listsMetadata) return NONE;
  if (unknown.filter(({ size }) => size <= LARGEST_SMALL_BYTES).length < LIST_DESCRIBED_ROWS) return NONE;
  const request = {
    method: 'GET',
    bucket,
    query: [...query, WITH_METADATA],
    headers: context.accountHeaders,
  } as const;
  try {
    const use = (document: Buffer) => parseDescribed(document, STORED_HEADERS);
    const rows = await askFor(context, 'ListObjectsV2', request, { use });
    return new Map(rows.map((row) => [row.key, row]));
  } catch {
    context.signal.throwIfAborted();
    return NONE;
  }
}

/** `undefined` when the row has to be looked up. @throws S3Error as the object's metadata have it */
export async function understandRow(
  context: StoreContext,
  address: ObjectAddress,
  row: ListedRow,
  described: DescribedRows,
): Promise<StoredObject | undefined> {
  const found = described.get(row.key);
  const isSame =
    found?.etag === row.etag && found.size === row.size && found.lastModified.getTime() === row.lastModified.getTime();
  // A larger one has a footer, which brings the metadata with it.
  if (found === undefined || !isSame || row.size > LARGEST_SMALL_BYTES) return undefined;
  const { etag, size, headers } = found;
  const facts = { etag, lastModified: row.lastModified.toUTCString(), versionId: undefined, size, headers };
  try {
    return await understand(context, address, facts);
  } catch (error) {
    // It has a footer, of a version that the row does not name.
    if (error instanceof VersionChanged) return undefined;
    throw error;
  }
}
