/**
 * Protects: SIGHUP and files that change. New seal keys open and verify at once while the one that signs stays, a renewed
 * certificate and new credentials of the store count from the next connection or request on, and a bad file changes nothing.
 */
import { once } from 'node:events';
import { mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { ListBucketsCommand } from '@aws-sdk/client-s3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../../proxy/config/config.ts';
import type { Settings } from '../../../proxy/config/settings.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin/tenant-admin.ts';
import { createLogger } from '../../../proxy/observe/log.ts';
import { watchFiles } from '../../../proxy/running/file-changes.ts';
import { Reload, type ReloadTarget } from '../../../proxy/running/reload.ts';
import { makeCertificate } from '../../e2e/support/certificate.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { FULL_ACCESS } from '../../helpers/proxy.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-reload-'));
});
afterEach(() => rm(directory, { recursive: true }));

const [ONE, TWO, THREE] = [SealKeys.generate(), SealKeys.generate(), SealKeys.generate()];
const kid = (line: string) => line.split(':')[0] ?? '';
const kids = (keys: SealKeys) => keys.all.map((key) => key.kid);

/** A reload of settings that a test changes. */
function setup(settings: Settings, target: Partial<ReloadTarget> = {}) {
  const now = { settings: { SEALGATE_BACKEND: 'local:x', SEALGATE_STATE: 'state', ...settings } as Settings };
  const log: Record<string, unknown>[] = [];
  const logger = createLogger({ level: 'info', destination: { write: (line) => void log.push(JSON.parse(line)) } });
  const config = parseConfig(now.settings);
  const { sealKeys } = config;
  const reload = new Reload({
    ...{ settings: now.settings, config, read: () => now.settings, log: logger },
    target: { sealKeys, ...target },
  });
  return { now, log, reload, sealKeys, logger };
}

describe('seal keys', () => {
  const file = () => join(directory, 'seal-keys');
  const write = (...lines: readonly string[]) => writeFile(file(), `${lines.join('\n')}\n`);

  test('new ones open and verify at once, dropped ones no more, and the one that signs stays', async () => {
    await write(ONE);
    const { reload, sealKeys, log } = setup({ SEALGATE_SEAL_KEYS_FILE: file() });
    await write(TWO, ONE);
    expect(reload.run('SIGHUP')).toBe(true);
    expect([sealKeys.active.kid, kids(sealKeys)]).toEqual([kid(ONE), [kid(ONE), kid(TWO)]]);
    expect(log.map(({ msg }) => msg)).toEqual([
      'reloaded',
      expect.stringContaining('signs after sealgate seal-key activate'),
    ]);
    expect(log[1]).toMatchObject({ signs: kid(ONE), first: kid(TWO) });
    await write(ONE, THREE);
    expect(reload.run('SIGHUP')).toBe(true);
    expect(kids(sealKeys)).toEqual([kid(ONE), kid(THREE)]);
    expect(JSON.stringify(log)).not.toContain(ONE.split(':')[1]);
  });

  test.each([
    ['the one that signs is gone', () => [TWO], 'must not be left out'],
    ['another secret under a known name', () => [`${kid(ONE)}:${TWO.split(':')[1]}`], 'has another secret'],
    ['no keys', () => ['nonsense'], 'not of the form'],
  ])('%s: refused, and nothing changes', async (_name, lines, problem) => {
    await write(ONE, THREE);
    const { reload, sealKeys, log, now } = setup({ SEALGATE_SEAL_KEYS_FILE: file(), SEALGATE_LOG_LEVEL: 'info' });
    await write(...lines());
    now.settings = { ...now.settings, SEALGATE_LOG_LEVEL: 'silent' };
    expect(reload.run('SIGHUP')).toBe(false);
    expect(kids(sealKeys)).toEqual([kid(ONE), kid(THREE)]);
    expect(log).toEqual([
      expect.objectContaining({
        level: 'error',
        msg: 'not reloaded: everything stays as it was',
        problem: expect.stringContaining(problem),
      }),
    ]);
    expect(log[0]?.['problem']).toMatch(/^SEALGATE_SEAL_KEYS_FILE: /);
  });

  test('a tenant made under the new one is served without a restart', async () => {
    const sealKeys = SealKeys.parse(ONE);
    const bench = await openBench({ sealKeys });
    try {
      const admin = new TenantAdmin({
        state: bench.proxy.state,
        sealKeys: SealKeys.parse(`${TWO},${ONE}`),
        record: () => {},
      });
      const made = await admin.create({ grants: FULL_ACCESS });
      const list = () => bench.proxy.client(made).send(new ListBucketsCommand({}));
      await expect(list()).rejects.toMatchObject({ name: 'InvalidAccessKeyId' });
      sealKeys.adopt(SealKeys.parse(`${TWO},${ONE}`));
      expect((await list()).$metadata.httpStatusCode).toBe(200);
    } finally {
      await bench.close();
    }
  });
});

