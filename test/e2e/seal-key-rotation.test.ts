/**
 * Protects: the seal key is rotated over two replicas of which one gets the secret later, under load, and no request fails: neither
 * while one replica alone has the new seal key and is restarted with it, nor when it becomes the active one, nor when the old one
 * is gone. The audit names both signers, the one handed over to the other.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { freePort } from '../helpers/child-server.ts';
import { sendQuery } from '../helpers/query-api.ts';
import { objectPath, type SigningCredentials, signHeaders } from '../helpers/raw-client.ts';
import { type Replica, startBalancer } from './support/balancer.ts';
import { type RunningProgram, runProgram, startServe } from './support/program.ts';
import { isInstalled, openStore } from './support/store-under-test.ts';

const BUCKET = 'rotating';
const line = (kid: string) => `${kid}:${randomBytes(32).toString('base64')}`;

/** On a connection of its own, so that a balancer gives both replicas their share. */
async function ask(
  endpoint: string,
  as: SigningCredentials,
  o: { method: string; path: string; body?: Buffer },
): Promise<Buffer> {
  const { method, path, body = Buffer.alloc(0) } = o;
  const { hostname, port, host } = new URL(endpoint);
  const length = method === 'PUT' ? [['content-length', String(body.length)] as const] : [];
  const headers = Object.fromEntries(
    signHeaders({ method, path, headers: length, payload: 'UNSIGNED-PAYLOAD' }, as, host),
  );
  return new Promise((resolve, reject) => {
    const request = httpRequest({ hostname, port, method, path, headers, agent: false }, async (response) => {
      const pieces: Buffer[] = [];
      for await (const piece of response) pieces.push(piece as Buffer);
      const whole = Buffer.concat(pieces);
      if (response.statusCode === 200) resolve(whole);
      else reject(new Error(`${method} ${path}: ${response.statusCode} ${whole}`));
    });
    request.once('error', reject);
    request.end(body);
  });
}

/** A key that the tenant makes for itself, over one replica. */
async function makeKey(endpoint: string, as: SigningCredentials): Promise<SigningCredentials> {
  const reply = await sendQuery(endpoint, as, { parameters: { Action: 'CreateAccessKey' } });
  expect(reply.error).toBe('');
  const key = reply.root.child('CreateAccessKeyResult')?.child('AccessKey');
  return { accessKeyId: key?.value('AccessKeyId') ?? '', secretAccessKey: key?.value('SecretAccessKey') ?? '' };
}

const listed = (endpoint: string, as: SigningCredentials) => ask(endpoint, as, { method: 'GET', path: '/' });

