/**
 * What the backend really does, found out at start by behaviour and printed: many stores accept a condition and ignore
 * it. Where a store cannot do atomically what a client asks, the proxy answers 501 unless a setting allows best effort.
 */
import type { Backend } from './backend.ts';
import type { Capabilities } from './capabilities.ts';
import * as conditions from './probe/conditions.ts';
import * as integrity from './probe/integrity.ts';
import { listsMetadata } from './probe/metadata.ts';
import { honoursCompleteConditions, wantsEqualParts } from './probe/multipart.ts';
import { ProbeSession } from './probe/session.ts';

const STEPS: { readonly [name in keyof Capabilities]: (session: ProbeSession) => Promise<boolean> } = {
  conditionalPut: conditions.honoursPutIfNoneMatch,
  conditionalPutIfMatch: conditions.honoursPutIfMatch,
  conditionalDelete: conditions.honoursDeleteIfMatch,
  conditionalCopy: conditions.honoursCopyDestination,
  conditionalCopySource: conditions.honoursCopySourceIfMatch,
  conditionalComplete: honoursCompleteConditions,
  versioning: integrity.knowsVersions,
  equalParts: wantsEqualParts,
  replaceMetadata: integrity.replacesMetadataInPlace,
  contentMd5: integrity.verifiesContentMd5,
  crc32c: integrity.verifiesCrc32c,
  discardsCutBodies: integrity.discardsCutBodies,
  listsMetadata,
};

/**
 * Tries everything out below `prefix` of `bucket`, which must exist, and removes what it wrote. Moves 10 MiB. A store that knows
 * what it can do is not tried out.
 * @throws S3Error when objects cannot be written at all (NoSuchBucket, refused credentials); BackendUnavailable.
 */
export async function probeCapabilities(
  backend: Backend,
  o: { bucket: string; prefix: string; signal: AbortSignal },
): Promise<Capabilities> {
  if (backend.capabilities !== undefined) return backend.capabilities;
  const session = new ProbeSession(backend, o);
  try {
    await session.put('writable', 'probe');
    await session.remove('writable');
    const steps = Object.entries(STEPS);
    // All of them end before anything is removed, also when one fails.
    const settled = await Promise.allSettled(steps.map(([, step]) => step(session)));
    const found = settled.map((one, index) => {
      if (one.status === 'rejected') throw one.reason;
      return [steps[index]?.[0], one.value];
    });
    return Object.fromEntries(found);
  } finally {
    await session.cleanUp();
  }
}
