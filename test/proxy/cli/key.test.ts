// Protects: the command line of a key's life. Secrets come in and go out as promised, never through arguments; files are for
// their owner alone and never replaced unasked; wrong input changes nothing; what is printed works.
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { keyCommand } from '../../../proxy/cli/key.ts';
import { sealKeyCommand } from '../../../proxy/cli/seal-key.ts';
import { tenantDelete } from '../../../proxy/cli/tenant-delete.ts';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-key-id.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin.ts';
import { secretAccessKeyOf } from '../../../proxy/keyring/api-key.ts';
import type { KeyringDeps } from '../../../proxy/keyring/change-keyring.ts';
import { KeyAdmin } from '../../../proxy/keyring/key-admin.ts';
import { SealKeys } from '../../../proxy/keyring/seal-keys.ts';
import { makeTenant, newSealKeys, type SlotPlan } from '../../helpers/keyring-fixture.ts';
import { TenancyHarness } from '../../helpers/tenancy-harness.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-key-'));
});
afterEach(() => rm(directory, { recursive: true }));

const STRONG = 'Vt8/q2Lw+5nRz0KfYc7XhG3mJpUe1sBd9aToW6iE';

async function setup(slots: readonly SlotPlan[] = [{ label: 'first' }]) {
  const harness = new TenancyHarness();
  const fixture = await makeTenant({ sealKeys: harness.sealKeys, slots });
  harness.store(fixture.keyring);
  const [key] = fixture.keys;
  if (key === undefined) throw new Error('The fixture has a key.');
  const secretAccessKey = key.apiKey.type === 'generated' ? secretAccessKeyOf(key.apiKey) : '';
  const environment: NodeJS.ProcessEnv = {
    AWS_ACCESS_KEY_ID: key.accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
  };
  const deps: KeyringDeps = {
    state: harness.state,
    sealKeys: harness.sealKeys,
    emit: (event) => harness.events.push(event),
    now: () => new Date(harness.time),
    runner: harness.runner,
    onChange: (tenant) => harness.tenancy.invalidate(tenant),
  };
  const signal = new AbortController().signal;
  const into = (work: (o: { out: (line: string) => void; err: (line: string) => void }) => Promise<number>) => {
    const [out, err]: [string[], string[]] = [[], []];
    return work({ out: (line) => out.push(line), err: (line) => err.push(line) }).then((code) => ({ code, out, err }));
  };
  async function* stdinOf(text: string) {
    yield Buffer.from(text);
  }
  const run = (args: readonly string[], o: { stdin?: string; environment?: NodeJS.ProcessEnv } = {}) =>
    into((output) =>
      keyCommand(args, {
        ...output,
        deps,
        environment: o.environment ?? environment,
        stdin: stdinOf(o.stdin ?? ''),
        signal,
      }),
    );
  const resolved = async (id: string) => harness.tenancy.open(await harness.tenancy.resolve(id, signal), signal);
  const outcome = (id: string) =>
    resolved(id).then(
      () => 'opened',
      (error: unknown) => String((error as { code?: unknown }).code),
    );
  return {
    harness,
    fixture,
    key,
    tenant: fixture.tenant,
    deps,
    run,
    into,
    resolved,
    outcome,
    environment,
    secretAccessKey,
    signal,
  };
}

const json = (result: { out: readonly string[] }) => JSON.parse(result.out[0] ?? '');

