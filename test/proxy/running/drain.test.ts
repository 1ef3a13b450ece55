/**
 * Protects: a server that stops first sends its clients elsewhere and still serves them, then takes no connection, and what it
 * cuts in the end is logged as its own doing, never as a failure of the store.
 */
import { once } from 'node:events';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDownload, openUpload, send, type Target, text } from '../../e2e/support/signed-stream.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { objectPath, signHeaders } from '../../helpers/raw-client.ts';

let bench: Bench;
const target = (key = ''): Target => ({
  endpoint: bench.proxy.endpoint,
  credentials: bench.tenant,
  bucket: bench.bucket,
  key,
});

beforeEach(async () => {
  bench = await openBench({ config: { drainTimeoutMs: 200 } });
});
afterEach(() => bench.close());

/** On a kept connection. */
async function get(agent: Agent, key: string): Promise<IncomingMessage> {
  const { hostname, port, host } = new URL(bench.proxy.endpoint);
  const path = objectPath(bench.bucket, key);
  const headers = signHeaders({ method: 'GET', path, headers: [], payload: 'UNSIGNED-PAYLOAD' }, bench.tenant, host);
  const request = httpRequest({ hostname, port, path, agent, headers: Object.fromEntries(headers) }).end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

const lines = (msg: string) => bench.proxy.log.filter((line) => line['msg'] === msg);

test('draining: new and kept connections are served, and each reply ends its connection', async () => {
  await send(target('small'), 'PUT', 'x');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const before = await get(agent, 'small');
  expect([before.headers.connection, await text(before)]).toEqual(['keep-alive', 'x']);
  // Its head came before the drain, its reply comes after it.
  const pending = openUpload(target('pending'), 1);
  await expect.poll(() => bench.proxy.openReplies()).toBe(1);
  bench.proxy.drain();
  const kept = await get(agent, 'small');
  expect([kept.statusCode, kept.headers.connection, await text(kept)]).toEqual([200, 'close', 'x']);
  const fresh = await send(target('small'), 'GET');
  expect([fresh.status, fresh.headers.connection]).toEqual([200, 'close']);
  const refused = await send(target('missing'), 'GET');
  expect([refused.status, refused.headers.connection]).toEqual([404, 'close']);
  pending.request.end('y');
  const late = await pending.reply;
  expect([late.statusCode, late.headers.connection]).toEqual([200, 'close']);
  await text(late);
  agent.destroy();
});

test('what is cut at the end is ours: no word of the store, no error, and the client sees a broken reply', async () => {
  await send(target('large'), 'PUT', 'x'.repeat(1000));
  const upload = openUpload(target('late'), 8 * MiB);
  const broken = once(upload.request, 'error');
  upload.request.write(Buffer.alloc(3 * MiB));
  await expect.poll(() => bench.proxy.openReplies()).toBe(1);
  await bench.proxy.close();
  expect(((await broken)[0] as { code?: string }).code).toMatch(/ECONNRESET|EPIPE/);
  expect(lines('the backend could not serve the request')).toEqual([]);
  expect(lines('the request failed')).toEqual([]);
  expect(lines('stopping: requests were not finished in time, and are cut')).toEqual([
    expect.objectContaining({ requests: 1, level: 'warn' }),
  ]);
  await expect
    .poll(() => lines('request').at(-1))
    .toMatchObject({ operation: 'PutObject', status: 503, cutBy: 'shutdown' });
  expect(lines('request').at(-1)).not.toHaveProperty('code');
});

test('a reply that is cut keeps its status, and is ours as well', async () => {
  const content = Buffer.alloc(24 * MiB, 'r');
  const upload = openUpload(target('long'), content.length);
  upload.request.end(content);
  await text(await upload.reply);
  const download = await openDownload(target('long'));
  const pieces = download[Symbol.asyncIterator]();
  await pieces.next();
  await bench.proxy.close();
  await expect(
    (async () => {
      for (let step = await pieces.next(); !step.done; step = await pieces.next());
    })(),
  ).rejects.toThrow();
  await expect
    .poll(() => lines('request').at(-1))
    .toMatchObject({ operation: 'GetObject', status: 200, cut: true, cutBy: 'shutdown' });
});
