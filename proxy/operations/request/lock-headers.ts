/**
 * Headers that override object locks. The backend sees the proxy's credentials, not the caller's, so S3's own permission for it
 * (s3:BypassGovernanceRetention) says nothing here: only a caller with the whole bucket may send them.
 */
import { mayConfigure } from '../../access/authorise.ts';
import { S3Error } from '../../errors.ts';
import type { Call } from '../../operation.ts';

const OVERRIDES = ['x-amz-mfa', 'x-amz-bypass-governance-retention'] as const;

/** @throws S3Error AccessDenied */
export function lockHeaders(call: Call, bucket: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of OVERRIDES) {
    const value = call.request.header(name);
    if (value !== undefined) headers[name] = value;
  }
  if (Object.keys(headers).length > 0 && !mayConfigure(call.tenant.grants, bucket, call.services.stateBucket)) {
    throw new S3Error('AccessDenied', 'Overriding an object lock needs a read-write grant on the whole bucket.');
  }
  return headers;
}
