/**
 * How replies go out: errors in S3's form, bodies of exactly the length that was announced or a cut connection, and a failure
 * before the first byte still an error that the client can read.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { errorTable, S3Error, type S3ErrorCode } from '../../../proxy/errors.ts';
import { errorReply, type Reply, sendReply, sendWhole } from '../../../proxy/http/reply.ts';
import { newScope } from '../../../proxy/observe/request-scope.ts';
import { parseXml } from '../../../proxy/xml/render-xml.ts';
import { type RawReply, sendRaw } from '../../helpers/raw-client.ts';

const servers: { close(): unknown }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** What a client gets when a server answers with `work`; and what `work` threw. */
async function served(
  work: (outgoing: ServerResponse) => Promise<void>,
  method = 'GET',
): Promise<{ reply: RawReply; failure: unknown }> {
  let failure: unknown;
  const server = createServer((_, outgoing) => {
    work(outgoing).catch((error: unknown) => {
      failure = error;
      if (!outgoing.headersSent)
        sendWhole(outgoing, { status: 500, body: 'late' }, { requestId: 'id', scope: newScope() });
    });
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  // A connection that is cut before its head was flushed shows as a reset.
  const nothing: RawReply = { status: 0, headers: {}, body: Buffer.alloc(0), code: '', cut: true };
  const request = { method, target: '/', headers: [['host', 'x']] as const };
  const reply = await sendRaw(`http://127.0.0.1:${port}`, request).catch(() => nothing);
  return { reply, failure };
}

const signal = () => new AbortController().signal;
const send = (reply: Reply) => (outgoing: ServerResponse) =>
  sendReply(outgoing, reply, { requestId: 'REQUESTID', signal: signal(), scope: newScope() });

async function* chunks(...texts: (string | Error)[]): AsyncGenerator<Buffer> {
  for (const text of texts) {
    if (text instanceof Error) throw text;
    yield Buffer.from(text);
  }
}

describe('bodies', () => {
  test('of the announced length arrive whole', async () => {
    const { reply } = await served(
      send({
        status: 200,
        headers: { 'x-a': 'b', 'x-none': undefined },
        body: { length: 5, chunks: chunks('ab', 'cde') },
      }),
    );
    expect([reply.status, reply.cut, reply.body.toString(), reply.headers['content-length']]).toEqual([
      200,
      false,
      'abcde',
      '5',
    ]);
    expect([reply.headers['x-a'], 'x-none' in reply.headers, reply.headers['x-amz-request-id']]).toEqual([
      'b',
      false,
      'REQUESTID',
    ]);
  });

  test('that fail on the way are cut', async () => {
    const { reply, failure } = await served(
      send({ status: 200, body: { length: 5, chunks: chunks('ab', new Error('no')) } }),
    );
    expect(reply.cut).toBe(true);
    expect('ab').toContain(reply.body.toString());
    expect(failure).toMatchObject({ message: 'no' });
  });

  test('that fail before the first byte leave the reply to an error', async () => {
    const { reply } = await served(
      send({ status: 200, headers: { etag: '"x"' }, body: { length: 5, chunks: chunks(new Error('no')) } }),
    );
    expect([reply.status, reply.body.toString(), reply.headers['etag']]).toEqual([500, 'late', undefined]);
  });

  test('shorter than announced are cut, never ended cleanly', async () => {
    const { reply, failure } = await served(send({ status: 200, body: { length: 5, chunks: chunks('ab') } }));
    expect(reply.cut).toBe(true);
    expect(failure).toBeInstanceOf(Error);
  });

  test('longer than announced do not run into the next reply', async () => {
    const { reply, failure } = await served(send({ status: 200, body: { length: 3, chunks: chunks('ab', 'cde') } }));
    expect(reply.body.length).toBeLessThanOrEqual(3);
    expect([reply.cut, failure]).toEqual([true, expect.any(Error)]);
  });

  test('are closed when the client goes away', async () => {
    let closed = false;
    async function* endless(): AsyncGenerator<Buffer> {
      try {
        for (;;) yield Buffer.alloc(65536);
      } finally {
        closed = true;
      }
    }
    const controller = new AbortController();
    const { failure } = await served((outgoing) => {
      outgoing.once('drain', () => controller.abort(new Error('gone')));
      return sendReply(
        outgoing,
        { status: 200, body: { length: 2 ** 40, chunks: endless() } },
        { requestId: 'x', signal: controller.signal, scope: newScope() },
      );
    });
    expect(closed).toBe(true);
    expect(failure).toBeInstanceOf(Error);
  });

  test.each([204, 304])('of a %i have no length', async (status) => {
    const { reply } = await served(send({ status }));
    expect([reply.status, reply.headers['content-length']]).toEqual([status, undefined]);
  });
});

describe('errors', () => {
  const context = { method: 'GET', resource: '/b/<k>', requestId: 'ID' };

  test('every code of the table has the form of S3, in its order', () => {
    let checked = 0;
    for (const [code, status, message] of errorTable()) {
      const { body = '', ...reply } = errorReply(
        new S3Error(code as S3ErrorCode, undefined, { details: { Extra: 'e' } }),
        context,
      );
      expect([code, reply.status]).toEqual([code, status]);
      checked++;
      if (status === 304) continue;
      const error = parseXml(String(body), 'Error');
      expect(error.childNames()).toEqual(['Code', 'Message', 'Extra', 'Resource', 'RequestId', 'HostId']);
      expect([error.value('Code'), error.value('Message'), error.value('Resource')]).toEqual([code, message, '/b/<k>']);
    }
    expect(checked).toBeGreaterThan(40);
  });

  test('HEAD and 304 have no document, but their headers', () => {
    const headers = { ETag: '"x"' };
    expect(errorReply(new S3Error('NotModified', undefined, { headers }), context)).toEqual({ status: 304, headers });
    expect(errorReply(new S3Error('NoSuchKey', undefined, { headers }), { ...context, method: 'HEAD' })).toEqual({
      status: 404,
      headers,
    });
  });
});
