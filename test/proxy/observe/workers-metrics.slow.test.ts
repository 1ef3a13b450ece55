// Protects: with several workers no counter falls back when one of them ends and another takes its place.
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { startServe } from '../../e2e/support/program.ts';
import { freePort } from '../../helpers/child-server.ts';

/** Every sample of what only grows, by its name and labels. */
async function counters(port: number): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const growing = new Set([...text.matchAll(/^# TYPE (\w+) (?:counter|histogram)$/gm)].map(([, name = '']) => name));
  const samples = [...text.matchAll(/^(\w+)(\{[^}]*\})? ([\d.e+-]+)$/gm)];
  const isGrowing = (name: string) => growing.has(name.replace(/_(bucket|sum|count)$/, '')) || growing.has(name);
  return new Map(
    samples.flatMap(([, name = '', labels = '', value]) => (isGrowing(name) ? [[name + labels, Number(value)]] : [])),
  );
}

const REQUESTS = 'sealgate_requests_total{operation="none",status="403"}';

test('a worker that is killed takes nothing away from the totals', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-workers-'));
  const opsPort = await freePort();
  const program = await startServe({
    directory,
    settings: {
      SEALGATE_BACKEND: `local:${join(directory, 'store')}`,
      SEALGATE_STATE: 'sealgate-state',
      SEALGATE_SEAL_KEYS: SealKeys.generate(),
      SEALGATE_WORKERS: '2',
      SEALGATE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    },
  });
  const workers = () =>
    execFileSync('ps', ['-o', 'pid=', '--ppid', String(program.pid)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/)
      .map(Number);
  const ask = async (count: number) => {
    for (let n = 0; n < count; n++) {
      const reply = await fetch(program.endpoint, { headers: { connection: 'close' } });
      await reply.arrayBuffer();
    }
  };
  try {
    await ask(40);
    const before = await counters(opsPort);
    expect(before.get(REQUESTS)).toBe(40);
    const running = workers();
    expect(running).toHaveLength(2);
    for (const pid of running) process.kill(pid, 'SIGKILL');
    await expect.poll(() => program.output().split('"msg":"a worker ended').length - 1, { timeout: 20_000 }).toBe(2);
    await expect.poll(() => workers().filter((pid) => !running.includes(pid)).length, { timeout: 20_000 }).toBe(2);
    const fallen = async () => {
      const after = await counters(opsPort);
      return [...before].filter(([name, value]) => (after.get(name) ?? 0) < value).map(([name]) => name);
    };
    expect(await fallen()).toEqual([]);
    // The new ones answer, and are counted on top.
    const isServed = () =>
      ask(1).then(
        () => true,
        () => false,
      );
    await expect.poll(isServed, { timeout: 20_000 }).toBe(true);
    await ask(9);
    expect((await counters(opsPort)).get(REQUESTS)).toBe(50);
    expect(await fallen()).toEqual([]);
  } finally {
    await program.kill();
    await rm(directory, { recursive: true, force: true });
  }
}, 90_000);
