/**
 * Protects: escrow as an operator lives it, by the program's own commands: a key pair is made without any setting, a server
 * takes the public half, a tenant that lost every key is recovered with the private half and reads its data; without the
 * escrow it stays closed. The private key is only ever in its file.
 */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { sendSigned } from '../helpers/raw-client.ts';
import { createBucket } from './support/client-suite.ts';
import { runProgram } from './support/program.ts';
import { createTenant, Stage, type Tenant } from './support/stage.ts';

let stage: Stage;
let publicKey: string;
const file = () => join(stage.directory, 'escrow.key');
const program = (...args: readonly string[]) =>
  runProgram(args, {
    directory: stage.directory,
    settings: { ...stage.settings, SEALGATE_ESCROW_PUBLIC_KEY: publicKey, SEALGATE_LOG_LEVEL: 'error' },
  });

beforeAll(async () => {
  stage = await Stage.open({ store: 'embedded store', transport: 'http' });
  await createBucket(stage);
});
afterAll(() => stage.close());

const path = (key: string) => `/${stage.bucket}/${key}`;
const read = (as: Tenant, key: string) => sendSigned(stage.endpoint, as, { method: 'GET', path: path(key) });

test('keygen writes the private key for its owner only, prints the setting, and overwrites nothing', async () => {
  const run = () => runProgram(['escrow', 'keygen', '--out', file()], { directory: stage.directory, settings: {} });
  const made = await run();
  publicKey = /^SEALGATE_ESCROW_PUBLIC_KEY=([A-Za-z0-9+/]{43}=)\n$/.exec(made.stdout)?.[1] ?? '';
  expect([made.code, publicKey.length]).toEqual([0, 44]);
  expect(statSync(file()).mode & 0o777).toBe(0o600);
  const text = readFileSync(file(), 'utf8');
  const secret = /^sealgate-escrow-private-key-1:(.+)$/m.exec(text)?.[1] ?? '';
  expect(secret).toHaveLength(44);
  expect(made.stdout + made.stderr).not.toContain(secret);
  const again = await run();
  expect([again.code, readFileSync(file(), 'utf8')]).toEqual([1, text]);
  expect((await runProgram(['escrow', 'keygen'], { directory: stage.directory, settings: {} })).code).toBe(2);
});

test('a server with a public key that is none does not start, and says which setting', async () => {
  const settings = { ...stage.settings, SEALGATE_ESCROW_PUBLIC_KEY: `${'A'.repeat(43)}=` };
  const { code, stderr } = await runProgram(['serve'], { directory: stage.directory, settings });
  expect([code, stderr]).toEqual([1, expect.stringMatching(/SEALGATE_ESCROW_PUBLIC_KEY: .*low order/)]);
});

test('a tenant from before the setting is recovered once it was used again, and its data with it', async () => {
  const { tenant } = stage;
  const body = stage.content(5000);
  await sendSigned(stage.endpoint, tenant, { method: 'PUT', path: path('kept'), body });
  const recover = (out: string) =>
    program('tenant', 'recover', tenant.tenant, '--escrow-key', file(), '--bucket', '*', '--out', out);
  const early = await recover(join(stage.directory, 'early.json'));
  expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('no escrow')]);

  Object.assign(stage.settings, { SEALGATE_ESCROW_PUBLIC_KEY: publicKey });
  await stage.restart();
  expect((await read(tenant, 'kept')).status).toBe(200);
  await vi.waitFor(() => expect(stage.program.output()).toContain('"securityEvent":"escrow-sealed"'), {
    timeout: 10_000,
  });
  const shown = await program('tenant', 'show', tenant.tenant);
  expect(shown.stdout).toMatch(/^escrow {6}[0-9a-f]{8}$/m);
  expect(shown.stdout).toContain(publicKey);

  const out = join(stage.directory, 'recovered.json');
  expect(await recover(out)).toMatchObject({ code: 0 });
  const found = JSON.parse(readFileSync(out, 'utf8')) as Tenant;
  await vi.waitFor(async () => expect((await read(found, 'kept')).body.equals(body)).toBe(true), { timeout: 10_000 });
  expect(stage.program.output()).not.toContain(readFileSync(file(), 'utf8').split(':').at(-1)?.trim());
});

test('a tenant whose escrow was removed with its own key stays closed', async () => {
  const own = await createTenant(stage);
  const credentials = join(stage.directory, 'own.json');
  writeFileSync(credentials, JSON.stringify(own), { mode: 0o600 });
  const remove = () => program('escrow', 'remove', '--credentials', credentials);
  const guessed = join(stage.directory, 'guessed.json');
  writeFileSync(guessed, JSON.stringify({ ...own, secretAccessKey: 'x'.repeat(43) }), { mode: 0o600 });
  expect(await program('escrow', 'remove', '--credentials', guessed)).toMatchObject({ code: 1, stdout: '' });
  expect(await remove()).toMatchObject({ code: 0, stdout: `${own.tenant} has no escrow any more.\n` });
  expect(await remove()).toMatchObject({ code: 0, stdout: `${own.tenant} had no escrow.\n` });
  const refused = await program('tenant', 'recover', own.tenant, '--escrow-key', file(), '--bucket', '*');
  expect([refused.code, refused.stdout, refused.stderr]).toEqual([1, '', expect.stringContaining('no escrow')]);
  writeFileSync(credentials, JSON.stringify({ ...own, accessKeyId: stage.stranger.accessKeyId.slice(0, -1) }));
  expect((await remove()).code).toBe(1);
});