describe('create, rotate, reissue', () => {
  it('print a key that works, once, with the warning', async () => {
    const { run, outcome, key, tenant } = await setup();
    const made = await run(['create', '--label', 'CI', '--json']);
    expect([made.code, made.out.length, made.err]).toEqual([0, 1, []]);
    expect(Object.keys(json(made))).toEqual(['tenant', 'slot', 'accessKeyId', 'secretAccessKey']);
    expect(await outcome(json(made).accessKeyId)).toBe('opened');
    const again = await run(['create', '--expires', '30d', '--bucket', 'other', '--read-only', '--prefix', 'a/']);
    expect(again.out.join('\n')).toMatch(
      /^tenant +[0-9a-f]{24}\nkey +[0-9a-f]{8}\naccess key id +SG1\S{104}\nsecret access key +\S{43}$/,
    );
    expect(again.err.join(' ')).toMatch(/shown this once/);
    const listed = await run(['list', tenant, '--json']);
    const rows = listed.out.map((line) => JSON.parse(line));
    expect(rows).toHaveLength(3);
    expect(rows.find(({ expires }) => expires !== null)).toMatchObject({
      expires: '2026-07-01T00:00:00Z',
      grants: [{ bucket: 'other', prefix: 'a/', access: 'read-only' }],
    });
    const rotated = await run(['rotate', '--grace', '24h']);
    expect(rotated.err.at(-1)).toBe(`Key ${key.slot} works until 2026-06-02T00:00:00Z.`);
    const gone = await run(['rotate']);
    expect(gone.err.at(-1)).toBe(`Key ${key.slot} is gone.`);
    expect(await outcome(key.accessKeyId)).toBe('InvalidAccessKeyId');
    expect((await run(['rotate'])).err[0]).toMatch(/does not exist/);
  });

  it('write the key into a file of its owner, whole, and never over another unasked', async () => {
    const { run, outcome, environment, key, secretAccessKey } = await setup();
    const mine = join(directory, 'credentials.json');
    const { AWS_ACCESS_KEY_ID: accessKeyId } = environment;
    await writeFile(mine, JSON.stringify({ endpoint: 'http://x', bucket: 'demo', accessKeyId, secretAccessKey }));
    const from = ['--credentials', mine];
    const path = join(directory, 'new.json');
    const made = await run(['create', ...from, '--out', path], { environment: {} });
    expect([made.code, made.err]).toEqual([0, []]);
    expect(made.out.join()).not.toMatch(/SG1|secret/);
    const written = JSON.parse(await readFile(path, 'utf8'));
    expect(written).toMatchObject({ endpoint: 'http://x', bucket: 'demo' });
    expect(await outcome(written.accessKeyId)).toBe('opened');
    expect((await stat(path)).mode & 0o777).toBe(0o600);

    const refused = await run(['rotate', ...from, '--out', path], { environment: {} });
    expect([refused.code, refused.err[0]]).toEqual([1, expect.stringMatching(/already there/)]);
    expect(await outcome(key.accessKeyId)).toBe('opened');

    const replaced = await run(['rotate', ...from, '--out', mine, '--overwrite', '--json'], { environment: {} });
    expect([replaced.code, json(replaced)]).toEqual([
      0,
      { tenant: expect.any(String), slot: expect.any(String), file: mine },
    ]);
    const current = JSON.parse(await readFile(mine, 'utf8'));
    expect([await outcome(key.accessKeyId), await outcome(current.accessKeyId)]).toEqual([
      'InvalidAccessKeyId',
      'opened',
    ]);
    expect([current.endpoint, current.bucket, (await stat(mine)).mode & 0o777]).toEqual(['http://x', 'demo', 0o600]);

    // The secret of a key that only gets a new id stays in the file.
    expect((await run(['reissue', ...from, '--out', mine, '--overwrite'], { environment: {} })).code).toBe(0);
    const reissued = JSON.parse(await readFile(mine, 'utf8'));
    expect(reissued).toMatchObject({
      endpoint: 'http://x',
      secretAccessKey: current.secretAccessKey,
      slot: current.slot,
    });
    expect(reissued.accessKeyId).not.toBe(current.accessKeyId);
    const imported = join(directory, 'imported.json');
    const given = ['import', ...from, '--key-file', '-', '--out', imported];
    const shown = await run(given, { environment: {}, stdin: STRONG });
    expect(JSON.stringify(shown)).not.toContain(STRONG);
    expect(JSON.parse(await readFile(imported, 'utf8'))).toMatchObject({ secretAccessKey: STRONG, bucket: 'demo' });

    const missing = join(directory, 'no', 'file.json');
    expect((await run(['rotate', ...from, '--out', missing], { environment: {} })).code).toBe(1);
    expect((await readdir(directory)).toSorted()).toEqual(['credentials.json', 'imported.json', 'new.json']);
  });

  it('make registered ids on request, and change kinds', async () => {
    const { run, outcome, key, tenant } = await setup();
    const short = json(await run(['create', '--registered', '--json']));
    expect(short.accessKeyId).toMatch(/^SGRK[A-Z2-7]{16}$/);
    expect(await outcome(short.accessKeyId)).toBe('opened');
    const environment = { AWS_ACCESS_KEY_ID: short.accessKeyId, AWS_SECRET_ACCESS_KEY: short.secretAccessKey };
    const again = json(await run(['reissue', '--json'], { environment }));
    expect(Object.keys(again)).toEqual(['tenant', 'slot', 'accessKeyId']);
    expect([await outcome(short.accessKeyId), await outcome(again.accessKeyId)]).toEqual(['opened', 'opened']);
    const long = json(await run(['reissue', '--sealed', '--json'], { environment }));
    expect([await outcome(short.accessKeyId), await outcome(long.accessKeyId)]).toEqual([
      'InvalidAccessKeyId',
      'opened',
    ]);
    const shown = (await run(['list', tenant])).out.join('\n');
    expect(shown).not.toMatch(/server-managed|SG1|SGRK/);
    await run(['reissue', '--registered']);
    expect((await run(['list', tenant])).out.join('\n')).toMatch(new RegExp(`${key.slot} {2}active {2}server-managed`));
  });
});

