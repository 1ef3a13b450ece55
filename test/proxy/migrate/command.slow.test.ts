/**
 * Protects: `sealgate migrate` as it is run, on a bucket in use. While writers and readers work through the proxy and the migration is
 * killed three times, no write is lost, no reader sees an older body or an error, and in the end everything is sealed and verified.
 *
 * TEST_OBJECTS=10000 runs it on so many objects.
 */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mapBounded } from '../../../proxy/concurrency/map-bounded.ts';
import { runProgram } from '../../e2e/support/program.ts';
import { type ServedStore, serveStore } from '../../e2e/support/served-store.ts';
import { KiB, MiB } from '../../helpers/bytes.ts';
import { s3Client } from '../../helpers/proxy.ts';
import { type BareServer, serveBare } from '../../twin/bare-server.ts';
import { uploadParts } from '../verify/objects.ts';

const OBJECTS = Number(process.env['TEST_OBJECTS'] ?? 1_200);
/** Of bodies that are read on the way, so that a small bucket is not done before it is killed. */
const RATE = process.env['TEST_RATE'] ?? '1MiB';
let store: ServedStore;
let bareServer: BareServer;
let bare: S3Client;
let s3: S3Client;

/** What a client knows that it stored. */
interface Known {
  body: string;
  /** Bodies that a write under way may have stored already. */
  readonly maybe: Set<string>;
  colour: string;
  tag: string;
  until: number | undefined;
}
const known = new Map<string, Known>();
const digest = (body: Buffer) => createHash('sha256').update(body).digest('hex');
const bodyOf = (index: number) => randomBytes(index % 97 === 0 ? 1_500 * KiB : index % 4096);
const DAY = 86_400_000;

beforeAll(async () => {
  store = await serveStore();
  s3 = s3Client(store.server.endpoint, store.tenant, { maxAttempts: 1 });
  bareServer = await serveBare(store.backend, { checksums: [] });
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
  bare = new S3Client({
    endpoint: bareServer.endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });
  await bare.send(new CreateBucketCommand({ Bucket: 'plain' }));
  await bare.send(new CreateBucketCommand({ Bucket: 'data', ObjectLockEnabledForBucket: true }));
  await bare.send(new PutBucketVersioningCommand({ Bucket: 'data', VersioningConfiguration: { Status: 'Enabled' } }));
  const keys = Array.from({ length: OBJECTS }, (_, at) => `o/${String(at).padStart(6, '0')}`);
  await mapBounded(keys, 16, async (Key) => {
    const index = Number(Key.slice(2));
    const Body = bodyOf(index);
    const lock =
      index % 10 === 0
        ? ({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: new Date(Date.now() + DAY) } as const)
        : {};
    await bare.send(
      new PutObjectCommand({ Bucket: 'data', Key, Body, Metadata: { colour: 'blue' }, Tagging: 'tag=first', ...lock }),
    );
    known.set(Key, { body: digest(Body), maybe: new Set(), colour: 'blue', tag: 'first', until: undefined });
  });
  for (const name of ['a', 'b', 'c']) {
    const parts = [randomBytes(5 * MiB), randomBytes(8 * MiB), randomBytes(300)];
    const key = `p/${name}`;
    await uploadParts(bare, {
      bucket: 'data',
      key,
      parts,
      extra: { Metadata: { colour: 'blue' }, Tagging: 'tag=first' },
    });
    known.set(key, {
      body: digest(Buffer.concat(parts)),
      maybe: new Set(),
      colour: 'blue',
      tag: 'first',
      until: undefined,
    });
  }
}, 600_000);

afterAll(async () => {
  s3.destroy();
  bare.destroy();
  await bareServer.close();
  await store.close();
});

const sealgate = (...args: readonly string[]) => store.run(...args);
const COMMON = ['--bucket', 'data', '--credentials', 'key.json'] as const;

/** What clients saw that they should not have seen. */
const faults: string[] = [];
const done = { bodies: 0, tags: 0, retentions: 0, replaced: 0, reads: 0 };

const anyKey = () => {
  const keys = [...known.keys()];
  return keys[Math.floor(Math.random() * keys.length)] ?? '';
};

/** One writer has a key at a time; readers share it. */
const busy = new Set<string>();

async function write(stop: AbortSignal): Promise<void> {
  for (let turn = 0; !stop.aborted; turn += 1) {
    const Key = anyKey();
    const entry = known.get(Key);
    if (entry === undefined || busy.has(Key)) {
      await setTimeout(1);
      continue;
    }
    busy.add(Key);
    try {
      await change(turn % 4, Key, entry);
    } catch (error) {
      faults.push(`write ${Key}: ${(error as Error).name} ${(error as Error).message}`);
    } finally {
      busy.delete(Key);
    }
  }
}

