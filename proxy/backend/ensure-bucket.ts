/**
 * A bucket that the proxy needs for itself, made if it is missing. When the store refuses, it is asked once more in ways that
 * tell why: a HEAD brings no error document, and S3 says AccessDenied both of a missing permission and of somebody else's bucket.
 */
import { S3Error } from '../errors.ts';
import { renderXml } from '../xml/render-xml.ts';
import { type Backend, type BackendRequest, type BackendResponse, BackendUnavailable } from './backend.ts';
import { headFacts, readErrorResponse } from './errors.ts';
import { listBuckets } from './list-all.ts';
import { discard } from './read-body.ts';
import { type BackendErrorDocument, StoreRefusal } from './trouble/store-refusal.ts';

export interface WantedBucket {
  readonly bucket: string;
  readonly signal: AbortSignal;
}

/** @throws S3Error ServiceUnavailable, whose cause explain-store-failure.ts explains */
export async function hasBucket(backend: Backend, o: WantedBucket): Promise<boolean> {
  const head = await send(backend, { method: 'HEAD', ...o });
  discard(head);
  if (head.status !== 200 && head.status !== 404) await whyRefused(backend, o, head);
  return head.status !== 404;
}

/** `region`: where a missing one is made. @throws as `hasBucket` does */
export async function ensureBucket(backend: Backend, o: WantedBucket & { readonly region: string }): Promise<void> {
  if (await hasBucket(backend, o)) return;
  const made = await send(backend, { method: 'PUT', ...o, ...creationBody(o.region) });
  if (made.status === 200) return discard(made);
  const answer = await readErrorResponse(made);
  if (answer.code !== 'BucketAlreadyOwnedByYou') throw refusedBy(answer, { operation: 'CreateBucket' });
}

/** us-east-1 is where a bucket without a constraint goes, and its constraint is refused; `auto` is no place. */
function creationBody(region: string): Pick<BackendRequest, 'body'> {
  if (region === 'us-east-1' || region === 'auto') return { body: Buffer.alloc(0) };
  return { body: Buffer.from(renderXml('CreateBucketConfiguration', { LocationConstraint: region })) };
}

/** Asks for a page of the bucket, which needs the same permission as the HEAD and brings a document. */
async function whyRefused(backend: Backend, o: WantedBucket, head: BackendResponse): Promise<void> {
  const query = [
    ['list-type', '2'],
    ['max-keys', '1'],
  ] as const;
  const page = await send(backend, { method: 'GET', ...o, query });
  if (page.status === 200) return discard(page);
  const answer = await readErrorResponse(page);
  // A redirect names the region in the answer to the HEAD, too.
  const region = answer.region ?? headFacts(head).region;
  const isNotListed = answer.code === 'AccessDenied' && (await isHidden(backend, o));
  throw refusedBy({ ...answer, region }, { operation: 'HeadBucket', isNotListed });
}

/** Whether the store lists buckets for these credentials, and not this one. */
async function isHidden(backend: Backend, { bucket, signal }: WantedBucket): Promise<boolean> {
  try {
    return !(await listBuckets({ backend, signal })).includes(bucket);
  } catch (error) {
    if (error instanceof S3Error || error instanceof BackendUnavailable) return false;
    throw error;
  }
}

function refusedBy(answer: BackendErrorDocument, o: { operation: string; isNotListed?: boolean }): S3Error {
  return new S3Error('ServiceUnavailable', undefined, { cause: new StoreRefusal(answer, o.operation, o) });
}

async function send(
  backend: Backend,
  { method, bucket, query, body, signal }: Omit<BackendRequest, 'key'>,
): Promise<BackendResponse> {
  try {
    return await backend.send({
      method,
      ...(bucket === undefined ? {} : { bucket }),
      ...(query === undefined ? {} : { query }),
      ...(body === undefined ? {} : { body }),
      signal,
    });
  } catch (cause) {
    signal.throwIfAborted();
    if (!(cause instanceof BackendUnavailable)) throw cause;
    throw new S3Error('ServiceUnavailable', undefined, { cause });
  }
}