it('a rotation of which nothing more is heard shows the new key all the same', async () => {
  const { harness, run, outcome } = await setup();
  harness.backend.intercept = (request) => {
    if (request.method !== 'PUT' || request.key === undefined || !Buffer.isBuffer(request.body)) return undefined;
    harness.backend.overwrite('state', request.key, request.body);
    harness.backend.isDown = true;
    throw new BackendUnavailable('the answer was lost');
  };
  const { code, out, err } = await run(['rotate', '--json']);
  const issued = JSON.parse(out[0] ?? '');
  expect([code, Object.keys(issued)]).toEqual([1, ['tenant', 'slot', 'accessKeyId', 'secretAccessKey']]);
  expect(err.join('\n')).toMatch(/keep it[\s\S]*not known whether/);
  harness.backend.isDown = false;
  harness.backend.intercept = () => undefined;
  expect(await outcome(issued.accessKeyId)).toBe('opened');
});

it('a rotation into a file has the new key on the disk before the old one is gone', async () => {
  const { harness, run, outcome, key } = await setup();
  const seen: string[] = [];
  harness.backend.intercept = (request) => {
    if (request.method !== 'PUT') return undefined;
    const [aside = ''] = readdirSync(directory);
    seen.push(readFileSync(join(directory, aside), 'utf8'));
    // As if the process were killed with the answer on its way.
    if (request.key === undefined || !Buffer.isBuffer(request.body)) return undefined;
    harness.backend.overwrite('state', request.key, request.body);
    return undefined;
  };
  await run(['rotate', '--out', join(directory, 'new.json')]);
  harness.backend.intercept = () => undefined;
  const kept = JSON.parse(seen[0] ?? '');
  expect([await outcome(key.accessKeyId), await outcome(kept.accessKeyId)]).toEqual(['InvalidAccessKeyId', 'opened']);
  expect(kept.secretAccessKey).toMatch(/^\S{40,}$/);
});

describe('import', () => {
  it('takes a strong key from a file or standard input, and prints only its id', async () => {
    const { run, resolved, outcome } = await setup();
    const path = join(directory, 'key');
    await writeFile(path, `${STRONG}\n`);
    const fromFile = await run(['import', '--key-file', path, '--json']);
    expect([fromFile.code, fromFile.err]).toEqual([0, []]);
    expect(Object.keys(json(fromFile))).toEqual(['tenant', 'slot', 'accessKeyId']);
    expect(await outcome(json(fromFile).accessKeyId)).toBe('opened');
    const fromStdin = await run(['import', '--key-file', '-', '--registered', '--json'], {
      stdin: `${STRONG}${STRONG.slice(0, 15)}`,
    });
    expect(json(fromStdin).accessKeyId).toMatch(/^SGRK/);
    expect((await resolved(json(fromStdin).accessKeyId)).slot).toBe(json(fromStdin).slot);
    expect(JSON.stringify([fromFile, fromStdin])).not.toContain(STRONG);
  });

  it('refuses weak keys, keys of a length that does not fit, and several lines', async () => {
    const { harness, run } = await setup();
    const cases: readonly (readonly [stdin: string, message: RegExp])[] = [
      ['minioadmin', /sample/],
      ['short', /5 characters/],
      ['aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', /guesses/],
      [`${STRONG}${STRONG.slice(0, 10)}`, /--registered/],
      [`${STRONG}\n${STRONG}`, /white space/],
      ['', /0 characters/],
    ];
    for (const [stdin, message] of cases) {
      const { code, out, err } = await run(['import', '--key-file', '-'], { stdin });
      expect([stdin.slice(0, 8), code, out]).toEqual([stdin.slice(0, 8), 1, []]);
      expect(err[0]).toMatch(message);
    }
    expect(cases.length).toBe(6);
    expect(harness.backend.requests.filter(({ method }) => method === 'PUT')).toEqual([]);
  });
});

