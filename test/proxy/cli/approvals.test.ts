/**
 * Protects: commands that need approvals are done only once they are approved, as they were asked for, and by nobody's own approval; and
 * the commands that make, show, approve and withdraw requests say what they did.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { approvalCommand, approveCommand } from '../../../proxy/cli/approval.ts';
import { approverCommand } from '../../../proxy/cli/approver.ts';
import type { CommandDeps } from '../../../proxy/cli/command-approval.ts';
import { keyCommand } from '../../../proxy/cli/key.ts';
import { roleCommand } from '../../../proxy/cli/role.ts';
import { tenantDelete } from '../../../proxy/cli/tenant-delete.ts';
import type { ApprovalAction } from '../../../proxy/keyring/approvals/actions.ts';
import { into, json, openKeyCommands, type Printed } from './harness.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-approvals-'));
});
afterAll(() => rm(directory, { recursive: true }));

const idIn = ({ err }: Printed) => /request ([0-9a-f]{24})/.exec(err.join('\n'))?.[1] ?? '';

/** `required` of the approvers ann, bob and cat, whose keys are files. */
async function setup(o: { required?: number; named?: readonly ApprovalAction[]; requester?: string } = {}) {
  const bench = await openKeyCommands([{ label: 'first' }, { label: 'second' }]);
  const folder = await mkdtemp(join(directory, 'keys-'));
  const deps: CommandDeps = {
    ...bench.deps,
    approvals: { named: o.named ?? [], requester: o.requester ?? 'operator:eve@desk' },
  };
  const { signal, harness, tenant } = bench;
  const as = (requester: string): CommandDeps => ({ ...deps, approvals: { named: o.named ?? [], requester } });
  const approver = (args: readonly string[], by = deps) =>
    into((output) => approverCommand(args, { ...output, deps: by, signal }));
  const approval = (args: readonly string[]) => into((output) => approvalCommand(args, { ...output, deps, signal }));
  const approve = (args: readonly string[]) => into((output) => approveCommand(args, { ...output, deps, signal }));
  const keyFile = (name: string) => join(folder, `${name}.pem`);
  const remove = (args: readonly string[], by = deps) =>
    into((output) =>
      tenantDelete([tenant, '--yes', tenant, ...args], {
        ...{ ...output, deps: by, backend: harness.backend, ask: undefined, signal },
      }),
    );
  for (const name of ['ann', 'bob', 'cat']) {
    const { publicKey } = json(await approver(['keygen', '--out', keyFile(name), '--json']));
    const added = await approver(['add', name, '--public-key', publicKey, '--principal', `operator:${name}`]);
    expect(added.code).toBe(0);
  }
  if (o.required !== 0) expect((await approver(['require', String(o.required ?? 2)])).code).toBe(0);
  return { ...bench, deps, as, approver, approval, approve, keyFile, remove };
}

describe('tenant delete', () => {
  it('asks first, and deletes once two approvers agreed', async () => {
    const o = await setup();
    const asked = await o.remove(['--reason', 'the customer left']);
    const id = idIn(asked);
    expect([asked.code, asked.out]).toEqual([1, []]);
    expect(asked.err).toEqual([
      expect.stringMatching(
        `^sealgate tenant delete: Approval is needed: request ${id} has 0 of 2 approvals. Ask again once it is approved, before `,
      ),
    ]);
    expect(await o.outcome(o.key.accessKeyId)).toBe('opened');
    expect((await o.approval(['list'])).out).toEqual([
      expect.stringMatching(`^${id}  open  tenant-delete ${o.tenant}  by operator:eve@desk  0 of 2  until `),
    ]);
    expect((await o.approve([id, '--key', o.keyFile('ann')])).out).toEqual([
      `ann has approved request ${id} (tenant-delete): 1 of 2 approvals`,
    ]);
    expect((await o.approve([id, '--key', o.keyFile('ann')])).err[0]).toMatch(/has approved request .* before/);
    expect((await o.remove([])).code).toBe(1);
    expect(json(await o.approve([id, '--key', o.keyFile('cat'), '--json']))).toEqual({
      ...{ id, approver: 'cat', approvedBy: ['ann', 'cat'], needed: 2 },
    });
    const shown = (await o.approval(['show', id])).out;
    expect(shown[0]).toBe(`request     ${id}  approved`);
    expect(shown).toContain('reason      "the customer left"');
    expect(shown).toContain('approvals   2 of 2: ann, cat');
    expect((await o.remove([])).code).toBe(0);
    expect(await o.outcome(o.key.accessKeyId)).toBe('InvalidAccessKeyId');
    expect((await o.approval(['list'])).out).toEqual([]);
    expect((await o.approval(['list', '--all', '--json'])).out.map((line) => JSON.parse(line).status)).toEqual([
      'used',
    ]);
    expect(o.harness.events.map(({ kind }) => kind).slice(-2)).toEqual(['approval-used', 'tenant-deleted']);
  });

  it('is not what was approved any more when the keyring has changed', async () => {
    const o = await setup({ required: 1 });
    const id = idIn(await o.remove([]));
    await o.approve([id, '--key', o.keyFile('ann')]);
    await o.run(['create']);
    const again = await o.remove([]);
    expect([again.code, idIn(again) === id]).toEqual([1, false]);
  });

  it('needs no approval where none is in force, and is refused where the setting names it all the same', async () => {
    const free = await setup({ required: 0 });
    expect((await free.remove([])).code).toBe(0);
    const named = await setup({ required: 0, named: ['tenant-delete'] });
    const refused = await named.remove([]);
    expect([refused.code, refused.err[0]]).toEqual([1, expect.stringMatching(/no approvals are in force/)]);
  });

  it('of a keyring that does not verify needs approvals too', async () => {
    const o = await setup({ required: 1 });
    o.harness.store(Buffer.from('{}'), o.tenant);
    const id = idIn(await o.remove([]));
    expect((await o.approval(['show', id])).out).toContainEqual(
      expect.stringMatching(/^basis {7}sha256:[0-9a-f]{64}$/),
    );
    await o.approve([id, '--key', o.keyFile('bob')]);
    expect((await o.remove([])).code).toBe(0);
  });
});

