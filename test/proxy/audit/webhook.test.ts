/**
 * Protects: every checkpoint reaches the webhook, signed so that its receiver can tell who sent it, and in its order also when the
 * webhook was away for a while.
 */
import { createHmac, createSecretKey } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import type { Chain } from '../../../proxy/audit/format/batch.ts';
import { CheckpointWebhook } from '../../../proxy/audit/webhook.ts';
import { createLogger } from '../../../proxy/observe/log.ts';

const SECRET = Buffer.alloc(32, 7);
const log = createLogger({ level: 'silent' });
const chain = (n: number) => ({ n, origin: 'sealgate-audit/0011', size: n + 1, checkpoint: `note ${n}` }) as Chain;

const received: { headers: IncomingHttpHeaders; body: string }[] = [];
let status = 200;
const server = createServer(async (incoming, outgoing) => {
  const pieces: Buffer[] = [];
  for await (const piece of incoming) pieces.push(piece);
  if (status === 200) received.push({ headers: incoming.headers, body: Buffer.concat(pieces).toString() });
  outgoing.writeHead(status).end('taken');
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`);
const webhook = new CheckpointWebhook({
  target: { url, secret: createSecretKey(SECRET) },
  log,
  now: () => new Date('2026-03-01T12:00:00Z'),
});

it('a checkpoint is posted with a signature over its id, its time and its body', async () => {
  webhook.send(chain(0));
  await webhook.close();
  const [{ headers, body } = { headers: {}, body: '' }] = received;
  expect(JSON.parse(body)).toEqual({
    type: 'audit.checkpoint',
    data: { origin: 'sealgate-audit/0011', batch: 0, size: 1, checkpoint: 'note 0' },
  });
  expect([headers['webhook-id'], headers['webhook-timestamp']]).toEqual(['0011-0', '1772366400']);
  const signed = createHmac('sha256', SECRET).update(`0011-0.1772366400.${body}`).digest('base64');
  expect(headers['webhook-signature']).toBe(`v1,${signed}`);
});

it('what a webhook did not take is sent again with the next one, in order', async () => {
  received.length = 0;
  status = 503;
  webhook.send(chain(1));
  await webhook.close();
  expect(received).toEqual([]);
  status = 200;
  webhook.send(chain(2));
  await webhook.close();
  expect(received.map(({ headers }) => headers['webhook-id'])).toEqual(['0011-1', '0011-2']);
});
