// Protects: `sealgate key rotate --deep` as it is run: what it refuses, what it hands out before it changes anything, that a run
// ended by kill -9 at any point is gone on with by the next one, and that the old root key goes in the end.
import { once } from 'node:events';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { countEpochs } from '../../../proxy/rotation/count-epochs.ts';
import { startServe } from '../../e2e/support/program.ts';
import { type ServedStore, serveStore } from '../../e2e/support/served-store.ts';
import { s3Client, type TestTenant } from '../../helpers/proxy.ts';
import { storedObject } from '../../helpers/stored.ts';

const OBJECTS = 1_500;
const KILLS = 4;
let store: ServedStore;

beforeAll(async () => {
  store = await serveStore();
  const s3 = s3Client(store.server.endpoint, store.tenant);
  await s3.send(new CreateBucketCommand({ Bucket: 'data' }));
  for (let batch = 0; batch < OBJECTS; batch += 25) {
    const keys = Array.from({ length: 25 }, (_, index) => `o/${batch + index}`);
    await Promise.all(
      keys.map((Key) => s3.send(new PutObjectCommand({ Bucket: 'data', Key, Body: `body of ${Key}` }))),
    );
  }
});

afterAll(() => store.close());

const rotate = (...args: readonly string[]) => store.run('key', 'rotate', '--deep', ...args);

const epochs = async () => {
  const source = { backend: store.backend, signal: AbortSignal.timeout(60_000), stateBucket: 'sealgate-state' };
  return (await countEpochs(source, store.tenant.tenant)).epochs;
};

const started = (...args: readonly string[]) => store.spawn('key', 'rotate', '--deep', ...args);

test('wrong usage, a wrong key and a dry run change nothing', async () => {
  const { directory, tenant } = store;
  expect((await rotate('--keep-key', '--out', 'x')).code).toBe(2);
  expect((await rotate('--tenant', tenant.tenant)).code).toBe(2);
  const nobody = await rotate();
  expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringContaining('An API key is needed')]);
  const swapped = { ...tenant, secretAccessKey: 'A'.repeat(43) };
  await writeFile(join(directory, 'swapped.json'), JSON.stringify(swapped));
  const mismatched = await rotate('--credentials', 'swapped.json');
  expect([mismatched.code, mismatched.stderr]).toEqual([
    1,
    expect.stringContaining('not the one that the access key id belongs to'),
  ]);
  const plan = await rotate('--credentials', 'key.json', '--dry-run', '--json');
  expect(JSON.parse(plan.stdout)).toMatchObject({
    tenant: tenant.tenant,
    epoch: 2,
    underWay: false,
    kept: [],
    dropped: [],
    objects: { 1: { current: OBJECTS, noncurrent: 0 } },
  });
  // Nor does one that would drop other keys, and it leaves no file.
  const second = await store.run('key', 'create', '--credentials', 'key.json', '--json');
  const unnamed = await rotate('--credentials', 'key.json', '--out', 'unused.json');
  expect([unnamed.code, unnamed.stderr]).toEqual([1, expect.stringContaining('--drop-slots')]);
  expect(await readdir(directory)).not.toContainEqual(expect.stringContaining('unused'));
  const { slot } = JSON.parse(second.stdout);
  expect((await store.run('key', 'revoke', tenant.tenant, slot)).code).toBe(0);
  // A key that cannot be kept stops it before anything is changed.
  await writeFile(join(directory, 'taken.json'), 'taken');
  const taken = await rotate('--credentials', 'key.json', '--out', 'taken.json');
  expect([taken.code, taken.stderr]).toEqual([1, expect.stringContaining('already there')]);
  expect(await epochs()).toEqual({ 1: { current: OBJECTS, noncurrent: 0 } });
  for (const { stdout, stderr } of [mismatched, plan, taken]) {
    expect(stdout + stderr).not.toContain(tenant.secretAccessKey);
  }
});

/** Written aside first, and under its name once the epoch has begun. */
const newFile = async () => (await readdir(store.directory)).find((name) => name.startsWith('new.json')) ?? 'new.json';

test('killed again and again, it goes on, with the key that it wrote beforehand', async () => {
  const { backend, directory, tenant } = store;
  const before = await storedObject(backend, 'data', 'o/7');
  // The first kill is as soon as the new key is written: at whatever point of beginning the epoch that is.
  const first = started('--credentials', 'key.json', '--out', 'new.json');
  const gone = once(first, 'exit');
  while (((await stat(join(directory, await newFile())).catch(() => undefined))?.size ?? 0) === 0) await setTimeout(1);
  first.kill('SIGKILL');
  await gone;
  const left = await newFile();
  const renewed: TestTenant = JSON.parse(await readFile(join(directory, left), 'utf8'));
  expect((await stat(join(directory, left))).mode & 0o777).toBe(0o600);
  const begun = JSON.parse((await store.run('tenant', 'show', tenant.tenant, '--json')).stdout).epochs.length === 2;
  // Either nothing was changed yet and the old key works, or the new one does.
  const args = begun ? ['--credentials', left] : ['--credentials', 'key.json', '--out', 'newer.json'];
  const counts: number[] = [];
  for (let kill = 1; kill <= KILLS; kill += 1) {
    const child = started(...(kill === 1 ? args : ['--credentials', begun ? left : 'newer.json']));
    const exited = once(child, 'exit');
    const wanted = Math.floor((OBJECTS * kill) / (KILLS + 2));
    while (((await epochs())[2]?.current ?? 0) < wanted && child.exitCode === null) await setTimeout(5);
    child.kill('SIGKILL');
    await exited;
    counts.push((await epochs())[2]?.current ?? 0);
  }
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
  const file = begun ? left : 'newer.json';
  const current: TestTenant = begun ? renewed : JSON.parse(await readFile(join(directory, file), 'utf8'));
  const last = await rotate('--credentials', file, '--json');
  expect([last.code, last.stderr]).toEqual([0, expect.stringContaining('going on with epoch 2')]);
  const summary = JSON.parse(last.stdout);
  expect(summary).toMatchObject({ epoch: 2, failures: [], retired: [], uploads: [] });
  expect(Date.parse(summary.retireAfter)).toBeGreaterThan(Date.now() + 80_000_000);
  expect(await epochs()).toEqual({ 2: { current: OBJECTS, noncurrent: 0 } });
  const after = await storedObject(backend, 'data', 'o/7');
  expect(after.body.equals(before.body)).toBe(true);
  const { Body } = await s3Client(store.server.endpoint, current).send(
    new GetObjectCommand({ Bucket: 'data', Key: 'o/7' }),
  );
  expect(await Body?.transformToString()).toBe('body of o/7');

  await store.server.stop();
  const retired = await rotate('--credentials', file, '--servers-restarted');
  expect([retired.code, retired.stdout]).toEqual([0, expect.stringContaining('retired: epoch 1')]);
  store.server = await startServe(store);
  const status = await rotate('--status', '--tenant', tenant.tenant);
  expect(status.stdout).toContain(`epoch 2  objects ${OBJECTS}  older versions 0`);
  const old = await rotate('--credentials', 'key.json', '--dry-run');
  expect([old.code, old.stderr]).toEqual([1, expect.stringContaining('does not exist')]);
  const s3 = s3Client(store.server.endpoint, current);
  for (let index = 0; index < OBJECTS; index += 100) {
    const found = await s3.send(new GetObjectCommand({ Bucket: 'data', Key: `o/${index}` }));
    expect(await found.Body?.transformToString()).toBe(`body of o/${index}`);
  }
});
