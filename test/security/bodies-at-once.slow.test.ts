/**
 * Large bodies share a few blocks of memory, from which they are hashed on a thread and sealed at the same time. Many at once, of
 * two tenants, some of which break off anywhere: each object that was stored holds its own bytes and carries their MD5, and of
 * the others there is nothing.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { beforeAll, expect, test } from 'vitest';
import { md5Threads } from '../../proxy/body/md5-threads.ts';
import { MD5_BLOCK_BYTES, MD5_SPARE_STREAMS, MD5_THREAD_BYTES } from '../../proxy/limits.ts';
import { sharedBench } from '../helpers/bench.ts';
import type { TestTenant } from '../helpers/proxy.ts';
import { headText, objectPath, RawConnection, signHeaders } from '../helpers/raw-client.ts';

const BODIES = 24;
/** More than have spare blocks: some get new ones. */
const AT_ONCE = MD5_SPARE_STREAMS + 4;

const bench = sharedBench({ config: { memoryBytes: 256 * 1024 * 1024 } });
let tenants: readonly TestTenant[];
beforeAll(async () => {
  tenants = [bench.tenant, await bench.proxy.createTenant()];
});

/** Sizes at the edges of blocks, and others. */
const sizeOf = (index: number) => MD5_THREAD_BYTES + (index % 3) * MD5_BLOCK_BYTES + (index % 5);
const pathOf = (index: number) => objectPath(bench.bucket, `body/${index}`);
const tenantOf = (index: number) => tenants[index % 2] as TestTenant;
const breaksOff = (index: number) => index % 4 === 3;

async function store(index: number): Promise<void> {
  const body = randomBytes(sizeOf(index));
  const request = { method: 'PUT', path: pathOf(index), payload: 'UNSIGNED-PAYLOAD' };
  if (breaksOff(index)) {
    const connection = await RawConnection.open(bench.proxy.endpoint);
    const headers = signHeaders(request, tenantOf(index), new URL(bench.proxy.endpoint).host);
    connection.write(
      headText({ ...request, target: request.path, headers: [...headers, ['content-length', String(body.length)]] }),
    );
    const part = body.subarray(0, Math.floor((body.length * index) / BODIES));
    await new Promise((resolve) => connection.socket.write(part, resolve));
    const closed = once(connection.socket, 'close');
    connection.close();
    await closed;
    return;
  }
  const put = await bench.send({ ...request, body }, tenantOf(index));
  expect(put.headers['etag'], `${index}: ${put.status}`).toBe(`"${createHash('md5').update(body).digest('hex')}"`);
  const get = await bench.send({ method: 'GET', path: request.path }, tenantOf(index));
  expect(get.body.equals(body), String(index)).toBe(true);
}

test('each is stored as it came, and what broke off is not there', async () => {
  let next = 0;
  const work = async () => {
    for (let index = next++; index < BODIES; index = next++) await store(index);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const statuses = await Promise.all(
    Array.from({ length: BODIES }, async (_, index) => {
      const { status } = await bench.send({ method: 'HEAD', path: pathOf(index) }, tenantOf(index));
      return status;
    }),
  );
  expect(statuses).toEqual(Array.from({ length: BODIES }, (_, index) => (breaksOff(index) ? 404 : 200)));
  await expect.poll(() => md5Threads.lent).toBe(0);
});
