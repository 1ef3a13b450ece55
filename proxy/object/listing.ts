/**
 * Rows of a listing as a client may see them: a backend lists ciphertext sizes and ETags, so the attributes of each version
 * are looked up, within a bound and once per version, and agree with what HEAD says. A row that fails never fails the list.
 */
import { sealedPartBytes } from '../../crypto/layout.ts';
import { BackendUnavailable } from '../backend/backend.ts';
import type { ListedObject } from '../backend/list.ts';
import { S3Error } from '../errors.ts';
import { LIST_LOOKUPS_AT_ONCE } from '../limits.ts';
import { mapBounded } from '../map-bounded.ts';
import type { Call } from '../operation.ts';
import type { XmlElement } from '../xml.ts';
import type { ListedAttributes } from './attributes-cache.ts';
import { encodeListed } from './list-encoding.ts';
import { inspectObject } from './stored-object.ts';

/** The stored bytes of a sealed empty object: anything shorter is legacy. */
const MIN_SEALED_BYTES = sealedPartBytes(0);

export interface PlainRow extends ListedObject, ListedAttributes {
  /** Quoted. */
  readonly etag: string;
  readonly size: number;
}

/** In the order given. */
export function plainRows<Row extends ListedObject>(
  call: Call,
  bucket: string,
  rows: readonly Row[],
): Promise<(Row & PlainRow)[]> {
  const quiet = withoutForeignEvents(call);
  return mapBounded(rows, LIST_LOOKUPS_AT_ONCE, async (row) => {
    const found = await lookUp(quiet, bucket, row);
    return { ...row, size: found.size, etag: `"${found.etag}"`, checksums: found.checksums };
  });
}

async function lookUp(
  call: Call,
  bucket: string,
  row: ListedObject & { versionId?: string },
): Promise<ListedAttributes> {
  const asListed = { size: row.size, etag: row.etag.replaceAll('"', ''), checksums: [] };
  if (row.size < MIN_SEALED_BYTES) return asListed;
  const identity = {
    tenant: call.tenant.id,
    bucket,
    key: row.key,
    etag: row.etag,
    lastModified: row.lastModified.toISOString(),
    size: row.size,
  };
  const cached = call.services.cache.get(identity)?.listed;
  if (cached !== undefined) return cached;
  try {
    const address = { bucket, key: row.key, versionId: row.versionId };
    const object = await onceMore(call, () => inspectObject(call, address, { storedBytes: row.size }));
    if (object.kind === 'legacy') call.services.cache.add(identity, { listed: asListed });
    const checksums = object.kind === 'legacy' ? [] : object.late.checksums;
    return { size: object.size, etag: object.etag, checksums };
  } catch (error) {
    call.signal.throwIfAborted();
    // A size that is wrong for the moment would make sync tools copy again: the client is to ask again instead.
    if (isOutage(error)) throw error;
    // Another tenant's, damaged, or replaced meanwhile: shown, but never under an ETag that looks like an MD5 of plaintext.
    return { ...asListed, etag: asListed.etag.includes('-') ? asListed.etag : `${asListed.etag}-1` };
  }
}

/** A backend that fails once under many look-ups does not fail the listing. */
async function onceMore<T>(call: Call, lookUpOnce: () => Promise<T>): Promise<T> {
  try {
    return await lookUpOnce();
  } catch (error) {
    if (call.signal.aborted || !isOutage(error)) throw error;
    return lookUpOnce();
  }
}

function isOutage(error: unknown): boolean {
  return error instanceof BackendUnavailable || (error instanceof S3Error && error.status === 503);
}

/** Seeing the names of other tenants' objects is not an attempt to read them. */
function withoutForeignEvents(call: Call): Call {
  const { emit } = call.services;
  const services = {
    ...call.services,
    emit: (event: Parameters<typeof emit>[0]) => (event.kind === 'foreign-object' ? undefined : emit(event)),
  };
  return { ...call, services };
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
