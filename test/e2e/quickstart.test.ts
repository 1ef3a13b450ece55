/**
 * Protects: the first minutes of a new user. The quickstart prints a command that works as it is printed, keeps its
 * credentials private, keeps them and the data over a restart, works beside the command line, and `npm start` ends with npm.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { GetObjectCommand, ListBucketsCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findSecrets, secretsOfText } from './support/exposure.ts';
import { PROJECT, type RunningProgram, runProgram, startQuickstart } from './support/program.ts';
import { runClient } from './support/run-client.ts';
import { filesOf, findOnPath } from './support/store-under-test.ts';

const CLEAR = 'a sentence that nobody else may read';
let directory: string;
let program: RunningProgram;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-e2e-'));
  program = await startQuickstart({ directory, settings: {} });
});
afterAll(async () => {
  await program.stop();
  await rm(directory, { recursive: true, force: true });
});

interface Credentials {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly bucket: string;
}

const credentials = () =>
  JSON.parse(readFileSync(join(directory, 'sealgate-data/credentials.json'), 'utf8')) as Credentials;

function client(of: Pick<Credentials, 'accessKeyId' | 'secretAccessKey'>): S3Client {
  return new S3Client({
    endpoint: program.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { ...of },
  });
}

test('credentials are written for the owner alone, with the running endpoint and the demo bucket', () => {
  expect(credentials()).toEqual({
    endpoint: program.endpoint,
    accessKeyId: expect.stringMatching(/^[A-Za-z0-9_-]{107}$/),
    secretAccessKey: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    bucket: 'demo',
  });
  const mode = (path: string) => (statSync(join(directory, path)).mode & 0o777).toString(8);
  const modes = ['sealgate-data', 'sealgate-data/credentials.json', 'sealgate-data/seal-keys'].map(mode);
  expect(modes).toEqual(['700', '600', '600']);
});

test('credentials.json appears once the endpoint in it answers, and no earlier', async () => {
  const fresh = await mkdtemp(join(tmpdir(), 'sealgate-e2e-'));
  const path = join(fresh, 'sealgate-data/credentials.json');
  const seen: { endpoint: string }[] = [];
  let over = false;
  const watching = (async () => {
    for (; !over; await setTimeout(2)) {
      if (existsSync(path)) seen.push(JSON.parse(readFileSync(path, 'utf8')));
    }
  })();
  const started = await startQuickstart({ directory: fresh, settings: {} });
  try {
    await expect.poll(() => seen.length).toBeGreaterThan(0);
    expect(new Set(seen.map(({ endpoint }) => endpoint))).toEqual(new Set([started.endpoint]));
    expect(readdirSync(join(fresh, 'sealgate-data')).toSorted()).toEqual(['credentials.json', 'seal-keys', 'store']);
  } finally {
    over = true;
    await watching;
    await started.stop();
    await rm(fresh, { recursive: true, force: true });
  }
});

test.skipIf(findOnPath('aws') === undefined)('the printed command works as it is printed', async () => {
  await expect.poll(() => program.output()).toContain('s3 cp');
  const command = program
    .output()
    .split('\n')
    .find((line) => line.includes('s3 cp README.md'));
  writeFileSync(join(directory, 'README.md'), CLEAR);
  const run = await runClient('bash', ['-c', command ?? 'exit 9'], { directory });
  expect([run.code, run.stdout]).toEqual([0, expect.stringContaining('upload: ./README.md to s3://demo/README.md')]);
  const s3 = client(credentials());
  const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'demo', Key: 'README.md' }));
  expect(await Body?.transformToString()).toBe(CLEAR);
  s3.destroy();
});

test('a restart keeps the tenant and its data', async () => {
  const before = credentials();
  const s3 = client(before);
  await s3.send(new PutObjectCommand({ Bucket: 'demo', Key: 'kept', Body: CLEAR }));
  s3.destroy();
  await program.stop();
  program = await startQuickstart({ directory, settings: {} });
  expect({ ...credentials(), endpoint: '' }).toEqual({ ...before, endpoint: '' });
  const again = client(before);
  const { Body } = await again.send(new GetObjectCommand({ Bucket: 'demo', Key: 'kept' }));
  expect(await Body?.transformToString()).toBe(CLEAR);
  again.destroy();
});

test('tenants made on the command line beside the running program work at once, within their grants', async () => {
  const created = await runProgram(['tenant', 'create', '--bucket', 'demo', '--prefix', 'team/', '--json'], {
    directory,
    settings: {},
  });
  expect(created.code).toBe(0);
  const tenant = JSON.parse(created.stdout) as Credentials & { tenant: string };
  const s3 = client(tenant);
  await s3.send(new PutObjectCommand({ Bucket: 'demo', Key: 'team/plan', Body: CLEAR }));
  const outside = s3.send(new PutObjectCommand({ Bucket: 'demo', Key: 'elsewhere', Body: CLEAR }));
  await expect(outside).rejects.toMatchObject({ name: 'AccessDenied' });
  const { Buckets = [] } = await s3.send(new ListBucketsCommand({}));
  expect(Buckets.map(({ Name }) => Name)).toEqual(['demo']);
  s3.destroy();
  const listed = await runProgram(['tenant', 'list'], { directory, settings: {} });
  expect([listed.code, listed.stdout]).toEqual([0, expect.stringContaining(tenant.tenant)]);
  expect(listed.stdout).not.toContain(tenant.secretAccessKey);
});

test('a key that was rotated into another file is not shown as one that works', async () => {
  const own = await mkdtemp(join(tmpdir(), 'sealgate-e2e-'));
  const first = await startQuickstart({ directory: own, settings: {} });
  await first.stop();
  const rotate = ['key', 'rotate', '--credentials', 'sealgate-data/credentials.json', '--out', 'other.json'];
  expect((await runProgram(rotate, { directory: own, settings: {} })).code).toBe(0);
  const second = await startQuickstart({ directory: own, settings: {} });
  try {
    await expect.poll(() => second.output()).toContain('in force no longer');
    expect(second.output()).not.toContain('secret access key');
    expect((await fetch(second.endpoint)).status).toBe(403);
  } finally {
    await second.stop();
    await rm(own, { recursive: true, force: true });
  }
});

test('the store holds no word of what was uploaded', async () => {
  const store = join(directory, 'sealgate-data/store');
  const { findings, bytes } = await findSecrets(filesOf(store), secretsOfText('the sentence', CLEAR));
  expect(findings).toEqual([]);
  expect(bytes).toBeGreaterThan(1000);
  const names = await findSecrets(filesOf(store), secretsOfText('a key name, which is visible', 'team/plan'));
  expect(names.findings.length).toBeGreaterThan(0);
});

test('who ends npm ends the program: it does not go on behind with the port taken', async () => {
  const checkout = await mkdtemp(join(tmpdir(), 'sealgate-e2e-npm-'));
  copyFileSync(join(PROJECT, 'package.json'), join(checkout, 'package.json'));
  for (const name of ['bin', 'node_modules']) symlinkSync(join(PROJECT, name), join(checkout, name));
  const listen = { SEALGATE_LISTEN: '127.0.0.1:0', SEALGATE_OPS_LISTEN: '127.0.0.1:0' };
  const npm = spawn('npm', ['start'], {
    cwd: checkout,
    env: { PATH: process.env['PATH'] ?? '', HOME: checkout, ...listen },
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  // When all that hold the pipe have ended: npm, the shell, the program.
  let haveEnded = false;
  npm.once('close', () => (haveEnded = true));
  try {
    let output = '';
    npm.stdout.on('data', (data) => (output += data));
    await expect.poll(() => output, { timeout: 30_000 }).toContain('serving S3 at ');
    const endpoint = /serving S3 at (\S+)/.exec(output)?.[1] ?? '';
    expect((await fetch(endpoint)).status).toBe(403);
    npm.kill('SIGTERM');
    await expect.poll(() => haveEnded, { timeout: 40_000 }).toBe(true);
    await expect(fetch(endpoint)).rejects.toThrow('fetch failed');
  } finally {
    if (!haveEnded && npm.pid !== undefined) process.kill(-npm.pid, 'SIGKILL');
    await rm(checkout, { recursive: true, force: true });
  }
});
