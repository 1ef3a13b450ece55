/** A request against the rates: twice, as what it is known by becomes more. */
import type { S3Request } from '../../http/request.ts';
import type { Pipeline } from '../../pipeline-parts.ts';
import type { Caller } from '../authenticate.ts';

/** Before its signature is looked at. @throws S3Error SlowDown */
export function admitAddress({ rates }: Pick<Pipeline, 'rates'>, { client, id: requestId }: S3Request): Promise<void> {
  return rates.admitAddress({ client, requestId });
}

/** Once it is known whose it is. @throws S3Error SlowDown */
export function admitCaller(
  { rates }: Pick<Pipeline, 'rates'>,
  { tenant, accessKey }: Caller,
  requestId: string,
): Promise<void> {
  const { id, slot } = tenant;
  return rates.admitCaller({ tenant: id, slot, accessKey: accessKey.fingerprint, requestId });
}
