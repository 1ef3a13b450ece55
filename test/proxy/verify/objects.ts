/** Objects of parts, as a client uploads them. */
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  type CreateMultipartUploadCommandInput,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';

type Extra = Partial<CreateMultipartUploadCommandInput>;

/** @returns the ETag, quoted */
export async function uploadParts(
  s3: S3Client,
  o: { bucket: string; key: string; parts: readonly Buffer[]; numbers?: readonly number[]; extra?: Extra },
): Promise<string> {
  const { bucket: Bucket, key: Key, extra = {} } = o;
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ...extra }));
  const { ChecksumAlgorithm } = extra;
  const Parts = [];
  for (const [at, Body] of o.parts.entries()) {
    const PartNumber = o.numbers?.[at] ?? at + 1;
    const sums = ChecksumAlgorithm === undefined ? {} : { ChecksumAlgorithm };
    const sent = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body, ...sums }));
    const { ETag, ChecksumSHA256, ChecksumSHA1 } = sent;
    Parts.push({ PartNumber, ETag, ChecksumSHA256, ChecksumSHA1 });
  }
  const MultipartUpload = { Parts };
  const completed = await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }));
  return completed.ETag ?? '';
}
