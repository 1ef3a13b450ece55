// Protects: the way out without a server. What a running proxy stored opens with the API key and the keyring alone, without
// seal keys, bit for bit; what does not open is named, ends the command with a failure and leaves nothing half-written.

import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { decryptCommand } from '../../../proxy/cli/decrypt.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { keyringName } from '../../../proxy/keyring/state/records.ts';
import { runProgram } from '../../e2e/support/program.ts';
import { KiB } from '../../helpers/bytes.ts';
import { startTestProxy, type TestProxy, type TestTenant } from '../../helpers/proxy.ts';
import { askStore, storeDirectly, storedObject } from '../../helpers/stored.ts';

const BUCKET = 'exit';
const large = randomBytes(1300 * KiB);
const parts = [randomBytes(5 * KiB * KiB), randomBytes(70_000)] as const;

let directory: string;
let store: string;
let proxy: TestProxy;
let owner: TestTenant;
let other: TestTenant;
let client: S3Client;
/** As the settings hold it: what opens access key ids and checks the operator's MAC. */
const sealKey = SealKeys.generate();

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-decrypt-'));
  store = join(directory, 'store');
  proxy = await startTestProxy({
    backend: await openLocalBackend({ directory: store }),
    sealKeys: SealKeys.parse(sealKey),
  });
  [owner, other] = [await proxy.createTenant(), await proxy.createTenant()];
  client = proxy.client(owner);
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  const put = (Key: string, Body: Buffer | string, more = {}) =>
    client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body, ...more }));
  await put('d/empty', '');
  await put('d/one', '1');
  await put('d/large.bin', large);
  await put('d/a b+ü%.txt', 'odd');
  await put('d/../../up', 'inside');
  await put('d//double', 'double');
  await put('d/folder/', '');
  await put('d/clash', 'file');
  await put('d/clash/below', 'below');
  await put('d/described', 'described', {
    ContentType: 'text/x-test',
    CacheControl: 'no-store',
    Metadata: { colour: 'green' },
    ChecksumAlgorithm: 'SHA256',
  });
  await multipart('d/multipart');
  await storeDirectly(proxy.backend, { bucket: BUCKET, key: 'd/legacy', body: 'never sealed' });
  await proxy.client(other).send(new PutObjectCommand({ Bucket: BUCKET, Key: 'theirs/x', Body: 'theirs' }));
  await writeFile(join(directory, 'credentials.json'), JSON.stringify(owner));
  const keyring = await proxy.state.get(keyringName(owner.tenant), AbortSignal.timeout(60_000));
  await writeFile(join(directory, 'keyring.json'), keyring?.body ?? '');
});

afterAll(async () => {
  await proxy.close();
  await proxy.backend.close();
  await rm(directory, { recursive: true });
});

async function multipart(Key: string): Promise<void> {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key }));
  const Parts = [];
  for (const [index, Body] of parts.entries()) {
    const PartNumber = index + 1;
    const { ETag } = await client.send(new UploadPartCommand({ Bucket: BUCKET, Key, UploadId, PartNumber, Body }));
    Parts.push({ PartNumber, ETag });
  }
  await client.send(new CompleteMultipartUploadCommand({ Bucket: BUCKET, Key, UploadId, MultipartUpload: { Parts } }));
}

interface Ran {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

const settings = (more: Record<string, string> = {}) => ({
  SEALGATE_BACKEND: `local:${store}`,
  SEALGATE_STATE: 'sealgate-state',
  ...more,
});

/** The command, with the store's settings and no seal key unless given. */
async function decrypt(
  args: readonly string[],
  o: { env?: Record<string, string>; input?: string } = {},
): Promise<Ran> {
  const [stdout, stderr] = [collector(), collector()];
  const stdin = Readable.from(o.input === undefined ? [] : [Buffer.from(o.input)]);
  const code = await decryptCommand(args, settings(o.env), { stdin, stdout: stdout.stream, stderr: stderr.stream });
  return { code, stdout: stdout.bytes(), stderr: stderr.bytes().toString() };
}

function collector(): { stream: Writable; bytes: () => Buffer } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

const keys = (tenant = owner) => [
  '--credentials',
  inside('credentials.json'),
  '--tenant',
  tenant.tenant,
  '--bucket',
  BUCKET,
];
const inside = (name: string) => join(directory, name);
const target = async () => mkdtemp(join(directory, 'out-'));

/** Every file below a directory, by its path. */
async function filesBelow(path: string): Promise<Record<string, Buffer>> {
  const found: Record<string, Buffer> = {};
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const full = join(entry.parentPath, entry.name);
    if (entry.isFile()) found[full.slice(path.length + 1)] = await readFile(full);
  }
  return found;
}

