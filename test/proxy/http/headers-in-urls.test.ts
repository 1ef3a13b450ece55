/**
 * Protects: presigned PUTs of older SDKs, which sign headers and send their values in the URL's query alone. What is signed counts
 * as if it had been sent; what is not signed is ignored, as by S3, and never refused.
 */
import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import { type Header, objectPath, percentEncode, presignQuery, sendRaw } from '../../helpers/raw-client.ts';

const bench = sharedBench();
const BODY = 'presigned';

let path: string;
let count = 0;
let stored: Readonly<Record<string, string>> = {};
beforeEach(() => {
  path = objectPath(bench.bucket, `urls/${count++}`);
  stored = {};
  bench.backend.intercept = (request, next) => {
    if (request.method !== 'PUT' || request.bucket !== bench.bucket) return next(request);
    stored = request.headers ?? {};
    // The embedded store has neither.
    const { 'x-amz-acl': _acl, 'x-amz-server-side-encryption': _encryption, ...headers } = stored;
    return next({ ...request, headers });
  };
});

/** `signed` are listed in SignedHeaders and stand in the query alone; so does `unsigned`, which is not listed. */
async function put(
  signed: readonly Header[],
  unsigned: readonly Header[] = [],
  body = BODY,
  o: { method?: string; sent?: Header[] } = {},
) {
  const { method = 'PUT', sent = [] } = o;
  const host = new URL(bench.proxy.endpoint).host;
  const query = [...signed, ...unsigned].map(([name, value]) => `${name}=${percentEncode(value)}`).join('&');
  const signedQuery = presignQuery({ method, path, query, headers: signed }, bench.tenant, host);
  const headers: Header[] = [['host', host], ['content-length', String(body.length)], ...sent];
  return sendRaw(bench.proxy.endpoint, { method, target: `${path}?${signedQuery}`, headers, body });
}
const head = () => bench.send({ method: 'HEAD', path });

describe('signed headers in the query', () => {
  test('count: ACL, storage class, encryption, metadata, tags', async () => {
    const reply = await put([
      ['x-amz-acl', 'private'],
      ['x-amz-meta-who', 'me  you'],
      ['x-amz-server-side-encryption', 'AES256'],
      ['x-amz-storage-class', 'STANDARD'],
      ['x-amz-tagging', 'a=b'],
    ]);
    expect(reply.status, reply.body.toString()).toBe(200);
    expect(stored).toMatchObject({
      'x-amz-acl': 'private',
      'x-amz-server-side-encryption': 'AES256',
      'x-amz-storage-class': 'STANDARD',
      'x-amz-tagging': 'a=b',
    });
    expect((await head()).headers).toMatchObject({ 'x-amz-meta-who': 'me  you', 'x-amz-tagging-count': '1' });
  });

  test('count: headers of HTTP, which S3 does not hoist by itself', async () => {
    const reply = await put([
      ['Cache-Control', 'no-cache'],
      ['Content-Disposition', 'inline'],
    ]);
    expect(reply.status, reply.body.toString()).toBe(200);
    expect((await head()).headers).toMatchObject({ 'cache-control': 'no-cache', 'content-disposition': 'inline' });
  });

  test('a digest is checked', async () => {
    const md5 = createHash('md5').update(BODY).digest('base64');
    expect((await put([['Content-MD5', md5]], [], 'presigneD')).code).toBe('BadDigest');
    expect((await head()).status).toBe(404);
    expect((await put([['Content-MD5', md5]])).status).toBe(200);
  });

  test('a condition is kept', async () => {
    expect((await put([['If-None-Match', '*']])).status).toBe(200);
    expect((await put([['If-None-Match', '*']])).code).toBe('PreconditionFailed');
  });

  test('a header that is sent as well has to be the same', async () => {
    const signed: Header[] = [['x-amz-meta-a', 'one']];
    expect((await put(signed, [], BODY, { sent: [['x-amz-meta-a', 'one']] })).status).toBe(200);
    expect((await put(signed, [], BODY, { sent: [['x-amz-meta-a', 'two']] })).code).toBe('SignatureDoesNotMatch');
  });

  test('one that comes twice, in two spellings, is refused', async () => {
    expect((await put([['x-amz-meta-a', 'one']], [['X-Amz-Meta-A', 'two']])).code).toBe('InvalidArgument');
  });
});

describe('unsigned headers in the query', () => {
  test('of HTTP are ignored', async () => {
    const reply = await put(
      [],
      [
        ['Content-Type', 'text/plain'],
        ['Cache-Control', 'no-cache'],
        ['Content-MD5', 'AAAAAAAAAAAAAAAAAAAAAA=='],
        ['Content-Disposition', 'inline'],
        ['Content-Encoding', 'gzip'],
        ['Content-Language', 'de'],
        ['Expires', '0'],
      ],
    );
    expect(reply.status, reply.body.toString()).toBe(200);
    const { headers } = await head();
    expect(headers['content-type']).toBe('binary/octet-stream');
    for (const name of ['cache-control', 'content-disposition', 'content-encoding', 'content-language', 'expires']) {
      expect([name, headers[name]]).toEqual([name, undefined]);
    }
  });

  test('do not make an unknown sub-resource or a condition acceptable', async () => {
    for (const name of ['unknown', 'If-None-Match', 'append']) {
      expect([name, (await put([], [[name, '*']])).code]).toEqual([name, 'NotImplemented']);
    }
    expect((await head()).status).toBe(404);
  });

  test('are refused without a signature in the query', async () => {
    const reply = await bench.send({ method: 'PUT', path, query: 'Content-Type=text%2Fplain', body: BODY });
    expect(reply.code).toBe('NotImplemented');
  });
});
