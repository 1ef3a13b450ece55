/**
 * What a header holds is read on the event loop, some of it before anybody has shown a key. An expression that tries again from
 * every character would stop all other requests for seconds: 24 KiB of white space in a Range did, for two. The texts here are
 * many times as long as a request's head may be, so that work that grows with their square outlasts the time of a test.
 */
import { describe, expect, test } from 'vitest';
import { stripAwsChunked } from '../../proxy/body/aws-chunked.ts';
import { S3Error } from '../../proxy/errors.ts';
import { readForm } from '../../proxy/form/read-form.ts';
import { parseHttpDate } from '../../proxy/http/http-date.ts';
import type { S3Request } from '../../proxy/http/request.ts';
import { queryServiceOf } from '../../proxy/iam/query-request.ts';
import { MAX_REQUEST_HEAD_BYTES } from '../../proxy/limits.ts';
import { etagListed } from '../../proxy/object/conditions.ts';
import { resolveRange } from '../../proxy/object/range.ts';
import { parseCopySource } from '../../proxy/operations/request/copy-source.ts';
import { SigV4Error } from '../../sigv4/errors.ts';
import { canonicalHeaderValue } from '../../sigv4/headers.ts';
import { parseClaim } from '../../sigv4/parse.ts';

const CHARACTERS = 10 * MAX_REQUEST_HEAD_BYTES;
const much = (piece: string) => piece.repeat(CHARACTERS / piece.length);

const claimOf = (authorization: string) =>
  parseClaim({ method: 'GET', path: '/', query: '', headers: [['authorization', authorization]] });
const serviceOf = (authorization: string) =>
  queryServiceOf({ path: '/', bucket: undefined, header: () => authorization } as unknown as S3Request);

/** What reads a header, and what is put before and after the text that repeats. */
const READERS: Readonly<Record<string, readonly [read: (text: string) => unknown, before: string]>> = {
  'a Range': [(text) => resolveRange(text, 10), 'bytes='],
  'the end of a Range': [(text) => resolveRange(text, 10), 'bytes=1-'],
  'the unit of a Range': [(text) => resolveRange(text, 10), 'bytes'],
  'the service of a credential': [serviceOf, 'AWS4-HMAC-SHA256 Credential='],
  'an Authorization': [claimOf, 'AWS4-HMAC-SHA256 '],
  'a credential': [claimOf, 'AWS4-HMAC-SHA256 Credential='],
  'a version 2 Authorization': [claimOf, 'AWS '],
  'a header that is signed': [canonicalHeaderValue, ' '],
  'a list of ETags': [(text) => etagListed(text, 'a'), 'W/"'],
  'a date': [parseHttpDate, 'Mon, '],
  'a copy source': [parseCopySource, '/bucket/'],
  'a Content-Encoding': [stripAwsChunked, 'aws-chunked,'],
  'the Content-Type of a form': [formOf, 'multipart/form-data; boundary='],
};
const PIECES = [' ', '\t', ',', '=', '/', '"', '-', '1', 'a', 'Credential=', 'Credential=/', 'a;b=', '%20', '\\"'];

async function formOf(contentType: string): Promise<unknown> {
  return readForm(contentType, (async function* () {})());
}

async function outcome(read: (text: string) => unknown, text: string): Promise<string> {
  try {
    return typeof (await read(text));
  } catch (error) {
    if (error instanceof S3Error || error instanceof SigV4Error) return error.code;
    throw error;
  }
}

describe('however long and whatever repeats in it, time grows with the length of', () => {
  test.each(Object.keys(READERS))('%s', { timeout: 5_000 }, async (name) => {
    const [read, before] = READERS[name] ?? [() => undefined, ''];
    let compared = 0;
    for (const piece of PIECES) {
      const text = `${before}${much(piece)}x`;
      expect(text.length).toBeGreaterThan(0.9 * CHARACTERS);
      expect(await outcome(read, text), piece).toMatch(/^\w+$/);
      compared += 1;
    }
    expect(compared).toBe(PIECES.length);
  });
});

test('white space around the parts of a Range means nothing', () => {
  const wanted = { start: 1, end: 3 };
  for (const header of ['bytes=1-2', ' BYTES = 1 - 2 ', 'bytes\t=\t1\t-\t2'])
    expect(resolveRange(header, 10)).toEqual(wanted);
  for (const header of [
    'bytes=1 0-2',
    'bytes==1-2',
    'bytes=1-2-3',
    'bytes=1-2,4-5',
    'bytes=1',
    'bits=1-2',
    'bytes=-',
    '=1-2',
  ])
    expect(resolveRange(header, 10), header).toBeUndefined();
});
