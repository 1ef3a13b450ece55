// Protects: a run from its start to its end, as `npm run bench` makes it: it measures, it notices a target that gives back
// other bytes or errors, and it leaves no process behind, not even when it is killed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { freePort } from '../helpers/child-server.ts';
import { processTree } from './measure/process-tree.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'sealgate-bench-test-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const CREDENTIALS = { BENCH_BROKEN_ACCESS_KEY_ID: 'id', BENCH_BROKEN_SECRET_ACCESS_KEY: 'secret' };

function start(...args: readonly string[]) {
  const env = { PATH: process.env['PATH'] ?? '', TMPDIR: directory, ...CREDENTIALS };
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  return { child, output: () => output };
}

async function run(...args: readonly string[]): Promise<{ code: number; output: string }> {
  const { child, output } = start(...args);
  const [code] = await once(child, 'close');
  return { code: Number(code), output: output() };
}

interface Written {
  readonly results: readonly { target: string; load: string; operations: number; cpuSecondsPer1000?: number }[];
  readonly floors: readonly { sum: number; ratio: number }[];
  readonly goals: readonly { name: string; value: number; isMet: boolean }[];
}

test('measures every target, and writes what it found', async () => {
  const out = join(directory, 'out');
  const loads = 'get-64m-1,put-4k,put-1m-8,list-1000-cold-5ms';
  const beside = ['--base', '.', '--opaque'];
  const { code, output } = await run('--only', loads, '--rounds', '1', '--seconds', '0.3', ...beside, '--out', out);
  expect(output).toContain('list-1000-cold-5ms');
  expect(code).toBe(0);
  const written = JSON.parse(readFileSync(join(out, 'results.json'), 'utf8')) as Written;
  for (const target of ['direct', 'node-http', 'sealgate', 'base', 'opaque']) {
    const found = written.results.filter((result) => result.target === target);
    expect(found).toHaveLength(4);
    for (const { operations, cpuSecondsPer1000 } of found) {
      expect(operations).toBeGreaterThan(0);
      expect(cpuSecondsPer1000).toBeGreaterThan(0);
    }
  }
  expect(written.floors).toHaveLength(1);
  expect(written.goals.length).toBeGreaterThan(6);
  const requests = written.goals.find(({ name }) => /cold.*opaque ETags: backend requests$/.test(name));
  expect(requests).toMatchObject({ isMet: true });
  expect(readFileSync(join(out, 'results.md'), 'utf8')).toMatch(/\| (PASS|MISS) \|/);
  expect(readFileSync(join(out, 'results.svg'), 'utf8')).toContain('<rect');
});

/** In front of the sink; `harm` may change what is answered to a GET. */
async function brokenTarget(harm: (body: Buffer, count: number) => Buffer | undefined) {
  const sinkPort = await freePort();
  let gets = 0;
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const upstream = httpRequest({ host: '127.0.0.1', port: sinkPort, method, path: url, headers }, async (reply) => {
      const pieces: Buffer[] = [];
      for await (const piece of reply) pieces.push(piece);
      const whole = Buffer.concat(pieces);
      gets += method === 'GET' ? 1 : 0;
      const body = method === 'GET' ? harm(whole, gets) : whole;
      if (body === undefined) outgoing.writeHead(500, { 'content-length': 0 });
      else outgoing.writeHead(reply.statusCode ?? 502, reply.headers);
      outgoing.end(body);
    });
    incoming.pipe(upstream);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const args = ['--sink-port', String(sinkPort), '--target', `broken=http://127.0.0.1:${port}`];
  return { args: [...args, '--only', 'get-4k', '--rounds', '1', '--seconds', '0.2'], close: () => server.close() };
}

describe('a target', () => {
  test('that gives back other bytes is not measured: the run fails', async () => {
    const broken = await brokenTarget((body) => {
      const copy = Buffer.from(body);
      copy.writeUInt8(copy.readUInt8(2000) ^ 1, 2000);
      return copy;
    });
    const { code, output } = await run(...broken.args);
    broken.close();
    expect(output).toContain('get-4k on broken is not right: GET kept/4k-7: not the bytes that were stored');
    expect(code).toBe(1);
  });

  test('that fails now and then makes the run fail, with what failed', async () => {
    const broken = await brokenTarget((body, count) => (count % 10 === 0 ? undefined : body));
    const { code, output } = await run(...broken.args);
    broken.close();
    expect(output).toMatch(/get-4k on broken: \d+ operations failed: GET: status 500/);
    expect(code).toBe(1);
  });
});

describe('processes', () => {
  const alive = (pid: number) => existsSync(`/proc/${pid}`);

  test.each(['SIGINT', 'SIGKILL'] as const)('end with the run: %s', async (signal) => {
    const { child, output } = start('--only', 'get-4k,head-4k', '--rounds', '100', '--seconds', '0.1');
    const pid = child.pid ?? 0;
    await until(() => output().includes('get-4k:') || child.exitCode !== null || processTree([pid]).length >= 6);
    const pids = processTree([pid]);
    // Itself, the guard, the sink, the floor, Sealgate, and nginx where it is installed.
    expect(pids.length).toBeGreaterThanOrEqual(5);
    child.kill(signal);
    await until(() => !pids.some(alive));
    expect(pids.filter(alive)).toEqual([]);
    expect(readdirSync(directory).filter((name) => name.startsWith('sealgate-bench-'))).toEqual([]);
  });
});

/** Polls: processes that are no children of this one tell nobody of their end. */
async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition() && tries < 600; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
}
