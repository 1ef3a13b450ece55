/** `sealgate serve` with several workers on an embedded store of its own, and what its processes take of the machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { processTree } from '../../bench/measure/process-tree.ts';
import { makeCertificate } from '../../e2e/support/certificate.ts';
import { NODE, PROJECT, runProgram } from '../../e2e/support/program.ts';
import { MiB } from '../../helpers/bytes.ts';
import { freePort } from '../../helpers/child-server.ts';
import type { SigningCredentials } from '../../helpers/raw-client.ts';
import { processMemory } from '../support/process-memory.ts';
import type { Victim } from './bad-states.ts';
import { Client } from './client.ts';

export type Transport = 'plain' | 'TLS';

export interface ServerUnderAttack {
  readonly transport: Transport;
  /** For those who attack, and for those who behave: tenants of their own. */
  readonly attacked: Victim;
  readonly used: Victim;
  /** Of all its processes now. */
  resources(): Resources;
  /** Client connections open now, as its own metrics have it. */
  connections(): Promise<number>;
  stop(): Promise<void>;
}

export interface Resources {
  readonly descriptors: number;
  /** Bytes. */
  readonly resident: number;
}

const BUCKET = 'soak';
const START_MS = 60_000;

export async function startServer(
  transport: Transport,
  o: { directory: string; workers: number },
): Promise<ServerUnderAttack> {
  const directory = join(o.directory, transport);
  mkdirSync(directory);
  const [port, opsPort] = [await freePort(), await freePort()];
  const settings = {
    SEALGATE_LISTEN: `127.0.0.1:${port}`,
    SEALGATE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    SEALGATE_BACKEND: `local:${join(directory, 'store')}`,
    SEALGATE_STATE: 'soak-state',
    SEALGATE_SEAL_KEYS: SealKeys.generate(),
    SEALGATE_MEMORY: '512MiB',
    SEALGATE_WORKERS: String(o.workers),
    SEALGATE_LOG_LEVEL: 'warn',
    ...(transport === 'TLS' ? tlsSettings(directory) : {}),
  };
  const child = spawn(NODE, [join(PROJECT, 'bin/sealgate.js'), 'serve'], {
    cwd: directory,
    env: { PATH: process.env['PATH'] ?? '', HOME: directory, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(join(directory, 'log'));
  child.stdout.pipe(log);
  child.stderr.pipe(log);
  const ops = `http://127.0.0.1:${opsPort}`;
  await ready(child, ops);
  const endpoint = `${transport === 'TLS' ? 'https' : 'http'}://127.0.0.1:${port}`;
  const victim = { endpoint, bucket: BUCKET, large: `/${BUCKET}/large` };
  const attacked = { ...victim, credentials: await createTenant(directory, settings) };
  await fill(attacked);
  return {
    transport,
    attacked,
    used: { ...victim, credentials: await createTenant(directory, settings) },
    resources: () => resourcesOf(child.pid ?? 0),
    connections: () => openConnections(ops),
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function tlsSettings(directory: string): Record<string, string> {
  const { certificate, key } = makeCertificate(directory);
  return { SEALGATE_TLS_CERT: certificate, SEALGATE_TLS_KEY: key };
}

async function ready(child: ChildProcess, ops: string): Promise<void> {
  for (const deadline = Date.now() + START_MS; Date.now() < deadline; ) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    if (
      await fetch(`${ops}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the server was not ready in time');
}

async function createTenant(directory: string, env: Readonly<Record<string, string>>): Promise<SigningCredentials> {
  const args = ['tenant', 'create', '--bucket', '*', '--json'];
  const { code, stdout, stderr } = await runProgram(args, { directory, settings: env });
  if (code !== 0) throw new Error(`the tenant was not created: ${stderr}`);
  return JSON.parse(stdout) as SigningCredentials;
}

/** The bucket, and an object larger than what the operating system buffers for a connection. */
async function fill(at: Victim): Promise<void> {
  const client = new Client(at);
  for (const request of [
    { method: 'PUT', path: `/${at.bucket}` },
    { method: 'PUT', path: at.large, body: randomBytes(32 * MiB) },
  ]) {
    const { status, body } = await client.send(request);
    if (status !== 200) throw new Error(`${request.path}: ${status} ${body}`);
  }
  client.close();
}

function resourcesOf(pid: number): Resources {
  let [descriptors, resident] = [0, 0];
  for (const one of processTree([pid])) {
    descriptors += readdirSync(`/proc/${one}/fd`).length;
    resident += processMemory(one).resident;
  }
  return { descriptors, resident };
}

async function openConnections(ops: string): Promise<number> {
  const text = await (await fetch(`${ops}/metrics`)).text();
  return Number(/^sealgate_connections (\d+)$/m.exec(text)?.[1] ?? Number.NaN);
}
