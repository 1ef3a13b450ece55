/**
 * Protects slow copies from clients' timeouts: silence ends in a valid document kept alive by white space, a failure after the
 * reply began is still a failure to a stock client, and an operation that is in time answers as if nothing were.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CopyObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, expect, it } from 'vitest';
import { S3Error } from '../../../proxy/errors.ts';
import { lateReply } from '../../../proxy/http/late-reply.ts';
import { errorReply, type Reply, sendReply, xmlReply } from '../../../proxy/http/reply.ts';
import { newScope } from '../../../proxy/observe/request-scope.ts';
import { renderXml } from '../../../proxy/xml/render-xml.ts';
import { s3Client } from '../../helpers/proxy.ts';

const RESULT = renderXml('CopyObjectResult', { LastModified: '2024-01-01T00:00:00.000Z', ETag: '"abc"' });
const SILENCE_MS = 5;

let server: Server;
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

/** A server whose every reply is `work`, which is started when the first bytes of the reply have been asked for. */
async function serve(work: () => Promise<Reply>): Promise<{ endpoint: string; failures: unknown[] }> {
  const failures: unknown[] = [];
  const failed = (error: unknown) => {
    failures.push(error);
    const code = error instanceof S3Error ? error : new S3Error('InternalError');
    return String(errorReply(code, { method: 'PUT', resource: '/', requestId: 'r' }).body);
  };
  server = createServer((_incoming, outgoing) => {
    const o = { requestId: 'r', signal: new AbortController().signal, scope: newScope() };
    lateReply(work(), { silenceMs: SILENCE_MS, failed })
      .then((reply) => sendReply(outgoing, reply, o))
      .catch(() => outgoing.writeHead(500).end());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, failures };
}

/** Settles when `spaces` of them have been received by the client. */
async function readUntil(endpoint: string, spaces: number, release: () => void): Promise<Response & { text: string }> {
  const response = await fetch(endpoint, { method: 'PUT' });
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece as Uint8Array);
    if (text.split(' ').length > spaces + 2) release();
  }
  return Object.assign(response, { text }) as unknown as Response & { text: string };
}

function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

it('declaration first, then white space, then the result and nothing behind it', async () => {
  const { opened, open } = gate();
  const { endpoint } = await serve(async () => {
    await opened;
    return xmlReply(RESULT);
  });
  const { status, headers, text } = await readUntil(endpoint, 3, open);
  expect([status, headers.get('content-type'), headers.get('content-length')]).toEqual([200, 'application/xml', null]);
  expect(text).toMatch(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n {3,}<CopyObjectResult .*<\/CopyObjectResult>$/);
});

it('a failure becomes an error document and is reported', async () => {
  const { opened, open } = gate();
  const { endpoint, failures } = await serve(async () => {
    await opened;
    throw new S3Error('SlowDown');
  });
  const { status, text } = await readUntil(endpoint, 1, open);
  expect(status).toBe(200);
  expect(text).toMatch(/^<\?xml[^>]*>\n +<Error><Code>SlowDown<\/Code>.*<\/Error>$/);
  expect(failures).toMatchObject([{ code: 'SlowDown' }]);
});

it('an operation in time answers as it is', async () => {
  const { endpoint, failures } = await serve(async () => ({ ...xmlReply(RESULT), status: 202 }));
  const response = await fetch(endpoint, { method: 'PUT' });
  expect([response.status, response.headers.get('content-length')]).toEqual([202, String(RESULT.length)]);
  expect(await response.text()).toBe(RESULT);
  server.close();
  server.closeAllConnections();
  const refused = await serve(async () => {
    throw new S3Error('SlowDown');
  });
  expect((await fetch(refused.endpoint, { method: 'PUT' })).status).toBe(500);
  expect([...failures, ...refused.failures]).toEqual([]);
});

it('a stock client takes a late result for one, and a late error for one', async () => {
  let isFine = true;
  const { endpoint } = await serve(async () => {
    await new Promise((resolve) => setTimeout(resolve, 8 * SILENCE_MS));
    if (!isFine) throw new S3Error('SlowDown');
    return xmlReply(RESULT);
  });
  const client = s3Client(endpoint, { accessKeyId: 'a', secretAccessKey: 'b' });
  const command = new CopyObjectCommand({ Bucket: 'b', Key: 'k', CopySource: 'b/s' });
  expect((await client.send(command)).CopyObjectResult?.ETag).toBe('"abc"');
  isFine = false;
  await expect(client.send(command)).rejects.toMatchObject({ name: 'SlowDown' });
  client.destroy();
});
