/**
 * Protects: a tenant's name is one tenant's, on every path that gives one, and is worth what the operator's MAC is worth: the record
 * that leads from a name to a tenant cannot lead to another one.
 */
import { describe, expect, it } from 'vitest';
import { deleteTenant } from '../../../../proxy/keyring/admin/delete-tenant.ts';
import { TenantAdmin } from '../../../../proxy/keyring/admin/tenant-admin.ts';
import { resolveTenant } from '../../../../proxy/keyring/admin/tenant-names.ts';
import { isTenantName } from '../../../../proxy/keyring/state/fields.ts';
import { TENANT_NAME_CLAIM_MS } from '../../../../proxy/running-limits.ts';
import { TenancyHarness } from '../../../helpers/tenancy-harness.ts';

const signal = new AbortController().signal;
const grants = [{ bucket: 'data', prefix: '', access: 'read-write' as const }];

async function setup() {
  const harness = new TenancyHarness();
  await harness.state.ensureBucket(signal);
  const now = () => new Date(harness.time);
  harness.backend.now = now;
  const admin = new TenantAdmin({ state: harness.state, sealKeys: harness.sealKeys, record: () => undefined, now });
  const make = async (name?: string) => (await admin.create({ grants, ...(name !== undefined && { name }) })).tenant;
  return { harness, admin, make, deps: { ...harness.deps, now } };
}

const taken = { code: 'TENANT_NAME_TAKEN' };
const unknown = { code: 'UNKNOWN_TENANT' };

it('leads to the tenant, by id and by name, also when the record of the name is gone', async () => {
  const { harness, admin, make } = await setup();
  const [one, two] = [await make('one'), await make()];
  expect([await admin.resolve('one'), await admin.resolve(one), await admin.resolve(two)]).toEqual([one, one, two]);
  await expect(admin.resolve('two')).rejects.toMatchObject(unknown);
  await harness.state.delete('names/one', signal);
  expect(await admin.resolve('one')).toBe(one);
});

it('is given once: to one of several at the same time, and not again', async () => {
  const { make, admin } = await setup();
  const made = await Promise.allSettled(Array.from({ length: 8 }, () => make('x')));
  expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  for (const one of made) if (one.status === 'rejected') expect(one.reason).toMatchObject(taken);
  await expect(make('x')).rejects.toMatchObject(taken);
  const other = await make('y');
  await expect(admin.rename(other, 'x', signal)).rejects.toMatchObject(taken);
  expect((await admin.show(other)).name).toBe('y');
});

it('is free again after a rename and after a deletion', async () => {
  const { make, admin, deps, harness } = await setup();
  const one = await make('x');
  await admin.rename(one, 'y', signal);
  expect([await admin.resolve('y'), (await admin.show(one)).name]).toEqual([one, 'y']);
  await expect(admin.resolve('x')).rejects.toMatchObject(unknown);
  const two = await make('x');
  await admin.rename(two, '', signal);
  expect((await admin.show(two)).name).toBe('');
  await deleteTenant(deps, harness.backend, one, signal);
  await expect(admin.resolve('y')).rejects.toMatchObject(unknown);
  expect(await admin.resolve('y').catch(() => make('y'))).not.toBe(one);
});

it('a name that was promised to a tenant that was never made is free after a while, and not before', async () => {
  const { harness, make } = await setup();
  await harness.state.put('names/x', Buffer.from('ab'.repeat(12)), { ifAbsent: true }, signal);
  await expect(make('x')).rejects.toMatchObject(taken);
  harness.time += TENANT_NAME_CLAIM_MS;
  expect(await make('x')).toMatch(/^[0-9a-f]{24}$/);
});

describe('a record that somebody else wrote', () => {
  it.each(['another tenant', 'nonsense'])('%s: the keyring decides', async (kind) => {
    const { harness, admin, make, deps } = await setup();
    const [one, two] = [await make('one'), await make('two')];
    await harness.state.replace('names/one', Buffer.from(kind === 'nonsense' ? '../x' : two), signal);
    expect(await resolveTenant(deps, 'one', signal)).toBe(one);
    await harness.state.replace('names/three', Buffer.from(two), signal);
    await expect(admin.resolve('three')).rejects.toMatchObject(unknown);
  });
});

it('has a form that is no id', () => {
  for (const name of ['a', 'billing', 'eu-1.billing_2', '0', 'x'.repeat(63)])
    expect([name, isTenantName(name)]).toEqual([name, true]);
  for (const name of ['', 'A', '-a', 'a-', 'a/b', 'a b', 'ü', 'x'.repeat(64), 'ab'.repeat(12), '..', 'a\n']) {
    expect([name, isTenantName(name)]).toEqual([name, false]);
  }
});