describe('other commands', () => {
  it('need approvals where SEALGATE_APPROVALS names them, and not otherwise', async () => {
    const run = async (o: Awaited<ReturnType<typeof setup>>) => {
      const stdin = (async function* () {})();
      const { deps, environment, signal, tenant } = o;
      return into((output) =>
        keyCommand(['revoke', tenant, 'second'], { ...output, deps, environment, stdin, signal }),
      );
    };
    expect((await run(await setup())).code).toBe(0);
    const o = await setup({ named: ['key-revoke'], required: 1 });
    const id = idIn(await run(o));
    await o.approve([id, '--key', o.keyFile('ann')]);
    expect((await run(o)).code).toBe(0);
    const { deps, environment, signal, tenant } = await setup({ named: ['role-delete'], required: 1 });
    const stdin = (async function* () {})();
    const role = await into((output) =>
      roleCommand(['delete', tenant, 'ci'], { ...output, deps, environment, stdin, signal }),
    );
    expect(role.err[0]).toMatch(/Approval is needed/);
  });
});

describe('a role', () => {
  it('is made and shown with the approvals that its sessions need; to need fewer takes approvals, to need more does not', async () => {
    const o = await setup({ required: 1 });
    const { deps, environment, signal, tenant } = o;
    const run = (args: readonly string[]) => {
      const stdin = (async function* () {})();
      return into((output) => roleCommand(args, { ...output, deps, environment, stdin, signal }));
    };
    const trust = ['--issuer', 'https://issuer.example', '--audience', 'here', '--subject', 'pod'];
    expect((await run(['create', '--name', 'ci', ...trust, '--approvals', '9'])).code).toBe(2);
    expect((await run(['create', '--name', 'ci', ...trust, '--approvals', '2'])).code).toBe(0);
    expect((await run(['show', tenant, 'ci'])).out).toContain('  approvals 2 for each session');
    expect((await run(['update', tenant, 'ci', '--approvals', '3'])).code).toBe(0);
    const fewer = ['update', tenant, 'ci', '--approvals', '0'];
    const id = idIn(await run(fewer));
    expect((await o.approval(['show', id])).out).toContain('action      role-approvals');
    expect(json(await run(['show', tenant, 'ci', '--json'])).approvals).toBe(3);
    await o.approve([id, '--key', o.keyFile('ann')]);
    expect((await run(fewer)).code).toBe(0);
    expect(json(await run(['show', tenant, 'ci', '--json'])).approvals).toBe(0);
  });
});

