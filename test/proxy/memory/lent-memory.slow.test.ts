/**
 * Protects: the memory that answers of the store are read into serves other requests afterwards, other tenants' among them, and
 * yet nobody ever gets a byte of what was there for another: with many readers at once, slow ones, and ones that go away.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ResponseBody } from '../../../proxy/backend/s3/response-body.ts';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { createSinkServer } from '../../bench/sink/http-server.ts';
import { SinkOperations } from '../../bench/sink/operations.ts';
import { startTestProxy, type TestProxy, type TestTenant } from '../../helpers/proxy.ts';
import {
  headText,
  objectPath,
  RawConnection,
  type RawReply,
  sendSigned,
  signHeaders,
  targetOf,
} from '../../helpers/raw-client.ts';

const BUCKET = 'data';
/** About one segment, one block, one batch, and beyond. */
const SIZES = [0, 10, 40_000, 65_536, 70_000, 200_000, 524_288, 530_000, 540_000, 560_000, 1_500_000];
const MOST_READ = 100_000;

interface Owner {
  readonly tenant: TestTenant;
  readonly contents: readonly Buffer[];
  /** Of a listing of what it owns. */
  page: string;
}

const sink = createSinkServer(new SinkOperations());
const owners: Owner[] = [];
let proxy: TestProxy;

beforeAll(async () => {
  sink.listen(0, '127.0.0.1');
  await once(sink, 'listening');
  const endpoint = new URL(`http://127.0.0.1:${(sink.address() as AddressInfo).port}`);
  const credentials = { accessKeyId: 'id', secretAccessKey: 'not looked at' };
  const backend = openS3Backend({ endpoint, ...credentials, region: 'us-east-1', pathStyle: true });
  proxy = await startTestProxy({ backend });
  for (const prefix of ['a/', 'b/']) {
    const tenant = await proxy.createTenant();
    const owner = { tenant, contents: SIZES.map((size) => randomBytes(size)), page: '' };
    await ask(owner, { method: 'PUT', path: `/${BUCKET}` });
    for (const [index, body] of owner.contents.entries()) {
      expect((await ask(owner, { method: 'PUT', path: objectPath(BUCKET, prefix + index), body })).status).toBe(200);
    }
    owners.push(owner);
  }
  // A page of more than what is read at once.
  const first = owners[0] as Owner;
  for (let i = 0; i < 300; i++) {
    const path = objectPath(BUCKET, `a/${'long name '.repeat(30)}${String(i).padStart(3, '0')}`);
    await ask(first, { method: 'PUT', path, body: Buffer.from('x') });
  }
  for (const [index, owner] of owners.entries()) owner.page = (await list(owner, index)).body.toString();
  expect(first.page.length).toBeGreaterThan(MOST_READ);
});
afterAll(async () => {
  await proxy.close();
  await proxy.backend.close();
  sink.close();
});

const ask = (owner: Owner, request: Parameters<typeof sendSigned>[2]): Promise<RawReply> =>
  sendSigned(proxy.endpoint, owner.tenant, request);
const prefixOf = (index: number) => (index === 0 ? 'a/' : 'b/');
const list = (owner: Owner, index: number) =>
  ask(owner, { method: 'GET', path: `/${BUCKET}`, query: `list-type=2&prefix=${prefixOf(index)[0]}%2F` });

/** One read of one of them, whole, in part, or a listing. @returns whether it was right */
async function read(): Promise<boolean> {
  const who = randomInt(2);
  const owner = owners[who] as Owner;
  if (randomInt(6) === 0) return (await list(owner, who)).body.toString() === owner.page;
  const which = randomInt(SIZES.length);
  const content = owner.contents[which] as Buffer;
  const request = { method: 'GET', path: objectPath(BUCKET, `${prefixOf(who)}${which}`) } as const;
  if (randomInt(2) === 0 || content.length === 0) return (await ask(owner, request)).body.equals(content);
  const start = randomInt(content.length);
  const end = Math.min(content.length, start + 1 + randomInt(MOST_READ));
  const reply = await ask(owner, { ...request, headers: [['range', `bytes=${start}-${end - 1}`]] });
  return reply.body.equals(content.subarray(start, end));
}

/** Asks for much, and goes away in the middle. */
async function leave(): Promise<void> {
  const owner = owners[1] as Owner;
  const connection = await RawConnection.open(proxy.endpoint);
  const path = objectPath(BUCKET, `b/${SIZES.length - 1 - randomInt(5)}`);
  const request = { method: 'GET', path } as const;
  const headers = signHeaders(request, owner.tenant, new URL(proxy.endpoint).host);
  connection.write(headText({ method: 'GET', target: targetOf(request), headers }));
  await setTimeout(randomInt(20));
  connection.close();
}

test('every byte is the right one, whoever reads, and the memory is used again', async () => {
  const given = vi.spyOn(ResponseBody.prototype, 'giveBack');
  let [right, wrong] = [0, 0];
  const readers = Array.from({ length: 16 }, async () => {
    for (let i = 0; i < 40; i++) {
      if (await read()) right += 1;
      else wrong += 1;
    }
  });
  const leavers = Array.from({ length: 4 }, async () => {
    for (let i = 0; i < 20; i++) await leave();
  });
  await Promise.all([...readers, ...leavers]);
  expect([right, wrong]).toEqual([640, 0]);
  expect(given.mock.calls.length).toBeGreaterThan(500);
  given.mockRestore();
});
