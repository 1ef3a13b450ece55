/**
 * Every stored version that could be sealed, in every bucket but the state's: what a deep rotation walks through, and what
 * counts of objects by epoch are made from. A version shorter than a sealed empty object is not one.
 */
import { sealedPartBytes } from '../../crypto/layout.ts';
import type { Backend } from '../backend/backend.ts';
import { isVersioned, listBuckets, listObjects, listVersions } from '../backend/list-all.ts';
import { discard } from '../backend/read-body.ts';
import type { BackendHeaders } from '../object/stored-metadata.ts';
import { failureOf } from '../object/stored-object.ts';

export interface StoredRow {
  readonly bucket: string;
  readonly key: string;
  /** Named only where the bucket keeps versions. */
  readonly versionId: string | undefined;
  /** Whether it is what a GET without a version id gives. */
  readonly isLatest: boolean;
}

export interface RowSource {
  readonly backend: Backend;
  readonly signal: AbortSignal;
  readonly stateBucket: string;
}

const MIN_SEALED_BYTES = sealedPartBytes(0);

/** @throws S3Error, BackendUnavailable */
export async function* storedRows(o: RowSource): AsyncGenerator<StoredRow> {
  for (const bucket of await listBuckets(o)) {
    if (bucket === o.stateBucket) continue;
    if (await isVersioned(o, bucket)) yield* versionsOf(o, bucket);
    else yield* objectsOf(o, bucket);
  }
}

async function* objectsOf(o: RowSource, bucket: string): AsyncGenerator<StoredRow> {
  for await (const { key, size } of listObjects(o, { bucket, prefix: '' })) {
    if (size >= MIN_SEALED_BYTES) yield { bucket, key, versionId: undefined, isLatest: true };
  }
}

async function* versionsOf(o: RowSource, bucket: string): AsyncGenerator<StoredRow> {
  for await (const { key, size, versionId, isLatest, isDeleteMarker } of listVersions(o, { bucket })) {
    if (!isDeleteMarker && size >= MIN_SEALED_BYTES) yield { bucket, key, versionId, isLatest };
  }
}

/** What the store says of a version; `undefined` when it is gone. @throws S3Error, BackendUnavailable */
export async function headRow(o: RowSource, row: StoredRow): Promise<BackendHeaders | undefined> {
  const { bucket, key, versionId } = row;
  const query = versionId === undefined ? [] : ([['versionId', versionId]] as const);
  const response = await o.backend.send({ method: 'HEAD', bucket, key, query, signal: o.signal });
  discard(response);
  if (response.status === 404 || response.status === 405) return undefined;
  if (response.status !== 200) throw await failureOf(response, { operation: 'HeadObject', bucket, key });
  return response.headers;
}
