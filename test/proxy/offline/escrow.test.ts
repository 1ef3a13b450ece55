// Protects: the holder of the escrow private key, with a copy of the keyring and of the objects, opens them without a server and
// without any API key; nobody else does, and an escrow that was put there by somebody else counts for nothing.
import { createSecretKey, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { decryptCommand } from '../../../proxy/cli/decrypt.ts';
import { writeSecretFile } from '../../../proxy/cli/secret-file.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { withEscrowSlot } from '../../../proxy/keyring/admin/edit-slots.ts';
import { generateEscrowKey, renderEscrowKeyFile } from '../../../proxy/keyring/slots/escrow-key.ts';
import { splitEscrowKey } from '../../../proxy/keyring/slots/escrow-shares.ts';
import { escrowSlot } from '../../../proxy/keyring/slots/escrow-slot.ts';
import { slotsOfType } from '../../../proxy/keyring/slots/slot-types.ts';
import { canonicalJson } from '../../../proxy/keyring/state/canonical-json.ts';
import { type Keyring, parseKeyring } from '../../../proxy/keyring/state/document.ts';
import { keyringName } from '../../../proxy/keyring/state/records.ts';
import { resign } from '../../helpers/keyring-fixture.ts';
import { startTestProxy, type TestProxy } from '../../helpers/proxy.ts';
import { storedObject } from '../../helpers/stored.ts';

const BUCKET = 'escrowed';
const large = randomBytes(1_300_000);
const sealKey = SealKeys.generate();
const escrow = generateEscrowKey();
let directory: string;
let proxy: TestProxy;
let tenant: string;
let keyring: Keyring;

const inside = (name: string) => join(directory, name);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-escrowed-'));
  const backend = await openLocalBackend({ directory: inside('store') });
  const config = { escrowPublicKey: escrow.publicKey };
  proxy = await startTestProxy({ backend, config, sealKeys: SealKeys.parse(sealKey) });
  const owner = await proxy.createTenant();
  // Another tenant, escrowed too: the keyring has to be named.
  await proxy.createTenant();
  tenant = owner.tenant;
  const s3 = proxy.client(owner);
  await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
  for (const [Key, Body] of [
    ['a b+ü%.txt', 'odd'],
    ['large', large],
    ['empty', ''],
  ] as const)
    await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }));
  s3.destroy();
  const record = await proxy.state.get(keyringName(tenant), AbortSignal.timeout(60_000));
  keyring = parseKeyring(record?.body ?? Buffer.alloc(0));
  await writeFile(inside('keyring.json'), canonicalJson(keyring));
  await writeSecretFile(inside('escrow.key'), renderEscrowKeyFile(escrow, '2026-01-02T03:04:05Z'));
  await writeSecretFile(inside('other.key'), renderEscrowKeyFile(generateEscrowKey(), '2026-01-02T03:04:05Z'));
});
afterAll(async () => {
  await proxy.close();
  await proxy.backend.close();
  await rm(directory, { recursive: true });
});

/** The command with nothing set but what is given. */
async function decrypt(args: readonly string[], env: Record<string, string> = {}) {
  const printed = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
  const into = (chunks: Buffer[]) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(Buffer.from(chunk));
        done();
      },
    });
  const io = { stdin: Readable.from([]), stdout: into(printed.stdout), stderr: into(printed.stderr) };
  const code = await decryptCommand(['--bucket', BUCKET, ...args], env, io);
  return { code, stdout: Buffer.concat(printed.stdout), stderr: Buffer.concat(printed.stderr).toString() };
}

const STORE = () => ({ SEALGATE_BACKEND: `local:${inside('store')}`, SEALGATE_STATE: 'sealgate-state' });
const key = (name = 'escrow.key') => ['--escrow-key', inside(name)];

test('opens a whole bucket of a store, with and without seal keys', async () => {
  for (const [name, more] of [
    ['without', {}],
    ['with', { SEALGATE_SEAL_KEYS: sealKey }],
  ] as const) {
    const out = inside(name);
    const args = [...key(), '--tenant', tenant, '--all', '--output', out];
    const { code, stdout, stderr } = await decrypt(args, { ...STORE(), ...more });
    expect([code, stdout.toString()]).toEqual([0, 'opened 3, legacy 0, skipped 0, failed 0\n']);
    expect(stderr.includes("operator's MAC of the keyring is not checked")).toBe(name === 'without');
    expect(await readFile(join(out, 'a b+ü%25.txt'), 'utf8')).toBe('odd');
    expect((await readFile(join(out, 'large'))).equals(large)).toBe(true);
  }
});

