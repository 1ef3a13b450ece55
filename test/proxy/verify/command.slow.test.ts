/**
 * Protects: `sealgate verify` as it is run. On a bucket of many objects, with one bit flipped in each class of stored piece, it finds
 * exactly those, in bounded memory; killed again and again, it goes on, and its report names every object once.
 *
 * TEST_OBJECTS=10000 runs it on so many objects.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sealedPartBytes } from '../../../crypto/layout.ts';
import type { Backend } from '../../../proxy/backend/backend.ts';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { mapBounded } from '../../../proxy/concurrency/map-bounded.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { NODE, PROJECT, runProgram } from '../../e2e/support/program.ts';
import { KiB, MiB } from '../../helpers/bytes.ts';
import { startTestProxy, type TestProxy, type TestTenant } from '../../helpers/proxy.ts';
import { storeDirectly, storedObject } from '../../helpers/stored.ts';
import { uploadParts } from './objects.ts';

const OBJECTS = Number(process.env['TEST_OBJECTS'] ?? 1_500);
/** Of the processes that were measured; a job holds 16 objects of 2 MiB at once beside the program itself. */
const MOST_RESIDENT_KIB = 400 * KiB;
let directory: string;
let settings: Record<string, string>;
let backend: Backend;
let proxy: TestProxy;
let tenant: TestTenant;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-verify-'));
  const store = join(directory, 'store');
  const sealKeys = SealKeys.generate();
  settings = { SEALGATE_BACKEND: `local:${store}`, SEALGATE_STATE: 'sealgate-state', SEALGATE_SEAL_KEYS: sealKeys };
  backend = await openLocalBackend({ directory: store });
  proxy = await startTestProxy({ backend, sealKeys: SealKeys.parse(sealKeys) });
  tenant = await proxy.createTenant();
  await writeFile(join(directory, 'key.json'), JSON.stringify(tenant));
  const s3 = proxy.client(tenant);
  await s3.send(new CreateBucketCommand({ Bucket: 'data' }));
  const small = randomBytes(4 * KiB);
  const large = randomBytes(1300 * KiB);
  const keys = Array.from({ length: OBJECTS }, (_, at) => `o/${String(at).padStart(6, '0')}`);
  await mapBounded(keys, 16, async (Key) => {
    const Body = Number(Key.slice(2)) % 50 === 0 ? large : small.subarray(0, Number(Key.slice(2)) % 4096);
    await s3.send(new PutObjectCommand({ Bucket: 'data', Key, Body }));
  });
  for (const name of ['a', 'b', 'c', 'd']) {
    await uploadParts(s3, { bucket: 'data', key: `p/${name}`, parts: [randomBytes(5 * MiB), randomBytes(300)] });
  }
  s3.destroy();
});

afterAll(async () => {
  await proxy.close();
  await backend.close();
  await rm(directory, { recursive: true });
});

const verify = (...args: readonly string[]) =>
  runProgram(['verify', '--bucket', 'data', '--credentials', 'key.json', '--json', ...args], { directory, settings });

function started(...args: readonly string[]): ChildProcess {
  const env = { PATH: process.env['PATH'] ?? '', ...settings };
  const program = [
    join(PROJECT, 'bin/sealgate.js'),
    'verify',
    '--bucket',
    'data',
    '--credentials',
    'key.json',
    ...args,
  ];
  return spawn(NODE, program, { cwd: directory, env, stdio: ['ignore', 'ignore', 'pipe'] });
}

async function printed(child: ChildProcess): Promise<string> {
  let text = '';
  child.stderr?.on('data', (data) => (text += data));
  await once(child, 'close');
  return text;
}

