/**
 * Protects: roles from the command line. An ARN is printed once, before the role counts, and nowhere else; a reply that gets lost takes
 * no ARN along; keys are named by id or label; what is shown of a role opens nothing; and each command does what it says.
 */
import { describe, expect, it } from 'vitest';
import { BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { roleCommand } from '../../../proxy/cli/role.ts';
import { SecretFileError } from '../../../proxy/cli/secret-file.ts';
import { parseRoleArn } from '../../../proxy/keyring/access-keys/role-arn.ts';
import { RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { openRole } from '../../../proxy/keyring/sessions/issue-role-session.ts';
import { keyringName } from '../../../proxy/keyring/state/records.ts';
import { failure } from '../../helpers/state-backend.ts';
import { into, json, type KeyCommandBench, openKeyCommands, type Printed } from './harness.ts';

const TRUST = ['--issuer', 'https://issuer.example', '--audience', 'here', '--subject', 'repo:org/app:*'];
const SEALED = /SGR1[\w-]{100,}/;

async function setup() {
  const bench = await openKeyCommands();
  const { deps, environment, signal, harness } = bench;
  const run = (args: readonly string[], o: { handOver?: (text: string) => Promise<void>; stdin?: string } = {}) =>
    into(async (output) => {
      async function* stdin() {
        yield Buffer.from(o.stdin ?? '');
      }
      return roleCommand(args, { ...output, deps, environment, stdin: stdin(), signal });
    }, o.handOver);
  const create = (name: string, ...more: string[]) => run(['create', '--name', name, ...TRUST, ...more]);
  /** Whether the ARN opens its role as a server would. */
  const opens = async (arn: string) => {
    const parsed = parseRoleArn(arn);
    return parsed !== undefined && (await openRole(deps, parsed, signal)) !== undefined;
  };
  const show = async (name: string) => json(await run(['show', bench.tenant, name, '--json']));
  return { ...bench, roles: run, create, opens, show, backend: harness.backend };
}

/** What the state answers when a keyring is written. */
function onKeyringWrite(
  { harness, tenant }: KeyCommandBench,
  answer: (write: () => void) => ReturnType<typeof failure> | undefined,
) {
  harness.backend.intercept = ({ method, key, body }) => {
    if (method !== 'PUT' || key !== `p/${keyringName(tenant)}`) return undefined;
    return answer(() => harness.backend.overwrite('state', key, body as Buffer));
  };
}

const failed = ({ code, err }: Printed) => [code, err.join(' ')];

describe.each([
  ['sealed', [] as string[]],
  ['managed', ['--managed']],
])('role create, %s', (kind, more) => {
  it('prints the ARN, which opens the role; with --json beside its name, and nothing else', async () => {
    const o = await setup();
    const made = await o.create('ci', ...more);
    expect([made.code, made.out.length, made.err]).toEqual([0, 1, []]);
    expect(await o.opens(made.out[0] ?? '')).toBe(true);
    const inJson = json(await o.create('ci-2', ...more, '--json'));
    expect(Object.keys(inJson).toSorted()).toEqual(['arn', 'role']);
    expect([inJson.role, await o.opens(inJson.arn)]).toEqual(['ci-2', true]);
    expect(SEALED.test(inJson.arn)).toBe(kind === 'sealed');
  });

  it('hands the ARN out before the keyring says so, and it is the one that counts', async () => {
    const o = await setup();
    const before: (boolean | string)[] = [];
    const made = await o.roles(['create', '--name', 'ci', ...TRUST, ...more], {
      handOver: async (arn) => void before.push(await o.opens(arn), arn),
    });
    expect([made.code, before[0], await o.opens(String(before[1]))]).toEqual([0, false, true]);
  });

  it('keeps the ARN though the reply to the change is lost, and says how to find out', async () => {
    const o = await setup();
    onKeyringWrite(o, (write) => {
      write();
      o.backend.isDown = true;
      throw new BackendUnavailable('the answer was lost');
    });
    const { code, out, err } = await o.create('ci', ...more);
    o.backend.isDown = false;
    o.backend.intercept = () => undefined;
    expect([code, err.join(' ')]).toEqual([
      1,
      expect.stringMatching(/role show [0-9a-f]{24} ci.*keep its ARN.*not known whether/),
    ]);
    expect(await o.opens(out[0] ?? '')).toBe(true);
  });

  it('says that the ARN is void when the keyring was not written, and leaves nothing', async () => {
    const o = await setup();
    onKeyringWrite(o, () => failure(500, 'InternalError'));
    const { code, out, err } = await o.create('ci', ...more);
    o.backend.intercept = () => undefined;
    expect([code, err[0]]).toEqual([1, 'What was printed is void: no role was made.']);
    expect(await o.opens(out[0] ?? '')).toBe(false);
    expect(o.backend.keys('state').filter((key) => key.includes('roles/'))).toEqual([]);
    expect((await o.create('ci', ...more)).code).toBe(0);
  });

  it('changes nothing when nobody takes the ARN', async () => {
    const o = await setup();
    const handOver = async () => {
      throw new SecretFileError('Standard output cannot be written (EPIPE).');
    };
    const { code, err } = await o.roles(['create', '--name', 'ci', ...TRUST, ...more], { handOver });
    expect([code, err]).toEqual([1, ['sealgate role: Standard output cannot be written (EPIPE).']]);
    expect((await o.roles(['list', o.tenant])).out).toEqual([]);
    expect(o.backend.keys('state').filter((key) => key.includes('roles/'))).toEqual([]);
  });

  it('takes a name once', async () => {
    const o = await setup();
    await o.create('ci', ...more);
    expect(failed(await o.create('ci', ...more))).toEqual([1, expect.stringMatching(/There is a role 'ci' already/)]);
    expect((await o.roles(['list', o.tenant])).out).toHaveLength(1);
  });

  it('is shown without anything that opens it, in every command and event', async () => {
    const o = await setup();
    const { out } = await o.create('ci', ...more);
    const key = o.key.slot;
    const commands = [
      ['list', o.tenant],
      ['list', o.tenant, '--json'],
      ['show', o.tenant, 'ci'],
      ['show', o.tenant, 'ci', '--json'],
      ['update', o.tenant, 'ci', '--assumable-by', key, '--json'],
      ['update', o.tenant, 'ci', '--audience', 'there'],
    ];
    const printed: string[] = [];
    for (const command of commands) {
      const done = await o.roles(command);
      expect([command.join(' '), done.code]).toEqual([command.join(' '), 0]);
      printed.push(...done.out, ...done.err);
    }
    const text = JSON.stringify([printed, o.harness.events]);
    expect(text).toContain('ci');
    expect(text).not.toMatch(/SGR1/);
    const sealed = SEALED.exec(out[0] ?? '')?.[0];
    expect(sealed !== undefined).toBe(kind === 'sealed');
    if (sealed !== undefined) expect(o.backend.everything().toString('latin1')).not.toContain(sealed);
    expect(text.includes('server-managed')).toBe(kind === 'managed');
  });
});

describe('role update', () => {
  it('changes terms by the operator alone, and says which', async () => {
    const o = await setup();
    await o.create('ci');
    const policy = JSON.stringify({
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' }],
    });
    const args = [
      'update',
      o.tenant,
      'ci',
      '--policy',
      '-',
      '--expires',
      '2027-01-31T00:00:00Z',
      '--assumable-by',
      '*',
      '--end-sessions',
      '--json',
    ];
    const changed = json(await o.roles(args, { stdin: policy }));
    expect([changed.role, changed.changed.toSorted()]).toEqual([
      'ci',
      ['assumableBy', 'endSessions', 'expires', 'policy'],
    ]);
    const shown = await o.show('ci');
    expect(shown).toMatchObject({ role: 'ci', expires: '2027-01-31T00:00:00Z', assumableBy: '*', grants: [] });
    expect(JSON.parse(shown.policy)).toEqual(JSON.parse(policy));
    await o.roles(['update', o.tenant, 'ci', '--expires', 'never', '--status', 'inactive']);
    expect(await o.show('ci')).toMatchObject({ expires: null, status: 'inactive' });
  });

  it('names keys by id or label; a label that two keys have names none', async () => {
    const o = await setup();
    await o.create('ci', '--assumable-by', 'first');
    expect((await o.show('ci')).assumableBy).toEqual([o.key.slot]);
    const other = json(await o.run(['create', '--label', 'nightly job', '--json'])).slot;
    await o.roles(['update', o.tenant, 'ci', '--assumable-by', 'nightly job', '--assumable-by', o.key.slot]);
    expect((await o.show('ci')).assumableBy).toEqual([o.key.slot, other].sort());
    await o.run(['create', '--label', 'nightly job']);
    expect(failed(await o.roles(['update', o.tenant, 'ci', '--assumable-by', 'nightly job']))).toEqual([
      1,
      expect.stringMatching(/Several keys have the label "nightly job": name one of [0-9a-f]{8}, [0-9a-f]{8}/),
    ]);
    expect(failed(await o.roles(['update', o.tenant, 'ci', '--assumable-by', 'nobody']))).toEqual([
      1,
      expect.stringMatching(/no key with the label "nobody"/),
    ]);
    expect((await o.show('ci')).assumableBy).toEqual([o.key.slot, other].sort());
  });

  it('changes trust with a key of the tenant, and ends the sessions of the role', async () => {
    const o = await setup();
    await o.create('ci', '--condition', 'a=b', '--tag', 'wallet=sub', '--max-uses', '3');
    const trust = async () => (await o.show('ci')).trust;
    expect(await trust()).toMatchObject({
      conditions: [{ claim: 'a', value: 'b' }],
      tags: [{ name: 'wallet', claim: 'sub' }],
      maxUses: 3,
    });
    const slot = async () => new RoleAdmin(o.deps).show({ tenant: o.tenant, name: 'ci' }, o.signal);
    const serial = (await slot()).sessionSerial;
    expect(
      (await o.roles(['update', o.tenant, 'ci', '--subject', 'system:serviceaccount:a:b', '--outlive-token'])).code,
    ).toBe(0);
    expect(await trust()).toMatchObject({
      subjects: ['system:serviceaccount:a:b'],
      outlivesToken: 'yes',
      conditions: [{ claim: 'a', value: 'b' }],
    });
    expect((await slot()).sessionSerial).toBe(serial + 1);
  });

  it.each([
    ['nothing to change', ['update', 'TENANT', 'ci'], 2, /Say what to change/],
    ['a wide subject', ['update', 'TENANT', 'ci', '--subject', '*'], 2, /--subject/],
    ['a condition without a value', ['update', 'TENANT', 'ci', '--condition', 'a='], 2, /--condition is NAME=VALUE/],
    ['too many uses', ['update', 'TENANT', 'ci', '--max-uses', '1001'], 2, /--max-uses/],
    ['another status', ['update', 'TENANT', 'ci', '--status', 'on'], 2, /active or inactive/],
    ['no such role', ['update', 'TENANT', 'cd', '--status', 'inactive'], 1, /no role 'cd'/],
    ['no such role to show', ['show', 'TENANT', 'cd'], 1, /no role 'cd'/],
    ['no such role to delete', ['delete', 'TENANT', 'cd'], 1, /no role 'cd'/],
    ['a key named by nothing', ['update', 'TENANT', 'ci', '--assumable-by', ''], 2, /named by its label/],
    ['a name that is none', ['create', '--name', 'a/b', ...TRUST], 2, /--name has/],
    ['no issuer', ['create', '--name', 'x', '--audience', 'a', '--subject', 's'], 2, /--issuer/],
  ])('refuses %s', async (_, args, code, message) => {
    const o = await setup();
    await o.create('ci');
    const done = await o.roles(args.map((arg) => (arg === 'TENANT' ? o.tenant : arg)));
    expect(failed(done)).toEqual([code, expect.stringMatching(message)]);
  });
});

describe('role reissue', () => {
  it('gives another ARN of the same secret, by the present one alone; both open the role', async () => {
    const o = await setup();
    const [arn = ''] = (await o.create('ci')).out;
    const [next = ''] = (await o.roles(['reissue', o.tenant, 'ci', '--arn', arn])).out;
    expect([next === arn, await o.opens(arn), await o.opens(next)]).toEqual([false, true, true]);
    const [other = ''] = (await o.create('cd')).out;
    for (const wrong of [
      [],
      ['--arn', other],
      ['--arn', `${arn.slice(0, -1)}x`],
      ['--arn', arn.replace(/\/SGR1.*/, '')],
    ]) {
      expect(failed(await o.roles(['reissue', o.tenant, 'ci', ...wrong]))).toEqual([
        1,
        expect.stringMatching(/not the ARN of role 'ci'/),
      ]);
    }
  });

  it('of a managed role needs no ARN', async () => {
    const o = await setup();
    const [arn] = (await o.create('ci', '--managed')).out;
    expect((await o.roles(['reissue', o.tenant, 'ci'])).out).toEqual([arn]);
    expect(await o.opens(arn ?? '')).toBe(true);
  });
});

it.each([[[]], [['--managed']]])('role delete takes the role away, and its record: %j', async (more) => {
  const o = await setup();
  const [arn = ''] = (await o.create('ci', ...more)).out;
  expect((await o.roles(['delete', o.tenant, 'ci'])).out).toEqual(['role ci is deleted']);
  expect(await o.opens(arn)).toBe(false);
  expect((await o.roles(['list', o.tenant])).out).toEqual([]);
  expect(o.backend.keys('state').filter((key) => key.includes('roles/'))).toEqual([]);
  expect(json(await o.create('ci', ...more, '--json')).role).toBe('ci');
});
