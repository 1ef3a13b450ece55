/**
 * What a 404 is about. A HEAD has no document, so its 404 does not say whether the key or the bucket is missing; and the state
 * bucket knows of uploads, and not of buckets. Where the client expects a document, one more request finds out.
 */
import { discard } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import type { StoreContext } from './context.ts';

/**
 * @throws S3Error NoSuchBucket in place of NoSuchKey, NoSuchVersion and NoSuchUpload where that is so; else what `look` throws
 */
export async function namingTheMissing<T>(
  context: StoreContext,
  address: { readonly bucket: string },
  look: Promise<T>,
): Promise<T> {
  try {
    return await look;
  } catch (error) {
    if (!(error instanceof S3Error) || error.status !== 404) throw error;
    const { bucket } = address;
    // A delete marker says that its bucket is there.
    if (error.headers['x-amz-delete-marker'] === undefined && !(await bucketIsThere(context, bucket))) {
      throw new S3Error('NoSuchBucket', undefined, { cause: error, details: { BucketName: bucket } });
    }
    throw error;
  }
}

async function bucketIsThere(context: StoreContext, bucket: string): Promise<boolean> {
  const { backend } = context.store;
  const headers = context.accountHeaders;
  const response = await backend.send({ method: 'HEAD', bucket, headers, signal: context.signal });
  discard(response);
  return response.status !== 404;
}
