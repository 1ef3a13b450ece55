// Protects: a response head is read as RFC 9112 has it or not at all; nothing that two readers could read differently passes.
import { describe, expect, test } from 'vitest';
import { headLength, MalformedResponse, parseHead } from '../../../../proxy/backend/s3/response-head.ts';

test('status, lower-case names, trimmed values, byte strings', () => {
  const head = parseHead('HTTP/1.1 206 Partial Content\r\nETag:"e"\r\nX-Amz-Meta-A: \t caf\xe9 x \r\nEmpty:');
  expect(head).toEqual({
    status: 206,
    headers: { etag: '"e"', 'x-amz-meta-a': 'caf\xe9 x', empty: '' },
    keepsAlive: true,
  });
});

test('repeated headers are joined in order', () => {
  expect(parseHead('HTTP/1.1 200 \r\nA: 1\r\nb: x\r\na: 2').headers).toEqual({ a: '1, 2', b: 'x' });
});

test('a header that is called like a property of objects is a header', () => {
  const { headers } = parseHead('HTTP/1.1 200 OK\r\n__proto__: p\r\nconstructor: c');
  expect(Object.entries(headers)).toEqual([
    ['__proto__', 'p'],
    ['constructor', 'c'],
  ]);
});

test.each([
  ['HTTP/1.1 200 OK', true],
  ['HTTP/1.1 200', true],
  ['HTTP/1.1 200 OK\r\nConnection: keep-alive', true],
  ['HTTP/1.1 200 OK\r\nConnection: close', false],
  ['HTTP/1.1 200 OK\r\nConnection: x, Close', false],
  ['HTTP/1.1 200 OK\r\nConnection: closed', true],
  ['HTTP/1.0 200 OK', false],
  ['HTTP/1.0 200 OK\r\nConnection: keep-alive', false],
])('%j keeps the connection: %s', (text, keeps) => {
  expect(parseHead(text).keepsAlive).toBe(keeps);
});

describe('refused', () => {
  const cases = [
    '',
    'HTTP/2 200 OK',
    'HTTP/1.1 20 OK',
    'HTTP/1.0 100 Continue',
    'HTTP/1.1 2000 OK',
    'HTTP/1.1 099 OK',
    'HTTP/1.1  200 OK',
    ' HTTP/1.1 200 OK',
    'http/1.1 200 OK',
    'HTTP/1.1 200 O\u0000K',
    'HTTP/1.1 200 OK\nA: b',
    'HTTP/1.1 200 OK\r\nA: b\nC: d',
    'HTTP/1.1 200 OK\r\nA: b\rC: d',
    'HTTP/1.1 200 OK\r\nA: b\u0000',
    'HTTP/1.1 200 OK\r\nA: b\u007f',
    'HTTP/1.1 200 OK\r\nA : b',
    'HTTP/1.1 200 OK\r\n A: b',
    'HTTP/1.1 200 OK\r\nA: b\r\n folded',
    'HTTP/1.1 200 OK\r\n: b',
    'HTTP/1.1 200 OK\r\nno colon',
    'HTTP/1.1 200 OK\r\nA\u00e9: b',
    'HTTP/1.1 200 OK\r\n\r\nA: b',
  ];
  test.each(cases)('%j', (text) => {
    expect(() => parseHead(text)).toThrow(MalformedResponse);
  });
  test('all of them', () => expect(cases).toHaveLength(22));
});

test('the head ends with the first empty line', () => {
  expect(headLength(Buffer.from('HTTP/1.1 200 OK\r\na: b\r\n\r\nbody\r\n\r\n'))).toBe(25);
  expect(headLength(Buffer.from('HTTP/1.1 200 OK\r\na: b\r\n'))).toBe(-1);
});
