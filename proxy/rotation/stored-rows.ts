/**
 * Every stored version that could be sealed, in every bucket but the state's: what a deep rotation walks through, and what
 * counts of objects by epoch are made from. A version shorter than a sealed empty object is not one.
 */
import { sealedPartBytes } from '../../crypto/layout.ts';
import type { Backend } from '../backend/backend.ts';
import { isVersioned, listBuckets, listObjects, listVersions } from '../backend/list-all.ts';
import { discard } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { typeOf } from '../keyring/slots/slot-types.ts';
import type { Keyring } from '../keyring/state/document.ts';
import { failureOf } from '../object/object-request.ts';
import type { BackendHeaders } from '../object/stored-metadata.ts';

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
  /** Buckets to look through whether or not the store lists them: it lists those of its own account only. */
  readonly named?: readonly string[];
}

const MIN_SEALED_BYTES = sealedPartBytes(0);

/** @throws S3Error, BackendUnavailable */
export async function* storedRows(o: RowSource): AsyncGenerator<StoredRow> {
  const listed = new Set(await listBuckets(o));
  for (const bucket of new Set([...listed, ...(o.named ?? [])])) {
    if (bucket === o.stateBucket) continue;
    const isKept = await isVersioned(o, bucket).catch((error: unknown) => {
      const isMissing = error instanceof S3Error && error.code === 'NoSuchBucket';
      if (isMissing && !listed.has(bucket)) return 'missing' as const;
      throw error;
    });
    if (isKept === 'missing') continue;
    yield* isKept ? versionsOf(o, bucket) : objectsOf(o, bucket);
  }
}

/** Those of one bucket. @throws S3Error, BackendUnavailable */
export async function* rowsOf(o: RowSource, bucket: string): AsyncGenerator<StoredRow> {
  yield* (await isVersioned(o, bucket)) ? versionsOf(o, bucket) : objectsOf(o, bucket);
}

/** The buckets that a tenant's grants name. A grant of every bucket names none. */
export function bucketsNamed({ slots }: Keyring): readonly string[] {
  const named = slots.flatMap((slot) =>
    typeOf(slot)
      .grants(slot)
      .map(({ bucket }) => bucket),
  );
  return [...new Set(named)].filter((name) => name !== '*');
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