describe('revoke and update', () => {
  it('refuse the last key, and say what forcing means', async () => {
    const { run, tenant, key, outcome } = await setup();
    const refused = await run(['revoke', tenant, key.slot]);
    expect([refused.code, refused.err[0]]).toEqual([1, expect.stringMatching(/unreadable for ever.*--force/)]);
    expect(await run(['revoke', tenant, key.slot, '--force'])).toMatchObject({ code: 0 });
    expect(await outcome(key.accessKeyId)).toBe('InvalidAccessKeyId');
  });

  it('change what they are told to, and no more', async () => {
    const { run, tenant, key, outcome } = await setup([{ kdf: { name: 'pbkdf2-sha256', iterations: 600_000 } }]);
    const show = async () => json(await run(['list', tenant, '--json']));
    expect((await run(['update', tenant, key.slot, '--status', 'inactive'])).out).toEqual([
      `key ${key.slot} of tenant ${tenant}: status changed`,
    ]);
    expect(await outcome(key.accessKeyId)).toBe('InvalidAccessKeyId');
    await run(['update', tenant, key.slot, '--status', 'active', '--label', 'x', '--expires', '2027-01-01T00:00:00Z']);
    await run(['update', tenant, key.slot, '--bucket', 'b-1', '--kdf', 'argon2id', '--kdf-memory', '65536']);
    expect(await show()).toMatchObject({
      status: 'active',
      label: 'x',
      expires: '2027-01-01T00:00:00Z',
      grants: [{ bucket: 'b-1', prefix: '', access: 'read-write' }],
      kdfUpgrade: { name: 'argon2id', memory: 65_536, passes: 2, parallelism: 1 },
    });
    await run(['update', tenant, key.slot, '--expires', 'never', '--kdf', 'keep']);
    expect(await show()).toMatchObject({ expires: null, kdfUpgrade: null });
  });
});

const ID = 'ab'.repeat(12);
const WRONG: readonly (readonly [args: readonly string[], message: RegExp])[] = [
  [[], /Say what to do/],
  [['make'], /Unknown command 'make'/],
  [['constructor'], /Unknown command/],
  [['create', 'extra'], /Unexpected argument/],
  [['create', '--secret', 'x'], /--secret/],
  [['create', '--prefix', 'p/'], /need --bucket/],
  [['create', '--expires', 'soon'], /--expires/],
  [['create', '--expires', '2020-01-01T00:00:00Z'], /to come/],
  [['create', '--overwrite'], /needs --out/],
  [['create', '--kdf', 'md5'], /--kdf is one of/],
  [['create', '--bucket', 'B'], /3 to 63/],
  [['create', '--label', 'a\nb'], /not accepted/],
  [['import'], /--key-file/],
  [['import', '--key-file', '-', '--credentials', '-'], /Only one/],
  [['rotate', '--grace', 'long'], /--grace/],
  [['rotate', '--slot', 'x'], /8 hex digits/],
  [['reissue', '--sealed', '--registered'], /Choose/],
  [['list'], /TENANT is missing/],
  [['list', 'x'], /24 hex digits/],
  [['revoke', ID], /KEY is missing/],
  [['revoke', ID, 'zz'], /8 hex digits/],
  [['update', ID, 'abcdef01'], /Say what to change/],
  [['update', ID, 'abcdef01', '--status', 'off'], /--status/],
  [['update', ID, 'abcdef01', '--kdf', 'argon2id', '--kdf-memory', '1'], /19456/],
  [['update', ID, 'abcdef01', '--kdf-passes', '3'], /need --kdf/],
];

