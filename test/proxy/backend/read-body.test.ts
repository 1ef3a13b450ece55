// Protects: a backend's answer is read whole or not at all, and never beyond its bound.
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { type BackendResponse, BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { discard, readBody, readLent } from '../../../proxy/backend/read-body.ts';

function response(chunks: readonly (Buffer | Error)[], headers: Record<string, string> = {}): BackendResponse {
  async function* generate() {
    for (const chunk of chunks) {
      if (chunk instanceof Error) throw chunk;
      yield chunk;
    }
  }
  return { status: 200, headers, body: Readable.from(generate(), { objectMode: false }) };
}

const piece = Buffer.from('12345');

test.each([
  [[], ''],
  [[piece], '12345'],
  [[piece, Buffer.alloc(0), piece], '1234512345'],
])('whole (%#)', async (chunks, text) => {
  expect((await readBody(response(chunks), { maxBytes: 10 })).toString()).toBe(text);
});

test('in single bytes, of which a great many are joined as they come', async () => {
  const bytes = Array.from({ length: 5_000 }, (_, i) => Buffer.from([i % 251]));
  const whole = Buffer.concat(bytes);
  const told: Buffer[] = [];
  const onPiece = (piece: Buffer) => void told.push(piece);
  expect((await readLent(response(bytes), { maxBytes: 5_000, onPiece })).equals(whole)).toBe(true);
  expect(Buffer.concat(told).equals(whole)).toBe(true);
  await expect(readLent(response(bytes), { maxBytes: 4_999 })).rejects.toThrowError(BackendUnavailable);
});

test.each([
  ['in pieces', [piece, piece, Buffer.from('6789')], {}],
  ['announced too long', [piece, piece, Buffer.from('6789')], { 'content-length': '14' }],
  ['without end', Array.from({ length: 1000 }, () => piece), {}],
])('%s: what is beyond the bound can be let go of instead', async (_, chunks, headers) => {
  const one = response(chunks, headers);
  const told: Buffer[] = [];
  const onPiece = (part: Buffer) => void told.push(part);
  expect((await readLent(one, { maxBytes: 12, dropsRest: true, onPiece })).length).toBe(12);
  expect(Buffer.concat(told).length).toBe(12);
  expect(one.body.destroyed).toBe(true);
});

describe('an error', () => {
  test.each<[string, BackendResponse]>([
    ['one byte too long', response([piece, piece, Buffer.from('6')])],
    ['endless', response(Array.from({ length: 1000 }, () => piece))],
    ['announced too long', response([], { 'content-length': '11' })],
    ['broken off', response([piece, new Error('aborted')])],
  ])('%s', async (_, one) => {
    await expect(readBody(one, { maxBytes: 10 })).rejects.toThrowError(BackendUnavailable);
    expect(one.body.destroyed).toBe(true);
  });

  test('an abort keeps its reason', async () => {
    const reason = new DOMException('gone', 'AbortError');
    await expect(readBody(response([piece, reason]), { maxBytes: 100 })).rejects.toBe(reason);
  });
});

describe('discard', () => {
  test.each([
    ['a short body is read to its end', { 'content-length': '5' }, true],
    ['a long one is cut', { 'content-length': '10000000' }, false],
    ['one of unknown length is cut', {}, false],
  ])('%s', async (_, headers, read) => {
    const one = response([piece], headers);
    const closed = new Promise<void>((resolve) => one.body.once('close', resolve));
    discard(one);
    await closed;
    expect(one.body.readableEnded).toBe(read);
  });

  test('an error of a discarded body is nobody else’s', async () => {
    const one = response([new Error('aborted')], { 'content-length': '5' });
    const closed = new Promise<void>((resolve) => one.body.once('close', resolve));
    discard(one);
    await closed;
    expect(one.body.errored?.message).toBe('aborted');
  });
});
