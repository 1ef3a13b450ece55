/**
 * Whether what Sealgate deletes from the state bucket is gone. Session tokens are worth nothing once the secret of their day is deleted
 * (docs/access.md), and a keyring that was replaced is no way in; a bucket that keeps deleted objects takes both back. Object Lock and
 * replication are asked for; whatever else keeps versions shows when a version is written and deleted.
 */
import { randomBytes } from 'node:crypto';
import { readErrorResponse } from '../backend/errors.ts';
import { readBody } from '../backend/read-body.ts';
import type { BackendErrorDocument } from '../backend/trouble/store-refusal.ts';
import { S3Error } from '../errors.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { MAX_BACKEND_XML_BYTES } from '../limits.ts';
import { PROBE_TIMEOUT_MS } from '../running-limits.ts';
import type { Storage } from '../runtime.ts';
import { fault, ok, type Tell, warning } from './finding.ts';
import { findingOf } from './store-finding.ts';

const SUBJECT = 'deletion';
const ADVICE =
  'Name a state bucket that keeps nothing which was deleted: no Object Lock, no replication, no soft delete';

/** What keeps deleted objects, and what in its configuration says that it is on. */
const KEEPERS = [
  { subresource: 'object-lock', what: 'Object Lock', isOn: /<ObjectLockEnabled>\s*Enabled\s*</ },
  { subresource: 'replication', what: 'replication', isOn: /<Status>\s*Enabled\s*</ },
] as const;

/** False after a fault. */
export async function checkDeletion(storage: Storage, tell: Tell): Promise<boolean> {
  const { backend, state } = storage;
  try {
    const unknown: string[] = [];
    for (const { subresource, what, isOn } of KEEPERS) {
      const configuration = await configurationOf(storage, subresource);
      if (typeof configuration !== 'string') unknown.push(`${what} (${configuration.code})`);
      else if (isOn.test(configuration)) {
        tell(fault(SUBJECT, `the bucket ${state.bucket} has ${what}, which keeps what is deleted from it`, ADVICE));
        return false;
      }
    }
    const kept = await triedOut(state);
    if (kept === 'kept') {
      tell(fault(SUBJECT, `the bucket ${state.bucket} keeps versions of an object that were deleted`, ADVICE));
      return false;
    }
    if (kept !== 'gone') unknown.push(`versions (${kept})`);
    tell(unknown.length === 0 ? ok(SUBJECT, `what is deleted from ${state.bucket} is gone`) : notKnown(state, unknown));
    return true;
  } catch (error) {
    tell(await findingOf(error, { subject: SUBJECT, store: backend.description }));
    return false;
  }
}

function notKnown({ bucket }: StateStore, unknown: readonly string[]) {
  const text = `whether the bucket ${bucket} keeps what is deleted is not known; the store did not say: ${unknown.join(', ')}`;
  return warning(SUBJECT, text, 'Allow these credentials to read that, or see to it yourself');
}

/** '' where the store has no such configuration. An answer: it does not say. */
async function configurationOf(
  { backend, state }: Storage,
  subresource: string,
): Promise<string | BackendErrorDocument> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const response = await backend.send({ method: 'GET', bucket: state.bucket, query: [[subresource, '']], signal });
  if (response.status === 200) return (await readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES })).toString('utf8');
  const answer = await readErrorResponse(response);
  // What a store does not have at all is not on: 404 of S3, 501 and the like of others.
  return answer.status === 403 || (answer.status >= 500 && answer.status !== 501) ? answer : '';
}

/** Two versions, where the bucket is versioned, and all of them deleted. Other text: why the store could not be tried. */
async function triedOut(state: StateStore): Promise<string> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  const name = `probe/deleted-${randomBytes(8).toString('hex')}`;
  try {
    await state.replace(name, Buffer.from('1'), signal);
    await state.replace(name, Buffer.from('2'), signal);
    await state.shred(name, signal);
    return (await state.listEver(name, signal)).has(name) ? 'kept' : 'gone';
  } catch (error) {
    if (!(error instanceof S3Error)) throw error;
    return error.cause instanceof Error ? error.cause.message : error.code;
  }
}
