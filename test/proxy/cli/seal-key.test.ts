// Protects: an operator who rotates the seal key is told what still needs the old one, until nothing does.
import { describe, expect, it } from 'vitest';
import { sealKeyCommand } from '../../../proxy/cli/seal-key.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { SessionDays } from '../../../proxy/keyring/sessions/day-records.ts';
import { openRole } from '../../../proxy/keyring/sessions/issue-role-session.ts';
import { lastUsedName, sealLastUsed } from '../../../proxy/keyring/uses/last-used.ts';
import { roleTrust } from '../../helpers/issuer.ts';
import { newSealKeys } from '../../helpers/keyring-fixture.ts';
import type { TenancyHarness } from '../../helpers/tenancy-harness.ts';
import { into, json, type KeyCommandBench, openKeyCommands as setup } from './harness.ts';

describe('seal-key', () => {
  it('says what an old seal key is still needed for, until nothing is left', async () => {
    const { harness, run, deps, signal, tenant, key } = await setup();
    const short = json(await run(['create', '--registered', '--json']));
    const [one] = harness.sealKeys.all;
    const [two] = newSealKeys('two').all;
    if (one === undefined || two === undefined) throw new Error('There are two seal keys.');
    const both = { ...deps, sealKeys: new SealKeys([two, one]) };
    const seal = (args: readonly string[]) =>
      into((output) => sealKeyCommand(args, { ...output, deps: both, handOverAudit: async () => {}, signal }));
    expect((await seal(['status'])).out[0]).toBe(
      'two  active  keyrings 0  access key ids 0  ARNs 0  last uses 0  buckets 0  approvers 0  audit keys 0',
    );
    expect((await seal(['status'])).out[1]).toBe(
      'one  needed  keyrings 1  access key ids 2  ARNs 0  last uses 0  buckets 0  approvers 0  audit keys 0',
    );
    expect((await seal(['status'])).out.slice(2).toSorted()).toEqual(
      [key.slot, short.slot].sort().map((slot) => `  access key id of ${tenant}/${slot}: sealgate key reissue`),
    );
    expect(await seal(['resign'])).toMatchObject({
      code: 0,
      out: ['signed 1 keyrings and sealed 1 records under two'],
    });
    expect(json(await seal(['resign', '--json']))).toEqual({
      keyrings: 0,
      records: 0,
      tampered: [],
      tamperedBuckets: [],
      tamperedRoles: [],
    });
    const reissue = (environment: NodeJS.ProcessEnv, ...args: readonly string[]) =>
      run(['reissue', ...args], { environment, deps: both });
    const environment = { AWS_ACCESS_KEY_ID: short.accessKeyId, AWS_SECRET_ACCESS_KEY: short.secretAccessKey };
    expect((await reissue(environment, '--drop-old')).code).toBe(0);
    const own = ownCredentials(key, harness);
    const first = { AWS_ACCESS_KEY_ID: own.accessKeyId, AWS_SECRET_ACCESS_KEY: own.secretAccessKey };
    expect((await reissue(first)).code).toBe(0);
    expect((await seal(['status'])).out[1]).toBe(
      'one  can be dropped  keyrings 0  access key ids 0  ARNs 0  last uses 0  buckets 0  approvers 0  audit keys 0',
    );
    harness.store(Buffer.from('{}'), tenant);
    expect(await seal(['status'])).toMatchObject({ code: 1, err: [expect.stringMatching(/does not verify/)] });
    expect((await seal(['nothing'])).code).toBe(2);
  });

  it('is needed as long as sessions that were issued under the old seal key may live', async () => {
    const { harness, run, deps, signal, key } = await setup();
    const [one] = harness.sealKeys.all;
    const [two, gone] = newSealKeys('two', 'gone').all;
    if (one === undefined || two === undefined || gone === undefined) throw new Error('There are three seal keys.');
    const { state } = harness;
    const at = new Date(deps.now());
    const issueUnder = (sealKey: typeof one, days: number) => {
      const now = () => new Date(at.getTime() - days * 86_400_000);
      return new SessionDays({ state, sealKeys: new SealKeys([sealKey]), now }).current(now(), signal);
    };
    const both = { ...deps, sealKeys: new SealKeys([two, one]) };
    const own = ownCredentials(key, harness);
    const environment = { AWS_ACCESS_KEY_ID: own.accessKeyId, AWS_SECRET_ACCESS_KEY: own.secretAccessKey };
    const status = (now: Date, ...args: readonly string[]) =>
      into((output) => sealKeyCommand(['status', ...args], { ...output, deps: { ...both, now: () => now }, signal }));
    await into((output) => sealKeyCommand(['resign'], { ...output, deps: both, signal }));
    expect((await run(['reissue'], { environment, deps: both })).code).toBe(0);
    expect((await status(at)).out[1]).toContain('one  can be dropped');

    // A day whose sessions have ended, one whose sessions may live, and those of a seal key that nobody has any more.
    await issueUnder(one, 3);
    expect((await status(at)).out[1]).toContain('one  can be dropped');
    await issueUnder(one, 0);
    await issueUnder(two, 0);
    await issueUnder(gone, 0);
    const end = new Date(Math.floor(at.getTime() / 86_400_000) * 86_400_000 + (60 * 3_600 + 900) * 1000);
    const until = `${end.toISOString().slice(0, 19)}Z`;
    const { code, out } = await status(new Date(end.getTime() - 1));
    expect([code, out[1], out[2], out.length]).toEqual([
      0,
      expect.stringContaining('one  needed'),
      `  sessions that were issued under it may live until ${until}`,
      3,
    ]);
    expect(JSON.parse((await status(at, '--json')).out[1] ?? '')).toMatchObject({ kid: 'one', sessionsUntil: until });
    expect((await status(end)).out[1]).toContain('one  can be dropped');
  });

  it('seals the records of managed roles anew, and leaves the ARNs of the others to their holders', async () => {
    const { harness, deps, signal, tenant, key } = await setup();
    const [one] = harness.sealKeys.all;
    const [two] = newSealKeys('two').all;
    if (one === undefined || two === undefined) throw new Error('There are two seal keys.');
    const both = { ...deps, sealKeys: new SealKeys([two, one]) };
    const seal = (args: readonly string[]) => into((output) => sealKeyCommand(args, { ...output, deps: both, signal }));
    const caller = harness.unseal(key.accessKeyId);
    const roles = new RoleAdmin(deps);
    for (const [name, managed] of [
      ['managed', true],
      ['broken', true],
      ['sealed', false],
    ] as const) {
      await roles.create(caller, { name, trust: roleTrust(), managed }, signal);
    }
    harness.backend.overwrite('state', 'p/roles/broken', Buffer.from('nothing'));
    const waiting = async () => JSON.parse((await seal(['status', '--json'])).out[1] ?? '').arns.toSorted();
    expect(await waiting()).toEqual(['broken', 'managed', 'sealed'].map((name) => `${tenant}/${name}`));
    const done = await seal(['resign']);
    expect([done.code, done.out, done.err]).toEqual([
      1,
      ['signed 1 keyrings and sealed 1 records under two'],
      [`The record of role ${tenant}/broken does not open: it was left alone.`],
    ]);
    expect(await waiting()).toEqual(['broken', 'sealed'].map((name) => `${tenant}/${name}`));
    // The old seal key is dropped: the managed role still opens.
    const alone = { ...deps, sealKeys: new SealKeys([two]) };
    expect((await openRole(alone, { name: 'managed', sealed: undefined }, signal))?.tenant).toBe(tenant);
    expect(await openRole(alone, { name: 'broken', sealed: undefined }, signal)).toBeUndefined();
  });

  it('counts records of last use by the seal key that signed them, and moves them', async () => {
    const { harness, run, deps, signal, tenant, key } = await setup();
    const second = json(await run(['create', '--json']));
    const [one] = harness.sealKeys.all;
    const [two, unknown] = newSealKeys('two', 'unknown').all;
    if (one === undefined || two === undefined || unknown === undefined) throw new Error('There are three seal keys.');
    const put = (slot: string, sealKey: typeof one) => {
      const body = sealLastUsed({ tenant, slot }, '2026-05-31', sealKey);
      harness.backend.overwrite('state', `p/${lastUsedName({ tenant, slot })}`, body);
    };
    put(key.slot, one);
    // Nobody can tell what made this one: it is shown as tampered with elsewhere, and counts for no key.
    put(second.slot, unknown);
    const both = { ...deps, sealKeys: new SealKeys([two, one]) };
    const seal = (args: readonly string[]) =>
      into((output) => sealKeyCommand(args, { ...output, deps: both, handOverAudit: async () => {}, signal }));
    const counts = async () =>
      (await seal(['status', '--json'])).out.map((line) => {
        const { kid, keyrings, ids, lastUses } = JSON.parse(line);
        return [kid, keyrings, ids.length, lastUses];
      });
    expect(await counts()).toEqual([
      ['two', 0, 0, 0],
      ['one', 1, 2, 1],
    ]);
    expect(json(await seal(['resign', '--json']))).toEqual({
      keyrings: 1,
      records: 1,
      tampered: [],
      tamperedBuckets: [],
      tamperedRoles: [],
    });
    expect(await counts()).toEqual([
      ['two', 1, 0, 1],
      ['one', 0, 2, 0],
    ]);
    // A server that still has the old key in front signed one since: that alone keeps it needed.
    for (const { accessKeyId, secretAccessKey } of [ownCredentials(key, harness), second]) {
      const environment = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
      expect((await run(['reissue'], { environment, deps: both })).code).toBe(0);
    }
    put(key.slot, one);
    expect((await seal(['status'])).out[1]).toBe(
      'one  needed  keyrings 0  access key ids 0  ARNs 0  last uses 1  buckets 0  approvers 0  audit keys 0',
    );
    await seal(['resign']);
    expect((await seal(['status'])).out[1]).toBe(
      'one  can be dropped  keyrings 0  access key ids 0  ARNs 0  last uses 0  buckets 0  approvers 0  audit keys 0',
    );
  });
});

function ownCredentials({ accessKeyId }: KeyCommandBench['key'], harness: TenancyHarness) {
  return { accessKeyId, secretAccessKey: harness.unseal(accessKeyId).secret.toString() };
}
