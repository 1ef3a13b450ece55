/** PutObject: verify, seal, store. A condition that another writer made false in between is reported as S3 does. */
import { discard } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { MAX_PUT_BYTES } from '../limits.ts';
import { failureOf } from '../object/object-request.ts';
import { checksumHeaders } from '../object/reply-headers.ts';
import { isResendable, storeObject } from '../object/store-object.ts';
import { lateFailure, translateConditions } from '../object/write-conditions.ts';
import { bodyOf, type Operation, objectOf } from '../operation.ts';
import { clientAttributes, storageHeaders } from './request/client-headers.ts';
import { writeConditions } from './request/conditions.ts';

/** About the stored version, passed on to the writer. */
const STORED_HEADERS = [
  'x-amz-version-id',
  'x-amz-expiration',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-request-charged',
] as const;

export const putObject: Operation = {
  name: 'PutObject',
  selector: { method: 'PUT', level: 'object' },
  parameters: [],
  body: 'object',
  memory: 'small',
  async run(call) {
    const { bucket, key } = objectOf(call);
    const { request } = call;
    const storage = storageHeaders(request);
    const attributes = clientAttributes(request);
    const body = bodyOf(call);
    if (body.plainBytes > MAX_PUT_BYTES) {
      const details = { ProposedSize: String(body.plainBytes), MaxSizeAllowed: String(MAX_PUT_BYTES) };
      throw new S3Error('EntityTooLarge', undefined, { details });
    }
    const conditions = writeConditions(request);
    const onceOnly = !isResendable(body.plainBytes);
    const condition = await translateConditions(call.context, { bucket, key }, conditions, 'put', { onceOnly });
    const headers = { ...storage, ...condition.headers };
    const { again } = condition;
    const stored = await storeObject(call.context, { bucket, key, attributes, body, headers, again });
    const { response, result } = stored;
    if (response.status !== 200) {
      const failure = await failureOf(response, { operation: 'PutObject', bucket, key });
      throw await lateFailure(call.context, { bucket, key }, { conditions, kind: 'put', failure });
    }
    discard(response);
    const checksums = result().checksums.map((checksum) => ({ ...checksum, type: 'FULL_OBJECT' as const }));
    return {
      status: 200,
      headers: {
        ETag: `"${await stored.etag()}"`,
        ...checksumHeaders(checksums),
        ...Object.fromEntries(STORED_HEADERS.map((name) => [name, response.headers[name]])),
      },
    };
  },
};
