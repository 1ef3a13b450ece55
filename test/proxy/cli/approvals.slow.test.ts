// Protects: approvals as commands are run, each in a process of its own: a deep rotation and a recovery that nobody approved change
// nothing and hand out nothing; approved, they run once; and the audit has every step.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { runProgram } from '../../e2e/support/program.ts';

let directory: string;
let settings: Record<string, string>;
let tenant: string;

const sealgate = (...args: readonly string[]) => runProgram(args, { directory, settings });
async function done(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await sealgate(...args);
  expect([args.join(' '), code, stderr.includes('Error')]).toEqual([args.join(' '), 0, false]);
  return stdout;
}
const idIn = (text: string) => /request ([0-9a-f]{24})/.exec(text)?.[1] ?? '';
const approveByBoth = async (id: string) => {
  for (const name of ['ann', 'bob']) await done('approve', id, '--key', `${name}.pem`);
};

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-approvals-'));
  settings = {
    SEALGATE_BACKEND: `local:${join(directory, 'store')}`,
    SEALGATE_STATE: 'sealgate-state',
    SEALGATE_SEAL_KEYS: SealKeys.generate(),
  };
  const publicKey = JSON.parse(await done('escrow', 'keygen', '--out', 'escrow.key', '--json')).publicKey;
  settings['SEALGATE_ESCROW_PUBLIC_KEY'] = publicKey;
  const created = await done('tenant', 'create', '--bucket', '*', '--name', 'acme', '--json');
  await writeFile(join(directory, 'acme.json'), created);
  tenant = JSON.parse(created).tenant;
  for (const name of ['ann', 'bob', 'cat']) {
    const { publicKey: key } = JSON.parse(await done('approver', 'keygen', '--out', `${name}.pem`, '--json'));
    await done('approver', 'add', name, '--public-key', key, '--principal', `operator:${name}-of-nowhere`);
  }
  await done('approver', 'require', '2');
});
afterAll(() => rm(directory, { recursive: true }));

const generation = async () => {
  const shown = JSON.parse(await done('tenant', 'show', tenant, '--json'));
  return JSON.stringify(shown);
};
const isThere = (file: string) =>
  stat(join(directory, file)).then(
    () => true,
    () => false,
  );

test('a deep rotation begins once it is approved, with the slots that were approved', async () => {
  const rotate = ['key', 'rotate', '--deep', '--credentials', 'acme.json', '--out', 'next.json', '--servers-restarted'];
  const before = await generation();
  const asked = await sealgate(...rotate);
  expect([asked.code, asked.stdout]).toEqual([1, '']);
  expect(await generation()).toBe(before);
  expect(await isThere('next.json')).toBe(false);
  const id = idIn(asked.stderr);
  expect(await done('approval', 'show', id)).toMatch(
    /action {6}key-rotate-deep[\s\S]*replaced +"[0-9a-f]{8}"[\s\S]*step +"begin"/,
  );
  await approveByBoth(id);
  // As approved, and not otherwise.
  expect((await sealgate(...rotate, '--purge-noncurrent')).stderr).toMatch(/is open with other parameters/);
  expect(await done(...rotate)).toMatch(/retired: epoch 1/);
  expect(await isThere('next.json')).toBe(true);
});

test('a recovery hands out a key once it is approved', async () => {
  const recover = [
    'tenant',
    'recover',
    'acme',
    '--escrow-key',
    'escrow.key',
    '--bucket',
    '*',
    '--out',
    'recovered.json',
  ];
  const asked = await sealgate(...recover, '--reason', 'the laptop is gone');
  expect([asked.code, await isThere('recovered.json')]).toEqual([1, false]);
  await approveByBoth(idIn(asked.stderr));
  await done(...recover);
  const { accessKeyId } = JSON.parse(await readFile(join(directory, 'recovered.json'), 'utf8'));
  expect(accessKeyId).toMatch(/^SG1/);
  // Once: what follows is another recovery.
  expect((await sealgate(...recover)).code).toBe(1);
});

test('the audit has every step, and no approver’s key or escrow key is in it or in the state', async () => {
  const { Records } = JSON.parse(await done('audit', 'export', '--format', 'cloudtrail'));
  const events: readonly { readonly eventName: string; readonly eventTime: string }[] = Records;
  const named = (name: string) => events.filter(({ eventName }) => eventName === name).length;
  expect([
    named('ApproversChanged'),
    named('ApprovalRequested'),
    named('ApprovalGiven'),
    named('ApprovalUsed'),
  ]).toEqual([4, 3, 4, 2]);
  const at = (name: string) =>
    events.flatMap(({ eventName, eventTime }) => (eventName === name ? [eventTime] : [])).sort()[0] ?? '';
  expect(at('ApprovalUsed') < at('EpochBegun')).toBe(true);
  const text = JSON.stringify(events);
  for (const file of ['ann.pem', 'bob.pem', 'escrow.key', 'recovered.json']) {
    for (const line of (await readFile(join(directory, file), 'utf8')).split(/[\s":]+/)) {
      if (line.length >= 40 && !settings['SEALGATE_ESCROW_PUBLIC_KEY']?.includes(line))
        expect(text).not.toContain(line);
    }
  }
});
