/** Listings of a backend to their end, page after page: for commands, which look at whole buckets. */
import { S3Error } from '../errors.ts';
import { MAX_BACKEND_XML_BYTES } from '../limits.ts';
import type { Backend, QueryParameter } from './backend.ts';
import { backendFailure, readErrorResponse } from './errors.ts';
import {
  LIST_ENCODING,
  type ListedObject,
  type ListedVersion,
  parseListBuckets,
  parseListV2,
  parseListVersions,
} from './list.ts';
import { readBody } from './read-body.ts';

export interface ListSource {
  readonly backend: Backend;
  readonly signal: AbortSignal;
}

/** Objects under `prefix`, in the backend's order, behind `startAfter`. @throws S3Error, BackendUnavailable */
export async function* listObjects(
  o: ListSource,
  { bucket, prefix, startAfter }: { bucket: string; prefix: string; startAfter?: string },
): AsyncGenerator<ListedObject> {
  let from: QueryParameter[] = startAfter === undefined ? [] : [['start-after', startAfter]];
  for (;;) {
    const query: QueryParameter[] = [['list-type', '2'], ['prefix', prefix], ...from, LIST_ENCODING];
    const page = parseListV2(await fetchList(o, 'ListObjectsV2', { bucket, query }));
    yield* page.objects;
    if (!page.isTruncated || page.nextToken === undefined) return;
    from = [['continuation-token', page.nextToken]];
  }
}

/** Versions and delete markers under `prefix`, behind all those of `keyMarker`. @throws S3Error, BackendUnavailable */
export async function* listVersions(
  o: ListSource,
  { bucket, prefix = '', keyMarker }: { bucket: string; prefix?: string; keyMarker?: string },
): AsyncGenerator<ListedVersion> {
  const named: QueryParameter[] = prefix === '' ? [] : [['prefix', prefix]];
  let markers: QueryParameter[] = keyMarker === undefined ? [] : [['key-marker', keyMarker]];
  for (;;) {
    const query: QueryParameter[] = [['versions', ''], ...named, ...markers, LIST_ENCODING];
    const page = parseListVersions(await fetchList(o, 'ListObjectVersions', { bucket, query }));
    // Some stores list all delete markers of a page behind all its versions.
    yield* page.versions.toSorted(byKey);
    if (!page.isTruncated || page.nextKeyMarker === undefined) return;
    markers = [['key-marker', page.nextKeyMarker]];
    if (page.nextVersionIdMarker !== undefined) markers.push(['version-id-marker', page.nextVersionIdMarker]);
  }
}

function byKey(a: ListedVersion, b: ListedVersion): number {
  return a.key === b.key ? 0 : Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
}

/** Every bucket that the backend's credentials see. @throws S3Error, BackendUnavailable */
export async function listBuckets(o: ListSource): Promise<readonly string[]> {
  const names: string[] = [];
  let token: string | undefined;
  do {
    const query: QueryParameter[] = token === undefined ? [] : [['continuation-token', token]];
    const page = parseListBuckets(await fetchList(o, 'ListBuckets', { query }));
    names.push(...page.buckets.map(({ name }) => name));
    token = page.nextToken;
  } while (token !== undefined);
  return names;
}

/** Whether versions are or were kept. A backend that cannot say keeps none. */
export async function isVersioned(o: ListSource, bucket: string): Promise<boolean> {
  try {
    const xml = await fetchList(o, 'GetBucketVersioning', { bucket, query: [['versioning', '']] });
    return /<Status>\s*(Enabled|Suspended)\s*</.test(xml.toString('utf8'));
  } catch (error) {
    if (error instanceof S3Error && error.code === 'NotImplemented') return false;
    throw error;
  }
}

async function fetchList(
  o: ListSource,
  operation: string,
  request: { bucket?: string; query: readonly QueryParameter[] },
): Promise<Buffer> {
  const response = await o.backend.send({ method: 'GET', ...request, signal: o.signal });
  if (response.status === 200) return readBody(response, { maxBytes: MAX_BACKEND_XML_BYTES });
  throw backendFailure(await readErrorResponse(response), { operation, bucket: request.bucket, key: undefined });
}
