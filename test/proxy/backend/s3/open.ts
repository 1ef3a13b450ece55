/** An S3 backend towards a local test server, with credentials that must never be seen in an error. */
import { setTimeout } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import type { Backend, BackendBody } from '../../../../proxy/backend/backend.ts';
import { openS3Backend, type S3BackendOptions } from '../../../../proxy/backend/s3/s3.ts';
import { type RawServer, rawServer } from '../../../helpers/raw-server.ts';

export const ACCESS_KEY_ID = 'AKIDTESTONLY0000';
export const SECRET = 'never-shown-secret';

export function openTestBackend(endpoint: URL, o: Partial<S3BackendOptions> = {}): Backend {
  return openS3Backend({
    endpoint,
    accessKeyId: ACCESS_KEY_ID,
    secretAccessKey: SECRET,
    region: 'us-east-1',
    pathStyle: true,
    ...o,
  });
}

/** A server that answers by hand and a backend towards it, until the test ends. */
export async function startRaw(
  script: Parameters<typeof rawServer>[0],
  o: Partial<S3BackendOptions> = {},
): Promise<{ backend: Backend; server: RawServer }> {
  const server = await rawServer(script);
  const backend = openTestBackend(server.endpoint, o);
  onTestFinished(async () => {
    await backend.close();
    await server.close();
  });
  return { backend, server };
}

export function never(): AbortSignal {
  return new AbortController().signal;
}

/** A streamed body; `onEnd` runs when the source is left, however that comes. */
export function streamOf(
  chunks: readonly (Buffer | Error)[],
  o: { length?: number; onEnd?: () => void } = {},
): BackendBody {
  const total = chunks.reduce((sum, chunk) => sum + (Buffer.isBuffer(chunk) ? chunk.length : 0), 0);
  async function* generate() {
    try {
      for (const chunk of chunks) {
        if (chunk instanceof Error) throw chunk;
        yield chunk;
      }
    } finally {
      o.onEnd?.();
    }
  }
  return { length: o.length ?? total, chunks: generate() };
}

/** Reads with pauses, in which more may arrive: every piece must be what belongs at its place when it is looked at. */
export async function expectSlowly(body: AsyncIterable<Buffer>, content: Buffer): Promise<void> {
  let at = 0;
  for await (const piece of body) {
    await setTimeout(1);
    expect(piece.equals(content.subarray(at, at + piece.length))).toBe(true);
    at += piece.length;
  }
  expect(at).toBe(content.length);
}