/** The largest resident set of a process while it runs, KiB. */
async function mostResident(child: ChildProcess): Promise<number> {
  let most = 0;
  while (child.exitCode === null) {
    const status = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    most = Math.max(most, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    await setTimeout(20);
  }
  return most;
}

test('wrong usage, a wrong key, an empty bucket and a missing one are no success', async () => {
  expect((await runProgram(['verify'], { directory, settings })).code).toBe(2);
  for (const args of [
    ['--headers', '--data'],
    ['--sample', '8/7'],
    ['--sample', '0/7'],
    ['--rate', 'fast'],
  ]) {
    expect([args, (await verify(...args)).code]).toEqual([args, 2]);
  }
  expect(await verify('--bucket', 'sealgate-state')).toMatchObject({ code: 2 });
  expect(await verify('--prefix', 'nothing/')).toMatchObject({ code: 4 });
  expect(await verify('--bucket', 'missing')).toMatchObject({
    code: 4,
    stderr: expect.stringContaining('NoSuchBucket'),
  });
  const swapped = { ...tenant, secretAccessKey: 'A'.repeat(43) };
  await writeFile(join(directory, 'swapped.json'), JSON.stringify(swapped));
  const refused = await verify('--credentials', 'swapped.json');
  expect([refused.code, refused.stdout]).toEqual([1, '']);
});

test('everything is whole, by header and by byte, in bounded memory; seven samples are the bucket', async () => {
  const all = OBJECTS + 4;
  const headers = await verify();
  expect([headers.code, JSON.parse(headers.stdout)]).toMatchObject([
    0,
    { objects: all, counts: { ok: all }, bytes: 0 },
  ]);
  const child = started('--data', '--restart');
  const [most, text] = await Promise.all([mostResident(child), printed(child)]);
  expect([child.exitCode, text]).toEqual([0, expect.stringContaining(`"objects":${all}`)]);
  expect(most).toBeGreaterThan(10 * KiB);
  expect(most).toBeLessThan(MOST_RESIDENT_KIB);
  let sampled = 0;
  for (let part = 1; part <= 7; part += 1) {
    const { code, stdout } = await verify('--sample', `${part}/7`);
    expect(code).toBe(0);
    sampled += JSON.parse(stdout).objects;
  }
  expect(sampled).toBe(all);
});

test('killed twice in the middle, it goes on, and every object is in the report once', async () => {
  const whole = JSON.parse((await verify('--data', '--restart')).stdout);
  // Two checkpoints and more.
  const rate = String(Math.ceil(whole.bytes / 40));
  for (let kill = 0; kill < 2; kill += 1) {
    const child = started('--data', '--rate', rate, ...(kill === 0 ? ['--restart'] : []));
    let text = '';
    child.stderr?.on('data', (data) => (text += data));
    const gone = once(child, 'exit');
    // A status line comes with each checkpoint, after the record was written or shortly before.
    await expect.poll(() => text.includes('"objects":'), { timeout: 120_000 }).toBe(true);
    await setTimeout(500);
    child.kill('SIGKILL');
    await gone;
  }
  const end = await verify('--data', '--report', 'report.csv');
  expect([end.code, end.stderr]).toEqual([0, expect.stringContaining('Going on with job')]);
  expect(JSON.parse(end.stdout)).toMatchObject({ counts: whole.counts, bytes: whole.bytes, outcome: 'done' });
  const [columns, ...lines] = (await readFile(join(directory, 'report.csv'), 'utf8')).trimEnd().split('\n');
  expect(columns).toBe('Bucket,Key,VersionId,TaskStatus,ErrorCode,HTTPStatusCode,ResultMessage');
  const keys = lines.map((line) => line.split(',')[1]);
  expect([keys.length, new Set(keys).size]).toEqual([OBJECTS + 4, OBJECTS + 4]);
  expect(lines[0]).toBe('data,o/000000,,succeeded,,200,ok');
});

test('one bit flipped in each class of stored piece: all found, none falsely', async () => {
  const flip = (body: Buffer, at: number) => {
    const index = at < 0 ? body.length + at : at;
    body[index] = (body[index] ?? 0) ^ 1;
    return body;
  };
  const alter = async (key: string, change: (body: Buffer) => Buffer, of: Record<string, string> = {}) => {
    const { body, metadata } = await storedObject(backend, 'data', key);
    await storeDirectly(backend, { bucket: 'data', key, body: change(body), metadata: { ...metadata, ...of } });
  };
  const header = (await storedObject(backend, 'data', 'o/000001')).metadata['enc-attrs'] ?? '';
  await alter('o/000001', (body) => body, {
    'enc-attrs': header.replace(/.(?=.{20}$)/, (c) => (c === 'A' ? 'B' : 'A')),
  });
  await alter('o/000003', (body) => flip(body, 50));
  await alter('o/000050', (body) => flip(body, 700_000));
  await alter('o/000100', (body) => flip(body, -1 - body.readUInt32BE(body.length - 8)));
  await alter('o/000150', (body) => body.subarray(0, -24));
  await alter('p/a', (body) => flip(body, -24 - body.readUInt32BE(body.length - 8) - 1));
  await alter('p/b', (body) =>
    flip(body, -24 - body.readUInt32BE(body.length - 8) - body.readUInt32BE(body.length - 4) - 1),
  );
  await alter('p/c', (body) => flip(body, sealedPartBytes(5 * MiB) + 60));
  const [one, two] = [await storedObject(backend, 'data', 'o/000200'), await storedObject(backend, 'data', 'o/000250')];
  await storeDirectly(backend, { bucket: 'data', key: 'o/000200', ...two, headers: {} });
  await storeDirectly(backend, { bucket: 'data', key: 'o/000250', ...one, headers: {} });
  const pieces = {
    'o/000001': 'header',
    'o/000003': 'body',
    'o/000050': 'body',
    'o/000100': 'attributes',
    'o/000150': 'footer',
    'o/000200': 'header',
    'o/000250': 'header',
    'p/a': 'part table',
    'p/b': 'pad',
    'p/c': 'body',
  };
  const { code, stdout } = await verify('--data', '--restart');
  const { counts, findings } = JSON.parse(stdout);
  expect([code, counts]).toEqual([3, { ok: OBJECTS + 4 - 10, damaged: 10 }]);
  const found = findings.map(({ key, message }: { key: string; message: string }) => [key, message.split(':')[0]]);
  expect(Object.fromEntries(found)).toEqual(pieces);
  const quick = JSON.parse((await verify()).stdout);
  const headers = ['o/000001', 'o/000100', 'o/000150', 'o/000200', 'o/000250', 'p/a'];
  expect(quick.findings.map(({ key }: { key: string }) => key)).toEqual(headers);
});
