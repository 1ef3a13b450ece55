/**
 * The HTTP edge, byte by byte: 100 Continue only for those who may go on, refusals that are read and not reset, connections
 * that serve again, and S3's XML for what is no HTTP at all (RFC 9110 section 10.1.1, RFC 9112).
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { MAX_REQUEST_HEAD_BYTES } from '../../../proxy/limits.ts';
import { openBench, sharedBench } from '../../helpers/bench.ts';
import {
  codeOf,
  type Header,
  headText,
  objectPath,
  RawConnection,
  type RawRequest,
  signHeaders,
  targetOf,
  withLength,
} from '../../helpers/raw-client.ts';

const bench = sharedBench({ config: { hostnames: ['s3.example.test', 'example.test'] } });
let host: string;

beforeAll(async () => {
  host = new URL(bench.proxy.endpoint).host;
});

const connect = () => RawConnection.open(bench.proxy.endpoint);

/** A signed head; the body is left to the test. */
function headOf(
  request: RawRequest,
  o: { credentials?: { accessKeyId: string; secretAccessKey: string }; target?: string } = {},
): Buffer {
  const given = (request.headers ?? []).find(([name]) => name === 'host')?.[1];
  const headers = signHeaders(request, o.credentials ?? bench.tenant, given ?? host);
  return headText({
    method: request.method,
    target: o.target ?? targetOf(request),
    headers: withLength(request, headers),
  });
}

const EXPECT: Header = ['expect', '100-continue'];
const statusesIn = (text: string): string[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => status ?? '');

describe('Expect: 100-continue', () => {
  test('a caller who may write is told to go on, and then the body is stored', async () => {
    const path = objectPath(bench.bucket, 'continue/allowed');
    const socket = await connect();
    socket.write(headOf({ method: 'PUT', path, headers: [EXPECT], body: 'hello' }));
    await socket.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
    socket.write('hello');
    await socket.until(/HTTP\/1\.1 200/);
    expect(statusesIn(socket.received)).toEqual(['100', '200']);
    socket.close();
    expect((await bench.send({ method: 'GET', path })).body.toString()).toBe('hello');
  });

  test('a wrong signature is refused without a 100', async () => {
    const socket = await connect();
    const credentials = { ...bench.tenant, secretAccessKey: 'not the secret' };
    const path = objectPath(bench.bucket, 'continue/unsigned');
    socket.write(headOf({ method: 'PUT', path, headers: [EXPECT], body: 'hello' }, { credentials }));
    const reply = await socket.ended();
    expect([statusesIn(reply), codeOf(reply)]).toEqual([['403'], 'SignatureDoesNotMatch']);
  });

  test('a caller without a grant is refused without a 100', async () => {
    const stranger = await bench.proxy.createTenant([{ bucket: 'another-bucket', prefix: '', access: 'read-write' }]);
    const socket = await connect();
    const path = objectPath(bench.bucket, 'continue/denied');
    socket.write(headOf({ method: 'PUT', path, headers: [EXPECT], body: 'hello' }, { credentials: stranger }));
    const reply = await socket.ended();
    expect([statusesIn(reply), codeOf(reply)]).toEqual([['403'], 'AccessDenied']);
  });

  test('what the head alone shows to be wrong is refused without a 100', async () => {
    const socket = await connect();
    const path = objectPath(bench.bucket, 'continue/malformed');
    socket.write(headOf({ method: 'PUT', path, headers: [EXPECT, ['content-md5', 'x']], body: 'hello' }));
    const reply = await socket.ended();
    expect([statusesIn(reply), codeOf(reply)]).toEqual([['400'], 'InvalidDigest']);
  });
});

