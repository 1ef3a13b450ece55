/** Objects of every kind in a bucket with opaque ETags, and every place in which the proxy tells an ETag. */
import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Bench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { formPoster } from '../../helpers/form-poster.ts';
import { type Header, objectPath, type RawReply } from '../../helpers/raw-client.ts';
import { beginUpload, elements, type Listed, MIN_PART, outcome } from '../../helpers/uploads.ts';

export const SOURCE = randomBytes(12 * MiB);
export const OPAQUE = /^"[^"]+-\d+"$/;

export type Agreeing = Pick<Bench, 'bucket' | 'send'>;

export async function ok(work: Promise<RawReply>): Promise<RawReply> {
  const reply = await work;
  expect(outcome(reply)).toMatch(/^20\d$/);
  return reply;
}

export function etagOf(reply: RawReply): string {
  return String(reply.headers['etag'] ?? elements(reply, 'ETag')[0]);
}

export function put(bench: Agreeing, key: string, body: Buffer, headers: readonly Header[] = []): Promise<RawReply> {
  return bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), headers, body });
}

/** Parts of these sizes, numbered from 1, completed. @returns the answer to Complete */
export async function upload(
  bench: Agreeing,
  key: string,
  sizes: readonly number[],
  headers: readonly Header[] = [],
): Promise<RawReply> {
  const begun = await beginUpload(bench, key, headers);
  const listed: Listed[] = [];
  for (const [index, size] of sizes.entries()) {
    const reply = await ok(begun.part(index + 1, SOURCE.subarray(index, index + size)));
    listed.push({ number: index + 1, etag: etagOf(reply) });
  }
  return ok(begun.complete(listed));
}

/** By key: how it is made, and the ETag that its maker is told. */
export async function everyKind(bench: Bench): Promise<ReadonlyMap<string, string>> {
  const made = new Map<string, string>();
  const note = async (key: string, work: Promise<RawReply>) => made.set(key, etagOf(await ok(work)));
  const long: Header = ['x-amz-meta-long', 'x'.repeat(1900)];
  const copy = (from: string, to: string, headers: readonly Header[] = []) =>
    put(bench, to, Buffer.alloc(0), [['x-amz-copy-source', objectPath(bench.bucket, from)], ...headers]);
  await note('empty', put(bench, 'empty', Buffer.alloc(0)));
  await note('small', put(bench, 'small', SOURCE.subarray(0, 1000)));
  await note('small-footer', put(bench, 'small-footer', SOURCE.subarray(0, 1000), [long]));
  await note('large', put(bench, 'large', SOURCE.subarray(0, 2 * MiB)));
  await note('large-footer', put(bench, 'large-footer', SOURCE.subarray(0, 2 * MiB), [long]));
  await note('parts', upload(bench, 'parts', [MIN_PART, 100]));
  await note('one-part', upload(bench, 'one-part', [MIN_PART]));
  await note('one-small-part', upload(bench, 'one-small-part', [1000]));
  for (const from of ['small', 'large', 'parts', 'one-small-part']) {
    await note(`copy-of-${from}`, copy(from, `copy-of-${from}`));
    const replaced: readonly Header[] = [['x-amz-metadata-directive', 'REPLACE'], long];
    await note(`changed-copy-of-${from}`, copy(from, `changed-copy-of-${from}`, replaced));
  }
  const form = formPoster(() => bench);
  for (const [key, bytes] of [
    ['form', 1000],
    ['long-form', 3 * MiB],
    ['longer-form', 9 * MiB],
  ] as const) {
    await note(key, form.post({ fields: { key }, file: { content: SOURCE.subarray(0, bytes) } }));
  }
  return made;
}

/** What a listing says: key, ETag, size. Of version 1, of version 2, or of versions. */
export async function listed(
  bench: Agreeing,
  query: string,
): Promise<ReadonlyMap<string, { etag: string; size: number }>> {
  const reply = await ok(bench.send({ method: 'GET', path: `/${bench.bucket}`, query }));
  const [keys, etags, sizes] = ['Key', 'ETag', 'Size'].map((name) => elements(reply, name)) as [
    string[],
    string[],
    string[],
  ];
  return new Map(keys.map((key, at) => [key, { etag: etags[at] ?? '', size: Number(sizes[at]) }]));
}

export const LISTINGS = ['', 'list-type=2', 'versions='];
