/** UploadPart: sealed under the upload's DEK, acknowledged by a receipt. */
import { S3Error } from '../errors.ts';
import { MAX_PUT_BYTES } from '../limits.ts';
import { storePart } from '../multipart/store-part.ts';
import { checksumHeaders } from '../object/reply-headers.ts';
import { bodyOf, type Operation } from '../operation.ts';
import { refuseUnsupportedHeaders } from './request/client-headers.ts';
import { parsePartNumber } from './request/selection.ts';
import { uploadOf } from './request/upload-address.ts';

export const uploadPart: Operation = {
  name: 'UploadPart',
  selector: { method: 'PUT', level: 'object', subresources: ['uploadId', 'partNumber'] },
  parameters: [],
  body: 'object',
  memory: 'small',
  async run(call) {
    const { request } = call;
    refuseUnsupportedHeaders(request);
    const number = parsePartNumber(request.query.get('partNumber') ?? '');
    const body = bodyOf(call);
    if (body.plainBytes > MAX_PUT_BYTES) throw new S3Error('EntityTooLarge');
    const record = await uploadOf(call);
    const wanted = record.checksum?.algorithm;
    const [sent] = body.checksumAlgorithms;
    if (wanted !== undefined && sent !== undefined && sent !== wanted) {
      throw new S3Error(
        'InvalidRequest',
        `Checksum Type mismatch occurred, expected checksum Type: ${wanted.toLowerCase()}, actual checksum Type: ${sent.toLowerCase()}`,
      );
    }
    if (wanted !== undefined && sent === undefined) body.compute(wanted);
    const { etag } = await storePart(call.context, record, number, body);
    const checksums = body.result().checksums.map((checksum) => ({ ...checksum, type: 'FULL_OBJECT' as const }));
    const { 'x-amz-checksum-type': _type, ...headers } = checksumHeaders(checksums);
    return { status: 200, headers: { ETag: `"${etag}"`, ...headers } };
  },
};
