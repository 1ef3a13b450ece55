/**
 * The path of a request of the query API: read the form, verify the signature over it, open the tenant, find the action,
 * run it, reply. Refusals are replies here, as documents of that API, whatever part of the program refused.
 */
import { authenticateQuery, type Caller } from '../access/authenticate.ts';
import type { Reply } from '../http/reply.ts';
import type { S3Request } from '../http/request.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import { renderXml, type XmlElement } from '../xml/render-xml.ts';
import type { QueryAction } from './action.ts';
import { QUERY_ACTIONS } from './actions/table.ts';
import { asQueryError, QueryError } from './errors.ts';
import { type QueryService, readQueryBody, VERSIONS } from './query-request.ts';

const NAMESPACES: Readonly<Record<QueryService, string>> = {
  iam: `https://iam.amazonaws.com/doc/${VERSIONS.iam}/`,
  sts: `https://sts.amazonaws.com/doc/${VERSIONS.sts}/`,
};

/** What became of a request, as far as it came. */
export interface QueryAnswer {
  readonly reply: Reply;
  readonly action?: string;
  readonly caller?: Caller;
  readonly failure?: QueryError;
}

/** Never rejects, but for requests whose client went away. */
export async function answerQuery(
  pipeline: Pipeline,
  request: S3Request,
  o: { service: QueryService; source: AsyncIterable<Buffer>; signal: AbortSignal },
): Promise<QueryAnswer> {
  let caller: Caller | undefined;
  let action: QueryAction | undefined;
  try {
    const body = await readQueryBody(request, o.source);
    caller = await authenticateQuery(pipeline, request, { service: o.service, bodySha256: body.sha256 }, o.signal);
    action = findAction(o.service, body.parameters);
    if (action.changes === true) refuseUnchangeable(pipeline);
    const result = await run(pipeline, action, { caller, parameters: body.parameters, signal: o.signal });
    return { reply: resultReply(action, result, request.id), action: action.name, caller };
  } catch (error) {
    o.signal.throwIfAborted();
    const failure = asQueryError(error);
    const known = {
      ...(caller === undefined ? {} : { caller }),
      ...(action === undefined ? {} : { action: action.name }),
    };
    return { reply: errorReply(failure, o.service, request.id), failure, ...known };
  }
}

/** @throws QueryError MissingParameter, InvalidAction, InvalidParameterValue */
function findAction(service: QueryService, parameters: ReadonlyMap<string, string>): QueryAction {
  const name = parameters.get('Action') ?? '';
  if (name === '') throw new QueryError('MissingParameter', 'The parameter Action is missing.');
  const version = parameters.get('Version');
  const action = QUERY_ACTIONS.find((one) => one.name === name && one.service === service);
  if (action === undefined || version !== VERSIONS[service]) {
    throw new QueryError('InvalidAction', `This endpoint has no such action of version ${VERSIONS[service]}.`);
  }
  for (const given of parameters.keys()) {
    if (given === 'Action' || given === 'Version' || action.parameters.includes(given)) continue;
    throw new QueryError('InvalidParameterCombination', `${name} takes no such parameter as one that was given.`);
  }
  return action;
}

/** Without compare-and-swap two changes at once would lose one, and with it the key that was just handed out. */
function refuseUnchangeable({ selfService, services }: Pipeline): void {
  if (!selfService) throw new QueryError('AccessDenied', 'Keys are changed by the operator only here.');
  if (services.store.capabilities.conditionalPutIfMatch) return;
  throw new QueryError('AccessDenied', 'The storage here has no conditional writes: the operator changes keys.');
}

function run(
  pipeline: Pipeline,
  action: QueryAction,
  o: { caller: Caller; parameters: ReadonlyMap<string, string>; signal: AbortSignal },
): Promise<XmlElement | undefined> {
  const { caller, parameters, signal } = o;
  const { accessKey, tenant, verified } = caller;
  if (verified === undefined) throw new Error('a query request ran without a signature');
  return action.run({
    parameters,
    accessKey,
    tenant,
    signature: verified.claim.signature,
    keys: pipeline.ownKeys,
    region: pipeline.services.region,
    resolve: (accessKeyId) => pipeline.tenancy.resolve(accessKeyId, signal),
    signal,
  });
}

function resultReply(action: QueryAction, result: XmlElement | undefined, RequestId: string): Reply {
  const content = {
    ...(result === undefined ? {} : { [`${action.name}Result`]: result }),
    ResponseMetadata: { RequestId },
  };
  return xmlReply(200, renderXml(`${action.name}Response`, content, NAMESPACES[action.service]), RequestId);
}

function errorReply({ status, code, message }: QueryError, service: QueryService, RequestId: string): Reply {
  const Type = status < 500 ? 'Sender' : 'Receiver';
  const content = { Error: { Type, Code: code, Message: message }, RequestId };
  return xmlReply(status, renderXml('ErrorResponse', content, NAMESPACES[service]), RequestId);
}

/** A reply may hold a secret: nothing on the way may keep it. */
function xmlReply(status: number, body: string, requestId: string): Reply {
  return {
    status,
    headers: { 'Content-Type': 'text/xml', 'Cache-Control': 'no-store', 'x-amzn-RequestId': requestId },
    body,
  };
}
