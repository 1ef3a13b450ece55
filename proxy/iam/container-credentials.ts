/**
 * GET /v1/credentials/ROLE: temporary credentials for SDKs that are told of AWS_CONTAINER_CREDENTIALS_FULL_URI. The Authorization
 * header is what stands in the SDK's token file, without a scheme: a token of an OpenID Connect issuer, for which the role is
 * taken on, or ACCESSKEYID:SECRET, for a session of that key. The latter is taken on loopback and over TLS only.
 */
import { timingSafeEqual } from 'node:crypto';
import { type Caller, unlimited } from '../access/authenticate.ts';
import { Gate } from '../access/gate.ts';
import { admitAddress, admitCaller } from '../access/rates/admit.ts';
import { requestContext } from '../access/request-context.ts';
import { userResource } from '../access/resource.ts';
import { S3Error } from '../errors.ts';
import { addressBlocks } from '../http/addresses.ts';
import type { Reply } from '../http/reply.ts';
import { decodePathText, type S3Request } from '../http/request.ts';
import { shortArn } from '../keyring/access-keys/role-arn.ts';
import type { IssuedSession } from '../keyring/sessions/issue-session.ts';
import { apiKeyFromText, kdfInput, MAX_REGISTERED_RAW_BYTES } from '../keyring/slots/api-key.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import { CONTAINER_SESSION_SECONDS } from '../session-limits.ts';
import type { QueryAnswer } from './answer.ts';
import { asQueryError, QueryError } from './errors.ts';
import { webIdentitySession } from './sessions/web-identity-session.ts';

const ACTION = 'ContainerCredentials';
const LOOPBACK = addressBlocks(['127.0.0.0/8', '::1']);

/** Never rejects, but for requests whose client went away. `role`: what follows the path's prefix, as sent. */
export async function containerCredentials(
  pipeline: Pipeline,
  request: S3Request,
  o: { role: string; signal: AbortSignal },
): Promise<QueryAnswer> {
  try {
    await admitAddress(pipeline, request);
    if (request.method !== 'GET') throw new QueryError('InvalidAction', 'Credentials are asked for with GET.');
    if (request.rawQuery !== '') throw new QueryError('InvalidQueryParameter', 'There are no parameters here.');
    const authorization = request.header('authorization') ?? '';
    if (authorization === '') throw new QueryError('AccessDenied', 'The Authorization header is missing.');
    const isKey = authorization.includes(':');
    const { issued, caller } = isKey
      ? await byKey(pipeline, request, { authorization, signal: o.signal })
      : await byToken(pipeline, request, { ...o, token: authorization });
    const known = caller === undefined ? {} : { caller };
    return { reply: credentialsReply(issued), action: ACTION, ...known };
  } catch (error) {
    o.signal.throwIfAborted();
    const failure = asQueryError(error);
    const { code, message, headers } = failure;
    return { reply: jsonReply(failure.status, { code, message }, headers), action: ACTION, failure };
  }
}

interface Answered {
  readonly issued: IssuedSession;
  readonly caller?: Caller;
}

async function byToken(
  pipeline: Pipeline,
  request: S3Request,
  o: { role: string; token: string; signal: AbortSignal },
): Promise<Answered> {
  const asked = {
    arn: shortArn(decodePathText(o.role)),
    token: o.token,
    seconds: CONTAINER_SESSION_SECONDS,
    name: 'container',
    policy: undefined,
    requestId: request.id,
  };
  return { issued: await webIdentitySession(pipeline.webIdentity, asked, o.signal) };
}

async function byKey(
  pipeline: Pipeline,
  request: S3Request,
  { authorization, signal }: { authorization: string; signal: AbortSignal },
): Promise<Answered> {
  // A balancer on this machine may pass on what came over the network in clear.
  if (!request.secure && !(isLoopback(request.peer) && isLoopback(request.client))) {
    throw new QueryError('AccessDenied', 'A secret access key is taken over TLS, or from this machine itself, only.');
  }
  const cut = authorization.indexOf(':');
  const caller = await callerOf(pipeline, request, {
    accessKeyId: authorization.slice(0, cut),
    secret: authorization.slice(cut + 1),
    signal,
  });
  await admitCaller(pipeline, caller, request.id);
  const gate = new Gate({
    principal: unlimited(pipeline, caller),
    requestId: request.id,
    eventName: 'GetSessionToken',
    context: requestContext({ request, caller, now: pipeline.now, lists: false }),
    record: pipeline.services.record,
  });
  const demand = { action: 'sts:GetSessionToken', resource: userResource(caller.tenant.id) } as const;
  const { effect } = await gate.decide(demand);
  if (effect === 'deny') throw new QueryError('AccessDenied', 'No sessions are issued here.');
  if (caller.accessKey.kind === 'session') throw new Error('a key turned out to be a session');
  const seconds = CONTAINER_SESSION_SECONDS;
  return { issued: await pipeline.sessions.issue(caller.accessKey, { seconds, details: {} }, signal), caller };
}

/** The secret takes the place of a signature. Its refusal is a security event, like that of a signature. */
async function callerOf(
  pipeline: Pipeline,
  request: S3Request,
  o: { accessKeyId: string; secret: string; signal: AbortSignal },
): Promise<Caller> {
  try {
    const accessKey = await pipeline.tenancy.resolve(o.accessKeyId, o.signal);
    if (!isSecret(o.secret, accessKey.secret)) throw new S3Error('InvalidAccessKeyId');
    return { accessKey, tenant: await pipeline.tenancy.open(accessKey, o.signal), verified: undefined };
  } catch (error) {
    if (error instanceof S3Error && error.status < 500) {
      const { record } = pipeline.services;
      await record({ kind: 'signature-refused', detail: error.code, requestId: request.id, path: request.path });
    }
    throw error;
  }
}

function isSecret(given: string, expected: Buffer): boolean {
  try {
    const secret = kdfInput(apiKeyFromText(given, { maxRawBytes: MAX_REGISTERED_RAW_BYTES }));
    return secret.length === expected.length && timingSafeEqual(secret, expected);
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && LOOPBACK(address) === true;
}

function credentialsReply({ accessKeyId, secretAccessKey, sessionToken, ends }: IssuedSession): Reply {
  return jsonReply(200, {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
    Expiration: `${ends.toISOString().slice(0, 19)}Z`,
  });
}

function jsonReply(
  status: number,
  content: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>> = {},
): Reply {
  const headers = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...more };
  return { status, headers, body: JSON.stringify(content) };
}
