/**
 * Protects: `sealgate check` names the cause of each bad set-up and what to do about it, with exit code 1, and says nothing but ok
 * of a good one; `serve` refuses to start with the same words. A wrong seal key, or a state bucket that others use, must not look
 * ready.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkCommand } from '../../../proxy/cli/check.ts';
import { serve } from '../../../proxy/cli/serve.ts';
import { parseConfig } from '../../../proxy/config/config.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { ACTIVE_RECORD } from '../../../proxy/keyring/active-seal-key/active-record.ts';
import { openActiveSealKey } from '../../../proxy/keyring/active-seal-key/open-active.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin/tenant-admin.ts';
import { setBucketRecord } from '../../../proxy/keyring/buckets/bucket-admin.ts';
import { openStorage } from '../../../proxy/runtime.ts';
import type { Finding } from '../../../proxy/startup/finding.ts';
import { makeCertificate } from '../../e2e/support/certificate.ts';
import { FULL_ACCESS } from '../../helpers/proxy.ts';

let directory: string;
let environment: Record<string, string>;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-check-'));
  environment = {
    SEALGATE_BACKEND: `local:${join(directory, 'store')}`,
    SEALGATE_STATE: 'sealgate-state',
    SEALGATE_SEAL_KEYS: SealKeys.generate(),
    SEALGATE_LISTEN: '127.0.0.1:0',
    SEALGATE_OPS_LISTEN: '127.0.0.1:0',
    SEALGATE_WORKERS: '1',
    SEALGATE_LOG_LEVEL: 'silent',
  };
});
afterEach(() => rm(directory, { recursive: true }));

async function check(more: Record<string, string> = {}): Promise<{ code: number; findings: readonly Finding[] }> {
  const out: string[] = [];
  const output = { out: (line: string) => void out.push(line), err: (line: string) => void out.push(line) };
  const code = await checkCommand(['--json'], { ...environment, ...more }, output);
  return { code, findings: out.map((line) => JSON.parse(line)) };
}

/** What is no ok, as it is printed. */
async function complaints(more: Record<string, string> = {}): Promise<readonly string[]> {
  const { code, findings } = await check(more);
  const bad = findings.filter(({ level }) => level !== 'ok');
  expect(code).toBe(bad.some(({ level }) => level === 'fault') ? 1 : 0);
  for (const { todo } of bad) expect(todo).toMatch(/^[A-Z]|^serve makes/);
  return bad.map(({ level, subject, text, todo }) => `${level} ${subject}: ${text}. ${todo}`);
}

/** Works on the store directly, as whoever was there before. */
async function prepared(work: (o: Awaited<ReturnType<typeof openStorage>>) => Promise<unknown>): Promise<void> {
  const storage = await openStorage(parseConfig(environment));
  try {
    await storage.state.ensureBucket(AbortSignal.timeout(30_000));
    await work(storage);
  } finally {
    await storage.backend.close();
  }
}

const tenants = (count: number, sealKeys = environment['SEALGATE_SEAL_KEYS'] ?? '') =>
  prepared(async ({ state }) => {
    const admin = new TenantAdmin({ state, sealKeys: SealKeys.parse(sealKeys), record: () => {} });
    for (let i = 0; i < count; i++) await admin.create({ grants: FULL_ACCESS });
  });

const put = (bucket: string, ...keys: readonly string[]) =>
  prepared(async ({ backend }) => {
    const signal = AbortSignal.timeout(30_000);
    for (const key of keys) {
      const response = await backend.send({ method: 'PUT', bucket, key, body: Buffer.from('x'), signal });
      response.body.resume();
      expect(response.status).toBe(200);
    }
  });

