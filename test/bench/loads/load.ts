/** What a load is: what must be stored before, one operation, and how its result is read. */
import { createHash } from 'node:crypto';
import { expectStatus } from '../client/ask.ts';
import { Connection } from '../client/connection.ts';
import type { Operation } from '../client/drive.ts';
import { type Endpoint, signedHead } from '../client/signed-request.ts';

/** Something stored once in each store before the loads that read it. */
export interface Seed {
  readonly name: string;
  store(endpoint: Endpoint): Promise<void>;
}

/** What of the floor a load must pay: the digests and the cipher beside moving the bytes. */
export type FloorPart = 'seal' | 'open' | 'md5' | 'sha256';

export interface Load {
  readonly name: string;
  readonly title: string;
  /** Of clients; `tls-store`: plain HTTP from clients, and TLS to the backend. */
  readonly transport: 'http' | 'tls' | 'tls-store';
  readonly connections: number;
  /** Bodies under way at once, when that is not the number of connections. */
  readonly streams?: number;
  /** Which figure is compared: bytes a second, operations a second, or the median time of one. */
  readonly measure: 'throughput' | 'rate' | 'latency';
  /** Operations of each connection in each measurement, at least. */
  readonly least: number;
  readonly seeds: readonly Seed[];
  /** Signs what will be sent; the signatures are good for 15 minutes. */
  operation(endpoint: Endpoint): Operation;
  /** Proves, outside the measurement, that the target does what is measured. @throws Error when it does not. */
  check(endpoint: Endpoint): Promise<void>;
  /** Before each operation, all objects below this prefix become ones never seen before. */
  readonly cold?: string;
  /** Milliseconds before each answer of the backend. */
  readonly backendDelayMs?: number;
  /** Rows of one operation, for costs by row. */
  readonly rows?: number;
  readonly floor?: readonly FloorPart[];
}

/** GETs an object and compares its SHA-256. @throws Error when it differs. */
export async function checkObject(endpoint: Endpoint, key: string, expected: readonly Buffer[]): Promise<void> {
  const connection = new Connection(endpoint.address);
  const hash = createHash('sha256');
  try {
    const { head } = signedHead(endpoint, { method: 'GET', key });
    const answer = await connection.exchange({ send: [head], onBody: (piece) => hash.update(piece) });
    expectStatus(answer, [200], `GET ${key}`);
  } finally {
    connection.close();
  }
  const wanted = createHash('sha256');
  for (const piece of expected) wanted.update(piece);
  if (hash.digest('hex') !== wanted.digest('hex')) throw new Error(`GET ${key}: not the bytes that were stored`);
}

/** Stores what an upload of this load would, and reads it back. */
export async function checkUpload(
  endpoint: Endpoint,
  key: string,
  send: readonly Buffer[],
  body: Buffer,
): Promise<void> {
  const connection = new Connection(endpoint.address);
  try {
    expectStatus(await connection.exchange({ send }), [200], `PUT ${key}`);
  } finally {
    connection.close();
  }
  await checkObject(endpoint, key, [body]);
}
