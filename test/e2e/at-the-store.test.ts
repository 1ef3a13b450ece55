/**
 * Protects: what is kept opens with the tenant's API key and nothing else, by a reader that shares no code with the program;
 * and objects that someone exchanges, mixes or renames at the store are refused (seen elsewhere: no AAD; moved ciphertext).
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { createBucket, expectNothingExposed } from './support/client-suite.ts';
import { type DirectAccess, type KeptObject, withDirectAccess } from './support/direct-access.ts';
import { PROJECT } from './support/program.ts';
import { type ClientRun, runClient, versionOf } from './support/run-client.ts';
import { sdkClient } from './support/sdk-client.ts';
import { Stage, type Tenant } from './support/stage.ts';
import { isInstalled, type StoreName } from './support/store-under-test.ts';

const STORES: readonly StoreName[] = ['embedded store', 'MinIO', 'moto'];
/** Small ones carry everything in their headers, large ones have a footer, the last have parts. */
const SIZES = { small: 3000, large: 3 * MiB, parts: 11 * MiB };
const python = await versionOf('python3', ['-c', 'import cryptography; print(cryptography.__version__)']);
if (python === undefined) console.log('python3 with cryptography is not installed: the independent reader is left out');

for (const store of STORES) {
  if (!isInstalled(store)) console.log(`${store} is not installed: tests of what is kept there are left out`);
  describe.skipIf(!isInstalled(store))(`what is kept by ${store}`, () => suite(store));
}

function suite(store: StoreName): void {
  let stage: Stage;
  const contents = new Map<string, Buffer>();

  beforeAll(async () => {
    stage = await Stage.open({ store, transport: 'http' });
    await createBucket(stage);
    for (const [kind, bytes] of Object.entries(SIZES)) {
      for (const key of [`${kind}/a`, `${kind}/b`]) contents.set(key, await put(stage, key, bytes));
    }
  });
  afterAll(() => stage.close());

  test('nothing of it is readable', () => expectNothingExposed(stage));

  test.skipIf(python === undefined)(
    'a reader in Python opens it with the API key and keyring, and with nothing else',
    async () => {
      await stage.restart(() => withDirectAccess(stage.store, (at) => decodeAll(stage, at, contents)));
    },
  );

  test('objects exchanged at the store are refused, and so are mixtures', async () => {
    const { bucket } = stage;
    for (const kind of Object.keys(SIZES)) {
      const [a, b] = [`${kind}/a`, `${kind}/b`];
      const kept = await tamper(stage, async (at) => {
        const pair = [await at.read(bucket, a), await at.read(bucket, b)] as const;
        await at.write(bucket, a, pair[1]);
        await at.write(bucket, b, pair[0]);
        await at.write(bucket, `${kind}/renamed`, pair[0]);
        await at.write(bucket, `${kind}/mixed`, { body: pair[0].body, metadata: pair[1].metadata });
        return pair;
      });
      for (const key of [a, b, `${kind}/renamed`, `${kind}/mixed`]) await expectRefused(stage, key);
      await tamper(stage, async (at) => {
        await at.write(bucket, a, kept[0]);
        await at.write(bucket, b, kept[1]);
      });
      for (const key of [a, b]) expect((await get(stage, key)).equals(contents.get(key) ?? Buffer.alloc(0))).toBe(true);
    }
  });

  test('an object of another tenant under its own name is not readable either', async () => {
    const theirs = await put(stage, 'theirs', 5000, stage.stranger);
    expect((await get(stage, 'theirs', stage.stranger)).equals(theirs)).toBe(true);
    await expect(get(stage, 'theirs')).rejects.toMatchObject({ name: 'AccessDenied' });
  });
}

/** While no program runs, so that none has it cached. */
async function tamper<T>(stage: Stage, work: (at: DirectAccess) => Promise<T>): Promise<T> {
  let result: T | undefined;
  await stage.restart(async () => {
    result = await withDirectAccess(stage.store, work);
  });
  return result as T;
}

