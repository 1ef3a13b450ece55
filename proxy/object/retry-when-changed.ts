/** An attempt that found its object replaced underneath it is made again, a few times. */
import { S3Error } from '../errors.ts';
import { READ_ATTEMPTS } from '../limits.ts';
import { VersionChanged } from './stored-object.ts';

/** @throws S3Error ServiceUnavailable when every attempt throws VersionChanged */
export async function retryWhenChanged<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = READ_ATTEMPTS; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof VersionChanged)) throw error;
      if (left <= 1)
        throw new S3Error('ServiceUnavailable', 'The object is being replaced too quickly to be read. Try again.');
    }
  }
}