test('a good set-up: every line is ok, in its own words, and nothing is left in the store', async () => {
  await tenants(2);
  const { code, findings } = await check();
  expect([code, findings.filter(({ level }) => level !== 'ok')]).toEqual([0, []]);
  expect(findings.map(({ subject }) => subject)).toEqual(
    expect.arrayContaining(['settings', 'store', 'SEALGATE_STATE', 'capabilities', 'seal keys']),
  );
  expect(findings.find(({ subject }) => subject === 'seal keys')?.text).toBe('2 keyrings verify');
  const lines: string[] = [];
  await checkCommand([], environment, { out: (line) => lines.push(line), err: () => {} });
  expect(lines.every((line) => /^ok {7}\S/.test(line))).toBe(true);
});

test('a new store: the bucket that serve will make is not made by check', async () => {
  expect(await complaints()).toEqual([
    'warning SEALGATE_STATE: the bucket sealgate-state does not exist. serve makes it when it starts',
  ]);
  expect(await complaints()).toHaveLength(1);
});

test('opaque ETags where legacy objects are allowed are said to cost look-ups; a record that does not verify is named', async () => {
  await tenants(1);
  expect(await complaints({ SEALGATE_ETAGS: 'opaque' })).toEqual([
    'warning SEALGATE_ETAGS: listings of buckets with opaque ETags look up every object, since a legacy object may have any length. SEALGATE_LEGACY=deny, or before:TIME, lets stored lengths tell the sizes',
  ]);
  expect(await complaints({ SEALGATE_ETAGS: 'opaque', SEALGATE_LEGACY: 'deny' })).toEqual([]);
  await prepared(async ({ state }) => {
    const sealKeys = SealKeys.parse(environment['SEALGATE_SEAL_KEYS'] ?? '');
    const deps = { state, sealKeys, record: () => {}, now: () => new Date() };
    const signal = AbortSignal.timeout(30_000);
    await setBucketRecord(deps, 'photos', { etags: 'opaque', replaceDamaged: false }, signal);
    expect(await complaints()).toEqual([
      expect.stringMatching(/^warning SEALGATE_ETAGS: listings of the bucket photos /),
    ]);
    await state.replace('buckets/other.json', Buffer.from('{}'), signal);
  });
  expect((await complaints({ SEALGATE_LEGACY: 'deny' })).join()).toMatch(
    /^warning bucket other: The record .* is malformed/,
  );
});

describe('bad settings', () => {
  test('all of them at once, each by its name', async () => {
    const found = await complaints({ SEALGATE_WORKERS: 'many', SEALGATE_BACKEND: 'store', SEALGATE_LISTN: 'x:1' });
    expect(found.map((line) => line.split(':')[0])).toEqual([
      'fault SEALGATE_LISTN',
      'fault SEALGATE_BACKEND',
      'fault SEALGATE_WORKERS',
    ]);
    expect(found[0]).toContain("Did you mean 'SEALGATE_LISTEN'?");
  });

  test('files that are not there', async () => {
    const { SEALGATE_SEAL_KEYS: _, ...rest } = environment;
    environment = rest;
    const path = join(directory, 'nothing');
    expect(await complaints({ SEALGATE_SEAL_KEYS_FILE: path })).toEqual([
      expect.stringContaining(`fault SEALGATE_SEAL_KEYS_FILE: ${path} cannot be read (ENOENT)`),
    ]);
    expect(await complaints({ SEALGATE_CONFIG: path })).toEqual([expect.stringContaining('fault SEALGATE_CONFIG: ')]);
  });

  test('a TLS pair that does not fit, is none, or is locked', async () => {
    const one = makeCertificate(directory);
    const other = await mkdtemp(join(directory, 'other-'));
    const two = makeCertificate(other);
    const tls = (cert: string, key: string) =>
      complaints({ SEALGATE_TLS_CERT: cert, SEALGATE_TLS_KEY: key, SEALGATE_STATE: 'X' }).then(([, second]) => second);
    expect(await tls(one.certificate, two.key)).toMatch(
      /^fault SEALGATE_TLS_KEY: .* is not the key of the certificate in /,
    );
    expect(await tls(one.key, one.key)).toMatch(/^fault SEALGATE_TLS_CERT: .* does not begin with a certificate/);
    expect(await tls(one.certificate, one.certificate)).toMatch(/^fault SEALGATE_TLS_KEY: .* is no private key/);
    const { execFileSync } = await import('node:child_process');
    const locked = join(directory, 'locked.key');
    execFileSync('openssl', ['pkcs8', '-topk8', '-in', one.key, '-out', locked, '-passout', 'pass:x'], {
      stdio: 'pipe',
    });
    expect(await tls(one.certificate, locked)).toMatch(/^fault SEALGATE_TLS_KEY: .* pass phrase/);
  });

  test('a certificate that ends soon is a warning', async () => {
    const { certificate, key } = makeCertificate(directory);
    await tenants(0);
    expect(await complaints({ SEALGATE_TLS_CERT: certificate, SEALGATE_TLS_KEY: key })).toEqual([
      expect.stringMatching(/^warning SEALGATE_TLS_CERT: the certificate ends in [012] days, on .* Renew it/),
    ]);
  });
});

