/**
 * Protects: replicas are replaced one after the other behind a plain TCP balancer that follows /readyz, under load with transfers
 * that outlast the drain delay among it, and no request fails. SIGHUP ends nothing, and takes a new seal key over.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { freePort } from '../helpers/child-server.ts';
import { objectPath, type SigningCredentials, signHeaders } from '../helpers/raw-client.ts';
import { type Balancer, type Replica, startBalancer } from './support/balancer.ts';
import { type RunningProgram, runProgram, startServe } from './support/program.ts';
import { isInstalled, openStore } from './support/store-under-test.ts';

const DELAY_SECONDS = 2;
/** Longer than the delay, so that some are under way when no connection is taken any more. ROLLING_TRANSFER_SECONDS=120: minutes. */
const TRANSFER_MS = 1000 * Number(process.env['ROLLING_TRANSFER_SECONDS'] ?? 5);
const PIECES = 50;
const BUCKET = 'rolling';

interface Client {
  readonly balancer: Balancer;
  readonly tenant: SigningCredentials;
  readonly agent: Agent;
}

/** One request on a kept connection, without any repetition. `pauseMs`: between the pieces of what is sent or read. */
async function ask(
  { balancer, tenant, agent }: Client,
  o: { readonly method: string; readonly path: string; readonly body?: Buffer; readonly pauseMs?: number },
): Promise<Buffer> {
  const { hostname, port, host } = new URL(balancer.endpoint);
  const { method, path, body = Buffer.alloc(0), pauseMs = 0 } = o;
  const length = method === 'PUT' ? [['content-length', String(body.length)] as const] : [];
  const signed = signHeaders({ method, path, headers: length, payload: 'UNSIGNED-PAYLOAD' }, tenant, host);
  const request = httpRequest({ hostname, port, method, path, agent, headers: Object.fromEntries(signed) });
  const replied = once(request, 'response') as Promise<[IncomingMessage]>;
  replied.catch(() => undefined);
  const step = Math.ceil(body.length / PIECES);
  if (pauseMs > 0) {
    for (let at = 0; at < body.length; at += step) {
      request.write(body.subarray(at, at + step));
      await setTimeout(pauseMs);
    }
    request.end();
  } else request.end(body);
  const [response] = await replied;
  const pieces: Buffer[] = [];
  let paused = 0;
  for await (const piece of response) {
    pieces.push(piece as Buffer);
    const due = Buffer.concat(pieces).length / step;
    if (pauseMs > 0 && method === 'GET' && due > paused) {
      paused += 1;
      await setTimeout(pauseMs);
    }
  }
  const whole = Buffer.concat(pieces);
  if (response.statusCode !== 200) throw new Error(`${method} ${path}: ${response.statusCode} ${whole}`);
  return whole;
}

test(
  'two replicas restarted one after the other under load: no request fails',
  async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sealgate-rolling-'));
    const store = await openStore(isInstalled('MinIO') ? 'MinIO' : 'moto', directory);
    const common = {
      ...store.settings,
      SEALGATE_STATE: 'sealgate-state',
      SEALGATE_SEAL_KEYS: `roll:${randomBytes(32).toString('base64')}`,
      SEALGATE_DRAIN_DELAY: `${DELAY_SECONDS}s`,
      SEALGATE_DRAIN_TIMEOUT: `${60 + (3 * TRANSFER_MS) / 1000}s`,
    };
    // One of them with workers, whose stop goes another way.
    const replicas: Replica[] = [];
    const settings: Record<string, string>[] = [];
    for (const workers of ['2', '1']) {
      const [port, opsPort] = [await freePort(), await freePort()];
      replicas.push({ port, opsPort });
      const listen = { SEALGATE_LISTEN: `127.0.0.1:${port}`, SEALGATE_OPS_LISTEN: `127.0.0.1:${opsPort}` };
      settings.push({ ...common, ...listen, SEALGATE_WORKERS: workers });
    }
    const start = (index: number) => startServe({ directory, settings: settings[index] ?? {} });
    const programs: RunningProgram[] = [];
    for (const index of replicas.keys()) programs.push(await start(index));
    const made = await runProgram(['tenant', 'create', '--bucket', '*', '--json'], { directory, settings: common });
    const tenant = JSON.parse(made.stdout) as SigningCredentials;
    const balancer = await startBalancer(replicas, { probeMs: 250 });
    const failures: string[] = [];
    const counts = { small: 0, long: 0 };
    let over = false;
    const loop = async (kind: keyof typeof counts, work: (client: Client, round: number) => Promise<void>) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const client = { balancer, tenant, agent };
      for (let round = 0; !over; round++) {
        await work(client, round).then(
          () => {
            counts[kind] += 1;
          },
          (error: Error) => void failures.push(`${kind}: ${error.message}`),
        );
      }
      agent.destroy();
    };
    const roundTrip = (id: string, bytes: number, pauseMs: number) => async (client: Client, round: number) => {
      const body = randomBytes(bytes);
      const path = objectPath(BUCKET, `${id}-${round % 10}`);
      await ask(client, { method: 'PUT', path, body, pauseMs });
      const read = await ask(client, { method: 'GET', path, pauseMs });
      if (!read.equals(body)) throw new Error('other bytes came back');
    };
    try {
      const first = { balancer, tenant, agent: new Agent() };
      await ask(first, { method: 'PUT', path: `/${BUCKET}` });
      const load = [
        ...Array.from({ length: 4 }, (_, n) => loop('small', roundTrip(`small-${n}`, 20_000, 0))),
        ...Array.from({ length: 4 }, (_, n) => loop('long', roundTrip(`long-${n}`, 4 * MiB, TRANSFER_MS / PIECES))),
      ];
      let printed = '';
      for (const index of replicas.keys()) {
        // Transfers are under way on both.
        await setTimeout(TRANSFER_MS / 2);
        const replica = replicas[index] as Replica;
        const program = programs[index] as RunningProgram;
        const exit = program.stop();
        await expect.poll(() => balancer.isReady(replica)).toBe(false);
        expect(await exit).toBe(0);
        printed += program.output();
        programs[index] = await start(index);
        await expect.poll(() => balancer.isReady(replica)).toBe(true);
      }
      await setTimeout(TRANSFER_MS / 2);
      over = true;
      await Promise.all(load);
      process.stdout.write(
        `rolling restart: ${JSON.stringify({ ...counts, failures: failures.length, taken: balancer.taken })}\n`,
      );
      expect([failures, balancer.failures]).toEqual([[], []]);
      expect(counts.small).toBeGreaterThan(100);
      expect(counts.long).toBeGreaterThan(4);
      expect(balancer.taken.every((count) => count > 4)).toBe(true);
      expect(printed).not.toContain('cutBy');
      expect(printed).toContain('stopping: clients are sent elsewhere');
    } finally {
      over = true;
      for (const program of programs) await program.kill();
      await balancer.close();
      await store.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
  300_000 + 10 * TRANSFER_MS,
);