test('opens a copy of one object beside a copy of the keyring, with no store at all', async () => {
  const { body, metadata } = await storedObject(proxy.backend, BUCKET, 'large');
  await writeFile(inside('stored.bin'), body);
  await writeFile(inside('head.json'), JSON.stringify({ Metadata: metadata }));
  const copy = ['--keyring', inside('keyring.json'), '--input', inside('stored.bin'), '--head', inside('head.json')];
  const { code, stdout } = await decrypt([...key(), ...copy, '--key', 'large', '--output', '-']);
  expect([code, stdout.equals(large)]).toEqual([0, true]);
});

test('opens by enough shares of the key, and not by fewer', async () => {
  const texts = await splitEscrowKey(escrow, { threshold: 2, shares: 3 }, '2026-01-02T03:04:05Z');
  for (const [at, text] of texts.entries()) await writeSecretFile(inside(`share.${at}`), text);
  const by = (...shares: readonly number[]) => {
    const given = shares.flatMap((at) => ['--escrow-share', inside(`share.${at}`)]);
    return decrypt([...given, '--tenant', tenant, '--key', 'large', '--output', '-'], STORE());
  };
  const opened = await by(2, 0);
  expect([opened.code, opened.stdout.equals(large)]).toEqual([0, true]);
  const fewer = await by(1);
  expect([fewer.code, fewer.stdout.length, fewer.stderr]).toEqual([1, 0, expect.stringMatching(/2 shares are needed/)]);
});

test('is refused with another key, without an escrow, with a forged one, and with keys that are none', async () => {
  const write = async (name: string, changed: Keyring) => {
    await writeFile(inside(name), canonicalJson(changed));
    return name;
  };
  const roots = new Map([[1, createSecretKey(randomBytes(32))]]);
  const [slot] = slotsOfType(keyring, 'escrow');
  const [wrap] = slot?.wraps ?? [];
  if (slot === undefined || wrap === undefined) throw new Error('The tenant is escrowed.');
  const { publicKey } = escrow;
  const foreign = await escrowSlot.seal({ publicKey, id: slot.id, tenant, roots, now: new Date() });
  const damaged = { ...slot, wraps: [{ ...wrap, wrapped: randomBytes(48).toString('base64') }] };
  const sealKeys = SealKeys.parse(sealKey);
  const cases: readonly (readonly [keyFile: string, keyringFile: string, reason: RegExp])[] = [
    ['other.key', 'keyring.json', /another escrow key/],
    ['escrow.key', await write('none.json', withEscrowSlot(keyring, undefined)), /no escrow/],
    // Made by somebody who has S, even: the root MAC is what tells.
    ['escrow.key', await write('foreign.json', resign(withEscrowSlot(keyring, foreign), sealKeys)), /was altered/],
    ['escrow.key', await write('damaged.json', withEscrowSlot(keyring, damaged)), /was altered/],
    ['escrow.key', 'escrow.key', /not JSON/],
    ['keyring.json', 'keyring.json', /holds no escrow private key/],
    ['absent', 'keyring.json', /cannot be read \(ENOENT\)/],
  ];
  for (const [keyFile, keyringFile, reason] of cases) {
    const args = [...key(keyFile), '--keyring', inside(keyringFile), '--key', 'large', '--output', '-'];
    const { code, stdout, stderr } = await decrypt(args, STORE());
    expect([keyringFile, code, stdout.length, stderr]).toEqual([keyringFile, 1, 0, expect.stringMatching(reason)]);
    expect(stderr).not.toContain(escrow.secret.toString('base64'));
  }
  expect(cases.length).toBe(7);
  const both = await decrypt([...key(), '--credentials', 'x', '--all', '--output', inside('both')], STORE());
  expect([both.code, both.stderr]).toEqual([2, expect.stringMatching(/--credentials, --escrow-key or --escrow-share/)]);
});
