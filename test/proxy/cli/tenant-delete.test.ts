// Protects: a tenant is deleted only by who means it, wholly, and a deletion that was killed is gone on with.
import { describe, expect, it } from 'vitest';
import { tenantDelete } from '../../../proxy/cli/tenant-delete.ts';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { KeyAdmin } from '../../../proxy/keyring/admin/key-admin.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin/tenant-admin.ts';
import { into, json, type KeyCommandBench, openKeyCommands as setup } from './harness.ts';

const ID = 'ab'.repeat(12);

describe('tenant delete', () => {
  const remove = (o: KeyCommandBench, args: readonly string[], answer?: string) => {
    const ask = answer === undefined ? undefined : async () => answer;
    const { harness, deps, signal } = o;
    return into((output) => tenantDelete(args, { ...output, deps, backend: harness.backend, ask, signal }));
  };

  it('asks, names what is lost, and changes nothing without the right answer', async () => {
    const o = await setup();
    const { tenant, key, outcome } = o;
    expect((await remove(o, [tenant])).err[0]).toMatch(/Nobody to ask/);
    expect((await remove(o, [tenant, '--yes', ID])).code).toBe(2);
    const asked = await remove(o, [tenant], 'yes');
    expect([asked.code, asked.out]).toEqual([1, []]);
    expect(asked.err.join('\n')).toMatch(/unreadable for ever[\s\S]*data\/\* {2}read-only[\s\S]*Nothing was changed/);
    expect(await outcome(key.accessKeyId)).toBe('opened');
  });

  it('destroys every version of the keyring, wherever versioning was on', async () => {
    const o = await setup();
    const { harness, tenant, key, run, outcome } = o;
    harness.backend.isVersioned = true;
    await run(['create', '--registered']);
    const name = `p/keyrings/${tenant}.json`;
    const current = harness.backend.stored('state', name) ?? Buffer.alloc(0);
    for (const body of [Buffer.from('older'), current]) harness.backend.overwrite('state', name, body);
    expect(harness.backend.versions('state', name)).toBeGreaterThan(2);
    const done = await remove(o, [tenant], ` ${tenant}\n`);
    expect(done.code).toBe(0);
    expect(done.err.at(-1)).toMatch(/Copies of its keyring elsewhere/);
    expect(harness.backend.versions('state', name)).toBe(0);
    expect(await outcome(key.accessKeyId)).toBe('InvalidAccessKeyId');
    expect(harness.events.some(({ kind, tenant: of }) => kind === 'tenant-deleted' && of === tenant)).toBe(true);
    expect((await remove(o, [tenant, '--yes', tenant])).err[0]).toMatch(/no tenant/);
  });

  it('destroys a keyring that does not verify', async () => {
    const o = await setup();
    o.harness.store(Buffer.from('{}'), o.tenant);
    const done = await remove(o, [o.tenant], o.tenant);
    expect([done.code, done.err.join('\n')]).toEqual([0, expect.stringMatching(/does not verify/)]);
    expect(o.harness.backend.keys('state')).toEqual([]);
  });

  it('takes registered ids along', async () => {
    const o = await setup();
    const { harness, tenant, run } = o;
    const short = json(await run(['create', '--registered', '--json']));
    expect(json(await remove(o, [tenant, '--yes', tenant, '--json']))).toEqual({ tenant, keys: 2, uploads: 0 });
    expect(harness.backend.keys('state')).toEqual([]);
    expect(await o.outcome(short.accessKeyId)).toBe('InvalidAccessKeyId');
  });

  it('goes on where it was killed, and takes along ids that no slot lists', async () => {
    const o = await setup();
    const { harness, tenant, run, deps } = o;
    await run(['create', '--registered']);
    const signal = new AbortController().signal;
    await deps.state.shred(`keyrings/${tenant}.json`, signal);
    const grants = [{ bucket: '*', prefix: '', access: 'read-write' as const }];
    const { accessKeyId } = await new TenantAdmin({ ...deps, escrowPublicKey: undefined }).create({ grants });
    const other = unsealAccessKeyId(accessKeyId, harness.sealKeys);
    const { accessKeyId: kept } = await new KeyAdmin(deps).create(other, { registered: true }, signal);
    expect((await remove(o, [tenant, '--yes', tenant])).code).toBe(0);
    expect(harness.backend.keys('state').filter((name) => name.includes('/ids/'))).toEqual([`p/ids/${kept}`]);
    expect((await remove(o, [tenant, '--yes', tenant])).err[0]).toMatch(/no tenant/);
  });
});
