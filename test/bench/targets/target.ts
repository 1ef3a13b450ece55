/** What is put under load: an S3 endpoint, and the processes behind it whose time and memory count. */
import { readFileSync } from 'node:fs';
import type { Endpoint } from '../client/signed-request.ts';
import { type Certificate, loopback } from '../tls.ts';

export interface Target {
  /** As in the tables. */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Roots of its process tree; none for an endpoint whose processes are not known. */
  readonly pids: readonly number[];
  /** Targets with the same store see each other's objects. */
  readonly store: string;
}

/** Where plain objects are kept; direct, nginx and the pass-through share them. */
export const PLAIN_BUCKET = 'bench-plain';
/** Milliseconds for a program to answer after its start. */
const START_MS = 20_000;

/** A program on a port of this machine. `bucket` is what is addressed in it, and its store. */
export function targetOnPort(o: {
  readonly name: string;
  readonly port: number;
  readonly tls?: Certificate | undefined;
  readonly bucket: string;
  readonly pid: number;
  readonly signing: Pick<Endpoint, 'credentials' | 'region'>;
}): Target {
  const { name, port, tls, bucket, pid } = o;
  const { credentials, region } = o.signing;
  const endpoint = { address: loopback(port, tls), authority: `127.0.0.1:${port}`, credentials, region, bucket };
  return { name, endpoint, pids: [pid], store: bucket };
}

/** @throws Error with the end of its log, when the endpoint stays silent. */
export async function untilAnswering(url: string, o: { what: string; log: string }): Promise<void> {
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline) {
    const answered = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
      (response) => response.arrayBuffer().then(() => response.status !== 503),
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${o.what} did not answer in ${START_MS} ms: ${readFileSync(o.log, 'utf8').slice(-1000)}`);
}
