/**
 * Protects: aws-cli works unchanged. Single PUTs of 200 MB, multipart both ways, ranges, listing, moving, syncing (a second
 * run moves nothing), presigned URLs, headers, awkward names; over http and https, version 1 and Debian's version 2.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { clientEnvironment } from './support/client-environment.ts';
import { type Check, clientSuite, EVERY_STAGE, LeftOut, type Tool } from './support/client-suite.ts';
import { digestsOfFile, multipartEtag } from './support/plaintext.ts';
import { type ClientRun, runClient, versionOf } from './support/run-client.ts';
import type { Stage, Tenant } from './support/stage.ts';
import { findOnPath } from './support/store-under-test.ts';

async function installed(): Promise<readonly Tool[]> {
  const found: Tool[] = [];
  for (const command of new Set([findOnPath('aws'), '/usr/bin/aws'])) {
    const version = command === undefined ? undefined : await versionOf(command, ['--version']);
    if (command !== undefined && version !== undefined && found.every((tool) => tool.version !== version)) {
      found.push({ command, version });
    }
  }
  return found;
}

type Client = { readonly stage: Stage; readonly tool: Tool };

/** `settings`: lines of the `s3` section of a private configuration file. */
async function aws(
  { stage, tool }: Client,
  args: readonly string[],
  o: { settings?: readonly string[]; as?: Tenant } = {},
): Promise<ClientRun> {
  const config = stage.path('aws-config');
  const s3 = ['signature_version = s3v4', ...(o.settings ?? [])];
  writeFileSync(
    config,
    `[default]\nregion = us-east-1\nretries = 1\ns3 =\n${s3.map((line) => `  ${line}\n`).join('')}`,
  );
  return runClient(tool.command, ['--endpoint-url', stage.endpoint, '--no-cli-pager', ...args].filter(accepts(tool)), {
    directory: stage.directory,
    env: { ...clientEnvironment(stage, o), AWS_CONFIG_FILE: config },
  });
}

const accepts = (tool: Tool) => (argument: string) => argument !== '--no-cli-pager' || !tool.version.startsWith('1.');

/** Runs and must succeed; gives what was printed. */
async function ok(client: Client, args: readonly string[], o: Parameters<typeof aws>[2] = {}): Promise<string> {
  const { code, stdout, stderr } = await aws(client, args, o);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  return stdout;
}

const json = (text: string) => JSON.parse(text) as Record<string, unknown>;
const target = (stage: Stage, key: string) => `s3://${stage.bucket}/${key}`;
/** `md5`: what is shown unless the bucket has opaque ETags. */
const etagOf = ({ isOpaque }: Stage, md5: string): unknown =>
  isOpaque ? expect.stringMatching(/^"[0-9a-f]{32}-\d+"$/) : `"${md5}"`;
const SINGLE = { settings: ['multipart_threshold = 1GB'] };

/** moto keeps everything in memory and reads bodies slowly. */
const large = (stage: Stage) => (stage.store.name === 'moto' ? 20 : 200) * MiB;

const singlePut: Check = async (client) => {
  const { stage } = client;
  const sent = stage.file({ name: 'large.bin', bytes: large(stage) });
  await ok(client, ['s3', 'cp', '--no-progress', sent.path, target(stage, 'large.bin')], SINGLE);
  const head = json(await ok(client, ['s3api', 'head-object', '--bucket', stage.bucket, '--key', 'large.bin']));
  expect(head).toMatchObject({ ContentLength: large(stage), ETag: etagOf(stage, sent.md5) });
  const received = stage.path('received.bin');
  await ok(client, ['s3', 'cp', '--no-progress', target(stage, 'large.bin'), received], SINGLE);
  expect((await digestsOfFile(received)).sha256).toBe(sent.sha256);
  return `${large(stage) / MiB} MiB`;
};

