// Protects: an operator who rotates the seal key is told what still needs the old one, until nothing does.
import { describe, expect, it } from 'vitest';
import { sealKeyCommand } from '../../../proxy/cli/seal-key.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { SessionDays } from '../../../proxy/keyring/sessions/day-records.ts';
import { openRole } from '../../../proxy/keyring/sessions/issue-role-session.ts';
import { KdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { lastUsedName, sealLastUsed } from '../../../proxy/keyring/uses/last-used.ts';
import { roleTrust } from '../../helpers/issuer.ts';
import { newSealKeys } from '../../helpers/keyring-fixture.ts';
import { SealKeyBench } from '../../helpers/seal-key-bench.ts';
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

describe('seal-key activate', () => {
  async function servers() {
    const bench = await SealKeyBench.open();
    const [first, second] = [
      await bench.start(bench.keys('one', 'two'), { host: 'pod-a' }),
      await bench.start(bench.keys('one'), { host: 'pod-b' }),
    ];
    const handed: string[] = [];
    const run = (...args: readonly string[]) => {
      const sealKeys = bench.keys('two', 'one');
      const { state, now, record, signal } = bench;
      const deps = { state, now, record, sealKeys, runner: new KdfRunner() };
      const handOverAudit = async () => void handed.push(sealKeys.active.kid);
      return into((output) => sealKeyCommand(args, { ...output, deps, handOverAudit, signal }));
    };
    const close = () => Promise.all([first, second].map(({ upkeep }) => upkeep.close()));
    return { bench, first, second, run, handed, close };
  }

  it('names the servers that do not have the seal key, and goes on when they have it', async () => {
    const { bench, first, second, run, handed, close } = await servers();
    const refused = await run('activate', 'two');
    expect([refused.code, refused.out, handed]).toEqual([1, [], []]);
    expect(refused.err[0]).toMatch(
      /^sealgate seal-key: seal key 'two' is not on every server: pod-b \(boot [0-9a-f]{16}\) has/,
    );
    const server = (host: string, boot: string, signs: string, held: string) =>
      `server ${host} (boot ${boot})  since 2026-06-01T00:00:00Z  signs with ${signs}  has ${held}`;
    const shown = (await run('status')).out;
    expect(shown.slice(0, 2).map((text) => text.slice(0, 13))).toEqual(['one  active  ', 'two  can be d']);
    expect(shown.slice(2).toSorted()).toEqual([
      server('pod-a', first.upkeep.boot, 'one', 'one, two'),
      server('pod-b', second.upkeep.boot, 'one', 'one'),
    ]);
    second.sealKeys.adopt(bench.keys('one', 'two'));
    await second.upkeep.run({ report: true });
    expect(await run('activate', 'two')).toEqual({
      code: 0,
      out: ['two signs from now on; 2 servers follow within a minute'],
      err: [],
    });
    expect(handed).toEqual(['two']);
    // Until they have looked, the old one is not to be dropped, and what they sign may be under it.
    const between = (await run('status')).out;
    expect(between[1]).toMatch(/^one {2}needed /);
    expect(between.slice(2, 4).toSorted()).toEqual([
      `  pod-a (boot ${first.upkeep.boot}) signs with it`,
      `  pod-b (boot ${second.upkeep.boot}) signs with it`,
    ]);
    const early = await run('resign');
    expect([early.code, early.out]).toEqual([0, ['signed 0 keyrings and sealed 0 records under two']]);
    expect(early.err.toSorted()[0]).toMatch(/^pod-a \(boot .* still signs with one: run this again in a minute\.$/);
    for (const { upkeep } of [first, second]) await upkeep.run();
    expect((await run('status')).out[1]).toMatch(/^one {2}can be dropped /);
    expect((await run('resign')).err).toEqual([]);
    expect(json(await run('activate', 'two', '--json'))).toMatchObject({ kid: 'two', changed: false, generation: 2 });
    expect((await run('activate', 'two')).out).toEqual(['two signs already']);
    await close();
    expect((await run('status')).out).toHaveLength(2);
  });

  it('says what is wrong with the record, in status too, and replaces it on demand', async () => {
    const { bench, run, close } = await servers();
    await close();
    bench.putActive(Buffer.from('nonsense'));
    for (const args of [['status'], ['activate', 'two'], ['resign']]) {
      const { code, err } = await run(...args);
      expect([code, err[0]]).toEqual([1, 'sealgate seal-key: the record of the active seal key is malformed']);
    }
    expect(await run('activate', 'two', '--replace-damaged')).toMatchObject({
      code: 0,
      out: ['two signs from now on; no server runs'],
    });
    expect((await run('status')).code).toBe(0);
    expect((await run('activate', 'three')).err[0]).toContain("'three' is not configured here");
    expect((await run('activate')).code).toBe(2);
  });
});

function ownCredentials({ accessKeyId }: KeyCommandBench['key'], harness: TenancyHarness) {
  return { accessKeyId, secretAccessKey: harness.unseal(accessKeyId).secret.toString() };
}
