// Protects: the command line of a key's life. Secrets come in and go out as promised, never through arguments; files are for
// their owner alone and never replaced unasked; wrong input changes nothing; what is printed works.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { json, openKeyCommands as setup } from './harness.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-key-'));
});
afterEach(() => rm(directory, { recursive: true }));

const STRONG = 'Vt8/q2Lw+5nRz0KfYc7XhG3mJpUe1sBd9aToW6iE';

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
      kdfUpgrade: { name: 'argon2id', memory: 65_536, passes: 2, parallelism: 1, after: expect.stringMatching(/Z$/) },
    });
    await run(['update', tenant, key.slot, '--expires', 'never', '--kdf', 'keep']);
    expect(await show()).toMatchObject({ expires: null, kdfUpgrade: null });
  });

  it('say until when a stronger key derivation waits for sessions, and end the wait with the sessions', async () => {
    const { run, tenant, key } = await setup([{ kdf: { name: 'pbkdf2-sha256', iterations: 600_000 } }]);
    const next = async () => (await run(['list', tenant])).out.filter((line) => line.includes('kdf next'));
    const asked = await run(['update', tenant, key.slot, '--kdf', 'argon2id']);
    const [, after = ''] = /until (\S+Z)\./.exec(asked.err.join('\n')) ?? [];
    expect(asked.err.join('\n')).toContain('--end-sessions');
    expect(await next()).toEqual([
      `  kdf next  argon2id memory=19456 passes=2 parallelism=1, not before ${after}: sessions may live`,
    ]);
    const ended = await run(['update', tenant, key.slot, '--end-sessions']);
    expect([ended.code, ended.err]).toEqual([0, []]);
    expect(await next()).toEqual(['  kdf next  argon2id memory=19456 passes=2 parallelism=1']);
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
  [['rotate', '--slot', ''], /8 hex digits/],
  [['reissue', '--sealed', '--registered'], /Choose/],
  [['list'], /TENANT is missing/],
  [['list', 'X'], /24 hex digits/],
  [['revoke', ID], /KEY is missing/],
  [['revoke', ID, ''], /8 hex digits/],
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

describe('a key that is named by its label', () => {
  it('is updated, rotated and revoked as by its id', async () => {
    const { run, tenant, key } = await setup();
    const nightly = json(await run(['create', '--label', 'nightly job', '--json'])).slot;
    expect(json(await run(['update', tenant, 'nightly job', '--status', 'inactive', '--json']))).toMatchObject({
      slot: nightly,
    });
    expect(json(await run(['update', tenant, 'nightly job', '--status', 'active', '--json']))).toMatchObject({
      slot: nightly,
    });
    const rotated = json(await run(['rotate', '--slot', 'nightly job', '--json']));
    expect(rotated.replaced).toBe(nightly);
    expect(json(await run(['revoke', tenant, 'nightly job', '--json']))).toEqual({
      tenant,
      slot: rotated.slot,
      revoked: true,
    });
    expect((await run(['list', tenant, '--json'])).out.map((line) => JSON.parse(line).slot)).toEqual([key.slot]);
  });

  it('must be the only one with it, and an id is never a label', async () => {
    const { run, tenant, key } = await setup();
    const [a, b] = [
      json(await run(['create', '--label', 'twin', '--json'])),
      json(await run(['create', '--label', 'twin', '--json'])),
    ];
    const slots = [a.slot, b.slot].sort().join(', ');
    for (const args of [
      ['revoke', tenant, 'twin'],
      ['update', tenant, 'twin', '--status', 'inactive'],
      ['rotate', '--slot', 'twin'],
    ]) {
      const { code, err } = await run(args);
      expect([code, err.join()]).toEqual([
        1,
        expect.stringContaining(`Several keys have the label "twin": name one of ${slots}.`),
      ]);
    }
    expect(await run(['revoke', tenant, 'nobody'])).toMatchObject({
      code: 1,
      err: [expect.stringMatching(/no key with the label "nobody"/)],
    });
    await run(['create', '--label', key.slot]);
    expect(await run(['update', tenant, key.slot, '--label', 'first again', '--json'])).toMatchObject({ code: 0 });
    expect(await run(['revoke', tenant, ''])).toMatchObject({
      code: 2,
      err: [expect.stringMatching(/named by its label/), expect.anything()],
    });
  });
});