const multipart: Check = async (client) => {
  const { stage } = client;
  const bytes = 60 * MiB + 12_345;
  const sent = stage.file({ name: 'parts.bin', bytes });
  await ok(client, ['s3', 'cp', '--no-progress', sent.path, target(stage, 'parts.bin')]);
  const head = json(await ok(client, ['s3api', 'head-object', '--bucket', stage.bucket, '--key', 'parts.bin']));
  expect(head).toMatchObject({ ContentLength: bytes, ETag: etagOf(stage, await multipartEtag(sent.path, 8 * MiB)) });
  const received = stage.path('received.bin');
  await ok(client, ['s3', 'cp', '--no-progress', target(stage, 'parts.bin'), received]);
  expect((await digestsOfFile(received)).sha256).toBe(sent.sha256);
  return '8 parts up, parallel ranges down';
};

const standardStreams: Check = async ({ stage, tool }) => {
  const client = { stage, tool };
  const text = `${stage.marker}\n`.repeat(100);
  const source = stage.path('text');
  writeFileSync(source, text);
  await ok(client, ['s3', 'cp', source, target(stage, 'text')]);
  expect(await ok(client, ['s3', 'cp', target(stage, 'text'), '-'])).toBe(text);
};

const listing: Check = async (client) => {
  const { stage } = client;
  const sizes = new Map([
    ['list/empty', 0],
    ['list/one', 1],
    ['list/deep/segment', 65_536],
    ['list/deep/large', 3 * MiB + 7],
  ]);
  const tree = stage.newDirectory('rows');
  mkdirSync(join(tree, 'list/deep'), { recursive: true });
  for (const [key, bytes] of sizes) stage.fileAt(join(tree, key), bytes);
  await ok(client, ['s3', 'cp', '--recursive', '--no-progress', tree, target(stage, '')]);
  const rows = (await ok(client, ['s3', 'ls', '--recursive', target(stage, 'list/')])).trim().split('\n');
  const listed = rows.map((row) => row.trim().split(/\s+/).slice(2)).map(([bytes, key]) => [key, Number(bytes)]);
  expect(new Map(listed as [string, number][])).toEqual(sizes);
  const level = (await ok(client, ['s3', 'ls', target(stage, 'list/')])).trim().split('\n');
  expect(level.map((row) => row.trim().split(/\s+/).slice(-2).join(' '))).toEqual(['PRE deep/', '0 empty', '1 one']);
};

const ranges: Check = async (client) => {
  const { stage } = client;
  const content = stage.content(2 * MiB + 100);
  const source = stage.path('ranged');
  writeFileSync(source, content);
  await ok(client, ['s3', 'cp', '--no-progress', source, target(stage, 'ranged')]);
  const cases = [
    ['bytes=0-0', 0, 1],
    ['bytes=65530-65545', 65_530, 65_546],
    ['bytes=1048570-1200000', 1_048_570, 1_200_001],
    ['bytes=-5', content.length - 5, content.length],
    [`bytes=${content.length - 1}-`, content.length - 1, content.length],
  ] as const;
  for (const [range, from, to] of cases) {
    const received = stage.path('range');
    const args = ['s3api', 'get-object', '--bucket', stage.bucket, '--key', 'ranged', '--range', range, received];
    const reply = json(await ok(client, args));
    expect(reply).toMatchObject({
      ContentLength: to - from,
      ContentRange: `bytes ${from}-${to - 1}/${content.length}`,
    });
    const expected = stage.path('expected');
    writeFileSync(expected, content.subarray(from, to));
    expect((await digestsOfFile(received)).sha256).toBe((await digestsOfFile(expected)).sha256);
  }
};

