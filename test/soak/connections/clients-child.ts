/**
 * Well-behaved clients: each stores an object, reads it back, asks for its head and lists, over and over. Told by a message whom to
 * ask; answers a message with what came of it.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { KiB } from '../../helpers/bytes.ts';
import type { RawRequest } from '../../helpers/raw-client.ts';
import type { Victim } from './bad-states.ts';
import { Client } from './client.ts';

export interface Clients {
  readonly of: Victim;
  readonly clients: number;
}

export interface ClientsReport {
  readonly served: number;
  /** What went wrong, and how often. */
  readonly errors: Readonly<Record<string, number>>;
  /** Milliseconds of the requests since the last report. */
  readonly latencies: readonly number[];
}

const PAUSE_MS = 20;

let served = 0;
let latencies: number[] = [];
const errors: Record<string, number> = {};

async function run(at: Victim, name: string): Promise<never> {
  const client = new Client(at);
  const path = `/${at.bucket}/${name}`;
  for (;;) {
    const body = randomBytes(10 * KiB);
    await counted(client, { method: 'PUT', path, body });
    await counted(client, { method: 'GET', path }, body);
    await counted(client, { method: 'HEAD', path });
    await counted(client, { method: 'GET', path: `/${at.bucket}`, query: `list-type=2&prefix=${name}` });
    await setTimeout(PAUSE_MS);
  }
}

async function counted(client: Client, request: RawRequest, expected?: Buffer): Promise<void> {
  const begun = performance.now();
  const result = await client.send(request).catch((error: { code?: string }) => String(error.code ?? error));
  latencies.push(performance.now() - begun);
  const isRight = typeof result !== 'string' && result.status === 200 && (expected?.equals(result.body) ?? true);
  if (isRight) {
    served += 1;
    return;
  }
  const what = `${request.method}: ${typeof result === 'string' ? result : result.status}`;
  errors[what] = (errors[what] ?? 0) + 1;
}

process.on('message', (message: Clients | 'report') => {
  if (message === 'report') {
    process.send?.({ served, errors, latencies } satisfies ClientsReport);
    latencies = [];
    return;
  }
  for (let i = 0; i < message.clients; i++) void run(message.of, `client-${i}`);
});
