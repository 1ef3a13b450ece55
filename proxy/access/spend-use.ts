/** A session that may make a number of requests spends one of them once it is allowed, and before anything of it is done. */
import { S3Error } from '../errors.ts';
import type { Pipeline } from '../pipeline-parts.ts';
import type { Caller } from './authenticate.ts';

/** @throws S3Error AccessDenied when none is left; ServiceUnavailable */
export async function spendUse(
  { useCounts, services }: Pick<Pipeline, 'useCounts' | 'services'>,
  { accessKey, tenant }: Caller,
  o: { requestId: string; signal: AbortSignal },
): Promise<void> {
  const uses = accessKey.kind === 'session' ? accessKey.details.uses : undefined;
  if (uses === undefined || (await useCounts.take(uses, o.signal))) return;
  const detail = `The session has made the ${uses.max} requests that it may make`;
  const { requestId } = o;
  await services.record({
    kind: 'session-used-up',
    detail,
    requestId,
    tenant: tenant.id,
    accessKey: accessKey.fingerprint,
  });
  throw new S3Error('AccessDenied', `${detail}.`);
}
