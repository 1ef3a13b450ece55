/**
 * What uploads leave behind: `sealgate gc` finds uploads whose backend upload is gone and removes their state, and aborts
 * uploads begun long ago. It needs no tenant's key: what it reads of a record is in clear (crypto/FORMAT.md, "Uploads in
 * progress").
 */
import type { Backend } from '../backend/backend.ts';
import { backendFailure, readErrorResponse } from '../backend/errors.ts';
import { discard } from '../backend/read-body.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { recordLast, removeState } from './remove-state.ts';
import { unrecordedUploads } from './unrecorded.ts';
import type { UploadAddress } from './upload.ts';
import { recordName, StoredRecord, UPLOADS_PREFIX, uploadIdOf } from './upload-record.ts';

export interface GarbageOptions {
  readonly backend: Backend;
  readonly state: StateStore;
  readonly signal: AbortSignal;
  readonly now: Date;
  /** Uploads begun longer ago are aborted, milliseconds. */
  readonly abandonedAfterMs: number;
  /** Look through the data buckets too, for uploads begun that long ago which have no record. */
  readonly unrecorded: boolean;
  /** Report only. */
  readonly dryRun: boolean;
}

/**
 * `abandoned`: aborted at the backend too. `ended`: the backend no longer knows it. `orphaned`: no record is left.
 * `unrecorded`: only the backend knows it. `unreadable`: its record is damaged, or of another version of the program; left alone.
 */
export type GarbageReason = 'abandoned' | 'ended' | 'orphaned' | 'unrecorded' | 'unreadable';

export interface GarbageFound {
  readonly reason: GarbageReason;
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
    if (!o.dryRun && found.reason !== 'unreadable') await remove(o, found, names);
    yield found;
  }
  if (!o.unrecorded) return;
  for await (const address of unrecordedUploads(o)) {
    const found = { reason: 'unrecorded', id: uploadIdOf(address), address, objects: 0 } as const;
    if (!o.dryRun) await remove(o, found, []);
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
  const stored = await o.state.get(recordName(id), o.signal);
  if (stored === undefined) return { reason: 'orphaned', id, address: undefined, objects: names.length };
  const record = parseRecord(id, stored.body);
  if (record === undefined) return { reason: 'unreadable', id, address: undefined, objects: names.length };
  const { bucket, key, uploadId } = record;
  const found = { id, address: { bucket, key, uploadId }, objects: names.length };
  if (!(await isOpen(o, found.address))) return { reason: 'ended', ...found };
  const age = o.now.getTime() - Date.parse(record.created);
  return age > o.abandonedAfterMs ? { reason: 'abandoned', ...found } : undefined;
}

/** What the record says in clear, if it stands where that says. */
function parseRecord(id: string, body: Buffer): (UploadAddress & { readonly created: string }) | undefined {
  try {
    const record = StoredRecord.parse(JSON.parse(body.toString('utf8')));
    return uploadIdOf(record) === id ? record : undefined;
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
  const answer = await readErrorResponse(response);
  if (answer.code === 'NoSuchUpload' || answer.code === 'NoSuchBucket') return false;
  throw backendFailure(answer, { operation: 'ListParts', bucket, key });
}

async function remove(o: GarbageOptions, found: GarbageFound, names: readonly string[]): Promise<void> {
  if ((found.reason === 'abandoned' || found.reason === 'unrecorded') && found.address !== undefined) {
    const { bucket, key, uploadId } = found.address;
    const query = [['uploadId', uploadId]] as const;
    const response = await o.backend.send({ method: 'DELETE', bucket, key, query, signal: o.signal });
    if (response.status !== 204 && response.status !== 404) {
      throw backendFailure(await readErrorResponse(response), { operation: 'AbortMultipartUpload', bucket, key });
    }
    discard(response);
  }
  await removeState(o, recordLast(found.id, names));
}
