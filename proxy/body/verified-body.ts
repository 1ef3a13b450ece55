/**
 * A request's body as verified plaintext: the one way an operation gets at it.
 *
 * The plaintext is handed out as it arrives, so that large bodies stream; that it is what the client signed and promised is
 * known only at the end. So the iteration ends cleanly only when length, chunk signatures, trailer, SHA-256, Content-MD5 and
 * checksum have all been verified, and throws otherwise: whoever stores the body must commit it after the end, never before.
 */
import type { Verified } from '../../sigv4/verify.ts';
import { S3Error, type S3ErrorCode } from '../errors.ts';
import { MD5_THREAD_BYTES } from '../limits.ts';
import { AwsChunkedDecoder } from './aws-chunked.ts';
import type { ChecksumName } from './checksums.ts';
import { type BodyResult, Digests } from './digests.ts';
import { bodyExpectations } from './expectations.ts';
import { type Framing, PlainFraming } from './framing.ts';
import { type Md5Threads, md5Threads } from './md5-threads.ts';
import type { ThreadedMd5 } from './threaded-md5.ts';

export interface VerifiedBody {
  /** Exact length of the plaintext, bytes. */
  readonly plainBytes: number;
  /** The algorithms whose values `result` will hold, in its order. */
  readonly checksumAlgorithms: readonly ChecksumName[];
  /** Adds a checksum to the result, for operations that need one the client did not ask for. Call it before `chunks` is read. */
  compute(algorithm: ChecksumName): void;
  /** Has the result hold the MD5 of the plaintext, for an ETag. Before `chunks` is read only. */
  computeMd5(): void;
  /**
   * Single use; each chunk is valid until the next one is asked for. Ends only when every promise about the body has been verified.
   * @throws S3Error BadDigest, XAmzContentSHA256Mismatch, SignatureDoesNotMatch, IncompleteBody, InvalidRequest,
   *   MalformedTrailerError.
   */
  readonly chunks: AsyncIterable<Buffer>;
  /** Available after `chunks` ended. */
  result(): BodyResult;
}

export interface OpenBodyOptions {
  readonly source: AsyncIterable<Buffer>;
  /** Looks up a header by lower-case name. */
  readonly header: (name: string) => string | undefined;
  readonly verified: Verified;
  /** The threads for the MD5 of large bodies. Default: those of this process. */
  readonly md5Threads?: Md5Threads;
}

/** @throws S3Error for everything that the headers alone show to be wrong. */
export function openBody(o: OpenBodyOptions): VerifiedBody {
  const expected = bodyExpectations(o.header, o.verified.payload);
  const digests = new Digests(expected);
  let result: BodyResult | undefined;
  let used = false;

  async function* chunks(): AsyncGenerator<Buffer, void, undefined> {
    if (used) throw new Error('A body is read once.');
    used = true;
    const framing = framingOf(o.verified, expected.plainBytes);
    const onThread = digests.wantsMd5 && expected.plainBytes >= MD5_THREAD_BYTES;
    const thread = onThread ? (o.md5Threads ?? md5Threads).open() : undefined;
    if (thread !== undefined) {
      yield* besideThread(framing, thread);
      return;
    }
    for await (const read of fromClient(o.source)) {
      for (const slice of framing.push(read)) {
        digests.update(slice);
        yield slice;
      }
    }
    result = digests.verify(framing.finish());
  }

  /** Copies the plaintext into the blocks that the thread hashes, and yields it from there. */
  async function* besideThread(framing: Framing, thread: ThreadedMd5): AsyncGenerator<Buffer, void, undefined> {
    digests.leaveMd5();
    try {
      for await (const read of fromClient(o.source)) {
        for (const slice of framing.push(read)) {
          for (let at = thread.fill(slice, 0); thread.isFull; at += thread.fill(slice, at)) {
            yield thread.hand();
            await thread.ready();
          }
          digests.update(slice);
        }
      }
      const trailer = framing.finish();
      const rest = thread.hand();
      if (rest.length > 0) yield rest;
      result = digests.verify(trailer, await thread.digest());
    } finally {
      thread.close();
    }
  }

  return {
    plainBytes: expected.plainBytes,
    get checksumAlgorithms() {
      return digests.reported;
    },
    compute(algorithm) {
      if (used) throw new Error('A checksum was asked for after the body was begun.');
      digests.report(algorithm);
    },
    computeMd5() {
      if (used) throw new Error('The MD5 was asked for after the body was begun.');
      digests.wantMd5();
    },
    chunks: { [Symbol.asyncIterator]: chunks },
    result() {
      if (result === undefined) throw new Error('The result of a body is known after its end.');
      return result;
    },
  };
}

/**
 * The whole body of a small request.
 * @throws S3Error `tooLarge` when it has more than `maxBytes`, before any of it is read; and as `VerifiedBody.chunks`.
 */
export async function collectBody(body: VerifiedBody, o: { maxBytes: number; tooLarge: S3ErrorCode }): Promise<Buffer> {
  if (body.plainBytes > o.maxBytes) throw new S3Error(o.tooLarge);
  const whole = Buffer.allocUnsafe(body.plainBytes);
  let filled = 0;
  for await (const piece of body.chunks) filled += piece.copy(whole, filled);
  return whole;
}

function framingOf(verified: Verified, plainBytes: number): Framing {
  const { payload, chunks } = verified;
  switch (payload.kind) {
    case 'sha256':
    case 'unsigned':
      return new PlainFraming({ plainBytes });
    case 'unsigned-trailer':
      return new AwsChunkedDecoder({ plainBytes, trailer: true });
    case 'signed-chunks':
      if (chunks === undefined) throw new Error('Signed chunks were verified without their chain.');
      return new AwsChunkedDecoder({ plainBytes, trailer: payload.trailer, chain: chunks });
  }
}

/** Reads the client's bytes to their end. Whatever breaks while it sends is a body that did not arrive. */
async function* fromClient(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  let open = true;
  try {
    for (;;) {
      open = false;
      const { done, value } = await iterator.next();
      if (done) return;
      open = true;
      yield value;
    }
  } catch (cause) {
    throw cause instanceof S3Error ? cause : new S3Error('IncompleteBody', undefined, { cause });
  } finally {
    if (open) await iterator.return?.();
  }
}
