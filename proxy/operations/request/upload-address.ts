/** The upload that a request names. */
import { S3Error } from '../../errors.ts';
import type { UploadAddress } from '../../multipart/upload.ts';
import { type Call, objectOf } from '../../operation.ts';

/** @throws S3Error NoSuchUpload for an empty id */
export function uploadAddress(call: Call): UploadAddress {
  const uploadId = call.request.query.get('uploadId') ?? '';
  if (uploadId === '') throw new S3Error('NoSuchUpload', undefined, { details: { UploadId: '' } });
  return { ...objectOf(call), uploadId };
}
