/**
 * Protects: the commands about key services: keys are made with one, get one, are wrapped again; what stands in the way is said; a
 * provider that is mistyped is suggested; JSON and exit codes are for programs.
 */
import { expect, test } from 'vitest';
import { keyCommand } from '../../../proxy/cli/key.ts';
import { kmsCommand, withTenant } from '../../../proxy/cli/kms.ts';
import { tenantCommand } from '../../../proxy/cli/tenant.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin/tenant-admin.ts';
import { KmsSecrets } from '../../../proxy/kms/kms-secrets.ts';
import { FakeKms } from '../../helpers/fake-kms.ts';
import { into, json, openKeyCommands } from './harness.ts';

async function setup() {
  const on = await openKeyCommands();
  const kms = new FakeKms();
  const secrets = new KmsSecrets({ providers: [kms], now: () => on.harness.time });
  const deps = { ...on.deps, kms: secrets };
  const { environment, signal } = on;
  const stdin = (async function* () {})();
  const kmsRun = (...args: string[]) =>
    into((output) => kmsCommand(args, { ...output, deps, environment, stdin, signal }));
  const keyRun = (...args: string[]) =>
    into((output) => keyCommand(args, { ...output, deps, environment, stdin, signal }));
  const tenantRun = (...args: string[]) =>
    into((output) => tenantCommand(args, { ...output, admin: new TenantAdmin(deps) }));
  return { ...on, kms, kmsRun, keyRun, tenantRun };
}

test('a key is made with a KMS, and shown with it', async () => {
  const { keyRun, tenant } = await setup();
  const made = await keyRun('create', '--kms', 'fake/main', '--json');
  expect(made.code).toBe(0);
  const listed = (await keyRun('list', tenant, '--json')).out.map((line) => JSON.parse(line));
  expect(listed.find(({ slot }) => slot === json(made).slot).kms).toEqual({
    provider: 'transit:fake',
    key: 'main',
    version: '1',
    wrapped: '2026-06-01T00:00:00Z',
  });
  const shown = (await keyRun('list', tenant)).out.join('\n');
  expect(shown).toContain('  kms       transit:fake main version 1, wrapped 2026-06-01T00:00:00Z');
});

test('an existing key gets a KMS and keeps its id; then one can be required, and a weaker key is refused', async () => {
  const { keyRun, kmsRun, key, tenant } = await setup();
  expect(await kmsRun('require')).toMatchObject({ code: 1, err: [expect.stringContaining(key.slot)] });
  const attached = await keyRun('attach-kms', '--kms', 'fake');
  expect(attached).toMatchObject({ code: 0, out: [`key ${key.slot} of tenant ${tenant} needs transit:fake main`] });
  expect(attached.err[0]).toContain('rotate --deep');
  expect(await kmsRun('require', '--json')).toMatchObject({
    code: 0,
    out: [JSON.stringify({ tenant, requiresKms: true })],
  });
  // What the caller makes needs the same KMS, so it is allowed.
  expect((await keyRun('create', '--json')).code).toBe(0);
  expect(await kmsRun('require', '--off')).toMatchObject({ code: 0 });
});

test('a tenant is made that requires a KMS; the requirement alone is no use', async () => {
  const { tenantRun } = await setup();
  const made = await tenantRun('create', '--bucket', 'photos', '--kms', 'fake', '--require-kms', '--json');
  expect(made.code).toBe(0);
  const shown = (await tenantRun('show', json(made).tenant)).out.join('\n');
  expect(shown).toContain('kms         required for every way in');
  expect(await tenantRun('create', '--bucket', 'photos', '--require-kms')).toMatchObject({ code: 2 });
});

test('status shows age and version, what is too old, and how far an old version may be raised; rewrap mends it', async () => {
  const { kms, keyRun, kmsRun, harness, tenant } = await setup();
  await keyRun('create', '--kms', 'fake', '--json');
  harness.time += 100 * 86_400_000;
  kms.rotate();
  const status = await kmsRun('status', '--all', '--older-than', '90d');
  expect(status.code).toBe(1);
  expect(status.out[0]).toMatch(
    /version 1 \(not the present one\) {2}wrapped 2026-06-01T00:00:00Z, 100 days ago {2}TOO OLD$/,
  );
  expect(status.out[1]).toBe(
    'transit:fake main  present version 2, oldest 1: the oldest may be raised to 1; after kms rewrap --all, to the present one',
  );
  const rewrapped = await kmsRun('rewrap', '--all');
  expect(rewrapped).toMatchObject({ code: 0, out: [expect.stringContaining('version 2'), '1 tenants, 0 failed'] });
  const after = await kmsRun('status', '--all', '--older-than', '90d', '--json');
  const lines = after.out.map((line) => JSON.parse(line));
  expect([after.code, lines[0].isCurrent, lines[0].ageSeconds]).toEqual([0, true, 0]);
  expect(lines[1]).toEqual({ key: 'transit:fake main', current: '2', oldest: '1', oldestNeeded: '2' });
  expect((await kmsRun('status', tenant)).out).toHaveLength(1);
});

test('rewrap --all goes on past a tenant that fails, and says so', async () => {
  const { kms, kmsRun, tenantRun } = await setup();
  for (const _ of [1, 2]) await tenantRun('create', '--bucket', 'photos', '--kms', 'fake', '--json');
  kms.failing = 'denied';
  kms.failures = 1;
  const done = await kmsRun('rewrap', '--all');
  expect([done.code, done.err.length, done.out.at(-1)]).toEqual([1, 1, '1 tenants, 1 failed']);
});

test('a slot for unattended work is made, labelled and removed', async () => {
  const { kmsRun, tenant, tenantRun } = await setup();
  const made = await kmsRun('add', '--kms', 'fake', '--label', 'verify', '--json');
  expect(json(made)).toMatchObject({ tenant, type: 'kms', provider: 'transit:fake' });
  expect((await tenantRun('show', tenant)).out.join('\n')).toMatch(/kms +[0-9a-f]{8} {2}server-managed/);
  expect(await kmsRun('remove', tenant, json(made).slot)).toMatchObject({ code: 0 });
  expect(await kmsRun('remove', tenant, json(made).slot)).toMatchObject({ code: 1 });
});

test('what is wrong with a command line is said', async () => {
  const { kmsRun, keyRun } = await setup();
  expect((await keyRun('create', '--kms', 'fakes/main')).err[0]).toContain("Did you mean 'fake'?");
  expect(await keyRun('attach-kms')).toMatchObject({ code: 2 });
  expect(await kmsRun('status')).toMatchObject({ code: 2 });
  expect(await kmsRun('status', '--all', 'billing')).toMatchObject({ code: 2 });
  expect(withTenant(['status', '--older-than', '90d', 'billing'])).toEqual([
    'status',
    '--older-than',
    '90d',
    '--tenant=billing',
  ]);
  expect(withTenant(['rewrap', '--to', 'fake', '--all'])).toEqual(['rewrap', '--to', 'fake', '--all']);
});
