// Protects: the command line that hands out keys: exact machine output, the warning about loss, and no half-understood input.
import { describe, expect, it } from 'vitest';
import { tenantCommand } from '../../../proxy/cli/tenant.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin/tenant-admin.ts';
import { newSealKeys } from '../../helpers/keyring-fixture.ts';
import { failure } from '../../helpers/state-backend.ts';
import { TenancyHarness } from '../../helpers/tenancy-harness.ts';

async function setup() {
  const harness = new TenancyHarness();
  await harness.state.ensureBucket(new AbortController().signal);
  const { state, sealKeys } = harness;
  const admin = new TenantAdmin({ state, sealKeys, record: () => undefined, now: () => new Date(harness.time) });
  const run = async (...args: readonly string[]) => {
    const [out, err]: [string[], string[]] = [[], []];
    const code = await tenantCommand(args, { admin, out: (line) => out.push(line), err: (line) => err.push(line) });
    return { code, out, err };
  };
  return { harness, run };
}

describe('create', () => {
  it('--json prints exactly the three members on one line, and they work', async () => {
    const { harness, run } = await setup();
    const { code, out, err } = await run('create', '--bucket', 'data', '--json');
    expect([code, out.length, err]).toEqual([0, 1, []]);
    const made = JSON.parse(out[0] ?? '');
    expect(Object.keys(made)).toEqual(['tenant', 'accessKeyId', 'secretAccessKey']);
    expect(out[0]).toBe(JSON.stringify(made));
    expect((await harness.open(made.accessKeyId)).grants).toEqual([
      { bucket: 'data', prefix: '', access: 'read-write' },
    ]);
    expect(harness.unseal(made.accessKeyId).signingSecret.bytes().toString()).toBe(`AWS4${made.secretAccessKey}`);
  });

  it('takes every option, a bucket more than once', async () => {
    const { harness, run } = await setup();
    const args = [
      '--bucket',
      'one',
      '--bucket=*',
      '--bucket',
      'one',
      '--prefix',
      'a/ü',
      '--read-only',
      '--label',
      'CI',
      '--kdf',
      'argon2id',
      '--json',
    ];
    const { code, out } = await run('create', ...args);
    expect(code).toBe(0);
    const made = JSON.parse(out[0] ?? '');
    const access = 'read-only';
    expect((await harness.open(made.accessKeyId)).grants).toEqual([
      { bucket: 'one', prefix: 'a/ü', access },
      { bucket: '*', prefix: 'a/ü', access },
    ]);
    const shown = JSON.parse((await run('show', made.tenant, '--json')).out[0] ?? '');
    expect(shown.keys).toMatchObject([{ label: 'CI', kdf: { name: 'argon2id' } }]);
  });

  it('warns people that the key is shown once and that losing it loses the data', async () => {
    const { run } = await setup();
    const { code, out, err } = await run('create', '--bucket', '*');
    expect(code).toBe(0);
    expect(out.join('\n')).toMatch(/tenant +[0-9a-f]{24}\naccess key id +SG1\S{104}\nsecret access key +\S{43}$/);
    expect(err.join(' ')).toMatch(/shown this once/);
    expect(err.join(' ')).toMatch(/every key of a tenant is lost, its data is lost/);
  });

  it('--registered gives a short access key id that works, and calls the tenant server-managed', async () => {
    const { harness, run } = await setup();
    const args = ['create', '--bucket', 'data', '--registered'];
    const made = JSON.parse((await run(...args, '--json')).out[0] ?? '');
    expect(Object.keys(made)).toEqual(['tenant', 'accessKeyId', 'secretAccessKey']);
    expect(made.accessKeyId).toMatch(/^SGRK[A-Z2-7]{16}$/);
    const signal = new AbortController().signal;
    const key = await harness.tenancy.resolve(made.accessKeyId, signal);
    expect([key.tenant, key.signingSecret.bytes().toString()]).toEqual([made.tenant, `AWS4${made.secretAccessKey}`]);
    expect((await harness.tenancy.open(key, signal)).grants).toMatchObject([{ bucket: 'data' }]);
    const shown = [await run('list'), await run('show', made.tenant)];
    for (const { out } of shown) expect(out[0]).toMatch(/server-managed$/);
    for (const secret of [made.secretAccessKey, made.accessKeyId]) expect(JSON.stringify(shown)).not.toContain(secret);
    expect((await run(...args)).err.at(-1)).toMatch(/server-managed: the state and the seal keys together/);
  });

  it('--registered leaves no record behind when the keyring cannot be written', async () => {
    const { harness, run } = await setup();
    let records = 0;
    harness.backend.intercept = ({ method, key }) => {
      if (method !== 'PUT' || key?.startsWith('p/keyrings/') !== true) return undefined;
      records = harness.backend.keys('state').length;
      return failure(500, 'InternalError');
    };
    expect(await run('create', '--bucket', 'data', '--registered')).toMatchObject({ code: 1, out: [] });
    expect([records, harness.backend.keys('state')]).toEqual([1, []]);
  });

  it('says that the state does not answer, with exit code 1', async () => {
    const { harness, run } = await setup();
    harness.backend.isDown = true;
    const { code, out, err } = await run('create', '--bucket', 'data', '--json');
    expect([code, out]).toEqual([1, []]);
    expect(err.join()).toMatch(/The store does not answer: switched off/);
  });
});

