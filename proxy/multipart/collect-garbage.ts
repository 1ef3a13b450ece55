/**
 * What abandoned uploads leave behind: `sealgate gc` finds uploads whose backend upload is gone and removes their state, and
 * aborts uploads that nobody touched for long. It needs no tenant's key: what it reads of a record is in clear.
 */
import type { Backend } from '../backend/backend.ts';
import { readErrorResponse } from '../backend/errors.ts';
import { discard } from '../backend/read-body.ts';
import type { StateStore } from '../keyring/state.ts';
import { removeState } from './remove-state.ts';
import { recordName, StoredRecord, UPLOADS_PREFIX, type UploadAddress } from './upload-record.ts';

export interface GarbageOptions {
  readonly backend: Backend;
  readonly state: StateStore;
  readonly signal: AbortSignal;
  readonly now: Date;
  /** Uploads begun longer ago are aborted, milliseconds. */
  readonly abandonedAfterMs: number;
  /** Report only. */
  readonly dryRun: boolean;
}

export interface GarbageFound {
  /** `abandoned`: aborted at the backend too; `ended`: the backend no longer knows it; `orphaned`: no readable record. */
  readonly reason: 'abandoned' | 'ended' | 'orphaned';
  readonly id: string;
  readonly address: UploadAddress | undefined;
  /** Objects in the state bucket. */
  readonly objects: number;
}

/** Looks at every upload in the state bucket, one after the other. @throws S3Error, BackendUnavailable */
export async function* collectGarbage(o: GarbageOptions): AsyncGenerator<GarbageFound> {
  for await (const { id, names } of uploadsIn(o)) {
    const found = await judge(o, id, names);
    if (found === undefined) continue;
    if (!o.dryRun) await remove(o, found, names);
    yield found;
  }
}

/** The listing is sorted, so the names of one upload follow each other. */
async function* uploadsIn(o: GarbageOptions): AsyncGenerator<{ id: string; names: string[] }> {
  let current: { id: string; names: string[] } | undefined;
  for await (const name of o.state.list(UPLOADS_PREFIX, o.signal)) {
    const id = name.slice(UPLOADS_PREFIX.length).split('/')[0] ?? '';
    if (current !== undefined && current.id !== id) {
      yield current;
      current = undefined;
    }
    current ??= { id, names: [] };
    current.names.push(name);
  }
  if (current !== undefined) yield current;
}

async function judge(o: GarbageOptions, id: string, names: readonly string[]): Promise<GarbageFound | undefined> {
  const record = await readRecord(o, id);
  if (record === undefined) return { reason: 'orphaned', id, address: undefined, objects: names.length };
  const { bucket, key, uploadId } = record;
  const found = { id, address: { bucket, key, uploadId }, objects: names.length };
  if (!(await isOpen(o, found.address))) return { reason: 'ended', ...found };
  const age = o.now.getTime() - Date.parse(record.created);
  return age > o.abandonedAfterMs ? { reason: 'abandoned', ...found } : undefined;
}

/** Undefined for none, and for one that cannot be read: nobody can use that upload any more. */
async function readRecord(o: GarbageOptions, id: string) {
  const stored = await o.state.get(recordName(id), o.signal);
  if (stored === undefined) return undefined;
  try {
    return StoredRecord.parse(JSON.parse(stored.body.toString('utf8')));
  } catch {
    return undefined;
  }
}

async function isOpen(o: GarbageOptions, { bucket, key, uploadId }: UploadAddress): Promise<boolean> {
  const response = await o.backend.send({
    method: 'GET',
    bucket,
    key,
    query: [
      ['uploadId', uploadId],
      ['max-parts', '1'],
    ],
    signal: o.signal,
  });
  if (response.status === 200) {
    discard(response);
    return true;
  }
  const { code, status } = await readErrorResponse(response);
  if (code === 'NoSuchUpload' || code === 'NoSuchBucket') return false;
  throw new Error(`the backend answered ${status} ${code} when asked for an upload`);
}

async function remove(o: GarbageOptions, found: GarbageFound, names: readonly string[]): Promise<void> {
  if (found.reason === 'abandoned' && found.address !== undefined) {
    const { bucket, key, uploadId } = found.address;
    const query = [['uploadId', uploadId]] as const;
    const response = await o.backend.send({ method: 'DELETE', bucket, key, query, signal: o.signal });
    discard(response);
    if (response.status !== 204 && response.status !== 404) {
      throw new Error(`the backend answered ${response.status} to an abort`);
    }
  }
  await removeState(o, names);
}
