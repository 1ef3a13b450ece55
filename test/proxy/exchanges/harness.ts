/**
 * What the table of exchanges in crypto/FORMAT.md is tried with: a proxy with two tenants, what they stored, and the ways to put a
 * stored piece in the place of another behind the proxy's back.
 */
import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { SecurityEventKind } from '../../../proxy/observe/events.ts';
import type { Bench } from '../../helpers/bench.ts';
import { type Header, objectPath, type RawReply } from '../../helpers/raw-client.ts';
import { askStore, type StoredCopy, storeDirectly, storedKeys, storedObject } from '../../helpers/stored.ts';
import { openReplica, type Replica, type Sender } from '../../helpers/uploads.ts';
import type { Rotation } from '../rotation/harness.ts';

export const STATE = 'sealgate-state';
/** Too much for the metadata of the stored object: the early attributes then lie in the footer. */
export const long = (fill: string): Header => ['x-amz-meta-long', fill.repeat(1900)];
export const REPLACE: Header = ['x-amz-metadata-directive', 'REPLACE'];

export interface World {
  readonly bench: Bench;
  readonly rotation: Rotation;
}

/** What came of an exchange: a refusal says which event has to be on record. */
export type Outcome = { readonly refused: SecurityEventKind; readonly head?: 'answers' } | { readonly opens: Buffer };

/** One row of the table. Does the exchange and says under which key it is to be seen. */
export type Exchange = (world: World) => Promise<{ readonly key: string; readonly bucket?: string } & Outcome>;

export const stored = ({ bench }: World, key: string, bucket = bench.bucket): Promise<StoredCopy> =>
  storedObject(bench.backend.inner, bucket, key);

export function store(
  { bench }: World,
  key: string,
  copy: Pick<StoredCopy, 'body' | 'metadata'>,
  bucket = bench.bucket,
): Promise<void> {
  return storeDirectly(bench.backend.inner, { bucket, key, body: copy.body, metadata: copy.metadata });
}

/** How each plaintext begins: where an exchange is refused, none of them may come out. */
const secrets: Buffer[] = [];
export function secretBytes(length: number): Buffer {
  const bytes = randomBytes(length);
  secrets.push(bytes.subarray(0, 32));
  return bytes;
}

export async function put(
  { bench }: World,
  key: string,
  o: { body: Buffer; headers?: readonly Header[]; bucket?: string; send?: Sender },
): Promise<void> {
  const { body, headers = [], bucket = bench.bucket, send = bench.send } = o;
  const reply = await send({ method: 'PUT', path: objectPath(bucket, key), headers, body });
  expect([reply.status, reply.code]).toEqual([200, '']);
}

export async function copyTo({ bench }: World, from: string, to: string, headers: readonly Header[]): Promise<void> {
  const source: Header = ['x-amz-copy-source', objectPath(bench.bucket, from)];
  const reply = await bench.send({ method: 'PUT', path: objectPath(bench.bucket, to), headers: [source, ...headers] });
  expect([reply.status, reply.code]).toEqual([200, '']);
}

/** A process that has read nothing yet. */
export async function inReplica<T>({ bench }: World, work: (replica: Replica) => Promise<T>): Promise<T> {
  const replica = await openReplica(bench);
  try {
    return await work(replica);
  } finally {
    await replica.proxy.close();
  }
}

export const eventsOf = (log: readonly Record<string, unknown>[], kind: string) =>
  log.filter(({ securityEvent }) => securityEvent === kind);

/** A refusal: nothing of any plaintext or of any metadata goes out, and the event is on record. */
export function expectNothing(reply: RawReply, allowed: readonly number[] = [500]): void {
  if (!reply.cut) expect(allowed).toContain(reply.status);
  for (const bytes of secrets) expect(reply.body.includes(bytes)).toBe(false);
  if (reply.status !== 200) {
    const names = Object.keys(reply.headers).filter((name) => /^x-amz-meta-|^content-disposition$/.test(name));
    expect(names).toEqual([]);
  }
}

/** The state of uploads: names below `uploads/`, by what they are. */
export async function stateNames({ bench }: World, kind: 'record' | 'receipts' | 'staged'): Promise<string[]> {
  const names = await storedKeys(bench.backend.inner, STATE);
  return names.filter((name) => name.startsWith('uploads/') && name.split('/')[2] === kind);
}

export async function removeState({ bench }: World, name: string): Promise<void> {
  await askStore(bench.backend.inner, { method: 'DELETE', bucket: STATE, key: name });
}

export async function stateBytes(world: World, name: string): Promise<Buffer> {
  return (await stored(world, name, STATE)).body;
}

export function putState(world: World, name: string, body: Buffer): Promise<void> {
  return store(world, name, { body, metadata: {} }, STATE);
}
