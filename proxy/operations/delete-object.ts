/** DeleteObject, with If-Match against the ETag that clients see. */
import { discard } from '../backend/read-body.ts';
import { failureOf, versionQuery } from '../object/object-request.ts';
import { lateFailure, translateConditions, underCondition } from '../object/write-conditions.ts';
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
    const condition = await translateConditions(call.context, address, conditions, 'delete');
    const overrides = lockHeaders(request);
    const response = await underCondition(condition, async (conditional) => {
      const answer = await call.context.store.backend.send({
        method: 'DELETE',
        bucket,
        key,
        query: versionQuery(address),
        headers: { ...call.context.accountHeaders, ...overrides, ...conditional },
        signal: call.context.signal,
      });
      if (answer.status === 204 || answer.status === 200) return answer;
      const failure = await failureOf(answer, { operation: 'DeleteObject', ...address });
      if (condition.again !== undefined) throw failure;
      throw await lateFailure(call.context, address, { conditions, kind: 'delete', failure });
    });
    discard(response);
    return { status: 204, headers: Object.fromEntries(ANSWERED.map((name) => [name, response.headers[name]])) };
  },
};