describe('wrong input', () => {
  it.each(WRONG)('%j', async (args, message) => {
    const { harness, run } = await setup();
    const { code, out, err } = await run(args);
    expect([code, out]).toEqual([2, []]);
    expect(err[0]).toMatch(message);
    expect(harness.backend.requests.filter(({ method }) => method === 'PUT')).toEqual([]);
  });

  it('that is a caller without a key, with a wrong secret, of another server', async () => {
    const { run, environment } = await setup();
    const other = await setup();
    const cases: readonly (readonly [NodeJS.ProcessEnv, RegExp])[] = [
      [{}, /API key is needed/],
      [{ ...environment, AWS_ACCESS_KEY_ID: undefined }, /access key id is missing/],
      [{ ...environment, AWS_SECRET_ACCESS_KEY: STRONG }, /not the one/],
      [{ ...other.environment }, /does not exist/],
      [{ ...environment, AWS_ACCESS_KEY_ID: 'SGRKAAAAAAAAAAAAAAAA' }, /does not exist/],
    ];
    for (const [env, message] of cases) {
      const { code, out, err } = await run(['create'], { environment: env });
      expect([code, out, err.length]).toEqual([1, [], 1]);
      expect(err[0]).toMatch(message);
      expect(err[0]).not.toContain(STRONG);
    }
    expect(cases.length).toBe(5);
  });
});

describe('seal-key', () => {
  it('says what an old seal key is still needed for, until nothing is left', async () => {
    const { harness, run, deps, into, signal, tenant, key } = await setup();
    const short = json(await run(['create', '--registered', '--json']));
    const [one] = harness.sealKeys.all;
    const [two] = newSealKeys('two').all;
    if (one === undefined || two === undefined) throw new Error('There are two seal keys.');
    const both = { ...deps, sealKeys: new SealKeys([two, one]) };
    const seal = (args: readonly string[]) => into((output) => sealKeyCommand(args, { ...output, deps: both, signal }));
    expect((await seal(['status'])).out[0]).toBe('two  active  keyrings 0  access key ids 0');
    expect((await seal(['status'])).out[1]).toBe('one  needed  keyrings 1  access key ids 2');
    expect((await seal(['status'])).out.slice(2).toSorted()).toEqual(
      [key.slot, short.slot].sort().map((slot) => `  access key id of ${tenant}/${slot}: sealgate key reissue`),
    );
    expect(await seal(['resign'])).toMatchObject({
      code: 0,
      out: ['signed 1 keyrings and sealed 1 records under two'],
    });
    expect(json(await seal(['resign', '--json']))).toEqual({ keyrings: 0, records: 0, tampered: [] });
    const reissue = (environment: NodeJS.ProcessEnv, ...args: readonly string[]) =>
      into((output) =>
        keyCommand(['reissue', ...args], { ...output, deps: both, environment, signal, stdin: process.stdin }),
      );
    const environment = { AWS_ACCESS_KEY_ID: short.accessKeyId, AWS_SECRET_ACCESS_KEY: short.secretAccessKey };
    expect((await reissue(environment, '--drop-old')).code).toBe(0);
    expect((await reissue(await setupEnvironment(key, harness))).code).toBe(0);
    expect((await seal(['status'])).out[1]).toBe('one  can be dropped  keyrings 0  access key ids 0');
    harness.store(Buffer.from('{}'), tenant);
    expect(await seal(['status'])).toMatchObject({ code: 1, err: [expect.stringMatching(/does not verify/)] });
    expect((await seal(['nothing'])).code).toBe(2);
  });
});

async function setupEnvironment(
  key: Awaited<ReturnType<typeof setup>>['key'],
  harness: TenancyHarness,
): Promise<NodeJS.ProcessEnv> {
  const { secret } = harness.unseal(key.accessKeyId);
  return { AWS_ACCESS_KEY_ID: key.accessKeyId, AWS_SECRET_ACCESS_KEY: secret.toString() };
}

describe('tenant delete', () => {
  const remove = (o: Awaited<ReturnType<typeof setup>>, args: readonly string[], answer?: string) => {
    const ask = answer === undefined ? undefined : async () => answer;
    const { harness, deps, signal, into } = o;
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
