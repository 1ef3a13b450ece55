// Protects: the load generator's own HTTP. Were it to lose or add bytes, every check of what was read would be void.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ReplyParser } from './reply-parser.ts';

interface Seen {
  readonly status: number;
  readonly body: string;
  readonly bytes: number;
}

/** Pushes `text` in pieces of the given lengths (the last one takes the rest). */
function parse(text: string, o: { cuts?: readonly number[]; isHead?: boolean } = {}): Seen[] {
  const seen: Seen[] = [];
  let body = '';
  const parser = new ReplyParser({
    onBody(piece, offset) {
      expect(offset).toBe(body.length);
      body += piece.toString('latin1');
    },
    onEnd({ status }, bytes) {
      seen.push({ status, body, bytes });
      body = '';
    },
  });
  parser.expect({ isHead: o.isHead === true });
  let at = 0;
  for (const cut of [...(o.cuts ?? []), text.length]) {
    if (at >= text.length) break;
    parser.push(Buffer.from(text.slice(at, at + Math.max(1, cut)), 'latin1'));
    at += Math.max(1, cut);
  }
  return seen;
}

const WITH_LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED = 'HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nt: 1\r\n\r\n';
const EMPTY = 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n';
const INTERIM = 'HTTP/1.1 100 Continue\r\n\r\n';

describe('replies', () => {
  test('of every framing, however they are cut', () => {
    const text = WITH_LENGTH + INTERIM + CHUNKED + EMPTY + WITH_LENGTH;
    const expected = [
      { status: 200, body: 'hello', bytes: 5 },
      { status: 206, body: 'hello', bytes: 5 },
      { status: 404, body: '', bytes: 0 },
      { status: 200, body: 'hello', bytes: 5 },
    ];
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 }), (cuts) => {
        expect(parse(text, { cuts })).toEqual(expected);
      }),
      { numRuns: 300 },
    );
    expect(parse(text, { cuts: Array.from(text, () => 1) })).toEqual(expected);
  });

  test('to HEAD have no body, whatever their length says', () => {
    const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n';
    expect(parse(head + head, { isHead: true })).toHaveLength(2);
  });

  test.each(['204 No Content', '304 Not Modified'])('%s has none either', (status) => {
    expect(parse(`HTTP/1.1 ${status}\r\n\r\n${WITH_LENGTH}`).map(({ bytes }) => bytes)).toEqual([0, 5]);
  });

  test.each(['nonsense\r\n\r\n', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'])(
    '%j is refused',
    (text) => {
      expect(() => parse(text)).toThrow();
    },
  );
});
