/** The copy directives in the headers of a CopyObject. S3 API reference, CopyObject. */
import { type ChecksumName, checksumName, UNKNOWN_ALGORITHM } from '../../body/checksums.ts';
import { S3Error } from '../../errors.ts';
import type { S3Request } from '../../http/request.ts';
import type { CopyDirectives } from '../../object/copy-directives.ts';
import { clientAttributes, storageHeaders } from './client-headers.ts';
import { writeConditions } from './conditions.ts';

const TAGGING = 'x-amz-tagging';

/** @throws S3Error InvalidArgument, InvalidRequest, NotImplemented, MetadataTooLarge */
export function copyDirectives(request: S3Request): CopyDirectives {
  const { [TAGGING]: tagging = '', ...storage } = storageHeaders(request);
  return {
    attributes: replaces(request, 'x-amz-metadata-directive') ? clientAttributes(request) : undefined,
    tagging: replaces(request, 'x-amz-tagging-directive') ? tagging : undefined,
    storage,
    conditions: writeConditions(request),
    checksum: wantedChecksum(request),
  };
}

function replaces(request: S3Request, name: string): boolean {
  const directive = request.header(name) ?? 'COPY';
  if (directive === 'COPY' || directive === 'REPLACE') return directive === 'REPLACE';
  const what = name === 'x-amz-tagging-directive' ? 'tagging' : 'metadata';
  throw new S3Error('InvalidArgument', `Unknown ${what} directive.`, {
    details: { ArgumentName: name, ArgumentValue: directive },
  });
}

function wantedChecksum(request: S3Request): ChecksumName | undefined {
  const text = request.header('x-amz-checksum-algorithm')?.trim();
  if (text === undefined || text === '') return undefined;
  const algorithm = checksumName(text);
  if (algorithm !== undefined) return algorithm;
  throw new S3Error('InvalidRequest', UNKNOWN_ALGORITHM);
}