describe('the certificate', () => {
  let bench: Bench;
  const serial = async () => {
    const socket = connect({
      port: Number(new URL(bench.proxy.endpoint).port),
      host: '127.0.0.1',
      rejectUnauthorized: false,
    });
    await once(socket, 'secureConnect');
    const { serialNumber } = (socket as TLSSocket).getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };

  test('a renewed one is shown to the next connection, and a pair that does not fit changes nothing', async () => {
    const [first, second] = [makeCertificate(directory), makeCertificate(await mkdtemp(join(directory, 'b-')))];
    const paths = { SEALGATE_TLS_CERT: join(directory, 'cert'), SEALGATE_TLS_KEY: join(directory, 'key') };
    const place = async (cert: string, key: string) => {
      await rm(paths.SEALGATE_TLS_CERT, { force: true });
      await rm(paths.SEALGATE_TLS_KEY, { force: true });
      await symlink(cert, paths.SEALGATE_TLS_CERT);
      await symlink(key, paths.SEALGATE_TLS_KEY);
    };
    await place(first.certificate, first.key);
    const { tls } = parseConfig({
      SEALGATE_BACKEND: 'local:x',
      SEALGATE_STATE: 'state',
      SEALGATE_SEAL_KEYS: ONE,
      ...paths,
    });
    bench = await openBench({ config: { tls } });
    try {
      const { renewCertificate } = bench.proxy.reloads;
      const { reload, log } = setup({ SEALGATE_SEAL_KEYS: ONE, ...paths }, { renewCertificate });
      const before = await serial();
      await place(second.certificate, first.key);
      expect(reload.run('SIGHUP')).toBe(false);
      expect(log.at(-1)?.['problem']).toMatch(/^SEALGATE_TLS_KEY: .* is not the key of the certificate/);
      expect(await serial()).toBe(before);
      await place(second.certificate, second.key);
      expect(reload.run('SIGHUP')).toBe(true);
      expect(await serial()).not.toBe(before);
    } finally {
      await bench.close();
    }
  });
});

test('credentials, memory and log level are taken over; what is not says that it needs a restart', () => {
  const seen: unknown[] = [];
  const store = {
    SEALGATE_BACKEND: 'http://127.0.0.1:9',
    SEALGATE_BACKEND_ACCESS_KEY_ID: 'a',
    SEALGATE_BACKEND_SECRET_ACCESS_KEY: 'first one',
  };
  const { reload, now, log, logger } = setup(
    { SEALGATE_SEAL_KEYS: ONE, ...store },
    { useCredentials: (backend) => seen.push(backend), resizeMemory: (bytes) => seen.push(bytes) },
  );
  now.settings = {
    ...now.settings,
    SEALGATE_BACKEND_SECRET_ACCESS_KEY: 'second one',
    SEALGATE_MEMORY: '512MiB',
    SEALGATE_WORKERS: '1',
    SEALGATE_LISTEN: '127.0.0.1:1',
    SEALGATE_LOG_LEVEL: 'warn',
  };
  expect(reload.run('SIGHUP')).toBe(true);
  expect(seen).toEqual([
    expect.objectContaining({
      credentials: expect.objectContaining({ accessKeyId: { text: 'a' }, secretAccessKey: { text: 'second one' } }),
    }),
    2 ** 29,
  ]);
  expect(logger.level).toBe('warn');
  expect(log.find(({ level }) => level === 'warn')).toMatchObject({
    settings: ['SEALGATE_WORKERS', 'SEALGATE_LISTEN'],
  });
  expect(JSON.stringify(log)).not.toContain('second one');
  expect(log.filter(({ level }) => level === 'error')).toEqual([]);
});

test('files that are replaced, by a rename or behind a link as Kubernetes does it, are noticed', async () => {
  const path = join(directory, 'secret');
  const version = async (name: string) => {
    await writeFile(join(directory, name), name);
    await symlink(name, join(directory, 'link.new'));
    await rename(join(directory, 'link.new'), path);
  };
  await version('a');
  let changes = 0;
  const watching = watchFiles({ files: () => [path], everyMs: 5, onChange: async () => void changes++ });
  try {
    // Looks that find nothing new: the first one that does is told of.
    await version('b');
    await expect.poll(() => changes).toBeGreaterThanOrEqual(1);
    const seen = changes;
    await unlink(path);
    await expect.poll(() => changes).toBe(seen + 1);
    await version('c');
    await expect.poll(() => changes).toBeGreaterThan(seen + 1);
  } finally {
    watching.close();
  }
});
