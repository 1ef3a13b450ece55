/**
 * Protects: `sealgate migrate` as it is run: a dry run, the steps that `status` shows, and what is refused. test/soak/migration.slow.test.ts
 * runs it on a bucket in use.
 */
import { setTimeout } from 'node:timers/promises';
import { CreateBucketCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runProgram } from '../../e2e/support/program.ts';
import { type ServedStore, serveStore } from '../../e2e/support/served-store.ts';
import { type BareServer, serveBare } from '../../twin/bare-server.ts';

let store: ServedStore;
let bareServer: BareServer;
let bare: S3Client;

const sealgate = (...args: readonly string[]) => store.run(...args);

beforeAll(async () => {
  store = await serveStore();
  bareServer = await serveBare(store.backend, { checksums: [] });
  bare = new S3Client({
    endpoint: bareServer.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: 'any', secretAccessKey: 'any' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  await bare.send(new CreateBucketCommand({ Bucket: 'plain' }));
});

afterAll(async () => {
  bare.destroy();
  await bareServer.close();
  await store.close();
});

test('a dry run changes nothing; status says where the bucket stands; a wrong bucket is no success', async () => {
  await bare.send(new PutObjectCommand({ Bucket: 'plain', Key: 'k', Body: 'text' }));
  const about = ['--bucket', 'plain', '--credentials', 'key.json', '--json'] as const;
  const steps = async (more: Record<string, string> = {}) => {
    const { code, stdout } = await runProgram(['migrate', 'status', ...about], {
      directory: store.directory,
      settings: { ...store.settings, ...more },
    });
    const found: { step: string; done: boolean }[] = JSON.parse(stdout).steps;
    return [code, found.filter((step) => step.done).map(({ step }) => step)];
  };
  expect(await steps()).toEqual([4, ['allow']]);
  const dry = await sealgate('migrate', 'encrypt', ...about, '--dry-run');
  expect([dry.code, JSON.parse(dry.stdout)]).toMatchObject([
    0,
    { objects: 1, bytes: 4, counts: { 'would-encrypt': 1 } },
  ]);
  expect((await bare.send(new HeadObjectCommand({ Bucket: 'plain', Key: 'k' }))).ContentLength).toBe(4);
  expect((await sealgate('migrate', 'encrypt', ...about)).code).toBe(0);
  expect(await steps()).toEqual([4, ['allow', 'writers', 'encrypt']]);
  await setTimeout(1_100);
  await bare.send(new PutObjectCommand({ Bucket: 'plain', Key: 'late', Body: 'text' }));
  expect(await steps()).toEqual([4, ['allow']]);
  expect((await sealgate('migrate', 'encrypt', ...about)).code).toBe(0);
  await setTimeout(1_100);
  expect((await sealgate('verify', ...about, '--data')).code).toBe(0);
  expect(await steps()).toEqual([4, ['allow', 'writers', 'encrypt', 'verify']]);
  expect(await steps({ SEALGATE_LEGACY: 'deny' })).toEqual([0, ['allow', 'writers', 'encrypt', 'verify', 'deny']]);
  expect((await sealgate('migrate', 'encrypt', '--bucket', 'missing', '--credentials', 'key.json')).code).toBe(1);
  expect((await sealgate('migrate', 'encrypt', '--bucket', 'sealgate-state', '--credentials', 'key.json')).code).toBe(
    2,
  );
  expect((await sealgate('migrate', 'decrypt', ...about)).code).toBe(0);
  expect((await bare.send(new HeadObjectCommand({ Bucket: 'plain', Key: 'k' }))).ContentLength).toBe(4);
});
