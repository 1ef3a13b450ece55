/**
 * Protects: the address that workers share. A port that was left open to choice is the same for all of them, another server is refused
 * by the name of the setting, though each of them could share the port.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { ConfigError } from '../../../proxy/config/settings.ts';
import { reserveAddress, type SharedAddress } from '../../../proxy/running/shared-address.ts';

const ANY = { host: '127.0.0.1', port: 0 };
const open: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of open.splice(0)) one.close();
});

async function reserve(address = ANY): Promise<SharedAddress> {
  const shared = await reserveAddress(address);
  open.push({ close: () => shared.release() });
  return shared;
}

async function listen({ address }: Pick<SharedAddress, 'address'>, reusePort = true): Promise<Server> {
  const server = createServer().listen({ ...address, reusePort });
  open.push(server);
  await once(server, 'listening');
  return server;
}

test('several listeners share it, on the port that was chosen', async () => {
  const shared = await reserve();
  expect(shared.hasReusePort).toBe(true);
  expect(shared.address.port).toBeGreaterThan(0);
  for (let i = 0; i < 3; i++) await listen(shared);
});

test.each([true, false])('a server that listens there keeps it to itself, sharing or not (%s)', async (reusePort) => {
  const { address } = await reserve();
  const server = await listen({ address }, reusePort);
  const refused = reserveAddress(address);
  await expect(refused).rejects.toBeInstanceOf(ConfigError);
  await expect(refused).rejects.toThrow(`SEALGATE_LISTEN`);
  await expect(refused).rejects.toThrow('is in use by another process');
  server.close();
});

test.runIf(process.platform === 'linux')(
  'of two servers that start at once one is refused, and none for good',
  async () => {
    const { address } = await reserve();
    const [first, second] = await Promise.allSettled([reserve(address), reserve(address)]);
    expect([first, second].map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect([first, second].find(({ status }) => status === 'rejected')).toMatchObject({
      reason: expect.objectContaining({ message: expect.stringContaining('is in use by another process') }),
    });
    const started = [first, second].find(
      ({ status }) => status === 'fulfilled',
    ) as PromiseFulfilledResult<SharedAddress>;
    const server = await listen(started.value);
    started.value.served();
    await expect(reserveAddress(address)).rejects.toThrow('is in use by another process');
    server.close();
    await reserve(address);
  },
);

test('an address that is none of this machine is told as that', async () => {
  await expect(reserveAddress({ host: '192.0.2.1', port: 0 })).rejects.toThrow('is no address of this machine');
  await expect(reserveAddress({ host: 'no-such-host.invalid', port: 0 })).rejects.toThrow('does not resolve');
});

test('a name is looked up once, for all', async () => {
  const shared = await reserve({ host: 'localhost', port: 0 });
  expect(['127.0.0.1', '::1']).toContain(shared.address.host);
});