describe('the state bucket of somebody else', () => {
  const ALLOWED = ['team/a/keyrings/0123456789abcdef01234567.json', 'other/probe/x'];

  test('records, of this deployment and of others, are no foreign objects', async () => {
    await tenants(1);
    await put('sealgate-state', ...ALLOWED);
    expect(await complaints()).toEqual([]);
    expect(await complaints({ SEALGATE_STATE: 'sealgate-state/team/b' })).toEqual([]);
  });

  test.each([
    ['at the top', ['readme.txt']],
    ['in a folder', ['photos/1.jpg']],
    ['beside records of another deployment', [...ALLOWED, 'team/notes.md']],
    ['in a folder with the name of a record folder', ['keyrings/plain.txt']],
    ['beside the prefix', ['team/c/x']],
  ])('%s: refused, and named', async (_where, keys) => {
    await put('sealgate-state', ...keys);
    for (const state of ['sealgate-state', 'sealgate-state/team/b/']) {
      const [first, ...rest] = await complaints({ SEALGATE_STATE: state });
      expect(rest).toEqual([]);
      expect(first).toMatch(/^fault SEALGATE_STATE: the bucket sealgate-state holds what is not Sealgate's: /);
      expect(first).toContain(JSON.stringify(keys.at(-1)));
      expect(first).toContain('Name a bucket that is used for nothing else');
    }
    await expect(serve(environment)).rejects.toThrow(/holds what is not Sealgate's/);
  });

  test('many of them: a few are named', async () => {
    await put('sealgate-state', ...Array.from({ length: 9 }, (_, n) => `file-${n}`));
    expect((await complaints())[0]).toContain('"file-0", "file-1", "file-2", and more');
  });
});

describe('seal keys', () => {
  const other = SealKeys.generate();
  const kidOf = (text = '') => text.split(':')[0];

  test('none that opens any keyring: a fault that names the missing one, and serve does not start', async () => {
    await tenants(2);
    const kid = kidOf(environment['SEALGATE_SEAL_KEYS']);
    const wrong = { SEALGATE_SEAL_KEYS: other };
    expect(await complaints(wrong)).toEqual([
      `fault seal keys: 0 of 2 keyrings verify; 2 are signed under seal key '${kid}', which is not configured. ` +
        `Configured is: ${kidOf(other)}. Add the missing seal key behind the first one`,
    ]);
    await expect(serve({ ...environment, ...wrong })).rejects.toThrow(`signed under seal key '${kid}', which is not`);
  });

  test('the right name with another secret', async () => {
    await tenants(1);
    const kid = kidOf(environment['SEALGATE_SEAL_KEYS']);
    const [finding] = await complaints({ SEALGATE_SEAL_KEYS: `${kid}:${other.split(':')[1]}` });
    expect(finding).toMatch(`fault seal keys: 0 of 1 keyrings verify; 1 is signed under another secret than`);
  });

  test('one that some keyrings need: a warning', async () => {
    await tenants(2);
    await tenants(1, other);
    expect(await complaints()).toEqual([
      expect.stringMatching(
        new RegExp(`^warning seal keys: 2 of 3 keyrings verify; 1 is signed under seal key '${kidOf(other)}', which`),
      ),
    ]);
    expect(await complaints({ SEALGATE_SEAL_KEYS: `${environment['SEALGATE_SEAL_KEYS']},${other}` })).toEqual([]);
  });
});

describe('the active seal key', () => {
  const other = SealKeys.generate();
  const kidOf = (text = '') => text.split(':')[0];
  const own = () => environment['SEALGATE_SEAL_KEYS'] ?? '';
  /** As the first start of a server does. */
  const started = () =>
    prepared(({ state }) =>
      openActiveSealKey({ state, sealKeys: SealKeys.parse(own()), now: () => new Date() }, AbortSignal.timeout(30_000)),
    );
  const about = ({ findings }: Awaited<ReturnType<typeof check>>) =>
    findings.filter(({ subject }) => subject === 'active seal key').map(({ text }) => text);

  test('is the first one where none is recorded, and the recorded one after the first start', async () => {
    await tenants(0);
    expect(about(await check())).toEqual([`none is recorded yet: '${kidOf(own())}', which stands first, signs`]);
    await started();
    expect(about(await check())).toEqual([`'${kidOf(own())}' signs`]);
    expect(await complaints()).toEqual([]);
  });

  test('a warning when another stands first, as during a rotation', async () => {
    await started();
    const [first, signs] = [kidOf(other), kidOf(own())];
    expect(await complaints({ SEALGATE_SEAL_KEYS: `${other},${own()}` })).toEqual([
      `warning active seal key: '${first}' stands first, and '${signs}' signs. When every server has '${first}', run ` +
        `sealgate seal-key activate ${first}. If '${first}' is the older one, put '${signs}' first`,
    ]);
  });

  test('a fault when it is not configured, or its record does not verify: serve does not start', async () => {
    await started();
    const left = { SEALGATE_SEAL_KEYS: other };
    expect(await complaints(left)).toEqual([
      `fault active seal key: seal key '${kidOf(own())}' is the active one, and is not configured here. Configured is: ` +
        `${kidOf(other)}. Add the active seal key; or, if it is lost or the record was tampered with, stop the servers, ` +
        'run sealgate seal-key activate KID --replace-damaged, and start them',
    ]);
    await expect(serve({ ...environment, ...left })).rejects.toThrow('is the active one, and is not configured here');
    await prepared(({ state }) => state.replace(ACTIVE_RECORD, Buffer.from('{}'), AbortSignal.timeout(30_000)));
    expect(await complaints()).toEqual([expect.stringContaining('fault active seal key: the record of the active')]);
  });
});

test('an address that cannot be listened on is named by its setting', async () => {
  const { createServer } = await import('node:net');
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  try {
    for (const name of ['SEALGATE_LISTEN', 'SEALGATE_OPS_LISTEN']) {
      await expect(serve({ ...environment, [name]: `127.0.0.1:${port}` })).rejects.toThrow(
        `${name}: 127.0.0.1:${port} is in use by another process`,
      );
    }
    await expect(serve({ ...environment, SEALGATE_LISTEN: '192.0.2.1:0' })).rejects.toThrow(
      'SEALGATE_LISTEN: 192.0.2.1:0 is no address of this machine',
    );
  } finally {
    taken.close();
  }
});

test('the settings file is read as well', async () => {
  const path = join(directory, 'settings.yaml');
  await writeFile(path, `SEALGATE_WORKERS: 0\nSEALGATE_STATE: ${environment['SEALGATE_STATE']}\n`);
  const { SEALGATE_WORKERS: _, ...rest } = environment;
  environment = rest;
  expect(await complaints({ SEALGATE_CONFIG: path })).toEqual([expect.stringContaining('fault SEALGATE_WORKERS')]);
  expect((await readdir(directory)).toSorted()).toEqual(['settings.yaml']);
});
