/**
 * Protects: SECURITY.md's table of what it takes to open what is stored, row by row. An attacker that shares no code with the
 * program (attacker.py) is given exactly what a row says, and tries everything with it; the rows where it succeeds show that
 * it can, and bound what is claimed. The rows here and in SECURITY.md are the same set.
 */
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { combine } from 'shamir-secret-sharing';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import type { KeyringDeps } from '../../proxy/keyring/admin/change-keyring.ts';
import { KeyAdmin } from '../../proxy/keyring/admin/key-admin.ts';
import { RoleAdmin } from '../../proxy/keyring/admin/role-admin.ts';
import { TenantAdmin } from '../../proxy/keyring/admin/tenant-admin.ts';
import { generateEscrowKey } from '../../proxy/keyring/slots/escrow-key.ts';
import { splitEscrowKey } from '../../proxy/keyring/slots/escrow-shares.ts';
import { processKdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { kmsSlots } from '../../proxy/keyring/slots/slot-types.ts';
import { parseKeyring } from '../../proxy/keyring/state/document.ts';
import { keyringName } from '../../proxy/keyring/state/records.ts';
import { KmsSecrets } from '../../proxy/kms/kms-secrets.ts';
import { type Bench, openBench, temporaryStore } from '../helpers/bench.ts';
import { FakeKms } from '../helpers/fake-kms.ts';
import { roleTrust } from '../helpers/issuer.ts';
import { FULL_ACCESS, startTestProxy, type TestProxy, type TestTenant } from '../helpers/proxy.ts';
import { sendSigned } from '../helpers/raw-client.ts';
import { sessionOf } from '../helpers/sessions.ts';
import { storedKeys, storedObject } from '../helpers/stored.ts';
import { rotationOf } from '../proxy/rotation/harness.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ATTACKER = join(ROOT, 'test/security/attacker.py');
const signal = () => AbortSignal.timeout(60_000);

interface HeldObject {
  readonly id: string;
  readonly bucket: string;
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Everything at rest at one time: what each bucket and the server's own disk and log hold. */
interface Snapshot {
  readonly objects: readonly HeldObject[];
  readonly records: Readonly<Record<string, readonly string[]>>;
  readonly files: readonly string[];
}

interface Row {
  readonly snapshots: readonly Snapshot[];
  /** Keys and ids that the row names, as text. */
  readonly texts: readonly string[];
  /** Names of the objects that open, in the words of the table: all others must stay closed. */
  readonly opens: readonly string[];
  /** Without the state bucket. */
  readonly noState?: true;
}

const hasPython = (() => {
  try {
    execFileSync('python3', ['-c', 'from cryptography.hazmat.primitives.ciphers import aead'], { stdio: 'ignore' });
    return true;
  } catch {
    console.warn('the attacker does not run here: python3 with the cryptography package is missing.');
    return false;
  }
})();

/** The table of SECURITY.md: holder to what opens. */
function documented(): ReadonlyMap<string, string> {
  const text = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8');
  const section = /\n### What it takes to open what is stored\n(.*?)\n#/s.exec(text)?.[1] ?? '';
  const rows = [...section.matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)].map(
    ([, who = '', what = '']) => [who, what] as const,
  );
  return new Map(rows.filter(([who]) => who !== 'who holds' && !who.startsWith('---')));
}

describe.skipIf(!hasPython)('what it takes to open what is stored', () => {
  const digests = new Map<string, string>();
  const sealKeyText = SealKeys.generate();
  const escrow = generateEscrowKey();
  const kms = new FakeKms();
  let scratch: string;
  let store: Awaited<ReturnType<typeof temporaryStore>>;
  let bench: Bench;
  /** Its API key is put into a log, so that the attacker is seen to look there. */
  let planted: TestTenant;
  let rows: Readonly<Record<string, Row>>;
  let results: Readonly<Record<string, { opened: Readonly<Record<string, string>>; tried: number }>>;

  beforeAll(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'sealgate-attacker-'));
    store = await temporaryStore();
    const sealKeys = SealKeys.parse(sealKeyText);
    bench = await openBench({
      store: { ...store, close: async () => {} },
      sealKeys,
      config: { logLevel: 'trace' },
      kmsProviders: [kms],
    });
    rows = await makeRows();
    const manifest = Object.entries(rows).map(([name, { snapshots, texts, noState }]) => ({
      name,
      objects: snapshots.flatMap(({ objects }) => objects),
      records: noState ? {} : merged(snapshots.map(({ records }) => records)),
      files: snapshots.flatMap(({ files }) => files),
      texts,
    }));
    // A leak that is not there: an API key in a log.
    const leak = await kept(`{"level":"debug","secret":"${planted.secretAccessKey}"}\n`);
    const [now] = rows["both buckets, the server's disk and its logs"]?.snapshots ?? [];
    if (now === undefined) throw new Error('There is no row without keys.');
    manifest.push({
      name: 'planted',
      objects: [...now.objects],
      files: [...now.files, leak],
      records: merged([now.records]),
      texts: [],
    });
    const path = join(scratch, 'manifest.json');
    await writeFile(path, JSON.stringify({ rows: manifest }));
    results = JSON.parse(execFileSync('python3', [ATTACKER, path], { maxBuffer: 64 * 1024 * 1024 }).toString());
  }, 300_000);
  afterAll(async () => {
    await bench.close();
    await store.close();
    await rm(scratch, { recursive: true });
  });

  function merged(all: readonly Snapshot['records'][]): Record<string, string[]> {
    const records: Record<string, string[]> = {};
    for (const [name, paths] of all.flatMap(Object.entries)) records[name] = [...(records[name] ?? []), ...paths];
    return records;
  }

  /** One object of a tenant: small ones are whole in their header, large ones have a footer. */
  async function put(as: TestTenant, id: string, bytes = 200, proxy: TestProxy = bench.proxy): Promise<void> {
    const body = randomBytes(bytes);
    digests.set(id, createHash('sha256').update(body).digest('hex'));
    const reply = await sendSigned(proxy.endpoint, as, { method: 'PUT', path: `/${bench.bucket}/${id}`, body });
    expect(reply.status).toBe(200);
  }

  let files = 0;
  async function kept(content: Buffer | string): Promise<string> {
    const path = join(scratch, String(++files));
    await writeFile(path, content);
    return path;
  }

  async function snapshot(only: (id: string) => boolean = () => true, o: { disk?: true } = {}): Promise<Snapshot> {
    const keys = (await storedKeys(bench.backend, bench.bucket)).filter(only);
    const objects = keys.map(async (key) => {
      const { body, metadata } = await storedObject(bench.backend, bench.bucket, key);
      return { id: key, bucket: bench.bucket, key, metadata, body: await kept(body) };
    });
    const records = (await storedKeys(bench.backend, 'sealgate-state')).map(async (key) => {
      const { body } = await storedObject(bench.backend, 'sealgate-state', key);
      return [key, [await kept(body)]] as const;
    });
    const disk =
      o.disk === undefined
        ? []
        : await Promise.all(filesBelow(store.directory).map((path) => kept(readFileSync(path))));
    return {
      objects: await Promise.all(objects),
      records: Object.fromEntries(await Promise.all(records)),
      files: [...disk, await kept(JSON.stringify(bench.proxy.log))],
    };
  }

  function filesBelow(directory: string): string[] {
    const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  }

  async function makeRows(): Promise<Readonly<Record<string, Row>>> {
    const { proxy } = bench;
    const { state, sealKeys } = proxy;
    const secrets = new KmsSecrets({ providers: [kms] });
    const deps: KeyringDeps = {
      state,
      sealKeys,
      record: () => {},
      now: () => new Date(),
      runner: processKdfRunner,
      kms: secrets,
    };
    const keys = new KeyAdmin(deps);
    const opened = ({ accessKeyId }: TestTenant) => unsealAccessKeyId(accessKeyId, sealKeys);
    const own = async (tenant: TestTenant, issued: Promise<{ accessKeyId: string; secretAccessKey?: string }>) => {
      const { accessKeyId, secretAccessKey = '' } = await issued;
      return { tenant: tenant.tenant, accessKeyId, secretAccessKey };
    };

    const one = await proxy.createTenant();
    await put(one, 'one-small');
    await put(one, 'one-large', 1_500_000);
    planted = await proxy.createTenant();
    await put(planted, 'planted-small');

    const managedFirst = await proxy.createTenant();
    await put(managedFirst, 'managed-small');
    await keys.rotate(opened(managedFirst), { registered: true }, signal());

    const rotatedFirst = await proxy.createTenant();
    await put(rotatedFirst, 'rotated-before');
    const beforeRotation = await snapshot((id) => id.startsWith('rotated'));
    const rotated = await own(rotatedFirst, keys.rotate(opened(rotatedFirst), {}, signal()));
    await vi.waitFor(() => put(rotated, 'rotated-after'), { timeout: 10_000 });

    const deepFirst = await proxy.createTenant();
    await put(deepFirst, 'deep-before');
    await put(deepFirst, 'deep-before-large', 1_500_000);
    const beforeDeep = await snapshot((id) => id.startsWith('deep'));
    const rotation = rotationOf(bench, () => {});
    const begun = await rotation.begin({ tenant: deepFirst, keepKey: false });
    const drained = await rotation.drain(begun.opened);
    expect([drained.blockers, drained.retired]).toEqual([[], [1]]);
    const deep = await own(deepFirst, Promise.resolve(begun.issued ?? Promise.reject(new Error('no key was made'))));
    await withEscrow(async (fresh) => put(deep, 'deep-after', 200, fresh), { off: true });

    const absent = await proxy.createTenant();
    await put(absent, 'absent-small');
    await withEscrow(async (escrowing) => {
      const made = await escrowing.createTenant();
      await put(made, 'escrowed-at-creation', 200, escrowing);
      const signsIn = await proxy.createTenant();
      await put(signsIn, 'escrowed-at-sign-in', 200, escrowing);
      await vi.waitFor(
        () => expect(escrowing.log.some((line) => line['securityEvent'] === 'escrow-sealed')).toBe(true),
        {
          timeout: 10_000,
        },
      );
    });

    const inSession = await proxy.createTenant();
    await put(inSession, 'session-small');
    const { sessionToken } = await sessionOf(proxy.endpoint, inSession);
    const roles = new RoleAdmin(deps);
    const newRole = async (id: string, managed: boolean) => {
      const tenant = await proxy.createTenant();
      await put(tenant, id);
      return roles.create(opened(tenant), { name: id, trust: roleTrust(), managed }, signal());
    };
    const { arn } = await newRole('role-small', false);
    await newRole('managed-role-small', true);

    const withKms = await new TenantAdmin(deps).create({
      grants: FULL_ACCESS,
      kms: { provider: kms.name, key: kms.key },
    });
    await put(withKms, 'kms-small');
    const { sessionToken: kmsSession } = await sessionOf(proxy.endpoint, withKms);
    const kmsSecret = await secretOfKms(withKms, secrets);

    const now = await snapshot(undefined, { disk: true });
    const kmsNow = await snapshot((id) => id.startsWith('kms'));
    const sessionNow = await snapshot((id) => id.startsWith('session') || id.startsWith('role'));
    for await (const name of state.list('sessions/', signal())) await state.shred(name, signal());
    const afterTheDay = await snapshot((id) => id.startsWith('session') || id.startsWith('role'), { disk: true });
    const deepNow = await snapshot((id) => id.startsWith('deep'));
    const rotatedNow = await snapshot((id) => id.startsWith('rotated'));
    const escrowText = escrow.secret.toString('base64');
    const shares = await splitEscrowKey(escrow, { threshold: 3, shares: 3 }, '2026-01-01T00:00:00Z');
    const ids = (prefix: string) => [...digests.keys()].filter((id) => id.startsWith(prefix));
    return {
      "both buckets, the server's disk and its logs": { snapshots: [now], texts: [], opens: [] },
      'the same and an access key id': { snapshots: [now], texts: [one.accessKeyId], opens: [] },
      'the same and S': { snapshots: [now], texts: [sealKeyText], opens: ids('managed') },
      'the same, S and an access key id': {
        snapshots: [now],
        texts: [sealKeyText, one.accessKeyId],
        opens: [...ids('managed'), ...ids('one')],
      },
      'both buckets and an API key': { snapshots: [now], texts: [one.secretAccessKey], opens: ids('one') },
      'the data bucket and an API key, without the state bucket': {
        snapshots: [{ ...now, files: [] }],
        texts: [one.secretAccessKey],
        opens: [],
        noState: true,
      },
      'both buckets and an API key that was rotated out': {
        snapshots: [rotatedNow],
        texts: [rotatedFirst.secretAccessKey],
        opens: [],
      },
      'the same and a copy of the keyring from before the rotation': {
        snapshots: [rotatedNow, { ...beforeRotation, objects: [] }],
        texts: [rotatedFirst.secretAccessKey],
        opens: ids('rotated'),
      },
      'both buckets after a deep rotation, an API key and a copy of the keyring from before it': {
        snapshots: [deepNow, { ...beforeDeep, objects: [] }],
        texts: [deepFirst.secretAccessKey],
        opens: [],
      },
      'the same and a copy of the data bucket from before it': {
        snapshots: [deepNow, renamed(beforeDeep)],
        texts: [deepFirst.secretAccessKey],
        opens: [...ids('deep-before'), ...ids('deep-before').map((id) => `old ${id}`)],
      },
      'both buckets and a session token': { snapshots: [now], texts: [sessionToken], opens: [] },
      'both buckets, S and a session token, while the record of its day is there': {
        snapshots: [sessionNow],
        texts: [sealKeyText, sessionToken],
        opens: ids('session'),
      },
      'the same, once that record and all copies of it are gone': {
        snapshots: [afterTheDay],
        texts: [sealKeyText, sessionToken],
        opens: [],
      },
      'both buckets and the ARN of a role': { snapshots: [now], texts: [arn], opens: [] },
      'both buckets, S and the ARN of a role': {
        snapshots: [sessionNow],
        texts: [sealKeyText, arn],
        opens: ids('role'),
      },
      'both buckets and the escrow private key, with escrow': {
        snapshots: [now],
        texts: [escrowText],
        opens: ids('escrowed'),
      },
      'both buckets and fewer shares of the escrow private key than are needed, with escrow': {
        snapshots: [now],
        texts: await triedAsKeys(shares.slice(1)),
        opens: [],
      },
      'the data bucket and the escrow private key, without the state bucket': {
        snapshots: [{ ...now, files: [] }],
        texts: [escrowText],
        opens: [],
        noState: true,
      },
      'both buckets, S and the access key id of a key that needs a KMS': {
        snapshots: [kmsNow],
        texts: [sealKeyText, withKms.accessKeyId],
        opens: [],
      },
      'both buckets, S and a session token of such a key, while the record of its day is there': {
        snapshots: [kmsNow],
        texts: [sealKeyText, kmsSession],
        opens: [],
      },
      'both buckets, S, the access key id of such a key, and the right to use the key of the KMS': {
        snapshots: [kmsNow],
        texts: [sealKeyText, withKms.accessKeyId, kmsSecret],
        opens: ids('kms'),
      },
    };
  }

  /** Two of three shares: as they are, each without its coordinate as if it were a key, and what they make together. */
  async function triedAsKeys(shares: readonly string[]): Promise<readonly string[]> {
    const bytes = shares.map((share) => new Uint8Array(Buffer.from(share.split(':').at(-2) ?? '', 'base64')));
    expect(bytes.map(({ length }) => length)).toEqual([33, 33]);
    const keys = [...bytes.map((share) => share.subarray(0, 32)), await combine(bytes)];
    return [...shares, ...keys.map((key) => Buffer.from(key).toString('base64'))];
  }

  /** What the KMS gives out to whoever may use the key. */
  async function secretOfKms({ tenant }: TestTenant, secrets: KmsSecrets): Promise<string> {
    const { body } = (await bench.proxy.state.get(keyringName(tenant), signal())) ?? {};
    const [slot] = kmsSlots(parseKeyring(body ?? Buffer.alloc(0)));
    if (slot === undefined) throw new Error('The tenant has no slot with a KMS.');
    const { secret } = await secrets.open(slot.kms, { purpose: slot.type, tenant, slot: slot.id }, signal());
    return secret.toString('base64');
  }

  /** The same names in the store, other ids here: what was there at another time. */
  function renamed(o: Snapshot): Snapshot {
    const objects = o.objects.map((one) => ({ ...one, id: `old ${one.id}` }));
    for (const { key } of o.objects) digests.set(`old ${key}`, digests.get(key) ?? '');
    return { ...o, objects };
  }

  /** Another server on the same store and S, which has read no keyring yet. */
  async function withEscrow(work: (proxy: TestProxy) => Promise<void>, o: { off?: true } = {}): Promise<void> {
    const config = o.off ? {} : { escrowPublicKey: escrow.publicKey };
    const { sealKeys } = bench.proxy;
    const proxy = await startTestProxy({ backend: store.backend, capabilities: bench.capabilities, sealKeys, config });
    await work(proxy);
    await proxy.close();
  }

  test('SECURITY.md has the rows that are tested, and no other', () => {
    expect([...documented().keys()]).toEqual(Object.keys(rows));
    expect(Object.keys(rows).length).toBeGreaterThan(10);
  });

  test('each row opens what SECURITY.md says: nothing, or something', () => {
    const said = documented();
    for (const [name, { opens }] of Object.entries(rows)) {
      expect([name, said.get(name) === 'nothing']).toEqual([name, opens.length === 0]);
    }
  });

  test('the attacker would find an API key in a log', () => {
    expect(Object.keys(results['planted']?.opened ?? {})).toEqual(['planted-small']);
  });

  test('each row opens exactly those objects, to their plaintext, after many attempts', () => {
    for (const [name, { opens }] of Object.entries(rows)) {
      const { opened = {}, tried = 0 } = results[name] ?? {};
      const expected = Object.fromEntries(opens.map((id) => [id, digests.get(id)]));
      expect([name, opened]).toEqual([name, expected]);
      expect([name, tried > 100]).toEqual([name, true]);
    }
  });
});
