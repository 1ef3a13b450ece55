// Protects: a body ends where its framing says, wherever reads cut it; and framing that can be read two ways is refused.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Framing, framingOf } from '../../../../proxy/backend/s3/response-framing.ts';
import { MalformedResponse } from '../../../../proxy/backend/s3/response-head.ts';

function framing(headers: Record<string, string>, o: { status?: number; method?: string } = {}): Framing {
  return framingOf({ status: o.status ?? 200, headers, keepsAlive: true }, o.method ?? 'GET');
}

/** What comes out when `wire` arrives cut at `cuts`; `used` counts the bytes that belonged to the body. */
function read(one: Framing, wire: Buffer, cuts: readonly number[]): { body: Buffer; used: number } {
  const pieces: Buffer[] = [];
  const bounds = [...new Set([0, ...cuts.map((cut) => cut % (wire.length + 1)), wire.length])].sort((a, b) => a - b);
  let used = 0;
  for (let i = 0; i + 1 < bounds.length && !one.isComplete; i++) {
    used += one.take(wire.subarray(bounds[i], bounds[i + 1]), (piece) => pieces.push(Buffer.from(piece)));
  }
  return { body: Buffer.concat(pieces), used };
}

function chunked(pieces: readonly Uint8Array[], o: { extension?: string; trailer?: string } = {}): Buffer {
  const chunks = pieces.flatMap((piece) => [
    Buffer.from(`${piece.length.toString(16)}${o.extension ?? ''}\r\n`),
    piece,
    Buffer.from('\r\n'),
  ]);
  return Buffer.concat([...chunks, Buffer.from(`0\r\n${o.trailer ?? ''}\r\n`)]);
}

const cuts = fc.array(fc.nat(5000), { maxLength: 12 });
const rest = fc.uint8Array({ maxLength: 20 });

test('Content-Length, however it is cut, and not a byte more', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 3000 }), rest, cuts, (bytes, after, at) => {
      const one = framing({ 'content-length': String(bytes.length) });
      const { body, used } = read(one, Buffer.concat([bytes, after]), at);
      expect(body.equals(bytes)).toBe(true);
      expect(one.isComplete).toBe(true);
      expect(used).toBe(bytes.length);
    }),
  );
});

test('chunks, however they are cut, with extensions and a trailer, and not a byte more', () => {
  const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 8 });
  const extension = fc.constantFrom('', ';a=b', ';x', ';a="quoted; too"');
  const trailer = fc.constantFrom('', 'x-amz-checksum-crc32: AAAAAA==\r\n', 'a: b\r\nc: d\r\n');
  fc.assert(
    fc.property(pieces, extension, trailer, rest, cuts, (list, ext, trail, after, at) => {
      const one = framing({ 'transfer-encoding': 'chunked' });
      const wire = chunked(list, { extension: ext, trailer: trail });
      const { body, used } = read(one, Buffer.concat([wire, after]), at);
      expect(body.equals(Buffer.concat(list))).toBe(true);
      expect(one.isComplete).toBe(true);
      expect(used).toBe(wire.length);
    }),
  );
});

test('chunks that are cut short are not complete', () => {
  const wire = chunked([Buffer.from('abc'), Buffer.from('defg')]);
  for (let length = 0; length < wire.length; length++) {
    const one = framing({ 'transfer-encoding': 'chunked' });
    read(one, wire.subarray(0, length), []);
    expect(one.isComplete).toBe(false);
  }
});

test('without a length the body ends with the connection', () => {
  const one = framing({});
  expect(one.endsWithConnection).toBe(true);
  expect(read(one, Buffer.from('abc'), [1]).body.toString()).toBe('abc');
  expect(one.isComplete).toBe(false);
});

test.each([
  ['HEAD', 200, { 'content-length': '1000' }],
  ['HEAD', 200, { 'transfer-encoding': 'chunked' }],
  ['GET', 204, {}],
  ['GET', 304, { 'content-length': '7' }],
  ['GET', 200, { 'content-length': '0' }],
] as const)('%s answered %i with %j has no body', (method, status, headers) => {
  expect(framing(headers, { method, status }).isComplete).toBe(true);
});

describe('refused', () => {
  test.each([
    { 'content-length': '5, 5' },
    { 'content-length': '-1' },
    { 'content-length': '+5' },
    { 'content-length': '5 ' },
    { 'content-length': '0x5' },
    { 'content-length': '' },
    { 'content-length': '9999999999999999' },
    { 'content-length': '5', 'transfer-encoding': 'chunked' },
    { 'transfer-encoding': 'gzip, chunked' },
    { 'transfer-encoding': 'chunked, chunked' },
    { 'transfer-encoding': 'identity' },
    { 'transfer-encoding': '' },
  ])('%j', (headers) => {
    expect(() => framing(headers)).toThrow(MalformedResponse);
  });

  test.each([
    'x\r\n',
    '\r\n',
    '-3\r\nabc\r\n',
    '3\nabc\r\n',
    '3\r\nabcd\r\n',
    '3\r\nabc\n0\r\n\r\n',
    '3 3\r\nabc\r\n',
    '1000000000000\r\n',
    `3;${'x'.repeat(40_000)}\r\n`,
    `0\r\n${'a: b\r\n'.repeat(10_000)}\r\n`,
  ])('chunks like %j', (wire) => {
    const one = framing({ 'transfer-encoding': 'chunked' });
    expect(() => read(one, Buffer.from(wire), [])).toThrow(MalformedResponse);
    expect(one.isComplete).toBe(false);
  });
});
