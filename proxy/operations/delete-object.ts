/** DeleteObject, with If-Match against the plaintext ETag. */
import { discard } from '../backend/read-body.ts';
import { failureOf, versionQuery } from '../object/object-request.ts';
import { lateFailure, translateConditions } from '../object/write-conditions.ts';
import { type Operation, objectOf } from '../operation.ts';
import { writeConditions } from './request/conditions.ts';
import { lockHeaders } from './request/lock-headers.ts';

const ANSWERED = ['x-amz-delete-marker', 'x-amz-version-id', 'x-amz-request-charged'] as const;

export const deleteObject: Operation = {
  name: 'DeleteObject',
  selector: { method: 'DELETE', level: 'object' },
  parameters: ['versionId'],
  body: 'none',
  memory: 'small',
  async run(call) {
    const { bucket, key } = objectOf(call);
    const { request } = call;
    const address = { bucket, key, versionId: request.query.get('versionId') };
    const conditions = writeConditions(request);
    const conditional = await translateConditions(call.context, address, conditions, 'delete');
    const overrides = lockHeaders(request);
    const response = await call.context.store.backend.send({
      method: 'DELETE',
      bucket,
      key,
      query: versionQuery(address),
      headers: { ...call.context.accountHeaders, ...overrides, ...conditional },
      signal: call.context.signal,
    });
    if (response.status !== 204 && response.status !== 200) {
      const failure = await failureOf(response, { operation: 'DeleteObject', ...address });
      throw await lateFailure(call.context, address, { conditions, kind: 'delete', failure });
    }
    discard(response);
    return { status: 204, headers: Object.fromEntries(ANSWERED.map((name) => [name, response.headers[name]])) };
  },
};