describe('a prefix', () => {
  test('opens into a directory without seal keys, whatever the keys look like', async () => {
    const out = await target();
    const ran = await decrypt([...keys(), '--prefix', 'd/', '--output', out, '--metadata', '--json']);
    expect([ran.code, ran.stderr]).toEqual([
      0,
      expect.stringContaining("operator's MAC of the keyring is not checked"),
    ]);
    const lines = ran.stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.at(-1)).toEqual({ summary: { opened: 11, legacy: 1, skipped: 0, failed: 0 } });
    const files = await filesBelow(out);
    const expected: Record<string, Buffer> = {
      'd/empty': Buffer.alloc(0),
      'd/one': Buffer.from('1'),
      'd/large.bin': large,
      'd/a b+ü%25.txt': Buffer.from('odd'),
      'd/%2E%2E/%2E%2E/up': Buffer.from('inside'),
      'd/%/double': Buffer.from('double'),
      'd/described': Buffer.from('described'),
      'd/multipart': Buffer.concat(parts),
      'd/legacy': Buffer.from('never sealed'),
    };
    for (const [path, body] of Object.entries(expected))
      expect([path, files[path]?.equals(body)]).toEqual([path, true]);
    // One of the two got another name, and both are there.
    const clash = [files['d/clash'] ?? files['d/clash%f'], files['d/clash/below'] ?? files['d/clash%d/below']];
    expect(clash.map(String)).toEqual(['file', 'below']);
    expect((await stat(join(out, 'd/folder'))).isDirectory()).toBe(true);
    const described = JSON.parse(String(files['d/described%meta.json']));
    expect(described).toMatchObject({
      bucket: BUCKET,
      key: 'd/described',
      kind: 'sealed',
      size: 9,
      etag: `"${createHash('md5').update('described').digest('hex')}"`,
      headers: { 'content-type': 'text/x-test', 'cache-control': 'no-store' },
      metadata: { colour: 'green' },
    });
    expect(described.checksums.map((c: { algorithm: string }) => c.algorithm)).toEqual(['SHA256']);
    const { mtimeMs } = await stat(join(out, 'd/one'));
    const { headers } = await storedObject(proxy.backend, BUCKET, 'd/one');
    expect(mtimeMs).toBe(Date.parse(headers['last-modified'] ?? ''));
    expect(Object.keys(files).filter((path) => path.includes('.sealgate-'))).toEqual([]);
  });

  test('overwrites nothing unless asked, and goes on where it stopped', async () => {
    const out = await target();
    await mkdir(join(out, 'd'));
    await writeFile(join(out, 'd/one'), 'mine');
    const args = [...keys(), '--prefix', 'd/on', '--output', out];
    const refused = await decrypt(args);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('exists. Use --force')]);
    expect(await readFile(join(out, 'd/one'), 'utf8')).toBe('mine');
    const skipped = await decrypt([...args, '--skip-existing']);
    expect([skipped.code, skipped.stdout.toString()]).toEqual([0, 'opened 0, legacy 0, skipped 1, failed 0\n']);
    const forced = await decrypt([...args, '--force']);
    expect([forced.code, await readFile(join(out, 'd/one'), 'utf8')]).toEqual([0, '1']);
  });

  test('follows no symbolic link out of the directory', async () => {
    const out = await target();
    const elsewhere = await target();
    await symlink(elsewhere, join(out, 'd'));
    const ran = await decrypt([...keys(), '--prefix', 'd/one', '--output', out]);
    expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('symbolic link')]);
    expect(await readdir(elsewhere)).toEqual([]);
  });

  test('counts objects of other tenants as failures, or passes over them when told', async () => {
    const failed = await decrypt([...keys(), '--all', '--output', await target()]);
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('"theirs/x": another tenant\'s object')]);
    const passed = await decrypt([...keys(), '--all', '--skip-foreign', '--output', await target()]);
    expect([passed.code, passed.stdout.toString()]).toEqual([0, 'opened 11, legacy 1, skipped 1, failed 0\n']);
  });
});

