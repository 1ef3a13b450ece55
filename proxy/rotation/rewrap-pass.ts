/**
 * One pass over everything stored: current objects of older epochs are re-wrapped, older versions are counted or purged. Each
 * object names its epoch, so the next pass goes on where a killed pass stopped. Each row is visited once: the version that a
 * copy adds is of the new epoch and is not listed again.
 */
import { FormatError } from '../../crypto/errors.ts';
import { backendFailure, readErrorResponse } from '../backend/errors.ts';
import { discard } from '../backend/read-body.ts';
import { failureText } from '../backend/trouble/explain-store-failure.ts';
import { eachBounded } from '../concurrency/map-bounded.ts';
import { Outages } from '../jobs/patience.ts';
import {
  MAX_STORED_PUT_BYTES,
  REWRAP_FAILURES_NAMED,
  REWRAP_OUTAGES,
  REWRAPS_AT_ONCE,
  UPSTREAM_PART_BYTES,
} from '../limits.ts';
import type { StoreContext } from '../object/context.ts';
import { MalformedSealedObject } from '../object/stored-metadata.ts';
import { ObjectAcls } from './kept-headers.ts';
import { type RewrapOptions, type RewrapOutcome, rewrapObject } from './rewrap-object.ts';
import { storedEpoch } from './stored-epoch.ts';
import { headRow, type RowSource, type StoredRow, storedRows } from './stored-rows.ts';

export interface PassOptions {
  readonly stateBucket: string;
  /** As RowSource has it. */
  readonly named?: readonly string[];
  /** Delete older versions that an older epoch wraps, in place of counting them. */
  readonly purgeNoncurrent: boolean;
  readonly copyLimit?: number;
  readonly partBytes?: number;
  /** Called after each row. */
  readonly onProgress?: (progress: PassResult) => void;
}

export interface PassFailure {
  readonly bucket: string;
  readonly key: string;
  readonly versionId: string | undefined;
  readonly reason: string;
}

/** Rows by what became of them. */
export interface PassResult {
  seen: number;
  rewrapped: number;
  /** Of the current epoch already. */
  current: number;
  foreign: number;
  legacy: number;
  gone: number;
  archived: number;
  /** Older versions of older epochs that are still there, those under a lock among them, and those deleted. */
  noncurrent: number;
  locked: number;
  purged: number;
  failed: number;
  /** The first of them, by name. */
  readonly failures: PassFailure[];
}

/** @throws S3Error, BackendUnavailable when the store is out of order, REWRAP_OUTAGES times: run it again */
export async function rewrapPass(context: StoreContext, o: PassOptions): Promise<PassResult> {
  const counts = { seen: 0, rewrapped: 0, current: 0, foreign: 0, legacy: 0, gone: 0, archived: 0 };
  const result: PassResult = { ...counts, noncurrent: 0, locked: 0, purged: 0, failed: 0, failures: [] };
  const { copyLimit = MAX_STORED_PUT_BYTES, partBytes = UPSTREAM_PART_BYTES } = o;
  const options: RewrapOptions = { acls: new ObjectAcls(), copyLimit, partBytes };
  const outages = new Outages({ most: REWRAP_OUTAGES });
  const { stateBucket, named = [] } = o;
  const rows = storedRows({ backend: context.store.backend, signal: context.signal, stateBucket, named });
  await eachBounded(rows, REWRAPS_AT_ONCE, async (row) => {
    try {
      if (row.isLatest) await visitCurrent(context, row, { ...o, options, result });
      else await visitNoncurrent(context, row, { ...o, options, result });
      outages.clear();
    } catch (error) {
      fail(result, row, failureText(outages.accept(error, context.signal)));
    }
    result.seen += 1;
    o.onProgress?.(result);
  });
  return result;
}

async function visitCurrent(
  context: StoreContext,
  row: StoredRow,
  o: PassOptions & { options: RewrapOptions; result: PassResult },
): Promise<void> {
  const outcome = await rewrapObject(context, { bucket: row.bucket, key: row.key }, o.options);
  count(o.result, row, outcome);
  // In a bucket that keeps versions the one that was copied stays, under the older epoch.
  if (outcome.kind !== 'rewrapped' || outcome.supersededVersion === undefined || row.versionId === undefined) return;
  await visitNoncurrent(context, { ...row, versionId: outcome.supersededVersion, isLatest: false }, o);
}

function count(result: PassResult, row: StoredRow, outcome: RewrapOutcome): void {
  if (outcome.kind === 'failed') fail(result, row, outcome.reason);
  else result[outcome.kind] += 1;
}

function fail(result: PassResult, { bucket, key, versionId }: StoredRow, reason: string): void {
  result.failed += 1;
  if (result.failures.length < REWRAP_FAILURES_NAMED) result.failures.push({ bucket, key, versionId, reason });
}

async function visitNoncurrent(
  context: StoreContext,
  row: StoredRow,
  o: PassOptions & { options: RewrapOptions; result: PassResult },
): Promise<void> {
  const source = { backend: context.store.backend, signal: context.signal, stateBucket: o.stateBucket };
  const headers = await headRow(source, row);
  if (headers === undefined || !isOlder(context, headers)) return;
  if (o.purgeNoncurrent && (await isCurrent(source, row))) {
    count(o.result, row, await rewrapObject(context, { bucket: row.bucket, key: row.key }, o.options));
    return;
  }
  if (o.purgeNoncurrent && (await purge(context, row))) {
    o.result.purged += 1;
    return;
  }
  o.result.noncurrent += 1;
  if (o.purgeNoncurrent || headers['x-amz-object-lock-mode'] !== undefined) o.result.locked += 1;
}

/**
 * Whether a GET without a version gives this version by now. Since it was listed, newer versions or a delete marker were taken
 * away, or a PUT replaced the version 'null' of a bucket whose versions are suspended. Then the version is somebody's object
 * and not an older version.
 */
async function isCurrent(source: RowSource, row: StoredRow): Promise<boolean> {
  const current = await headRow(source, { ...row, versionId: undefined });
  return current !== undefined && (current['x-amz-version-id'] ?? 'null') === row.versionId;
}

function isOlder(context: StoreContext, headers: Readonly<Record<string, string>>): boolean {
  try {
    const stored = storedEpoch(headers);
    return stored.kind === 'sealed' && stored.tenant === context.tenant.id && stored.epoch < context.tenant.epoch;
  } catch (error) {
    if (error instanceof FormatError || error instanceof MalformedSealedObject) return false;
    throw error;
  }
}

/** @returns false when a lock keeps it */
async function purge(context: StoreContext, { bucket, key, versionId }: StoredRow): Promise<boolean> {
  if (versionId === undefined) return false;
  const query = [['versionId', versionId]] as const;
  const response = await context.store.backend.send({ method: 'DELETE', bucket, key, query, signal: context.signal });
  if (response.status === 204 || response.status === 200 || response.status === 404) {
    discard(response);
    return true;
  }
  const failure = backendFailure(await readErrorResponse(response), { operation: 'DeleteObject', bucket, key });
  if (failure.status < 500) return false;
  throw failure;
}
