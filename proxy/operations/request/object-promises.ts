/** Compares what the headers of a Complete promise about the whole object with what was computed. */
import { CHECKSUM_NAMES, checksumHeader } from '../../body/checksums.ts';
import { S3Error } from '../../errors.ts';
import type { S3Request } from '../../http/request.ts';
import type { UploadChecksum } from '../../multipart/upload.ts';

/** `x-amz-mp-object-size`, in bytes of plaintext. @throws S3Error InvalidArgument, InvalidRequest */
export function requireObjectSize(request: S3Request, size: number): void {
  const promised = request.header('x-amz-mp-object-size');
  if (promised === undefined) return;
  if (!/^\d{1,16}$/.test(promised)) {
    throw new S3Error('InvalidArgument', 'x-amz-mp-object-size must be a number of bytes.');
  }
  if (Number(promised) !== size) {
    throw new S3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${promised} does not match what was computed: ${size}`,
    );
  }
}

/**
 * The whole object's checksum, where the client promises one: with or without the `-N` of a composite. A promise that cannot
 * be compared, since the upload has another kind of checksum, is refused and not dropped.
 * @param computed the upload's checksum as `checksumText` writes it
 * @throws S3Error BadDigest, InvalidRequest
 */
export function requireObjectChecksum(
  request: S3Request,
  computed: (UploadChecksum & { readonly text: string }) | undefined,
): void {
  const type = request.header('x-amz-checksum-type')?.toUpperCase();
  if (type !== undefined && type !== computed?.type) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${computed?.type ?? 'default'} checksum mode. The complete request must use the same checksum mode.`,
    );
  }
  for (const algorithm of CHECKSUM_NAMES) {
    const promised = request.header(checksumHeader(algorithm))?.trim();
    if (promised === undefined) continue;
    if (algorithm !== computed?.algorithm) {
      throw new S3Error(
        'InvalidRequest',
        `The upload was not created with a ${algorithm.toLowerCase()} checksum: the one you specified cannot be verified.`,
      );
    }
    const digest = computed.type === 'COMPOSITE' ? computed.text.replace(/-\d+$/, '') : computed.text;
    if (promised !== computed.text && promised !== digest) {
      throw new S3Error(
        'BadDigest',
        `The ${algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
      );
    }
  }
}