const headers: Check = async (client) => {
  const { stage } = client;
  const source = stage.file({ name: 'headed', bytes: 1000 }).path;
  const sent = {
    ContentType: `text/plain; note=${stage.marker}`,
    CacheControl: 'max-age=60, private',
    ContentDisposition: 'attachment; filename="plan.txt"',
    ContentEncoding: 'identity',
    ContentLanguage: 'de-CH',
    Metadata: { owner: stage.marker, colour: 'blue' },
  };
  await ok(client, [
    ...['s3', 'cp', '--no-progress', source, target(stage, 'headed'), '--content-type', sent.ContentType],
    ...['--cache-control', sent.CacheControl, '--content-disposition', sent.ContentDisposition],
    ...['--content-encoding', sent.ContentEncoding, '--content-language', sent.ContentLanguage],
    ...['--metadata', `owner=${sent.Metadata.owner},colour=${sent.Metadata.colour}`],
  ]);
  const head = json(await ok(client, ['s3api', 'head-object', '--bucket', stage.bucket, '--key', 'headed']));
  expect(head).toMatchObject(sent);
};

const moving: Check = async (client) => {
  const { stage } = client;
  const sent = stage.file({ name: 'moved', bytes: 100_000 });
  await ok(client, ['s3', 'mv', '--no-progress', sent.path, target(stage, 'from/moved')]);
  await ok(client, ['s3', 'mv', '--no-progress', target(stage, 'from/moved'), target(stage, 'to/moved')]);
  const received = stage.path('moved-back');
  await ok(client, ['s3', 'cp', '--no-progress', target(stage, 'to/moved'), received]);
  expect((await digestsOfFile(received)).sha256).toBe(sent.sha256);
  await ok(client, ['s3', 'rm', target(stage, 'to/moved')]);
  const gone = await aws(client, ['s3api', 'head-object', '--bucket', stage.bucket, '--key', 'to/moved']);
  expect([gone.code === 0, gone.stderr]).toEqual([false, expect.stringContaining('404')]);
  expect((await aws(client, ['s3', 'ls', target(stage, 'from/')])).stdout).toBe('');
};

const multipartCopy: Check = async (client) => {
  const { stage } = client;
  const sent = stage.file({ name: 'copied', bytes: 20 * MiB + 3 });
  await ok(client, ['s3', 'cp', '--no-progress', sent.path, target(stage, 'copy/source')]);
  await ok(client, ['s3', 'cp', '--no-progress', target(stage, 'copy/source'), target(stage, 'copy/target')]);
  const received = stage.path('copied-back');
  await ok(client, ['s3', 'cp', '--no-progress', target(stage, 'copy/target'), received]);
  expect((await digestsOfFile(received)).sha256).toBe(sent.sha256);
};

const syncing: Check = async (client) => {
  const { stage } = client;
  const tree = stage.newDirectory('tree');
  const names = Array.from({ length: 40 }, (_, index) => `${index % 4}/file ${index}.txt`);
  for (const [index, name] of names.entries()) {
    mkdirSync(join(tree, `${index % 4}`), { recursive: true });
    stage.fileAt(join(tree, name), index * 997);
  }
  const up = await ok(client, ['s3', 'sync', '--no-progress', tree, target(stage, 'tree')]);
  expect(up.match(/^upload: /gm)?.length).toBe(names.length);
  expect(await ok(client, ['s3', 'sync', '--no-progress', tree, target(stage, 'tree')])).toBe('');
  const back = stage.newDirectory('tree-back');
  const down = await ok(client, ['s3', 'sync', '--no-progress', target(stage, 'tree'), back]);
  expect(down.match(/^download: /gm)?.length).toBe(names.length);
  expect(await ok(client, ['s3', 'sync', '--no-progress', target(stage, 'tree'), back])).toBe('');
  for (const name of names)
    expect(await digestsOfFile(join(back, name))).toEqual(await digestsOfFile(join(tree, name)));
  await ok(client, ['s3', 'rm', '--recursive', '--quiet', target(stage, 'tree')]);
  expect((await aws(client, ['s3', 'ls', target(stage, 'tree/')])).stdout).toBe('');
  return '40 files; the second run moved nothing';
};

