/**
 * Protects: a newcomer's five minutes. Every command of docs/getting-started.md is run, in its order, in one shell, in a checkout: on
 * MinIO with an object that was there before. Only the values of the first block are others.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from 'vitest';
import { PROJECT } from '../e2e/support/program.ts';
import { isInstalled, openStore } from '../e2e/support/store-under-test.ts';
import { freePort } from '../helpers/child-server.ts';
import { needTool } from './support/tools.ts';
import { copyTree } from './support/tree-copy.ts';

const BUCKET = 'first-steps';
const OLD = 'an object from before';

test('every command of the page, on a real store', async (context) => {
  needTool(context, 'aws');
  needTool(context, 'curl');
  if (!isInstalled('MinIO')) return context.skip('MinIO is not installed');
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-newcomer-'));
  const store = await openStore('MinIO', directory);
  const client = store.client;
  if (client === undefined) throw new Error('the store has no client');
  const checkout = join(directory, 'sealgate');
  copyTree(checkout);
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  await client.send(
    new PutObjectCommand({
      Bucket: BUCKET,
      Key: 'old.txt',
      Body: OLD,
      ContentType: 'text/plain',
      Metadata: { from: 'before' },
    }),
  );
  const [port, opsPort] = [await freePort(), await freePort()];
  const page = readFileSync(join(PROJECT, 'docs/getting-started.md'), 'utf8');
  const [first = '', ...blocks] = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
  expect(blocks).toHaveLength(7);
  const values: Readonly<Record<string, string>> = { BUCKET, SEALGATE_BACKEND_REGION: 'us-east-1', ...store.settings };
  const filled = first.replaceAll(
    /^export (\w+)=.*$/gm,
    (_line, name: string) => `export ${name}=${values[name] ?? ''}`,
  );
  // Its ports are free ones here, and packages are installed already.
  const script = ['set -euo pipefail', filled, ...blocks, 'kill %1; wait %1 || true; echo THE END']
    .join('\n')
    .replace(/^npm ci$/m, 'true')
    .replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`)
    .replaceAll('127.0.0.1:8081', `127.0.0.1:${opsPort}`);
  const shell = spawn('bash', ['-c', script], {
    cwd: checkout,
    env: {
      PATH: `${join(checkout, 'node_modules/.bin')}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
      SEALGATE_LISTEN: `127.0.0.1:${port}`,
      SEALGATE_OPS_LISTEN: `127.0.0.1:${opsPort}`,
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    let printed = '';
    shell.stdout.on('data', (data) => (printed += data));
    shell.stderr.on('data', (data) => (printed += data));
    const [code] = await once(shell, 'close');
    if (code !== 0) console.log(printed, readFileSync(join(checkout, 'sealgate.log'), 'utf8').slice(-2_000));
    expect(code).toBe(0);
    expect(printed).toMatch(/^ok {7}store: .* answers/m);
    expect(printed).toMatch(/^warning {2}SEALGATE_STATE: the bucket \S+ does not exist/m);
    expect(printed).not.toContain('fault');
    expect(printed).toMatch(/ old\.txt$/m);
    expect(printed.match(/^only my clients read this$/gm)).toHaveLength(2);
    expect(printed).toContain('not readable at the store');
    expect(printed).toContain('THE END');
    const { Metadata } = await client.send(new HeadObjectCommand({ Bucket: BUCKET, Key: 'old.txt' }));
    expect(Object.keys(Metadata ?? {})).toContain('enc-algo');
    const { Body } = await client.send(new GetObjectCommand({ Bucket: BUCKET, Key: 'old.txt' }));
    expect(Buffer.from((await Body?.transformToByteArray()) ?? []).includes(OLD)).toBe(false);
  } finally {
    if (shell.pid !== undefined && shell.exitCode === null) process.kill(-shell.pid, 'SIGKILL');
    await store.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
