/**
 * Takes a request's body in: small ones in memory, larger ones to a blob file as they arrive, MD5 along the way. Length and
 * Content-MD5 are checked before anything can be committed.
 */
import { createHash } from 'node:crypto';
import { S3Error } from '../../errors.ts';
import { LOCAL_INLINE_BYTES, MAX_PUT_BYTES, MAX_XML_BODY_BYTES } from '../../limits.ts';
import { LOCAL_ESSENTIAL_INLINE_BYTES } from '../../store-limits.ts';
import type { NewBody } from './mutations/bodies.ts';
import type { StoreRequest } from './request.ts';
import type { Store } from './store.ts';

/** The caller's own chunks failed, or it aborted: nothing was stored, and `cause` goes back to it as it is. */
export class BodyFailed extends Error {
  constructor(cause: unknown) {
    super('the request body did not arrive', { cause });
    this.name = 'BodyFailed';
  }
}

/**
 * Receives the body and hands it to `commit`, which names it in the index. A refused body leaves no file.
 * @throws S3Error EntityTooLarge, IncompleteBody, InvalidDigest, BadDigest, and those of `commit`; BodyFailed
 */
export async function storeBody<T>(
  store: Store,
  request: StoreRequest,
  commit: (body: NewBody, transfer: readonly ArrayBuffer[]) => Promise<T>,
): Promise<T> {
  const size = bodyLength(request);
  if (size > MAX_PUT_BYTES) throw new S3Error('EntityTooLarge');
  const wanted = contentMd5(request);
  const hash = createHash('md5');
  // The index alone releases the reserve.
  if (size <= (request.isEssential ? LOCAL_ESSENTIAL_INLINE_BYTES : LOCAL_INLINE_BYTES)) {
    const data = await collect(request, size);
    const md5 = hash.update(data).digest('hex');
    checkMd5(wanted, md5);
    return commit({ size, md5, data }, [data.buffer]);
  }
  const file = await store.blobs.write(hashed(bodyChunks(request, size), hash));
  try {
    const md5 = hash.digest('hex');
    checkMd5(wanted, md5);
    const result = await commit({ size, md5, file }, []);
    store.blobs.settle(file);
    return result;
  } catch (error) {
    // After any other failure the commit may stand all the same: the file's marker stays, for the next opening to decide.
    if (error instanceof S3Error) await store.blobs.discard(file);
    throw error;
  }
}

/** A request document, whole. @throws S3Error MaxMessageLengthExceeded, IncompleteBody, InvalidDigest, BadDigest */
export async function receiveDocument(request: StoreRequest): Promise<Buffer> {
  const size = bodyLength(request);
  if (size > MAX_XML_BODY_BYTES) throw new S3Error('MaxMessageLengthExceeded');
  const data = Buffer.from((await collect(request, size)).buffer);
  checkMd5(contentMd5(request), createHash('md5').update(data).digest('hex'));
  return data;
}

function bodyLength({ body }: StoreRequest): number {
  return body?.length ?? 0;
}

/** The body in a buffer of its own, which can be handed to another thread. */
async function collect(request: StoreRequest, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const data = new Uint8Array(new ArrayBuffer(size));
  let received = 0;
  for await (const chunk of bodyChunks(request, size)) {
    data.set(chunk, received);
    received += chunk.length;
  }
  return data;
}

async function* hashed(chunks: AsyncIterable<Buffer>, hash: ReturnType<typeof createHash>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

/** Exactly `size` bytes. @throws S3Error IncompleteBody; BodyFailed */
async function* bodyChunks(request: StoreRequest, size: number): AsyncGenerator<Buffer> {
  const { body, signal } = request;
  if (signal.aborted) throw new BodyFailed(signal.reason);
  if (body === undefined) return;
  if (Buffer.isBuffer(body)) {
    yield body;
    return;
  }
  const iterator = body.chunks[Symbol.asyncIterator]();
  let received = 0;
  let ended = false;
  try {
    for (;;) {
      const step = await nextChunk(iterator, signal);
      ended = step.done === true;
      if (ended) break;
      received += step.value.length;
      if (received > size) break;
      yield step.value;
    }
  } finally {
    // Not awaited: a source that hangs must not hold up the answer.
    if (!ended) iterator.return?.().then(undefined, () => undefined);
  }
  if (received !== size) throw new S3Error('IncompleteBody');
}

function nextChunk(iterator: AsyncIterator<Buffer>, signal: AbortSignal): Promise<IteratorResult<Buffer>> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(new BodyFailed(signal.reason));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    const settled = (): void => signal.removeEventListener('abort', abort);
    iterator.next().then(
      (step) => {
        settled();
        resolve(step);
      },
      (error: unknown) => {
        settled();
        reject(new BodyFailed(error));
      },
    );
  });
}

/** @returns hex. @throws S3Error InvalidDigest when it is not the base64 of 16 bytes */
function contentMd5({ headers }: StoreRequest): string | undefined {
  const header = headers['content-md5'];
  if (header === undefined) return undefined;
  const bytes = Buffer.from(header.trim(), 'base64');
  if (bytes.length !== 16 || bytes.toString('base64') !== header.trim()) throw new S3Error('InvalidDigest');
  return bytes.toString('hex');
}

function checkMd5(wanted: string | undefined, actual: string): void {
  if (wanted !== undefined && wanted !== actual) throw new S3Error('BadDigest');
}
