/** What the store says of a bucket: that it is there, that its owner is the one whom the client expects, and its region. */
import type { BackendResponse } from '../backend/backend.ts';
import { backendFailure, withoutDocument } from '../backend/errors.ts';
import { discard } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { codeBehind } from './code-behind.ts';
import type { StoreContext } from './context.ts';

/** @throws S3Error NoSuchBucket, AccessDenied, InvalidBucketName, ... */
export async function bucketHead(context: StoreContext, bucket: string): Promise<BackendResponse['headers']> {
  const about = { bucket, headers: context.accountHeaders };
  const response = await context.store.backend.send({ method: 'HEAD', ...about, signal: context.signal });
  discard(response);
  const { status, headers } = response;
  if (status >= 200 && status <= 299) return headers;
  const sameAsGet = { ...about, query: [['max-keys', '0'] as const] };
  const hasMore = status === 403 || status === 400;
  const answer = hasMore ? await codeBehind(context, sameAsGet, status) : withoutDocument(status);
  // A bucket's name is all that this request says.
  if (status === 400 && (answer.code === '' || answer.code === 'InvalidBucketName')) {
    throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: bucket } });
  }
  throw backendFailure(answer, { operation: 'HeadBucket', bucket });
}

/** For what is kept outside the bucket, of which the store would not ask who owns the bucket and who pays. @throws as `bucketHead` */
export async function requireAccount(context: StoreContext, bucket: string): Promise<void> {
  if (Object.keys(context.accountHeaders).length > 0) await bucketHead(context, bucket);
}
