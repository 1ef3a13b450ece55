/**
 * What policies can ask about a request, computed when they ask (IAM user guide, "AWS global condition context keys"; service
 * authorization reference, "Condition keys for Amazon S3"). A key that a request has not is absent.
 */
import type { S3Request } from '../http/request.ts';
import type { Caller } from './authenticate.ts';
import type { ContextValues } from './context.ts';
import { sessionValues } from './session-policies.ts';

/** `lists`: the operation is a listing. */
export function requestContext(o: {
  readonly request: S3Request;
  readonly caller: Caller;
  readonly now: () => Date;
  readonly lists: boolean;
}): ContextValues {
  const { request, caller, now, lists } = o;
  const listed = (name: string) => (lists ? request.query.get(name) : undefined);
  return {
    'aws:CurrentTime': () => now().toISOString(),
    'aws:EpochTime': () => String(Math.floor(now().getTime() / 1000)),
    'aws:SecureTransport': () => String(request.secure),
    'aws:SourceIp': () => request.client,
    'aws:UserAgent': () => request.header('user-agent'),
    'aws:userid': () => caller.tenant.id,
    ...sessionValues(caller.accessKey),
    's3:authType': () => authType(caller),
    's3:delimiter': () => listed('delimiter'),
    's3:max-keys': () => listed('max-keys'),
    's3:prefix': () => (lists ? (request.query.get('prefix') ?? '') : undefined),
    's3:signatureAge': () => signatureAge(caller, now()),
    's3:VersionId': () => request.query.get('versionId'),
  };
}

function authType({ verified }: Caller): string {
  if (verified === undefined) return 'POST';
  return verified.claim.kind === 'presigned' ? 'REST-QUERY-STRING' : 'REST-HEADER';
}

/** Milliseconds; a signature from the future has no age. Absent for a form, whose policy has an end of its own. */
function signatureAge({ verified }: Caller, now: Date): string | undefined {
  if (verified === undefined) return undefined;
  return String(Math.max(0, now.getTime() - verified.claim.timestamp.getTime()));
}
