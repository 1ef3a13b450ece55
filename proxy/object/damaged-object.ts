/** Anything that shows a damaged or forged object becomes one error and one security event. */
import { FormatError } from '../../crypto/errors.ts';
import { S3Error } from '../errors.ts';
import { reportObject, type StoreContext } from './context.ts';
import { MalformedSealedObject } from './stored-metadata.ts';
import type { ObjectAddress } from './stored-object.ts';

/** The error for the client, after the event; errors of other kinds are returned as they are. */
export async function asObjectFailure(context: StoreContext, address: ObjectAddress, error: unknown): Promise<unknown> {
  if (!(error instanceof FormatError) && !(error instanceof MalformedSealedObject)) return error;
  await reportObject(context, {
    kind: error instanceof MalformedSealedObject ? 'metadata-tampered' : 'object-tampered',
    detail: `${error.code}: ${error.message}`,
    bucket: address.bucket,
    key: address.key,
  });
  return new S3Error(
    'InternalError',
    'The stored object is damaged or was altered: its contents could not be authenticated.',
    { cause: error },
  );
}