describe('one object', () => {
  test('goes to standard output, with the key on standard input', async () => {
    const args = ['--credentials', '-', '--keyring', inside('keyring.json'), '--bucket', BUCKET];
    const ran = await decrypt([...args, '--key', 'd/large.bin', '--output', '-'], {
      input: `${owner.secretAccessKey}\n`,
    });
    expect([ran.code, ran.stdout.equals(large)]).toEqual([0, true]);
  });

  test('opens from a file and what head-object prints, with nothing of the store', async () => {
    const { body, metadata, headers } = await storedObject(proxy.backend, BUCKET, 'd/multipart');
    await writeFile(join(directory, 'stored.bin'), body);
    const printed = {
      ETag: headers['etag'],
      ContentLength: body.length,
      ContentType: 'binary/octet-stream',
      Metadata: metadata,
    };
    await writeFile(join(directory, 'head.json'), JSON.stringify(printed));
    await writeFile(
      join(directory, 'head.txt'),
      Object.entries(metadata)
        .map(([name, value]) => `X-Amz-Meta-${name}: ${value}`)
        .join('\r\n'),
    );
    for (const head of ['head.json', 'head.txt']) {
      const out = join(await target(), 'plain');
      const args = [
        '--credentials',
        inside('credentials.json'),
        '--keyring',
        inside('keyring.json'),
        '--bucket',
        BUCKET,
      ];
      const ran = await decrypt(
        [...args, '--key', 'd/multipart', '--input', inside('stored.bin'), '--head', inside(head), '--output', out],
        {
          env: { SEALGATE_BACKEND: '', SEALGATE_STATE: '' },
        },
      );
      expect([ran.code, ran.stderr.includes('failed')]).toEqual([0, false]);
      expect((await readFile(out)).equals(Buffer.concat(parts))).toBe(true);
    }
  });

  test('of an older version opens by its id', async () => {
    await client.send(new CreateBucketCommand({ Bucket: 'versions' }));
    await client.send(
      new PutBucketVersioningCommand({ Bucket: 'versions', VersioningConfiguration: { Status: 'Enabled' } }),
    );
    const first = await client.send(new PutObjectCommand({ Bucket: 'versions', Key: 'k', Body: 'first' }));
    await client.send(new PutObjectCommand({ Bucket: 'versions', Key: 'k', Body: 'second' }));
    const args = [
      '--credentials',
      inside('credentials.json'),
      '--keyring',
      inside('keyring.json'),
      '--bucket',
      'versions',
      '--key',
      'k',
    ];
    const ran = await decrypt([...args, '--version-id', first.VersionId ?? '', '--output', '-']);
    expect([ran.code, ran.stdout.toString()]).toEqual([0, 'first']);
  });

  test('with the seal key configured, the operator MAC is checked and the access key id tells the tenant', async () => {
    const args = ['--credentials', inside('credentials.json'), '--bucket', BUCKET, '--key', 'd/one', '--output', '-'];
    const ran = await decrypt(args, { env: { SEALGATE_SEAL_KEYS: sealKey } });
    expect([ran.code, ran.stdout.toString(), ran.stderr]).toEqual([0, '1', '']);
  });
});