async function change(kind: number, Key: string, entry: Known): Promise<void> {
  const about = { Bucket: 'data', Key };
  if (kind === 0) {
    const Body = randomBytes(Math.floor(Math.random() * 3_000));
    entry.maybe.add(digest(Body));
    await s3.send(new PutObjectCommand({ ...about, Body, Metadata: { colour: 'red' }, Tagging: 'tag=put' }));
    Object.assign(entry, { body: digest(Body), colour: 'red', tag: 'put', until: undefined });
    entry.maybe.clear();
    done.bodies += 1;
  } else if (kind === 1) {
    const tag = randomBytes(4).toString('hex');
    await s3.send(new PutObjectTaggingCommand({ ...about, Tagging: { TagSet: [{ Key: 'tag', Value: tag }] } }));
    entry.tag = tag;
    done.tags += 1;
  } else if (kind === 2) {
    const RetainUntilDate = new Date(Math.floor(Date.now() / 1000) * 1000 + 30 * DAY);
    await s3.send(new PutObjectRetentionCommand({ ...about, Retention: { Mode: 'GOVERNANCE', RetainUntilDate } }));
    entry.until = RetainUntilDate.getTime();
    done.retentions += 1;
  } else {
    const colour = randomBytes(4).toString('hex');
    const CopySource = `data/${Key}`;
    // A copy names no lock, so the new version has none.
    await s3.send(new CopyObjectCommand({ ...about, CopySource, MetadataDirective: 'REPLACE', Metadata: { colour } }));
    Object.assign(entry, { colour, until: undefined });
    done.replaced += 1;
  }
}

async function read(stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const Key = anyKey();
    const entry = known.get(Key);
    if (entry === undefined || Key.startsWith('p/')) continue;
    const [before, maybe] = [entry.body, [...entry.maybe]];
    try {
      const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'data', Key }));
      const found = digest(Buffer.from((await Body?.transformToByteArray()) ?? []));
      // Written before it was read, or while it was read.
      if (![before, ...maybe, entry.body, ...entry.maybe].includes(found)) faults.push(`read ${Key}: an older body`);
      done.reads += 1;
    } catch (error) {
      faults.push(`read ${Key}: ${(error as Error).name} ${(error as Error).message}`);
    }
  }
}

test('under load and killed three times, nothing is lost and no reader sees an error', async () => {
  const stop = new AbortController();
  const clients = [write(stop.signal), write(stop.signal), read(stop.signal), read(stop.signal)];
  for (let kill = 0; kill < 3; kill += 1) {
    const child = store.spawn('migrate', 'encrypt', ...COMMON, '--rate', RATE);
    const gone = once(child, 'exit');
    // The second and third wait for the lease of the one before.
    await setTimeout(kill === 0 ? 12_000 : 52_000);
    child.kill('SIGKILL');
    await gone;
  }
  const began = performance.now();
  const end = await sealgate('migrate', 'encrypt', ...COMMON, '--json');
  const seconds = (performance.now() - began) / 1000;
  stop.abort();
  await Promise.all(clients);
  const summary = JSON.parse(end.stdout);
  expect([end.code, summary.outcome, summary.counts.failed, summary.counts.damaged]).toEqual([
    0,
    'done',
    undefined,
    undefined,
  ]);
  expect(faults).toEqual([]);
  for (const work of Object.values(done)) expect(work).toBeGreaterThan(10);
  await requireKnown();
  console.log(JSON.stringify({ objects: known.size, ...done, counts: summary.counts, seconds, bytes: summary.bytes }));
  const verified = await sealgate('verify', ...COMMON, '--data', '--json');
  expect([verified.code, JSON.parse(verified.stdout).counts]).toEqual([0, { ok: known.size }]);
}, 900_000);

/** Every object is what its last writer was told. */
async function requireKnown(): Promise<void> {
  const lost: string[] = [];
  await mapBounded([...known], 8, async ([Key, entry]) => {
    const about = { Bucket: 'data', Key };
    const { Body, Metadata } = await s3.send(new GetObjectCommand(about));
    const found = digest(Buffer.from((await Body?.transformToByteArray()) ?? []));
    if (found !== entry.body) lost.push(`${Key}: body`);
    if (Metadata?.['colour'] !== entry.colour) lost.push(`${Key}: metadata`);
    const { TagSet } = await s3.send(new GetObjectTaggingCommand(about));
    if (TagSet?.[0]?.Value !== entry.tag) lost.push(`${Key}: tag ${TagSet?.[0]?.Value} and not ${entry.tag}`);
    if (entry.until === undefined) return;
    const { Retention } = await s3.send(new GetObjectRetentionCommand(about));
    if (Retention?.RetainUntilDate?.getTime() !== entry.until) lost.push(`${Key}: retention`);
  });
  expect(lost).toEqual([]);
}

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