describe('a refused body', () => {
  test('a large one is read past: the refusal arrives, not a reset', async () => {
    const credentials = { ...bench.tenant, secretAccessKey: 'not the secret' };
    const body = Buffer.alloc(4 * 1024 * 1024);
    const path = objectPath(bench.bucket, 'refused/large');
    const socket = await connect();
    socket.write(headOf({ method: 'PUT', path, body }, { credentials }));
    socket.write(body);
    const reply = await socket.until(/<\/Error>/);
    expect([statusesIn(reply), codeOf(reply)]).toEqual([['403'], 'SignatureDoesNotMatch']);
    // The same connection then serves the next request.
    socket.write(headOf({ method: 'HEAD', path: `/${bench.bucket}` }));
    await socket.until(/<\/Error>HTTP\/1\.1 200/);
    socket.close();
  });

  test('one that never comes does not hold the reply back', async () => {
    const path = objectPath(bench.bucket, 'refused/silent');
    const socket = await connect();
    socket.write(
      headOf({
        method: 'PUT',
        path,
        headers: [
          ['content-length', '1000000'],
          ['content-md5', 'x'],
        ],
        body: '',
      }),
    );
    const reply = await socket.until(/<\/Error>/);
    expect(codeOf(reply)).toBe('InvalidDigest');
    socket.close();
  });

  test('a body on a GET is ignored, and the connection serves on', async () => {
    const socket = await connect();
    const path = `/${bench.bucket}`;
    socket.write(headOf({ method: 'GET', path, headers: [['content-length', '5']], body: 'hello' }));
    socket.write('hello');
    socket.write(headOf({ method: 'HEAD', path }));
    await socket.until(/<\/ListBucketResult>HTTP\/1\.1 200/);
    socket.close();
  });
});

describe('one connection', () => {
  test('pipelined requests are answered in order, errors among them', async () => {
    const socket = await connect();
    const wrong = { ...bench.tenant, secretAccessKey: 'wrong' };
    await bench.send({ method: 'PUT', path: objectPath(bench.bucket, 'pipelined'), body: 'one' });
    const requests: [RawRequest, string][] = [
      [{ method: 'GET', path: objectPath(bench.bucket, 'pipelined') }, '200'],
      [{ method: 'GET', path: objectPath(bench.bucket, 'missing') }, '404'],
      [{ method: 'GET', path: `/${bench.bucket}/%zz` }, '400'],
      [{ method: 'GET', path: objectPath(bench.bucket, 'pipelined'), headers: [['if-none-match', '*']] }, '304'],
      [{ method: 'HEAD', path: objectPath(bench.bucket, 'missing') }, '404'],
      [{ method: 'GET', path: objectPath(bench.bucket, 'pipelined'), headers: [['range', 'bytes=1-1']] }, '206'],
    ];
    socket.write(Buffer.concat(requests.map(([request]) => headOf(request))));
    socket.write(headOf({ method: 'GET', path: `/${bench.bucket}` }, { credentials: wrong }));
    socket.write(headOf({ method: 'HEAD', path: `/${bench.bucket}` }));
    const wanted = [...requests.map(([, status]) => status), '403', '200'];
    await socket.until(new RegExp(`(HTTP/1\\.1 [^]*){${wanted.length}}\\r\\n\\r\\n$`));
    expect(statusesIn(socket.received)).toEqual(wanted);
    socket.close();
  });

  test('a PUT sent in many small pieces is stored whole', async () => {
    const path = objectPath(bench.bucket, 'pieces');
    const body = 'x'.repeat(3000);
    const socket = await connect();
    const bytes = Buffer.concat([headOf({ method: 'PUT', path, body }), Buffer.from(body)]);
    for (let at = 0; at < bytes.length; at += 97) socket.write(bytes.subarray(at, at + 97));
    await socket.until(/HTTP\/1\.1 200/);
    socket.close();
    expect((await bench.send({ method: 'GET', path })).body.toString()).toBe(body);
  });
});