/** Names that a file can have; stranger ones are put by the SDKs. */
const awkwardNames: Check = async (client) => {
  const { stage } = client;
  const names = ['a b+c%20d.txt', 'ü/日本/😀', 'q?x=1&y=2#z', "it's (a) *star*; [x] {y}", '%2e%2e/%2F', '<&>"'];
  const tree = stage.newDirectory('awkward');
  for (const name of names) {
    mkdirSync(dirname(join(tree, name)), { recursive: true });
    stage.fileAt(join(tree, name), 333);
  }
  await ok(client, ['s3', 'cp', '--recursive', '--no-progress', tree, target(stage, 'awkward')]);
  const list = ['s3api', 'list-objects-v2', '--bucket', stage.bucket, '--prefix', 'awkward/', '--output', 'json'];
  const listed = JSON.parse(await ok(client, [...list, '--query', 'Contents[].Key'])) as string[];
  expect(listed.sort()).toEqual(names.map((name) => `awkward/${name}`).sort());
  const back = stage.newDirectory('awkward-back');
  await ok(client, ['s3', 'cp', '--recursive', '--no-progress', target(stage, 'awkward'), back]);
  for (const name of names) {
    expect([name, await digestsOfFile(join(back, name))]).toEqual([name, await digestsOfFile(join(tree, name))]);
  }
};

const presigning: Check = async (client) => {
  const { stage } = client;
  if (stage.transport === 'https') throw new LeftOut('fetched over http only; the SDKs fetch theirs over https');
  const sent = stage.file({ name: 'shared', bytes: 70_000 });
  await ok(client, ['s3', 'cp', '--no-progress', sent.path, target(stage, 'shared file')]);
  const url = (await ok(client, ['s3', 'presign', target(stage, 'shared file'), '--expires-in', '60'])).trim();
  const reply = await fetch(url);
  const received = stage.path('shared-back');
  writeFileSync(received, Buffer.from(await reply.arrayBuffer()));
  expect([reply.status, (await digestsOfFile(received)).sha256]).toEqual([200, sent.sha256]);
  const forged = url.replace('shared%20file', 'large.bin');
  expect(forged).not.toBe(url);
  expect((await fetch(forged)).status).toBe(403);
};

const otherTenant: Check = async (client) => {
  const { stage } = client;
  const sent = stage.file({ name: 'private', bytes: 5000 });
  await ok(client, ['s3', 'cp', '--no-progress', sent.path, target(stage, 'private')]);
  const received = stage.path('stolen');
  const read = await aws(client, ['s3', 'cp', '--no-progress', target(stage, 'private'), received], {
    as: stage.stranger,
  });
  expect([read.code === 0, read.stderr]).toEqual([false, expect.stringMatching(/403|AccessDenied/)]);
  const mixed = { ...stage.tenant, secretAccessKey: stage.stranger.secretAccessKey };
  const forged = await aws(client, ['s3api', 'list-objects-v2', '--bucket', stage.bucket], { as: mixed });
  expect([forged.code === 0, forged.stderr]).toEqual([false, expect.stringContaining('SignatureDoesNotMatch')]);
};

clientSuite({
  client: 'aws-cli',
  tools: await installed(),
  stages: EVERY_STAGE,
  checks: {
    's3 cp as one PUT, up and down': singlePut,
    's3 cp in parts, up and down; ETag': multipart,
    's3 cp to standard output': standardStreams,
    's3 ls shows plaintext sizes': listing,
    's3api get-object --range': ranges,
    'content headers and metadata': headers,
    's3 mv and s3 rm': moving,
    's3 cp between keys, in parts': multipartCopy,
    's3 sync twice, up and down': syncing,
    'awkward names': awkwardNames,
    's3 presign (s3v4)': presigning,
    'another tenant is refused': otherTenant,
  },
  opaque: { except: [] },
});
