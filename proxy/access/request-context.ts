/**
 * What policies can ask about a request, computed when they ask (IAM user guide, "AWS global condition context keys"; service
 * authorization reference, "Condition keys for Amazon S3"). A key that a request has not is absent.
 */
import type { S3Request } from '../http/request.ts';
import type { Caller } from './authenticate.ts';
import type { Context, ContextKey, ContextValues } from './context.ts';
import { sessionValues } from './session-policies.ts';

interface Asked {
  readonly request: S3Request;
  readonly caller: Caller;
  readonly now: () => Date;
  /** The operation is a listing. */
  readonly lists: boolean;
}

const VALUES: Partial<Record<ContextKey, (asked: Asked) => string | undefined>> = {
  'aws:CurrentTime': ({ now }) => now().toISOString(),
  'aws:EpochTime': ({ now }) => String(Math.floor(now().getTime() / 1000)),
  'aws:SecureTransport': ({ request }) => String(request.secure),
  'aws:SourceIp': ({ request }) => request.client,
  'aws:UserAgent': ({ request }) => request.header('user-agent'),
  'aws:userid': ({ caller }) => caller.tenant.id,
  's3:authType': ({ caller }) => authType(caller),
  's3:delimiter': (asked) => listed(asked, 'delimiter'),
  's3:max-keys': (asked) => listed(asked, 'max-keys'),
  's3:prefix': ({ lists, request }) => (lists ? (request.query.get('prefix') ?? '') : undefined),
  's3:signatureAge': ({ caller, now }) => signatureAge(caller, now()),
  's3:VersionId': ({ request }) => request.query.get('versionId'),
};

export function requestContext(asked: Asked): Context {
  let ofSession: ContextValues | undefined;
  return {
    get(key) {
      ofSession ??= sessionValues(asked.caller.accessKey);
      return (ofSession[key] ?? VALUES[key])?.(asked);
    },
  };
}

function listed({ lists, request }: Asked, name: string): string | undefined {
  return lists ? request.query.get(name) : undefined;
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
