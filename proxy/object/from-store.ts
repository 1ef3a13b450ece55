/** Stored bytes as they arrive. When the stream breaks off, the backend has failed, and the client may try again. */
import type { Readable } from 'node:stream';
import { BackendUnavailable } from '../backend/backend.ts';
import { S3Error } from '../errors.ts';

/** A body that waits for its reader may fail meanwhile. The reader meets that error; the process must not end with it. */
export function awaitingReader<Body extends Readable>(body: Body): Body {
  return body.on('error', () => undefined);
}

/** @throws BackendUnavailable from the iteration, for whatever a transport throws */
export function fromStore(stored: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = stored[Symbol.asyncIterator]();
      return {
        next: () => iterator.next().catch(rethrow),
        return: async () => (await iterator.return?.()) ?? { done: true, value: undefined },
      };
    },
  };
}

/** An abort is the caller's own doing and keeps its reason. */
function rethrow(cause: unknown): never {
  if (cause instanceof BackendUnavailable || cause instanceof S3Error) throw cause;
  if (cause instanceof Error && (cause.name === 'AbortError' || cause.name === 'TimeoutError')) throw cause;
  throw new BackendUnavailable('its answer broke off', { cause });
}
