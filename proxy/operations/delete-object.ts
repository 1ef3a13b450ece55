/** DeleteObject, with If-Match against the plaintext ETag. */
import { discard } from '../backend/read-body.ts';
import { accountHeaders } from '../object/client-headers.ts';
import { writeConditions } from '../object/conditions.ts';
import { lockHeaders } from '../object/lock-headers.ts';
import { failureOf, versionQuery } from '../object/stored-object.ts';
import { lateFailure, translateConditions } from '../object/write-conditions.ts';
import { type Operation, objectOf } from '../operation.ts';

const ANSWERED = ['x-amz-delete-marker', 'x-amz-version-id', 'x-amz-request-charged'] as const;

export const deleteObject: Operation = {
  name: 'DeleteObject',
  selector: { method: 'DELETE', level: 'object' },
  parameters: ['versionId'],
  access: 'write',
  body: 'none',
  async run(call) {
    const { bucket, key } = objectOf(call);
    const { request } = call;
    const address = { bucket, key, versionId: request.query.get('versionId') };
    const conditions = writeConditions(request);
    const conditional = await translateConditions(call, address, conditions, 'delete');
    const overrides = lockHeaders(call, bucket);
    const response = await call.services.backend.send({
      method: 'DELETE',
      bucket,
      key,
      query: versionQuery(address),
      headers: { ...accountHeaders(request), ...overrides, ...conditional },
      signal: call.signal,
    });
    if (response.status !== 204 && response.status !== 200) {
      const failure = await failureOf(response, {
        operation: 'DeleteObject',
        bucket,
        key,
        mayBeLocked: address.versionId !== undefined,
      });
      throw await lateFailure(call, address, { conditions, kind: 'delete', failure });
    }
    discard(response);
    return { status: 204, headers: Object.fromEntries(ANSWERED.map((name) => [name, response.headers[name]])) };
  },
};
