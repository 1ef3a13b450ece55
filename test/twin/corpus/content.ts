/** Bodies that every run makes again, and short ways to write common requests. */

import { createHash } from 'node:crypto';
import { KiB } from '../../helpers/bytes.ts';
import type { TwinRequest } from '../request.ts';

const made = new Map<string, Buffer>();

/** `size` bytes that do not repeat, the same for the same `seed`. Shared: do not write into it. */
export function content(size: number, seed = 'a'): Buffer {
  const known = made.get(`${size} ${seed}`);
  if (known !== undefined) return known;
  const block = createHash('shake256', { outputLength: Math.min(size, 64 * KiB) + 16 })
    .update(seed)
    .digest();
  const body = Buffer.alloc(size);
  for (let at = 0, n = 0; at < size; at += block.length, n++) {
    block.writeUInt32BE(n, 0);
    block.copy(body, at);
  }
  made.set(`${size} ${seed}`, body);
  return body;
}

type Extra = Omit<TwinRequest, 'method' | 'key'>;

export const put = (key: string, body: Buffer | string, o: Extra = {}): TwinRequest => ({
  method: 'PUT',
  key,
  body,
  ...o,
});
export const get = (key: string, o: Extra = {}): TwinRequest => ({ method: 'GET', key, ...o });
export const head = (key: string, o: Extra = {}): TwinRequest => ({ method: 'HEAD', key, ...o });
export const remove = (key: string, o: Extra = {}): TwinRequest => ({ method: 'DELETE', key, ...o });
/** A document with S3's namespace on its root. */
export const xml = (root: string, inner: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</${root}>`;