describe('approvers', () => {
  it('are added freely until approvals are in force, and by approval then', async () => {
    const o = await setup();
    const { publicKey } = json(await o.approver(['keygen', '--out', o.keyFile('dan'), '--json']));
    expect((await stat(o.keyFile('dan'))).mode & 0o777).toBe(0o600);
    const add = ['add', 'dan', '--public-key', publicKey, '--principal', 'operator:dan'];
    const id = idIn(await o.approver(add));
    // Another wish about the approvers has to wait.
    expect((await o.approver(['remove', 'ann'])).err[0]).toMatch(/is open with other parameters/);
    await o.approve([id, '--key', o.keyFile('ann')]);
    await o.approve([id, '--key', o.keyFile('bob')]);
    expect((await o.approver(add)).out).toEqual(['approver dan is added: 4 approvers, 2 required']);
    const list = json(await o.approver(['list', '--json']));
    expect(list.approvers.map(({ name }: { name: string }) => name)).toEqual(['ann', 'bob', 'cat', 'dan']);
    expect((await o.approver(['list'])).out[0]).toBe('required    2 of 4');
  });

  it('cannot approve a change of the approvers that they asked for', async () => {
    const o = await setup();
    const ann = o.as('operator:ann@desk');
    const id = idIn(await o.approver(['remove', 'cat'], ann));
    expect((await o.approve([id, '--key', o.keyFile('ann')])).err[0]).toMatch(/Approver ann is operator:ann@desk/);
    await o.approve([id, '--key', o.keyFile('bob')]);
    await o.approve([id, '--key', o.keyFile('cat')]);
    expect((await o.approver(['remove', 'cat'], ann)).code).toBe(0);
    // One other is left, and two are required: only the operator's own hands help now.
    expect((await o.approver(['require', '1'], ann)).err[0]).toMatch(/there are 1 approvers who did not ask/);
  });

  it('are not taken away below the number that is required, and a number without a spare is warned of', async () => {
    const o = await setup({ required: 3 });
    expect((await o.approver(['remove', 'ann'])).err[0]).toMatch(/3 approvals are required, and there would be 2/);
    const free = await setup({ required: 0 });
    expect((await free.approver(['require', '4'])).err[0]).toMatch(/4 approvals are required, and there would be 3/);
    expect((await free.approver(['require', '3'])).err[0]).toMatch(/That is every approver/);
  });

  it('wrong command lines are refused', async () => {
    const o = await setup({ required: 0 });
    const { publicKey } = json(await o.approver(['keygen', '--out', o.keyFile('x'), '--json']));
    for (const [args, message] of [
      [['add', 'dan', '--principal', 'operator:dan'], /--public-key is missing/],
      [['add', 'dan', '--public-key', publicKey], /--principal is operator:NAME/],
      [['add', 'dan', '--public-key', publicKey, '--principal', 'dan'], /--principal is operator:NAME/],
      [['add', 'Dan', '--public-key', publicKey, '--principal', 'operator:dan'], /NAME has 1 to 32/],
      [['require', 'two'], /M is a number from 0 to 8/],
      [['require', '9'], /M is a number from 0 to 8/],
      [['require', '1', '--delay', '13h'], /--delay is at most 12h/],
      [['keygen'], /--out is missing/],
    ] as const) {
      const { code, err } = await o.approver(args);
      expect([args, code, err[0]]).toEqual([args, 2, expect.stringMatching(message)]);
    }
    for (const args of [
      ['add', 'dan', '--public-key', 'AAAA', '--principal', 'operator:dan'],
      ['remove', 'dan'],
    ]) {
      expect((await o.approver(args)).code).toBe(1);
    }
    expect((await o.approver(['add', 'ann', '--public-key', publicKey, '--principal', 'operator:a'])).code).toBe(1);
    expect((await o.approver(['keygen', '--out', o.keyFile('x')])).err[0]).toMatch(/already there/);
  });
});

describe('approve', () => {
  it('takes a signature that was made elsewhere', async () => {
    const o = await setup({ required: 0 });
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
    await o.approver(['add', 'hsm', '--public-key', raw, '--principal', 'operator:hsm']);
    await o.approver(['require', '1']);
    const id = idIn(await o.remove([]));
    const { signedBytes } = json(await o.approval(['show', id, '--json']));
    const file = join(directory, 'signature');
    await writeFile(file, sign(null, Buffer.from(signedBytes, 'base64'), privateKey));
    expect((await o.approve([id, '--approver', 'ann', '--signature', file])).err[0]).toMatch(/is not approver ann's/);
    expect((await o.approve([id, '--approver', 'hsm', '--signature', file])).code).toBe(0);
    expect((await o.remove([])).code).toBe(0);
  });

  it('is not asked for with a reason that cannot be shown', async () => {
    const o = await setup();
    for (const reason of ['x'.repeat(257), 'a\u001b[2J']) {
      expect((await o.remove(['--reason', reason])).err[0]).toMatch(/A reason has up to 256 characters/);
    }
    expect((await o.approval(['list'])).out).toEqual([]);
  });

  it('refuses the key of nobody, no key, no request and no id', async () => {
    const o = await setup();
    const id = idIn(await o.remove([]));
    await o.approver(['keygen', '--out', o.keyFile('stranger')]);
    for (const [args, code, message] of [
      [[id, '--key', o.keyFile('stranger')], 1, /is none of an approver/],
      [[id, '--key', o.keyFile('missing')], 1, /missing\.pem/],
      [['0'.repeat(24), '--key', o.keyFile('ann')], 1, /There is no request/],
      [['12', '--key', o.keyFile('ann')], 2, /24 hex digits/],
      [[id], 2, /Say --key, or --approver and --signature/],
      [[id, '--key', o.keyFile('ann'), '--approver', 'ann'], 2, /Say --key, or/],
      [[id, '--approver', 'Ann', '--signature', 'x'], 2, /--approver is the name/],
    ] as const) {
      const printed = await o.approve(args);
      expect([printed.code, printed.err[0]]).toEqual([code, expect.stringMatching(message)]);
    }
  });

  it('does nothing for a request that was withdrawn', async () => {
    const o = await setup();
    const id = idIn(await o.remove([]));
    expect((await o.approval(['withdraw', id])).out).toEqual([`request ${id} is withdrawn`]);
    expect((await o.approve([id, '--key', o.keyFile('ann')])).err[0]).toMatch(/carried out, or withdrawn/);
    expect((await o.approval(['withdraw', id])).code).toBe(1);
    expect(idIn(await o.remove([]))).not.toBe(id);
  });
});