async function using<T>(stage: Stage, as: Tenant, work: (s3: S3Client) => Promise<T>): Promise<T> {
  const s3 = sdkClient(stage, { as });
  try {
    return await work(s3);
  } finally {
    s3.destroy();
  }
}

async function put(stage: Stage, Key: string, bytes: number, as = stage.tenant): Promise<Buffer> {
  const Body = stage.content(bytes);
  const params = { Bucket: stage.bucket, Key, Body, Metadata: { note: stage.marker } };
  await using(stage, as, async (client) => {
    if (bytes < 10 * MiB) await client.send(new PutObjectCommand(params));
    else await new Upload({ client, params, partSize: 5 * MiB }).done();
  });
  return Body;
}

function get(stage: Stage, Key: string, as = stage.tenant): Promise<Buffer> {
  return using(stage, as, async (s3) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: stage.bucket, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  });
}

/** An error reply, or a reply that is cut short: never a whole one. */
async function expectRefused(stage: Stage, key: string): Promise<void> {
  const outcome = await get(stage, key).then(
    (body) => `answered with ${body.length} bytes`,
    (error: { name: string }) => error.name,
  );
  expect([key, outcome]).toEqual([key, expect.not.stringMatching(/^(answered|NoSuchKey)/)]);
}

async function decodeAll(stage: Stage, at: DirectAccess, contents: ReadonlyMap<string, Buffer>): Promise<void> {
  const state = stage.settings['SEALGATE_STATE'] ?? '';
  const keyring = async (tenant: Tenant) => {
    const name = (await at.keys(state)).find((key) => key.startsWith('keyrings/') && key.includes(tenant.tenant));
    const path = stage.path('keyring.json');
    writeFileSync(path, (await at.read(state, name ?? '')).body);
    return path;
  };
  const own = await keyring(stage.tenant);
  const theirs = await keyring(stage.stranger);
  const right = { keyring: own, apiKey: stage.tenant.secretAccessKey };
  let opened = 0;
  for (const [key, content] of contents) {
    const kept = await at.read(stage.bucket, key);
    const out = await decode(stage, kept, { ...right, key });
    expect({ key, ...out.run }).toMatchObject({ key, code: 0 });
    expect(Buffer.compare(out.plaintext(), content)).toBe(0);
    const wrong = [
      { ...right, key, apiKey: stage.stranger.secretAccessKey },
      { ...right, key, keyring: theirs },
      { key, keyring: theirs, apiKey: stage.stranger.secretAccessKey },
      { ...right, key: `${key}x` },
    ];
    for (const attempt of wrong) {
      const { run } = await decode(stage, kept, attempt);
      expect([run.code === 0, run.stdout.includes(stage.marker)]).toEqual([false, false]);
    }
    opened++;
  }
  expect(opened).toBe(2 * Object.keys(SIZES).length);
}

async function decode(
  stage: Stage,
  kept: KeptObject,
  o: { key: string; keyring: string; apiKey: string },
): Promise<{ run: ClientRun; plaintext: () => Buffer }> {
  const [body, metadata, apiKey, out] = ['body', 'metadata', 'api-key', 'out'].map((name) => stage.path(name)) as [
    string,
    string,
    string,
    string,
  ];
  writeFileSync(body, kept.body);
  writeFileSync(metadata, JSON.stringify(kept.metadata));
  writeFileSync(apiKey, o.apiKey, { mode: 0o600 });
  const script = join(PROJECT, 'test/vectors/decode.py');
  const object = ['--body', body, '--metadata', metadata, '--bucket', stage.bucket, '--key', o.key, '--out', out];
  const keys = ['--keyring', o.keyring, '--api-key-file', apiKey];
  const run = await runClient('python3', [script, 'object', ...object, ...keys], { directory: stage.directory });
  return { run, plaintext: () => readFileSync(out) };
}
