/**
 * The versions of one key replayed in another bucket, oldest first, delete markers too. What the target has of the key already must be
 * the beginning of what is to be replayed: a run that was killed in the middle of a key goes on there, and what somebody else stored under
 * that name is never overwritten.
 */

import { discard } from '../backend/read-body.ts';
import type { BucketRow } from '../jobs/bucket-rows.ts';
import type { StoreAccess } from '../object/context.ts';
import { failureOf } from '../object/object-request.ts';
import type { ObjectAddress } from '../object/stored-object.ts';
import { type KeyVersions, versionsOfKey } from './key-versions.ts';
import { type Outcome, outcome, outcomeOf } from './outcome.ts';

/** How one version is copied, and how a copy is known again. */
export interface Copier {
  readonly from: string;
  readonly to: string;
  /** For requests about the target bucket. */
  readonly target: StoreAccess;
  /** Whether both buckets keep versions. */
  readonly versions: boolean;
  /** Whether a version at the target is the copy of one at the source. @throws S3Error */
  isCopy(source: ObjectAddress, target: ObjectAddress): Promise<boolean>;
  /** @returns bytes @throws S3Error, and as reading does */
  copy(source: ObjectAddress, target: ObjectAddress): Promise<number>;
}

/** @throws S3Error, BackendUnavailable: the store's failure */
export async function replayKey(copier: Copier, { key, versions }: KeyVersions): Promise<Outcome> {
  try {
    return await replay(copier, key, versions);
  } catch (error) {
    const found = outcomeOf(error);
    if (found === undefined) throw error;
    if (found !== 'again') return found;
    const message = 'it was changed while it was copied: run the command again';
    return outcome('failed', { message, errorCode: 'ConditionalRequestConflict', httpStatus: 409 });
  }
}

async function replay(copier: Copier, key: string, versions: readonly BucketRow[]): Promise<Outcome> {
  const { from, to, target } = copier;
  const source = { backend: target.store.backend, signal: target.signal };
  const present = await versionsOfKey(source, { bucket: to, key, versions: copier.versions });
  const there = present?.versions ?? [];
  if (there.length > versions.length) return occupied();
  let bytes = 0;
  let copied = 0;
  for (const [index, row] of versions.entries()) {
    const found = there[index];
    const address = { bucket: from, key, versionId: row.versionId };
    if (found !== undefined) {
      if (!(await isCopy(copier, { row, address, found }))) return occupied();
      continue;
    }
    if (row.isDeleteMarker) await putMarker(target, { bucket: to, key });
    else bytes += await copier.copy(address, { bucket: to, key });
    copied += 1;
  }
  const message = versions.length === 1 ? '' : `${versions.length} versions`;
  return outcome(copied === 0 ? 'already' : 'copied', { bytes, message });
}

async function isCopy(
  copier: Copier,
  { row, address, found }: { row: BucketRow; address: ObjectAddress; found: BucketRow },
): Promise<boolean> {
  if (row.isDeleteMarker || found.isDeleteMarker) return row.isDeleteMarker && found.isDeleteMarker;
  const copy = { bucket: copier.to, key: row.key, versionId: found.versionId };
  return copier.isCopy(address, copy);
}

function occupied(): Outcome {
  const message = 'the target has another object of that name';
  return outcome('failed', { message, errorCode: 'PreconditionFailed', httpStatus: 412 });
}

async function putMarker(target: StoreAccess, { bucket, key }: ObjectAddress): Promise<void> {
  const { signal, accountHeaders: headers } = target;
  const response = await target.store.backend.send({ method: 'DELETE', bucket, key, headers, signal });
  if (response.status !== 204 && response.status !== 200) {
    throw await failureOf(response, { operation: 'DeleteObject', bucket, key });
  }
  discard(response);
}
