/**
 * The path of a request of the query API: read the form, verify the signature over it, open the tenant, find the action,
 * run it, reply. Refusals are replies here, as documents of that API, whatever part of the program refused.
 */
import { authenticateQuery, type Caller, principalOf, unlimited } from '../access/authenticate.ts';
import { Gate } from '../access/gate.ts';
import { admitAddress, admitCaller } from '../access/rates/admit.ts';
import { requestContext } from '../access/request-context.ts';
import { type Resource, userResource } from '../access/resource.ts';
import { NO_CONDITIONAL_WRITES, NO_SESSIONS, SELF_SERVICE_OFF } from '../access/server-policy.ts';
import { NO_FURTHER_CREDENTIALS } from '../access/session-policies.ts';
import { S3Error } from '../errors.ts';
import type { Reply } from '../http/reply.ts';
import type { S3Request } from '../http/request.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import { renderXml, type XmlElement } from '../xml/render-xml.ts';
import { permissionOf, type QueryAction } from './action.ts';
import { QUERY_ACTIONS } from './actions/table.ts';
import { asQueryError, QueryError } from './errors.ts';
import { type QueryService, readQueryBody, VERSIONS } from './query-request.ts';
import { isTagParameter } from './sessions/session-parameters.ts';
import { type WebIdentityRequest, webIdentitySession } from './sessions/web-identity-session.ts';

const NAMESPACES: Readonly<Record<QueryService, string>> = {
  iam: `https://iam.amazonaws.com/doc/${VERSIONS.iam}/`,
  sts: `https://sts.amazonaws.com/doc/${VERSIONS.sts}/`,
};

/** The outcome of a request, and what is known of it. */
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
    await admitAddress(pipeline, request);
    const body = await readQueryBody(request, o.source);
    if (request.header('authorization') === undefined)
      return await answerUnsigned(pipeline, request, { ...o, ...body });
    caller = await authenticateQuery(pipeline, request, { service: o.service, bodySha256: body.sha256 }, o.signal);
    await admitCaller(pipeline, caller, request.id);
    action = findAction(o.service, body.parameters);
    const { parameters } = body;
    const gate = await authorise(pipeline, action, { caller, parameters, request });
    const result = await run(pipeline, action, { caller, parameters, gate, signal: o.signal });
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

/** A request without a signature, which is for one action alone. @throws QueryError */
async function answerUnsigned(
  pipeline: Pipeline,
  request: S3Request,
  o: { service: QueryService; parameters: ReadonlyMap<string, string>; signal: AbortSignal },
): Promise<QueryAnswer> {
  const { parameters, signal } = o;
  const action = findAction(o.service, parameters);
  if (action.unsigned !== true) throw new S3Error('AccessDenied', ANONYMOUS);
  const webIdentity = (given: Omit<WebIdentityRequest, 'requestId'>) =>
    webIdentitySession(pipeline.webIdentity, { ...given, requestId: request.id }, signal);
  const result = await action.run({ parameters, webIdentity });
  return { reply: resultReply(action, result, request.id), action: action.name };
}

const ANONYMOUS = 'Sign the request with your access key (AWS Signature Version 4).';

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
    if (action.takesTags === true && isTagParameter(given)) continue;
    throw new QueryError('InvalidParameterCombination', `${name} takes no such parameter as one that was given.`);
  }
  return action;
}

/** What statements of the server's policy refuse, in words. */
const REFUSALS: Readonly<Record<string, string>> = {
  [`server/${SELF_SERVICE_OFF}`]: 'Keys are changed by the operator only here.',
  [`server/${NO_CONDITIONAL_WRITES}`]: 'The storage here has no conditional writes: the operator changes keys.',
  [`server/${NO_SESSIONS}`]: 'The storage here has no conditional writes: no sessions are issued.',
  [`sessions/${NO_FURTHER_CREDENTIALS}`]:
    'A session manages no keys and gets no further credentials: use one of the keys of the tenant.',
};

/** The action must be allowed for the user that it names, which is the caller's own tenant when it names none. */
async function authorise(
  pipeline: Pipeline,
  action: QueryAction,
  o: { caller: Caller; parameters: ReadonlyMap<string, string>; request: S3Request },
): Promise<Gate> {
  const { caller, parameters, request } = o;
  const gate = new Gate({
    principal: action.decidedBy === 'server' ? unlimited(pipeline, caller) : principalOf(pipeline, caller),
    requestId: request.id,
    eventName: action.name,
    context: requestContext({ request, caller, now: pipeline.now, lists: false }),
    record: pipeline.services.record,
  });
  const user = parameters.get('UserName') ?? caller.tenant.id;
  const { effect, statement } = await gate.decide({ action: permissionOf(action), resource: userNamed(user) });
  if (effect === 'allow') return gate;
  const isOther = user !== caller.tenant.id;
  const other = 'An access key manages the keys of its own tenant only: leave the user name out.';
  throw new QueryError('AccessDenied', REFUSALS[statement] ?? (isOther ? other : undefined));
}

/** A name that is not a tenant id may be anything, also an access key id. Events do not repeat it. */
function userNamed(name: string): Resource {
  return userResource(/^[0-9a-f]{24}$/.test(name) ? name : '-');
}

function run(
  pipeline: Pipeline,
  action: QueryAction,
  o: { caller: Caller; parameters: ReadonlyMap<string, string>; gate: Gate; signal: AbortSignal },
): Promise<XmlElement | undefined> {
  const { caller, parameters, gate, signal } = o;
  const { accessKey, tenant, verified } = caller;
  if (verified === undefined) throw new Error('a query request ran without a signature');
  const any = { parameters, credential: accessKey, tenant, signal };
  if (action.unsigned === true) throw new QueryError('InvalidAction', `${action.name} is sent without a signature.`);
  if (action.forSessions === true) return action.run(any);
  if (accessKey.kind === 'session') throw new Error(`${action.name} was allowed to a session`);
  return action.run({
    ...any,
    accessKey,
    signature: verified.claim.signature,
    gate,
    keys: pipeline.ownKeys,
    sessions: pipeline.sessions,
    region: pipeline.services.region,
    resolve: (accessKeyId) => pipeline.tenancy.resolve(accessKeyId, signal),
  });
}

function resultReply(action: QueryAction, result: XmlElement | undefined, RequestId: string): Reply {
  const content = {
    ...(result === undefined ? {} : { [`${action.name}Result`]: result }),
    ResponseMetadata: { RequestId },
  };
  return xmlReply(200, renderXml(`${action.name}Response`, content, NAMESPACES[action.service]), RequestId);
}

function errorReply(failure: QueryError, service: QueryService, RequestId: string): Reply {
  const { status, code, message } = failure;
  const Type = status < 500 ? 'Sender' : 'Receiver';
  const content = { Error: { Type, Code: code, Message: message }, RequestId };
  const reply = xmlReply(status, renderXml('ErrorResponse', content, NAMESPACES[service]), RequestId);
  return { ...reply, headers: { ...reply.headers, ...failure.headers } };
}

/** A reply may hold a secret. No cache on the way may keep it. */
function xmlReply(status: number, body: string, requestId: string): Reply {
  return {
    status,
    headers: { 'Content-Type': 'text/xml', 'Cache-Control': 'no-store', 'x-amzn-RequestId': requestId },
    body,
  };
}