test('a seal key that reaches one replica a minute before the other is rotated under load: no request fails', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-rotation-'));
  const store = await openStore(isInstalled('MinIO') ? 'MinIO' : 'moto', directory);
  const [one, two] = [line('one'), line('two')];
  const files = ['a', 'b'].map((name) => join(directory, `seal-keys-${name}`));
  const [fileA = '', fileB = ''] = files;
  for (const file of files) await writeFile(file, one);
  const common = { ...store.settings, SEALGATE_STATE: 'sealgate-state', SEALGATE_DRAIN_DELAY: '2s' };
  const replicas: Replica[] = [];
  const settings: Record<string, string>[] = [];
  for (const [index, workers] of ['2', '1'].entries()) {
    const [port, opsPort] = [await freePort(), await freePort()];
    replicas.push({ port, opsPort });
    const listen = { SEALGATE_LISTEN: `127.0.0.1:${port}`, SEALGATE_OPS_LISTEN: `127.0.0.1:${opsPort}` };
    settings.push({ ...common, ...listen, SEALGATE_WORKERS: workers, SEALGATE_SEAL_KEYS_FILE: files[index] ?? '' });
  }
  const start = (index: number) => startServe({ directory, settings: settings[index] ?? {} });
  const programs: RunningProgram[] = [await start(0), await start(1)];
  const [a = '', b = ''] = programs.map(({ endpoint }) => endpoint);
  /** By an operator whose file is that of the first replica. */
  const command = (...args: readonly string[]) => runProgram(args, { directory, settings: settings[0] ?? {} });
  const status = async () => {
    const { stdout } = await command('seal-key', 'status', '--json');
    const lines = stdout
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text));
    return { keys: lines.filter(({ keyrings }) => keyrings !== undefined), servers: lines.filter(({ boot }) => boot) };
  };
  const made = await command('tenant', 'create', '--bucket', '*', '--json');
  const { accessKeyId, secretAccessKey } = JSON.parse(made.stdout) as SigningCredentials;
  let tenant: SigningCredentials = { accessKeyId, secretAccessKey };
  const balancer = await startBalancer(replicas, { probeMs: 250 });
  const failures: string[] = [];
  let [requests, over] = [0, false];
  const load = async (id: number) => {
    for (let round = 0; !over; round++) {
      const body = randomBytes(20_000);
      const path = objectPath(BUCKET, `object-${id}-${round % 10}`);
      try {
        await ask(balancer.endpoint, tenant, { method: 'PUT', path, body });
        const read = await ask(balancer.endpoint, tenant, { method: 'GET', path });
        if (!read.equals(body)) throw new Error('other bytes came back');
        requests += 2;
      } catch (error) {
        failures.push(String(error));
      }
      await setTimeout(20);
    }
  };
  try {
    await ask(a, tenant, { method: 'PUT', path: `/${BUCKET}` });
    const loads = [load(0), load(1), load(2)];
    // The first replica gets the new seal key in front, and is replaced with it, as a rollout does.
    await writeFile(fileA, `${two}\n${one}`);
    const exit = (programs[0] as RunningProgram).stop();
    expect(await exit).toBe(0);
    programs[0] = await start(0);
    await expect.poll(() => balancer.isReady(replicas[0] as Replica)).toBe(true);
    // What the first one signs now, the second one must verify: a keyring, and the id of a new key.
    const early = await makeKey(a, tenant);
    for (const endpoint of [a, b]) {
      await listed(endpoint, early);
      await listed(endpoint, tenant);
    }
    const refused = await command('seal-key', 'activate', 'two');
    expect([refused.code, refused.stdout]).toEqual([1, '']);
    expect(refused.stderr).toMatch(
      /seal key 'two' is not on every server: \S+ \(boot [0-9a-f]{16}\) has not reported it\./,
    );
    // The secret reaches the second one, which notices by itself.
    await writeFile(fileB, `${one}\n${two}`);
    const hasBoth = async () => (await status()).servers.filter(({ held }) => held.includes('two')).length;
    await expect.poll(hasBoth, { timeout: 30_000, interval: 1000 }).toBe(2);
    const activated = await command('seal-key', 'activate', 'two', '--json');
    expect(JSON.parse(activated.stdout)).toMatchObject({ kid: 'two', before: 'one', changed: true, behind: [] });
    // Nobody is told: they look.
    const signers = async () => (await status()).servers.map(({ signs }) => signs);
    await expect.poll(signers, { timeout: 75_000, interval: 2000 }).toEqual(['two', 'two']);
    const late = await makeKey(b, tenant);
    for (const endpoint of [a, b]) await listed(endpoint, late);
    // The old one is given up: ids are made anew, keyrings signed, and its line goes.
    expect((await command('seal-key', 'resign')).code).toBe(0);
    const environment = { AWS_ACCESS_KEY_ID: tenant.accessKeyId, AWS_SECRET_ACCESS_KEY: tenant.secretAccessKey };
    const reissued = await runProgram(['key', 'reissue', '--json'], {
      directory,
      settings: { ...settings[0], ...environment },
    });
    const { accessKeyId: newId } = JSON.parse(reissued.stdout);
    tenant = { ...tenant, accessKeyId: newId };
    for (const file of files) await writeFile(file, two);
    // Requests under the old id that are under way end first.
    await setTimeout(1000);
    for (const program of programs) program.signal('SIGHUP');
    const dropped = (program: RunningProgram) => program.output().includes('"sealKeyIds":["two"]');
    await expect.poll(() => programs.every(dropped), { timeout: 15_000 }).toBe(true);
    for (const endpoint of [a, b]) {
      await listed(endpoint, tenant);
      await listed(endpoint, late);
    }
    // What a process remembers of an id, it remembers for a minute: until then the holder is served, and never told of a failure.
    const told = new Set<string>();
    const outcome = async (endpoint: string) => {
      const text = await listed(endpoint, early).then(
        () => 'served',
        (error: Error) => /<Code>(\w+)</.exec(error.message)?.[1] ?? error.message,
      );
      told.add(text);
      return text;
    };
    const ended = async () => (await Promise.all([a, a, a, a, b].map(outcome))).every((one) => one !== 'served');
    await expect.poll(ended, { timeout: 75_000, interval: 1000 }).toBe(true);
    expect([...told].filter((one) => one !== 'served')).toEqual(['InvalidAccessKeyId']);
    over = true;
    await Promise.all(loads);
    process.stdout.write(
      `seal key rotation: ${JSON.stringify({ requests, failures: failures.length, taken: balancer.taken })}\n`,
    );
    expect([failures.slice(0, 3), balancer.failures]).toEqual([[], []]);
    expect(requests).toBeGreaterThan(200);
    expect(balancer.taken.every((count) => count > 50)).toBe(true);
    // The key of whom nobody gave a new id is named still.
    expect((await status()).keys).toMatchObject([
      { kid: 'two', active: true, configured: true },
      { kid: 'one', configured: false, keyrings: 0, ids: [expect.any(String)] },
    ]);
    for (const program of programs) expect(await program.stop()).toBe(0);
    expect((await status()).servers).toEqual([]);
    const verified = await command('audit', 'verify', '--json');
    expect([verified.code, verified.stderr]).toEqual([0, '']);
    const exported = await command('audit', 'export', '--format', 'csv');
    expect(exported.stdout).toMatch(/seal-key-activated|SealKeyActivated/i);
    const printed = programs.map((program) => program.output()).join('');
    for (const secret of [one, two]) expect(printed).not.toContain(secret.split(':')[1]);
  } finally {
    over = true;
    for (const program of programs) await program.kill();
    await balancer.close();
    await store.stop();
    await rm(directory, { recursive: true, force: true });
  }
}, 290_000);
