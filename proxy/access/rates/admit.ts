/** Checks a request against the rates, twice: before and after its caller is known. */
import type { S3Request } from '../../http/request.ts';
import type { Pipeline } from '../../pipeline-parts.ts';
import type { Caller } from '../authenticate.ts';

/** Checks the rate of the address, before the signature is checked. @throws S3Error SlowDown */
export function admitAddress(
  { rates }: Pick<Pipeline, 'rates'>,
  { client, id: requestId }: S3Request,
): Promise<void> | undefined {
  return rates.admitAddress({ client, requestId });
}

/** Checks the rates of tenant and key, once the caller is known. @throws S3Error SlowDown */
export function admitCaller(
  { rates }: Pick<Pipeline, 'rates'>,
  { tenant, accessKey }: Caller,
  requestId: string,
): Promise<void> | undefined {
  const { id, slot } = tenant;
  return rates.admitCaller({ tenant: id, slot, accessKey: accessKey.fingerprint, requestId });
}
