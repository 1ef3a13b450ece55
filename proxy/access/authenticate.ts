/**
 * From a request to a caller: the claim is parsed, the access key resolved (a sealed one without any look-up), the signature
 * verified, and only then the tenant opened. A valid signature alone proves little: a revoked key still signs (SECURITY.md).
 */
import { SigV4Error } from '../../sigv4/errors.ts';
import { parseClaim } from '../../sigv4/parse.ts';
import { parsePolicyClaim, verifyPolicy } from '../../sigv4/post-policy.ts';
import { type Verified, verifyRequest } from '../../sigv4/verify.ts';
import { isS3ErrorCode, S3Error } from '../errors.ts';
import type { UploadForm } from '../form/read-form.ts';
import type { S3Request } from '../http/request.ts';
import type { OpenTenant } from '../keyring/open-tenant.ts';
import type { Credential } from '../keyring/sessions/session-credential.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import { MAX_LOGGED_CHARACTERS } from '../running-limits.ts';
import type { Principal } from './decide.ts';
import { EVERY_SESSION, policiesOfSession } from './session-policies.ts';
import { policyOfSlot } from './slot-policy.ts';

export interface Caller {
  readonly accessKey: Credential;
  readonly tenant: OpenTenant;
  /** What the signature covers; absent for a form, whose signature covers its policy alone. */
  readonly verified: Verified | undefined;
}

/** The caller as `decide` sees it: limited by the server's own rules, by the slot's policy, and as a session besides. */
export function principalOf({ server }: Pick<Pipeline, 'server'>, { accessKey, tenant }: Caller): Principal {
  const { id, slot } = tenant;
  const ofRole = tenant.role === undefined ? [] : [policyOfSlot(tenant.role)];
  const ofSession = accessKey.kind === 'session' ? policiesOfSession(accessKey) : [];
  const { fingerprint } = accessKey;
  return {
    tenant: id,
    slot,
    accessKey: fingerprint,
    policies: [server, policyOfSlot(tenant), ...ofRole, ...ofSession],
  };
}

/** The same for what needs no permission: the server's rules, and those for every session. */
export function unlimited({ server }: Pick<Pipeline, 'server'>, { accessKey, tenant }: Caller): Principal {
  const { id, slot } = tenant;
  const ofSession = accessKey.kind === 'session' ? [EVERY_SESSION] : [];
  return { tenant: id, slot, accessKey: accessKey.fingerprint, policies: [server, ...ofSession] };
}

/** @throws S3Error with the code S3 gives for each kind of refusal */
export async function authenticate(pipeline: Pipeline, request: S3Request, signal: AbortSignal): Promise<Caller> {
  const signed = { method: request.method, path: request.path, query: request.rawQuery, headers: request.headers };
  const { accessKey, verified } = await checkSignature(pipeline, request, signal, {
    parse: () => parseClaim(signed),
    verify: (claim, { signingSecret }) =>
      verifyRequest(signed, claim, {
        signingSecret,
        now: pipeline.now(),
        host: request.equalHosts,
        ...(pipeline.signingRegion === undefined ? {} : { region: pipeline.signingRegion }),
      }),
  });
  return { accessKey, verified, tenant: await pipeline.tenancy.open(accessKey, signal) };
}

/** Of the region in an IAM signature: IAM is global, and its clients say this unless they were told of another. */
const GLOBAL_REGION = 'us-east-1';

/**
 * The same for a request of the query API. Its service must be the one that is signed for, so no signature for S3 does
 * anything here, nor the other way; and what is signed must be the body's SHA-256, which was computed and not believed.
 */
export async function authenticateQuery(
  pipeline: Pipeline,
  request: S3Request,
  o: { service: string; bodySha256: string },
  signal: AbortSignal,
): Promise<Caller> {
  const signed = { method: request.method, path: request.path, query: request.rawQuery, headers: request.headers };
  const { accessKey, verified } = await checkSignature(pipeline, request, signal, {
    parse: () => parseClaim(signed, o),
    verify: (claim, { signingSecret }) => {
      const { payload, scope } = claim;
      if (payload.kind !== 'sha256' || payload.hex.toLowerCase() !== o.bodySha256) {
        throw new S3Error('SignatureDoesNotMatch');
      }
      const region = scope.region === GLOBAL_REGION ? undefined : pipeline.signingRegion;
      const { equalHosts: host } = request;
      return verifyRequest(signed, claim, {
        signingSecret,
        now: pipeline.now(),
        host,
        ...(region === undefined ? {} : { region }),
      });
    },
  });
  return { accessKey, verified, tenant: await pipeline.tenancy.open(accessKey, signal) };
}

/** The same for a form, whose signed policy stands where a request has its signature. */
export async function authenticateForm(
  pipeline: Pipeline,
  request: S3Request,
  form: UploadForm,
  signal: AbortSignal,
): Promise<Caller> {
  const { accessKey } = await checkSignature(pipeline, request, signal, {
    parse: () => parsePolicyClaim((name) => form.fields.get(name)),
    verify: (claim, { signingSecret }) => verifyPolicy(claim, { signingSecret, region: pipeline.signingRegion }),
  });
  return { accessKey, verified: undefined, tenant: await pipeline.tenancy.open(accessKey, signal) };
}

/** Whose claim it says it is. */
interface Named {
  readonly accessKeyId: string;
  readonly sessionToken?: string;
}

/** A token stands for its own session alone: beside the id of a key, or of another session, it is refused. */
function resolve({ tenancy }: Pipeline, claim: Named, signal: AbortSignal): Promise<Credential> {
  const { accessKeyId, sessionToken: token } = claim;
  if (token === undefined) return tenancy.resolve(accessKeyId, signal);
  return tenancy.resolveSession({ accessKeyId, token }, signal);
}

/** Claim, access key, signature: a refusal of any of them is one security event. */
async function checkSignature<Claim extends Named, Result>(
  pipeline: Pipeline,
  request: S3Request,
  signal: AbortSignal,
  o: { parse: () => Claim; verify: (claim: Claim, accessKey: Credential) => Result },
): Promise<{ accessKey: Credential; verified: Result }> {
  let accessKey: Credential | undefined;
  try {
    const claim = o.parse();
    accessKey = await resolve(pipeline, claim, signal);
    return { accessKey, verified: o.verify(claim, accessKey) };
  } catch (error) {
    const refusal = asRefusal(error);
    if (refusal.status >= 500) throw refusal;
    await pipeline.services.record({
      kind: 'signature-refused',
      detail: refusal.code,
      requestId: request.id,
      method: request.method,
      path: request.path.slice(0, MAX_LOGGED_CHARACTERS),
      ...(accessKey === undefined ? {} : { tenant: accessKey.tenant, accessKey: accessKey.fingerprint }),
    });
    throw refusal;
  }
}

function asRefusal(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  if (!(error instanceof SigV4Error)) throw error;
  const code = isS3ErrorCode(error.code) ? error.code : 'AccessDenied';
  return new S3Error(code, error.message, {
    cause: error,
    ...(error.details === undefined ? {} : { details: error.details }),
  });
}
