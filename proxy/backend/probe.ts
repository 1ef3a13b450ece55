/**
 * What the backend really does, found out at start by behaviour and printed: many stores accept a condition and ignore
 * it. Where a store cannot do atomically what a client asks, the proxy answers 501 unless a setting allows best effort.
 */
import type { Backend } from './backend.ts';
import * as conditions from './probe/conditions.ts';
import * as integrity from './probe/integrity.ts';
import { listsMetadata } from './probe/metadata.ts';
import { honoursCompleteConditions, wantsEqualParts } from './probe/multipart.ts';
import { ProbeSession } from './probe/session.ts';

export interface Capabilities {
  /** PUT with If-None-Match: * creates at most once, raced too. */
  readonly conditionalPut: boolean;
  /** PUT with If-Match replaces only that ETag, raced too: compare-and-swap. */
  readonly conditionalPutIfMatch: boolean;
  /** DELETE with If-Match. */
  readonly conditionalDelete: boolean;
  /** CopyObject with If-None-Match / If-Match on the destination. */
  readonly conditionalCopy: boolean;
  /** CopyObject with x-amz-copy-source-if-match, which pins what is copied. */
  readonly conditionalCopySource: boolean;
  /** CompleteMultipartUpload with If-None-Match / If-Match. */
  readonly conditionalComplete: boolean;
  /** The bucket's versioning state can be asked for. */
  readonly versioning: boolean;
  /** All parts but the last must have the same size. */
  readonly equalParts: boolean;
  /** A copy of an object onto itself replaces its metadata. */
  readonly replaceMetadata: boolean;
  /** Content-MD5 is compared with the body. */
  readonly contentMd5: boolean;
  /** A body cut short of its Content-Length is not stored. Without that no streamed upload is safe. */
  readonly discardsCutBodies: boolean;
  /** Listings show metadata when they are asked to. */
  readonly listsMetadata: boolean;
}

/** Of a store that was not probed: reading objects asks nothing of what a store can do. */
export const NO_CAPABILITIES: Capabilities = {
  conditionalPut: false,
  conditionalPutIfMatch: false,
  conditionalDelete: false,
  conditionalCopy: false,
  conditionalCopySource: false,
  conditionalComplete: false,
  versioning: false,
  equalParts: false,
  replaceMetadata: false,
  contentMd5: false,
  discardsCutBodies: false,
  listsMetadata: false,
};

const STEPS: { readonly [name in keyof Capabilities]: (session: ProbeSession) => Promise<boolean> } = {
  conditionalPut: conditions.honoursPutIfNoneMatch,
  conditionalPutIfMatch: conditions.honoursPutIfMatch,
  conditionalDelete: conditions.honoursDeleteIfMatch,
  conditionalCopy: conditions.honoursCopyDestination,
  conditionalCopySource: conditions.honoursCopySourceIfMatch,
  conditionalComplete: honoursCompleteConditions,
  versioning: integrity.knowsVersions,
  // A store that is nearly full must start all the same, so that reads and deletes go on.
  equalParts: async (session) => !session.takesUnequalParts && wantsEqualParts(session),
  replaceMetadata: integrity.replacesMetadataInPlace,
  contentMd5: integrity.verifiesContentMd5,
  discardsCutBodies: integrity.discardsCutBodies,
  listsMetadata,
};

/**
 * Tries everything out below `prefix` of `bucket`, which must exist, and removes what it wrote. Moves 10 MiB, and a
 * few KiB where the store says that it takes unequal parts.
 * @throws S3Error when objects cannot be written at all (NoSuchBucket, refused credentials); BackendUnavailable.
 */
export async function probeCapabilities(
  backend: Backend,
  o: { bucket: string; prefix: string; signal: AbortSignal },
): Promise<Capabilities> {
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

const LABELS: { readonly [name in keyof Capabilities]: string } = {
  conditionalPut: 'PUT If-None-Match',
  conditionalPutIfMatch: 'PUT If-Match',
  conditionalDelete: 'DELETE If-Match',
  conditionalCopy: 'copy If-Match',
  conditionalCopySource: 'copy-source If-Match',
  conditionalComplete: 'Complete If-Match',
  versioning: 'versioning',
  equalParts: 'equal parts wanted',
  replaceMetadata: 'metadata replaced in place',
  contentMd5: 'Content-MD5 checked',
  discardsCutBodies: 'cut bodies discarded',
  listsMetadata: 'metadata in listings',
};

/** One line for the start banner: `yes: ...; no: ...`. */
export function describeCapabilities(c: Capabilities): string {
  const names = Object.keys(LABELS) as (keyof Capabilities)[];
  const list = (value: boolean) => names.filter((name) => c[name] === value).map((name) => LABELS[name]);
  return `yes: ${list(true).join(', ') || '-'}; no: ${list(false).join(', ') || '-'}`;
}
