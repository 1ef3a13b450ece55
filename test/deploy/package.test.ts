/**
 * Protects: the npm package is the same wherever it is built; it installs in an empty folder and serves from there; its bill of
 * materials names all that it ships, and nothing else.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROJECT } from '../e2e/support/program.ts';
import { clientOf } from './support/sealed-store.ts';
import { output } from './support/tools.ts';
import { copyTree } from './support/tree-copy.ts';

let directory: string;
let packed: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-package-'));
  packed = await pack(PROJECT, 'here');
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function pack(from: string, name: string): Promise<string> {
  const to = join(directory, name);
  mkdirSync(to);
  await output('npm', ['pack', '--silent', '--pack-destination', to], { cwd: from });
  return join(to, readdirSync(to)[0] ?? '');
}

const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

test('packed twice, here and from a checkout elsewhere: one SHA-256', async () => {
  const elsewhere = join(directory, 'elsewhere');
  copyTree(elsewhere);
  const again = digest(await pack(elsewhere, 'there'));
  console.log(`npm pack: ${digest(packed)}, ${again}`);
  expect(again).toBe(digest(packed));
});

test('it holds the bundle, and neither sources nor tests', async () => {
  const names = (await output('tar', ['-tzf', packed])).trim().split('\n');
  expect(names).toEqual(expect.arrayContaining(['package/dist/main.js', 'package/bin/sealgate.js', 'package/LICENSE']));
  expect(names.filter((name) => name.endsWith('.ts') || name.includes('test/'))).toEqual([]);
});

test('it installs in an empty folder, and quickstart serves from there', async () => {
  const folder = join(directory, 'empty');
  mkdirSync(folder);
  await output('npm', ['init', '-y'], { cwd: folder });
  await output('npm', ['install', '--silent', '--no-audit', '--no-fund', packed], { cwd: folder });
  const env = { ...process.env, SEALGATE_LISTEN: '127.0.0.1:0', SEALGATE_OPS_LISTEN: '127.0.0.1:0' };
  const program = spawn('npx', ['sealgate', 'quickstart'], {
    cwd: folder,
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(program, 'exit');
  try {
    let printed = '';
    await new Promise<void>((resolve, reject) => {
      program.stdout.on('data', (data) => {
        printed += data;
        if (printed.includes('serving S3 at')) resolve();
      });
      program.stderr.on('data', (data) => (printed += data));
      exited.then(() => reject(new Error(`it ended: ${printed}`)));
    });
    const { endpoint, bucket, ...credentials } = JSON.parse(
      readFileSync(join(folder, 'sealgate-data/credentials.json'), 'utf8'),
    );
    const client = clientOf(endpoint, credentials);
    await client.send(new PutObjectCommand({ Bucket: bucket, Key: 'a', Body: 'text' }));
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: 'a' }));
    expect(await Body?.transformToString()).toBe('text');
    client.destroy();
  } finally {
    if (program.pid !== undefined && program.exitCode === null) process.kill(-program.pid, 'SIGKILL');
    await exited;
  }
});

describe('bills of materials', () => {
  beforeAll(async () => {
    await output('npm', ['run', '--silent', 'sbom']);
  });
  const shipped = () =>
    [
      ...readFileSync(join(PROJECT, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8').matchAll(
        /^(\S+) (\d+\.\d+\.\d+\S*) \([^)]+\)$/gm,
      ),
    ].map(([, name, version]) => `${name}@${version}`);
  const read = (name: string) => JSON.parse(readFileSync(join(PROJECT, 'dist', name), 'utf8'));
  const isInstalled = (one: string) => /^(@node-rs\/crc32|node(-[a-z-]+)?)/.test(one);

  test('CycloneDX names what is bundled and what is installed, with hashes', () => {
    const bom = read('sealgate.cdx.json');
    expect([bom.bomFormat, bom.metadata.component.name]).toEqual(['CycloneDX', 'sealgate']);
    const named: readonly string[] = bom.components.map(
      (one: { group?: string; name: string; version: string }) =>
        `${one.group === undefined ? '' : `${one.group}/`}${one.name}@${one.version}`,
    );
    expect(named).toEqual(expect.arrayContaining(shipped()));
    expect(named.filter((one) => !shipped().includes(one) && !isInstalled(one))).toEqual([]);
    expect(named.some((one) => one.startsWith('@node-rs/crc32@')) && named.some((one) => one.startsWith('node@'))).toBe(
      true,
    );
    console.log(`SBOM: ${named.length} components, ${shipped().length} of them in the bundle`);
  });

  test('SPDX names the same', () => {
    const bom = read('sealgate.spdx.json');
    expect(bom.spdxVersion).toMatch(/^SPDX-2/);
    const named: readonly string[] = bom.packages.map(
      (one: { name: string; versionInfo: string }) => `${one.name}@${one.versionInfo}`,
    );
    expect(named).toEqual(expect.arrayContaining(shipped()));
    expect(
      named.filter((one) => !shipped().includes(one) && !isInstalled(one) && !one.startsWith('sealgate@')),
    ).toEqual([]);
    expect(bom.relationships.length).toBeGreaterThan(10);
  });
});
