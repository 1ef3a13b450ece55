/**
 * Plaintext that the proxy opened itself from a stored object. It has the shape of a client's verified body, so one function can
 * store both. No client promised anything about it; its digests are computed on the way.
 */
import type { ChecksumName } from './checksums.ts';
import { type BodyResult, Digests } from './digests.ts';
import type { VerifiedBody } from './verified-body.ts';

export function plaintextBody(o: {
  plainBytes: number;
  chunks: AsyncIterable<Buffer>;
  /** Whose values the result is to hold. */
  checksums?: readonly ChecksumName[];
}): VerifiedBody {
  const digests = new Digests({ plainBytes: o.plainBytes });
  for (const algorithm of o.checksums ?? []) digests.report(algorithm);
  let result: BodyResult | undefined;

  async function* chunks(): AsyncGenerator<Buffer> {
    for await (const chunk of o.chunks) {
      digests.update(chunk);
      yield chunk;
    }
    result = digests.verify(new Map());
  }

  return {
    plainBytes: o.plainBytes,
    get checksumAlgorithms() {
      return digests.reported;
    },
    compute: (algorithm) => digests.report(algorithm),
    computeMd5: () => digests.wantMd5(),
    chunks: { [Symbol.asyncIterator]: chunks },
    result() {
      if (result === undefined) throw new Error('The result of a body is known after its end.');
      return result;
    },
  };
}
