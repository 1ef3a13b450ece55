/**
 * Versions that a bucket keeps beside the current one. Sealing an object leaves its plain version there, which whoever holds the bucket
 * still reads. They are counted, and deleted only when that was asked for.
 */
import { backendFailure, readErrorResponse } from '../backend/errors.ts';
import { discard } from '../backend/read-body.ts';
import { STORED_HEADERS } from '../object/stored-metadata.ts';
import type { ObjectAddress } from '../object/stored-object.ts';
import type { MigrateContext } from './context.ts';
import { type Outcome, outcome } from './outcome.ts';
import { headFacts } from './store-facts.ts';

/** `address` names the version. `undefined`: gone meanwhile. @throws S3Error, BackendUnavailable */
export async function visitOlder(
  context: MigrateContext,
  address: ObjectAddress,
  o: { purge: boolean },
): Promise<Outcome | undefined> {
  const facts = await headFacts(context, address);
  if (facts === undefined) return undefined;
  if (facts.headers[STORED_HEADERS[0]] !== undefined) return outcome('older-version');
  const written = new Date(facts.lastModified);
  const message = `written ${written.toISOString()}`;
  if (!o.purge || (await isCurrent(context, address))) return outcome('plaintext-version', { message, written });
  const response = await context.store.backend.send({
    method: 'DELETE',
    bucket: address.bucket,
    key: address.key,
    query: [['versionId', address.versionId ?? 'null']],
    headers: context.accountHeaders,
    signal: context.signal,
  });
  if (response.status === 204 || response.status === 200 || response.status === 404) {
    discard(response);
    return outcome('purged', { message, written });
  }
  const failure = backendFailure(await readErrorResponse(response), { operation: 'DeleteObject', ...address });
  if (failure.status >= 500) throw failure;
  return outcome('kept-by-lock', { message, written, errorCode: failure.code, httpStatus: failure.status });
}

/** Newer versions may have been taken away since it was listed: then it is somebody's object. */
async function isCurrent(context: MigrateContext, { bucket, key, versionId }: ObjectAddress): Promise<boolean> {
  const current = await headFacts(context, { bucket, key });
  return current !== undefined && (current.versionId ?? 'null') === versionId;
}
