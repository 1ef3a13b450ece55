/** Which bytes of an object a GET or HEAD asks for: Range, If-Range, a part's number; and whether its checksums are wanted. */
import { S3Error } from '../../errors.ts';
import type { S3Request } from '../../http/request.ts';
import { MAX_PART_NUMBER } from '../../limits.ts';
import type { WantedBytes } from '../../object/selection.ts';

/** @throws S3Error InvalidArgument, InvalidRequest */
export function wantedBytes(request: S3Request): WantedBytes {
  const partNumber = request.query.get('partNumber');
  const range = request.header('range');
  if (partNumber !== undefined && range !== undefined) {
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter');
  }
  return {
    partNumber: partNumber === undefined ? undefined : parsePartNumber(partNumber),
    range,
    ifRange: request.header('if-range'),
    checksums: wantsChecksums(request),
  };
}

/** @throws S3Error InvalidArgument */
export function parsePartNumber(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number < 1 || number > MAX_PART_NUMBER) {
    const message = `Part number must be an integer between 1 and ${MAX_PART_NUMBER}, inclusive`;
    throw new S3Error('InvalidArgument', message, { details: { ArgumentName: 'partNumber', ArgumentValue: text } });
  }
  return number;
}

export function wantsChecksums(request: S3Request): boolean {
  return request.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
}
