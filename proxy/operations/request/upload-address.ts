/** The upload that a request names, and what was kept of it. */
import { S3Error } from '../../errors.ts';
import type { UploadAddress, UploadRecord } from '../../multipart/upload.ts';
import { requireUpload } from '../../multipart/upload-record.ts';
import { namingTheMissing } from '../../object/missing.ts';
import { type Call, objectOf } from '../../operation.ts';

/** @throws S3Error NoSuchUpload for an empty id */
export function uploadAddress(call: Call): UploadAddress {
  const uploadId = call.request.query.get('uploadId') ?? '';
  if (uploadId === '') throw new S3Error('NoSuchUpload', undefined, { details: { UploadId: '' } });
  return { ...objectOf(call), uploadId };
}

/** @throws S3Error NoSuchUpload, and NoSuchBucket where there is no such bucket either; as `loadUpload` */
export function uploadOf(call: Call): Promise<UploadRecord> {
  const address = uploadAddress(call);
  return namingTheMissing(call.context, address, requireUpload(call.context, address));
}