describe('what does not open', () => {
  const cases: readonly (readonly [what: string, change: (body: Buffer) => Buffer, reason: string])[] = [
    [
      'a changed byte',
      (body) => Buffer.concat([body.subarray(0, 700_000), Buffer.of((body[700_000] ?? 0) ^ 1), body.subarray(700_001)]),
      'SEGMENT_REFUSED',
    ],
    ['a cut end', (body) => body.subarray(0, -1), 'LOCATOR_MALFORMED'],
    ['a cut before the footer', (body) => body.subarray(0, 65_600), 'LOCATOR_MALFORMED'],
    [
      'added bytes',
      (body) => Buffer.concat([body.subarray(0, 100_000), Buffer.alloc(5), body.subarray(100_000)]),
      'LENGTH_MISMATCH',
    ],
    ['no bytes', () => Buffer.alloc(0), 'LOCATOR_MALFORMED'],
  ];

  test.each(cases)('%s: nothing is written', async (_, change, reason) => {
    const { body, metadata } = await storedObject(proxy.backend, BUCKET, 'd/large.bin');
    const out = await target();
    await storeDirectly(proxy.backend, { bucket: BUCKET, key: 'd/large.bin', body: change(body), metadata });
    try {
      const ran = await decrypt([...keys(), '--prefix', 'd/large', '--output', out]);
      expect([ran.code, ran.stderr]).toEqual([1, expect.stringMatching(`"d/large.bin": (${reason})`)]);
      expect(ran.stdout.toString()).toBe('opened 0, legacy 0, skipped 0, failed 1\n');
      expect(await filesBelow(out)).toEqual({});
    } finally {
      await storeDirectly(proxy.backend, { bucket: BUCKET, key: 'd/large.bin', body, metadata });
    }
  });

  test('an object moved to another name, stripped of its metadata, or absent', async () => {
    const { body, metadata } = await storedObject(proxy.backend, BUCKET, 'd/one');
    await storeDirectly(proxy.backend, { bucket: BUCKET, key: 'moved', body, metadata });
    await storeDirectly(proxy.backend, { bucket: BUCKET, key: 'stripped', body });
    try {
      for (const [key, reason] of [
        ['moved', 'HEADER_REFUSED'],
        ['stripped', 'altered: '],
        ['absent', 'NoSuchKey'],
      ] as const) {
        const out = join(await target(), 'file');
        const ran = await decrypt([...keys(), '--key', key, '--output', out]);
        expect([key, ran.code, ran.stderr]).toEqual([key, 1, expect.stringContaining(reason)]);
        await expect(stat(out)).rejects.toThrow('ENOENT');
      }
    } finally {
      for (const key of ['moved', 'stripped']) await askStore(proxy.backend, { method: 'DELETE', bucket: BUCKET, key });
    }
  });

  test("another key, another tenant's keyring, an altered keyring, and no key at all", async () => {
    const args = (keyring: string) => ['--keyring', keyring, '--bucket', BUCKET, '--key', 'd/one', '--output', '-'];
    const keyring = await readFile(join(directory, 'keyring.json'), 'utf8');
    const parsed = JSON.parse(keyring);
    parsed.epochs[0].created = '2020-01-01T00:00:00Z';
    await writeFile(join(directory, 'altered.json'), JSON.stringify(parsed));
    await writeFile(join(directory, 'spaced.json'), JSON.stringify(JSON.parse(keyring), null, 2));
    const cases = [
      [args(inside('keyring.json')), other.secretAccessKey, 'opens none of the 1 keys'],
      [args(inside('altered.json')), owner.secretAccessKey, 'root MAC does not match'],
      [args(inside('spaced.json')), owner.secretAccessKey, 'not in canonical form'],
      [args(inside('keyring.json')), '', 'An API key is needed'],
      [args('no-such-file'), owner.secretAccessKey, 'ENOENT'],
    ] as const;
    for (const [given, AWS_SECRET_ACCESS_KEY, reason] of cases) {
      const ran = await decrypt(given, { env: { AWS_SECRET_ACCESS_KEY } });
      expect([ran.code, ran.stdout.length, ran.stderr]).toEqual([1, 0, expect.stringContaining(reason)]);
      expect(ran.stderr).not.toContain(owner.secretAccessKey);
    }
    const several = await decrypt([
      '--credentials',
      inside('credentials.json'),
      '--bucket',
      BUCKET,
      '--key',
      'd/one',
      '--output',
      '-',
    ]);
    expect([several.code, several.stderr]).toEqual([1, expect.stringContaining('name the tenant by --tenant')]);
  });

  test('the program ends with the failure, in a process of its own', async () => {
    const run = (...args: readonly string[]) =>
      runProgram(['decrypt', ...keys(), ...args], { directory, settings: settings() });
    const opened = await run('--key', 'd/one', '--output', '-');
    expect([opened.code, opened.stdout]).toEqual([0, '1']);
    const failed = await run('--key', 'd/none', '--output', '-');
    expect([failed.code, failed.stdout, failed.stderr]).toEqual([1, '', expect.stringContaining('NoSuchKey')]);
  });

  test('wrong usage is said, with the usage', async () => {
    for (const args of [
      [],
      ['--bucket', 'b'],
      ['--bucket', 'b', '--output', 'o', '--key', 'k', '--all'],
      ['--bucket', 'b', '--output', '-', '--all'],
    ]) {
      const ran = await decrypt(args);
      expect([ran.code, ran.stderr]).toEqual([2, expect.stringContaining('Usage: sealgate decrypt')]);
    }
  });
});
