/**
 * Keys that change while requests run: ten clients put and get on two replicas while their key is rotated again and again, and
 * nothing is refused, lost or mixed up. And fifty tenants with slow KDFs that arrive at once do not stop the event loop.
 * Both print what they measured; docs/keys.md quotes them.
 */
import { randomBytes } from 'node:crypto';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import type { KeyringDeps } from '../../proxy/keyring/admin/change-keyring.ts';
import { KeyAdmin } from '../../proxy/keyring/admin/key-admin.ts';
import { DEFAULT_KDFS, KdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import { startTestProxy, type TestProxy, type TestTenant } from '../helpers/proxy.ts';
import { objectPath, type RawRequest, sendSigned } from '../helpers/raw-client.ts';

const CLIENTS = 10;
const ROTATIONS = 40;
const COLD_TENANTS = 50;
const signal = new AbortController().signal;

let bench: Bench;
let replica: TestProxy;
let admin: KeyAdmin;

beforeAll(async () => {
  bench = await openBench();
  const { sealKeys, state } = bench.proxy;
  replica = await startTestProxy({ backend: bench.backend, sealKeys, capabilities: bench.capabilities });
  const deps: KeyringDeps = {
    state,
    sealKeys,
    record: () => undefined,
    now: () => new Date(),
    runner: new KdfRunner(),
  };
  admin = new KeyAdmin(deps);
});
afterAll(async () => {
  await replica.close();
  await bench.close();
});

const callerOf = (key: TestTenant) => unsealAccessKeyId(key.accessKeyId, bench.proxy.sealKeys);
const usable = (key: { tenant: string; accessKeyId: string; secretAccessKey?: string }): TestTenant => ({
  tenant: key.tenant,
  accessKeyId: key.accessKeyId,
  secretAccessKey: key.secretAccessKey ?? '',
});

describe('rotation under load', () => {
  // The clients change over when they are told; the old key goes when none of them signs with it any more.
  test.each([
    ['with a grace', { graceSeconds: 60 }],
    ['by hand: a second key, then the first revoked', undefined],
  ])('%s: no request is refused, no byte is wrong', async (_, grace) => {
    let current = await bench.proxy.createTenant();
    const tenant = current.tenant;
    const counts = { puts: 0, gets: 0, bytes: 0 };
    const failures: string[] = [];
    const inUse = new Map<string, number>();
    let stop = false;

    const request = async (proxy: TestProxy, o: RawRequest) => {
      const key = current;
      inUse.set(key.accessKeyId, (inUse.get(key.accessKeyId) ?? 0) + 1);
      const reply = await sendSigned(proxy.endpoint, key, o);
      inUse.set(key.accessKeyId, (inUse.get(key.accessKeyId) ?? 0) - 1);
      if (reply.status !== 200) failures.push(`${o.method} ${reply.status} ${reply.code}`);
      return reply;
    };
    const client = async (index: number) => {
      const path = objectPath(bench.bucket, `client ${index}`);
      for (let round = 0; !stop; round += 1) {
        const body = randomBytes(1 + ((index * 7919 + round * 104_729) % 200_000));
        await request(round % 2 === 0 ? bench.proxy : replica, { method: 'PUT', path, body });
        counts.puts += 1;
        const reply = await request(round % 2 === 0 ? replica : bench.proxy, { method: 'GET', path });
        counts.gets += 1;
        counts.bytes += body.length;
        if (!reply.body.equals(body)) failures.push(`GET gave other bytes for client ${index}, round ${round}`);
      }
    };
    const rotate = async () => {
      const old = current;
      const next =
        grace === undefined ? admin.create(callerOf(old), {}, signal) : admin.rotate(callerOf(old), grace, signal);
      current = usable(await next);
      while ((inUse.get(old.accessKeyId) ?? 0) > 0) await new Promise((resolve) => setImmediate(resolve));
      await admin.revoke({ tenant, slot: callerOf(old).slot }, signal);
    };

    const clients = Promise.all(Array.from({ length: CLIENTS }, (_unused, index) => client(index)));
    for (let round = 0; round < ROTATIONS; round += 1) {
      const before = counts.gets;
      await rotate();
      // Some requests under every key.
      while (counts.gets < before + CLIENTS) await new Promise((resolve) => setImmediate(resolve));
    }
    stop = true;
    await clients;
    process.stdout.write(
      `${ROTATIONS} rotations, ${counts.puts} PUT, ${counts.gets} GET, ${counts.bytes} bytes read back, ${failures.length} failures\n`,
    );
    expect(failures).toEqual([]);
    expect(counts.gets).toBeGreaterThan(ROTATIONS * CLIENTS);
    const summary = await admin.list(tenant, signal);
    expect(summary).toHaveLength(1);
  });
});

test('fifty cold tenants with argon2id leave the event loop free', async () => {
  const tenants = [];
  for (let n = 0; n < COLD_TENANTS; n += 1) {
    const first = await bench.proxy.createTenant();
    tenants.push(usable(await admin.create(callerOf(first), { kdf: DEFAULT_KDFS.argon2id }, signal)));
  }
  const measure = async (keys: readonly TestTenant[]) => {
    const histogram = monitorEventLoopDelay({ resolution: 1 });
    histogram.enable();
    const started = performance.now();
    let turns = 0;
    let counting = true;
    const turn = () => {
      turns += 1;
      if (counting) setImmediate(turn);
    };
    turn();
    const replies = await Promise.all(
      keys.map((key) => sendSigned(bench.proxy.endpoint, key, { method: 'GET', path: '/' })),
    );
    const seconds = (performance.now() - started) / 1000;
    histogram.disable();
    counting = false;
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200]));
    return {
      seconds,
      turns,
      p50: histogram.percentile(50) / 1e6,
      p99: histogram.percentile(99) / 1e6,
      max: histogram.max / 1e6,
    };
  };
  const cold = await measure(tenants);
  const warm = await measure(tenants);
  const show = (name: string, o: typeof cold) =>
    `${name}: ${o.seconds.toFixed(2)} s, event-loop delay p50 ${o.p50.toFixed(1)} ms, p99 ${o.p99.toFixed(1)} ms, max ${o.max.toFixed(1)} ms\n`;
  process.stdout.write(`${COLD_TENANTS} tenants\n${show('cold', cold)}${show('warm', warm)}`);
  // On the event loop itself each derivation would be one turn, or less.
  expect(cold.turns).toBeGreaterThan(20 * COLD_TENANTS);
});