describe('what is no request', () => {
  const cases: readonly (readonly [name: string, text: string, code: string])[] = [
    ['garbage', 'hello there\r\n\r\n', 'InvalidRequest'],
    ['a header without a colon', 'GET / HTTP/1.1\r\nhost: x\r\nno colon here\r\n\r\n', 'InvalidRequest'],
    ['a header name with a space', 'GET / HTTP/1.1\r\nhost : x\r\n\r\n', 'InvalidRequest'],
    ['two lengths', 'PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 'InvalidRequest'],
    [
      'a length and a transfer encoding',
      'PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      'InvalidRequest',
    ],
    ['a negative length', 'PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n', 'InvalidRequest'],
    ['a folded header', 'GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n', 'InvalidRequest'],
    ['a control character in the target', 'GET /\u0001 HTTP/1.1\r\nhost: x\r\n\r\n', 'InvalidRequest'],
    ['no Host', 'GET / HTTP/1.1\r\n\r\n', 'InvalidRequest'],
    ['an asterisk as target', 'OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n', 'InvalidURI'],
  ];

  test.each(cases)('%s: 400 in XML', async (_, text, code) => {
    const socket = await connect();
    socket.write(text);
    const reply = await socket.until(/<\/Error>/);
    expect([statusesIn(reply), codeOf(reply)]).toEqual([['400'], code]);
    expect(reply).toMatch(/content-type: application\/xml/i);
    expect(reply).toMatch(/x-amz-request-id: [0-9A-Z]{16}/i);
    socket.close();
  });

  test('headers beyond the limit: RequestHeaderSectionTooLarge', async () => {
    const socket = await connect();
    socket.write(`GET / HTTP/1.1\r\nhost: x\r\nx-amz-meta-a: ${'x'.repeat(MAX_REQUEST_HEAD_BYTES + 1)}\r\n\r\n`);
    const reply = await socket.until(/<\/Error>/);
    expect([statusesIn(reply), codeOf(reply)]).toEqual([['400'], 'RequestHeaderSectionTooLarge']);
    socket.close();
  });

  test.each(['TRACE', 'PATCH', 'PROPFIND'])('%s is not allowed', async (method) => {
    const reply = await bench.send({ method, path: `/${bench.bucket}/k` });
    expect([reply.status, reply.code]).toEqual([405, 'MethodNotAllowed']);
  });

  test('the server still serves after all of this', async () => {
    expect((await bench.send({ method: 'HEAD', path: `/${bench.bucket}` })).status).toBe(200);
    expect(bench.proxy.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('targets', () => {
  test('the absolute form names the same object', async () => {
    const path = objectPath(bench.bucket, 'absolute//form');
    const socket = await connect();
    socket.write(headOf({ method: 'PUT', path, body: 'x' }, { target: `http://${host}${path}` }));
    socket.write('x');
    await socket.until(/HTTP\/1\.1 200/);
    socket.close();
    expect((await bench.send({ method: 'HEAD', path })).status).toBe(200);
  });

  test('the absolute form without a path is the service', async () => {
    const socket = await connect();
    socket.write(headOf({ method: 'GET', path: '/' }, { target: `http://${host}` }));
    await socket.until(/<ListAllMyBucketsResult/);
    socket.close();
  });

  test('the bucket may stand in the Host of a configured name, with a port and in any case', async () => {
    for (const [index, base] of ['s3.example.test', 'example.test', 'S3.Example.TEST:8080'].entries()) {
      const headers: Header[] = [['host', `${bench.bucket}.${base}`]];
      const put = await bench.send({ method: 'PUT', path: `/virtual//${index}`, headers, body: 'x' });
      expect(put.status, put.body.toString()).toBe(200);
      expect((await bench.send({ method: 'HEAD', path: objectPath(bench.bucket, `virtual//${index}`) })).status).toBe(
        200,
      );
      const list = await bench.send({ method: 'GET', path: '/', query: 'list-type=2', headers });
      expect(list.body.toString()).toContain(`<Name>${bench.bucket}</Name>`);
    }
  });

  test('a configured name by itself names no bucket, though it ends in another one', async () => {
    const reply = await bench.send({ method: 'GET', path: '/', headers: [['host', 's3.example.test']] });
    expect(reply.body.toString()).toContain('<ListAllMyBucketsResult');
    const path = objectPath(bench.bucket, 'virtual//0');
    expect((await bench.send({ method: 'HEAD', path, headers: [['host', 's3.example.test']] })).status).toBe(200);
  });

  test.each([
    '..',
    '.',
    'a',
    'sealgate-state%2Ftenants',
    'a..b',
    '%2e%2e',
    'bucket%00',
    '-bucket',
    'b%20c',
    'x'.repeat(256),
  ])('bucket %s is InvalidBucketName, and no backend is asked', async (name) => {
    const mark = bench.backend.requests.length;
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const reply = await bench.send({ method, path: `/${name}/sealgate-state/key` });
      expect([reply.status, reply.code]).toEqual([400, 'InvalidBucketName']);
    }
    expect(bench.backend.requests.length).toBe(mark);
  });

  test('an unknown sub-resource is refused and never taken for the object itself', async () => {
    const path = objectPath(bench.bucket, 'subresource');
    await bench.send({ method: 'PUT', path, body: 'kept' });
    for (const query of [
      'torrent',
      'annotation',
      'append',
      'session',
      'metadataTable',
      'renameObject',
      'unheard-of',
      'x=y',
    ]) {
      for (const method of ['PUT', 'DELETE', 'POST']) {
        const reply = await bench.send({ method, path, query, body: 'overwritten' });
        expect([method, query, reply.status, reply.code]).toEqual([method, query, 501, 'NotImplemented']);
      }
    }
    expect((await bench.send({ method: 'GET', path })).body.toString()).toBe('kept');
  });

  test('chunked payloads are refused where no body is read', async () => {
    for (const payload of ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']) {
      const reply = await bench.send({ method: 'GET', path: `/${bench.bucket}`, payload });
      expect([reply.status, reply.code]).toEqual([400, 'InvalidRequest']);
    }
  });
});

describe('response-* parameters', () => {
  test('replace the headers of the reply, on GET and HEAD, and nothing else', async () => {
    const path = objectPath(bench.bucket, 'overrides');
    await bench.send({
      method: 'PUT',
      path,
      headers: [
        ['content-type', 'text/plain'],
        ['cache-control', 'no-store'],
      ],
      body: 'x',
    });
    const overrides = {
      'response-content-type': ['content-type', 'application/x-test'],
      'response-content-disposition': ['content-disposition', 'attachment; filename="a b.txt"'],
      'response-cache-control': ['cache-control', 'max-age=1'],
      'response-content-encoding': ['content-encoding', 'identity'],
      'response-content-language': ['content-language', 'fr'],
      'response-expires': ['expires', 'Thu, 01 Dec 2033 16:00:00 GMT'],
    } as const;
    const query = Object.entries(overrides)
      .map(([name, [, value]]) => `${name}=${encodeURIComponent(value)}`)
      .join('&');
    for (const method of ['GET', 'HEAD']) {
      const reply = await bench.send({ method, path, query });
      for (const [name, value] of Object.values(overrides)) expect([name, reply.headers[name]]).toEqual([name, value]);
      expect((await bench.send({ method, path })).headers['content-type']).toBe('text/plain');
    }
  });

  test.each(['a%0d%0aset-cookie:%20x', 'a%00b', '%0a'])('%s is refused: no header is injected', async (value) => {
    const path = objectPath(bench.bucket, 'injection');
    await bench.send({ method: 'PUT', path, body: 'x' });
    for (const method of ['GET', 'HEAD']) {
      const reply = await bench.send({ method, path, query: `response-content-type=${value}` });
      expect(reply.status).toBe(400);
      expect(reply.headers['set-cookie']).toBeUndefined();
      expect(reply.headers['etag']).toBeUndefined();
      if (method === 'GET') expect(reply.code).toBe('InvalidArgument');
    }
  });

  test('UTF-8 in a file name goes out as the bytes that were asked for', async () => {
    const path = objectPath(bench.bucket, 'utf8-name');
    await bench.send({ method: 'PUT', path, body: 'x' });
    const reply = await bench.send({ method: 'GET', path, query: 'response-content-disposition=%C3%BC' });
    expect(Buffer.from(String(reply.headers['content-disposition']), 'latin1').toString('utf8')).toBe('\u00fc');
  });
});

describe('connections', () => {
  test('a client that goes away in the middle of a PUT leaves no object', async () => {
    for (const size of [1000, 3_000_000]) {
      const path = objectPath(bench.bucket, `cut/${size}`);
      const socket = await connect();
      const before = bench.proxy.log.length;
      socket.write(headOf({ method: 'PUT', path, body: Buffer.alloc(size), payload: 'UNSIGNED-PAYLOAD' }));
      socket.write(Buffer.alloc(size - 1));
      socket.socket.end();
      socket.close();
      await waitFor(() => bench.proxy.log.length > before);
      expect((await bench.send({ method: 'HEAD', path })).status).toBe(404);
    }
  });

  test('a stopping server finishes the request under way and then closes', async () => {
    const other = await openBench();
    const path = objectPath(other.bucket, 'draining');
    const socket = await RawConnection.open(other.proxy.endpoint);
    const headers = signHeaders(
      { method: 'PUT', path, body: 'hello', headers: [EXPECT] },
      other.tenant,
      new URL(other.proxy.endpoint).host,
    );
    socket.write(headText({ method: 'PUT', target: path, headers: [...headers, ['content-length', '5']] }));
    await socket.until(/100 Continue/);
    const closing = other.proxy.close();
    socket.write('hello');
    await socket.until(/HTTP\/1\.1 200/);
    socket.close();
    await closing;
    await expect(RawConnection.open(other.proxy.endpoint)).rejects.toThrow();
    await other.close();
  });
});

/** Yields to the event loop until the condition holds: what is waited for happens in this process. */
async function waitFor(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
