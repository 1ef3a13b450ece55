/**
 * Everything that a request's head names must be allowed before any body is read or any 100 Continue is sent. What only the body
 * names, the operation asks for with the gate that comes of it.
 */
import type { S3Request } from '../http/request.ts';
import type { Operation } from '../operation.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import { rowOf } from './action-table.ts';
import { type Caller, principalOf } from './authenticate.ts';
import { demandsOf } from './demands.ts';
import { Gate } from './gate.ts';
import { requestContext } from './request-context.ts';

/** `request`: for a form, with its fields as headers. @throws S3Error AccessDenied, InvalidArgument */
export async function authorise(
  pipeline: Pick<Pipeline, 'server' | 'services' | 'now'>,
  request: S3Request,
  caller: Caller,
  operation: Operation,
): Promise<Gate> {
  const { bucket, key, query } = request;
  const { each, lists, actions } = rowOf(operation.name);
  const gate = new Gate({
    principal: principalOf(pipeline, caller),
    requestId: request.id,
    eventName: operation.name,
    context: requestContext({ request, caller, now: pipeline.now, lists: lists === true }),
    record: pipeline.services.record,
  });
  if (each === true && bucket !== undefined) await gate.requireReach(actions[0], bucket);
  const namesVersion = query.has('versionId');
  await gate.require(demandsOf(operation, { bucket, key, namesVersion, header: request.header }));
  return gate;
}
