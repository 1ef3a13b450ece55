/** The checksum that CreateMultipartUpload asks for (S3 user guide, "Checking object integrity"). */
import { checksumName, UNKNOWN_ALGORITHM } from '../../body/checksums.ts';
import { S3Error } from '../../errors.ts';
import type { S3Request } from '../../http/request.ts';
import { isCrc } from '../../multipart/checksums.ts';
import type { UploadChecksum } from '../../multipart/upload.ts';

/** @throws S3Error InvalidRequest */
export function uploadChecksum(request: S3Request): UploadChecksum | undefined {
  const asked = request.header('x-amz-checksum-algorithm');
  const type = request.header('x-amz-checksum-type')?.toUpperCase();
  if (asked === undefined) {
    if (type === undefined) return undefined;
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    );
  }
  const algorithm = checksumName(asked);
  if (algorithm === undefined) {
    throw new S3Error('InvalidRequest', UNKNOWN_ALGORITHM);
  }
  if (type !== undefined && type !== 'FULL_OBJECT' && type !== 'COMPOSITE') {
    throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.');
  }
  const chosen = type ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE');
  const possible = chosen === 'COMPOSITE' ? algorithm !== 'CRC64NVME' : isCrc(algorithm);
  if (!possible) {
    throw new S3Error(
      'InvalidRequest',
      `The ${chosen} checksum type cannot be used with the ${algorithm.toLowerCase()} checksum algorithm.`,
    );
  }
  return { algorithm, type: chosen };
}