const WRONG: readonly (readonly [args: readonly string[], message: RegExp])[] = [
  [[], /Say what to do/],
  [['remove'], /Unknown command 'remove'/],
  [['toString'], /Unknown command 'toString'/],
  [['create'], /--bucket is missing/],
  [['create', '--bucket'], /--bucket/],
  [['create', '--bucket', ''], /3 to 63/],
  [['create', '--bucket', 'Upper'], /lower-case/],
  [['create', '--bucket', 'a,b'], /3 to 63|lower-case/],
  [['create', '--bucket', 'good', '--bucket', 'ba'], /3 to 63/],
  [['create', '--bucket', 'state'], /state bucket/],
  [['create', '--bucket', 'good', '--kdf', 'md5'], /--kdf is one of hkdf-sha256, argon2id, pbkdf2-sha256/],
  [['create', '--bucket', 'good', '--kdf', 'toString'], /--kdf is one of/],
  [['create', '--bucket', 'good', '--prefix', 'x'.repeat(1025)], /1024 bytes/],
  [['create', '--bucket', 'good', '--label', 'x'.repeat(65)], /too long/],
  [['create', '--bucket', 'good', '--label', 'a\nb'], /characters that are not accepted/],
  [['create', '--bucket', 'good', '--read-only=yes'], /read-only/],
  [['create', '--bucket', 'good', 'extra'], /Unexpected argument 'extra'/],
  [['create', '--bucket', 'good', '--force'], /--force/],
  [['list', 'x'], /Unexpected argument 'x'/],
  [['list', '--all'], /--all/],
  [['show'], /TENANT is missing/],
  [['show', 'ABC'], /24 hex digits/],
  [['show', 'ab'.repeat(12), 'cd'.repeat(12)], /Unexpected argument/],
];

describe('wrong input', () => {
  it.each(WRONG)('%j', async (args, message) => {
    const { harness, run } = await setup();
    const { code, out, err } = await run(...args);
    expect([code, out]).toEqual([2, []]);
    expect(err[0]).toMatch(message);
    expect(harness.backend.keys('state')).toEqual([]);
  });
});

describe('list and show', () => {
  it('are empty at first, and know no other tenant', async () => {
    const { run } = await setup();
    expect(await run('list')).toEqual({ code: 0, out: [], err: [] });
    expect(await run('show', 'ab'.repeat(12))).toEqual({
      code: 1,
      out: [],
      err: [expect.stringContaining('no tenant')],
    });
  });

  it('print lines for people and JSON for programs, and never a secret', async () => {
    const { run } = await setup();
    const made = JSON.parse(
      (await run('create', '--bucket', 'data', '--prefix', 'p/', '--label', 'a "b"', '--json')).out[0] ?? '',
    );
    const all = [
      await run('list'),
      await run('list', '--json'),
      await run('show', made.tenant),
      await run('show', '--json', made.tenant),
    ];
    expect(all.map(({ code, err }) => [code, err])).toEqual(Array(4).fill([0, []]));
    const [list, listJson, show, showJson] = all.map(({ out }) => out.join('\n'));
    expect(list).toBe(
      `${made.tenant}  "a \\"b\\""  data/p/*  read-write  last used not recorded  ` +
        'created 2026-06-01T00:00:00Z  keys 1  generation 1  seal key one',
    );
    expect(JSON.parse(listJson ?? '')).toMatchObject({ tenant: made.tenant, keys: 1 });
    expect(show).toMatch(/grant {5}data\/p\/\* {2}read-write/);
    expect(show).toMatch(/active {2}"a \\"b\\""/);
    expect(JSON.parse(showJson ?? '')).toMatchObject({ tenant: made.tenant, epochs: [{ epoch: 1 }] });
    for (const secret of [made.secretAccessKey, made.accessKeyId]) expect(JSON.stringify(all)).not.toContain(secret);
  });

  it('report a keyring that does not verify, with exit code 1', async () => {
    const { harness, run } = await setup();
    const made = JSON.parse((await run('create', '--bucket', 'data', '--json')).out[0] ?? '');
    const key = `p/keyrings/${made.tenant}.json`;
    const body = harness.backend.stored('state', key)?.toString().replace('"read-write"', '"read-only"') ?? '';
    harness.backend.overwrite('state', key, Buffer.from(body));
    expect(await run('list')).toMatchObject({ code: 1, out: [expect.stringMatching(/TAMPERED .*operator MAC/)] });
    expect(await run('show', made.tenant)).toMatchObject({
      code: 1,
      out: [],
      err: [expect.stringMatching(/operator MAC/)],
    });
  });
});

it('lets a bug be seen as one', async () => {
  const admin = new TenantAdmin({ state: {} as never, sealKeys: newSealKeys('one'), record: () => undefined });
  await expect(tenantCommand(['list'], { admin, out: () => undefined, err: () => undefined })).rejects.toThrow(
    TypeError,
  );
});