test.each(['1', '2'])(
  'SIGHUP with %s workers: goes on serving, and takes over what stands in the file',
  async (workers) => {
    const directory = await mkdtemp(join(tmpdir(), 'sealgate-hup-'));
    const file = join(directory, 'seal-keys');
    const line = (kid: string) => `${kid}:${randomBytes(32).toString('base64')}`;
    const [one, two] = [line('one'), line('two')];
    await writeFile(file, one);
    const store = await openStore('embedded store', directory);
    const settings = {
      ...store.settings,
      SEALGATE_STATE: 'sealgate-state',
      SEALGATE_SEAL_KEYS_FILE: file,
      SEALGATE_WORKERS: workers,
    };
    const program = await startServe({ directory, settings });
    try {
      const lines = () => program.output().split('\n');
      await writeFile(file, 'nonsense');
      program.signal('SIGHUP');
      await expect.poll(() => program.output()).toContain('not reloaded: everything stays as it was');
      await writeFile(file, `${two}\n${one}`);
      program.signal('SIGHUP');
      const processes = workers === '1' ? 1 : 3;
      await expect.poll(() => lines().filter((text) => text.includes('"msg":"reloaded"')).length).toBe(processes);
      expect(lines().find((text) => text.includes('"msg":"reloaded"'))).toContain('"sealKeyIds":["one","two"]');
      // A tenant whose keyring and access key id are under the new one: every process opens them now.
      const activate = () => runProgram(['seal-key', 'activate', 'two'], { directory, settings });
      await expect.poll(async () => (await activate()).code, { timeout: 20_000, interval: 500 }).toBe(0);
      const made = await runProgram(['tenant', 'create', '--bucket', '*', '--json'], { directory, settings });
      const { accessKeyId, secretAccessKey } = JSON.parse(made.stdout);
      const tenant = { accessKeyId, secretAccessKey };
      const balancer = { endpoint: program.endpoint } as Balancer;
      for (let n = 0; n < 8; n++) {
        const reply = await ask({ balancer, tenant, agent: new Agent() }, { method: 'GET', path: '/' });
        expect(String(reply)).toContain('ListAllMyBucketsResult');
      }
      const kept = readFileSync(file, 'utf8').split('\n')[0]?.split(':')[1];
      // Every process signs with it now: none of them refuses a file without the old one.
      await writeFile(file, two);
      program.signal('SIGHUP');
      const dropped = () => lines().filter((text) => text.includes('"sealKeyIds":["two"]')).length;
      await expect.poll(dropped, { timeout: 20_000 }).toBe(processes);
      expect(program.output()).toContain('another seal key signs from now on');
      expect(program.output()).not.toContain(kept);
      expect(await program.stop()).toBe(0);
    } finally {
      await program.kill();
      await rm(directory, { recursive: true, force: true });
    }
  },
);
