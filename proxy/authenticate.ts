/**
 * From a request to a caller: the claim is parsed, the access key resolved without any look-up, the signature verified, and
 * only then the tenant opened. A valid signature alone proves little: a revoked key still signs (SECURITY.md).
 */
import { SigV4Error } from '../sigv4/errors.ts';
import { parseClaim } from '../sigv4/parse.ts';
import { type Verified, verifyRequest } from '../sigv4/verify.ts';
import { isS3ErrorCode, S3Error } from './errors.ts';
import type { AccessKey } from './keyring/access-key-id.ts';
import type { OpenTenant } from './keyring/tenancy.ts';
import type { Pipeline } from './pipeline.ts';
import type { S3Request } from './request.ts';

export interface Caller {
  readonly accessKey: AccessKey;
  readonly verified: Verified;
  readonly tenant: OpenTenant;
}

/** @throws S3Error with the code S3 gives for each kind of refusal */
export async function authenticate(pipeline: Pipeline, request: S3Request, signal: AbortSignal): Promise<Caller> {
  const { accessKey, verified } = verifySignature(pipeline, request);
  const tenant = await pipeline.tenancy.open(accessKey, signal);
  return { accessKey, verified, tenant };
}

function verifySignature(pipeline: Pipeline, request: S3Request): { accessKey: AccessKey; verified: Verified } {
  const signed = { method: request.method, path: request.path, query: request.rawQuery, headers: request.headers };
  let accessKey: AccessKey | undefined;
  try {
    const claim = parseClaim(signed);
    accessKey = pipeline.tenancy.resolve(claim.accessKeyId);
    const verified = verifyRequest(signed, claim, {
      signingSecret: accessKey.signingSecret,
      now: pipeline.now(),
      host: pipeline.hostnames,
      ...(pipeline.signingRegion === undefined ? {} : { region: pipeline.signingRegion }),
    });
    return { accessKey, verified };
  } catch (error) {
    const refusal = asRefusal(error);
    pipeline.services.emit({
      kind: 'signature-refused',
      detail: refusal.code,
      requestId: request.id,
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
