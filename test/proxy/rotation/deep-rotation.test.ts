// Protects: that a deep rotation changes how every object is wrapped and nothing else that anybody can see; that it takes the
// old root key away when, and only when, nothing needs it; and that whoever kept the old key and the old keyring opens nothing
// of what is stored afterwards.

import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Backend, BackendUnavailable } from '../../../proxy/backend/backend.ts';
import { readBody } from '../../../proxy/backend/read-body.ts';
import { handOut } from '../../../proxy/cli/issued-key.ts';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { registeredName } from '../../../proxy/keyring/access-keys/registered-id.ts';
import { ChangeUncertain, KeyringConflict, openKeyring } from '../../../proxy/keyring/admin/change-keyring.ts';
import { KeyAdmin } from '../../../proxy/keyring/admin/key-admin.ts';
import { keyringName } from '../../../proxy/keyring/state/records.ts';
import { Tenancy } from '../../../proxy/keyring/tenancy.ts';
import { NO_KMS } from '../../../proxy/kms/kms-secrets.ts';
import { objectStore, storeContext } from '../../../proxy/object/context.ts';
import { inspectObject } from '../../../proxy/object/inspect-object.ts';
import { openOffline } from '../../../proxy/offline/open-keyring.ts';
import { beginEpoch } from '../../../proxy/rotation/begin-epoch.ts';
import { countEpochs } from '../../../proxy/rotation/count-epochs.ts';
import { SlotsWouldBeDropped } from '../../../proxy/rotation/keep-slots.ts';
import { retireEpochs } from '../../../proxy/rotation/retire-epochs.ts';
import type { Bench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { storeDirectly, storedKeys, storedObject } from '../../helpers/stored.ts';
import { openRotationBench, type Rotation } from './harness.ts';

let bench: Bench;
let rotation: Rotation;

beforeAll(async () => {
  ({ bench, rotation } = await openRotationBench());
});
afterAll(() => bench.close());

const put = (Key: string, Body: Buffer | string, more = {}) =>
  bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key, Body, ...more }));

async function multipart(Key: string, bodies: readonly Buffer[], o: { complete: boolean }): Promise<string> {
  const common = { Bucket: bench.bucket, Key };
  const { UploadId = '' } = await bench.s3.send(
    new CreateMultipartUploadCommand({ ...common, Metadata: { made: 'in parts' } }),
  );
  const Parts = [];
  for (const [index, Body] of bodies.entries()) {
    const PartNumber = index + 1;
    const { ETag } = await bench.s3.send(new UploadPartCommand({ ...common, UploadId, PartNumber, Body }));
    Parts.push({ PartNumber, ETag });
  }
  if (o.complete) {
    const MultipartUpload = { Parts };
    await bench.s3.send(new CompleteMultipartUploadCommand({ ...common, UploadId, MultipartUpload }));
  }
  return UploadId;
}

/** Everything that a client can see of an object. */
async function seen(Key: string, s3 = bench.s3): Promise<Record<string, unknown>> {
  const at = { Bucket: bench.bucket, Key };
  const {
    $metadata: _,
    LastModified: _time,
    ...head
  } = await s3.send(new HeadObjectCommand({ ...at, ChecksumMode: 'ENABLED' }));
  const { Body } = await s3.send(new GetObjectCommand(at));
  const { TagSet } = await s3.send(new GetObjectTaggingCommand(at));
  const body = createHash('sha256')
    .update((await Body?.transformToByteArray()) ?? '')
    .digest('hex');
  return { ...head, TagSet, body };
}

const storedBody = async (key: string) => {
  const { body, metadata } = await storedObject(bench.backend, bench.bucket, key);
  return { sha256: createHash('sha256').update(body).digest('hex'), metadata };
};

const epochsOf = async (tenant: string) => {
  const source = { backend: bench.backend, signal: AbortSignal.timeout(60_000), stateBucket: 'sealgate-state' };
  return countEpochs(source, tenant);
};

describe('a deep rotation', () => {
  let before: TestTenant;
  let oldKeyring: Buffer;

  test('re-wraps every object, and nothing that clients see changes', async () => {
    before = bench.tenant;
    const headers = {
      ContentType: 'text/x-test',
      CacheControl: 'no-store',
      ContentDisposition: 'attachment; filename="a.txt"',
      ContentEncoding: 'identity',
      ContentLanguage: 'de',
      Expires: new Date('2031-01-01T00:00:00Z'),
      Metadata: { colour: 'green', empty: '' },
      Tagging: 'team=a%20b&x=',
      ChecksumAlgorithm: 'SHA256' as const,
    };
    await put('empty', '');
    await put('one', '1', headers);
    await put('a b+ü%.txt', 'odd', headers);
    await put('../../up', 'dots');
    await put('x//y', 'double');
    await put('long/'.padEnd(1024, 'k'), 'long key');
    await put('large', randomBytes(3 * MiB), headers);
    await put('much metadata', randomBytes(2 * MiB), { Metadata: { large: 'm'.repeat(1500) } });
    await multipart('multipart', [randomBytes(5 * MiB), randomBytes(100)], { complete: true });
    await storeDirectly(bench.backend, { bucket: bench.bucket, key: 'legacy', body: 'x'.repeat(100) });
    const other = await bench.proxy.createTenant();
    const theirs = { Bucket: bench.bucket, Key: 'theirs', Body: 'theirs' };
    await bench.proxy.client(other).send(new PutObjectCommand(theirs));
    const keys = (await storedKeys(bench.backend, bench.bucket)).filter((key) => key !== 'theirs');
    expect(keys.length).toBe(10);
    const clientSees = await Promise.all(keys.map((key) => seen(key)));
    const storeHas = await Promise.all(keys.map(storedBody));
    oldKeyring =
      (await rotation.deps.state.get(keyringName(before.tenant), AbortSignal.timeout(60_000)))?.body ?? oldKeyring;

    const begun = await rotation.begin();
    expect([begun.epoch, begun.dropped]).toEqual([2, []]);
    const result = await rotation.drain(begun.opened);
    expect(result).toMatchObject({
      rewrapped: 9,
      retired: [1],
      blockers: [],
      pass: { current: 9, foreign: 1, legacy: 1 },
    });

    expect(await Promise.all(keys.map((key) => seen(key)))).toEqual(clientSees);
    const afterwards = await Promise.all(keys.map(storedBody));
    for (const [index, key] of keys.entries()) {
      const [was, is] = [storeHas[index], afterwards[index]];
      expect([key, is?.sha256]).toEqual([key, was?.sha256]);
      const isLegacy = key === 'legacy';
      expect([key, is?.metadata['enc-dek'] === was?.metadata['enc-dek']]).toEqual([key, isLegacy]);
      expect(is?.metadata['enc-dek']?.length).toBe(was?.metadata['enc-dek']?.length);
    }
    expect((await epochsOf(before.tenant)).epochs).toEqual({ 2: { current: 9, noncurrent: 0 } });
    const { slot } = await rotation.open();
    expect(slot.wraps.map(({ epoch }) => epoch)).toEqual([2]);
    expect(
      await bench.proxy.client(other).send(new HeadObjectCommand({ Bucket: bench.bucket, Key: 'theirs' })),
    ).toBeDefined();
  });

  test('leaves an old API key with an old keyring nothing that it opens', async () => {
    const { backend, capabilities } = bench;
    const signal = AbortSignal.timeout(60_000);
    const opened = await openOffline(
      { body: oldKeyring, secretAccessKey: before.secretAccessKey, sealKeys: undefined, kms: NO_KMS },
      signal,
    );
    const store = objectStore({
      backend,
      capabilities,
      legacy: { kind: 'allow' },
      bestEffortConditions: false,
      record: () => {},
      now: () => new Date(),
    });
    const attacker = storeContext(store, { tenant: opened.tenant, signal });
    const keys = (await storedKeys(backend, bench.bucket)).filter((key) => key !== 'legacy');
    expect(keys.length).toBe(10);
    for (const key of keys) {
      await expect(inspectObject(attacker, { bucket: bench.bucket, key })).rejects.toThrow(
        /newer than the keys|Access Denied/,
      );
    }
  });

  test('can be followed by another one, with a new key for the caller', async () => {
    const kept: string[] = [];
    const begun = await rotation.begin({ keepKey: false, keep: async ({ slot }) => void kept.push(slot) });
    const { issued } = begun;
    if (issued?.secretAccessKey === undefined) throw new Error('no key was issued');
    expect(kept).toEqual([issued.slot]);
    const renewed: TestTenant = { ...issued, secretAccessKey: issued.secretAccessKey };
    const result = await rotation.drain(begun.opened);
    expect(result).toMatchObject({ epoch: 3, rewrapped: 9, retired: [2] });
    await expect(rotation.open(before)).rejects.toMatchObject({ code: 'InvalidAccessKeyId' });
    const client = bench.proxy.client(renewed);
    expect(await seen('one', client)).toMatchObject({ ContentType: 'text/x-test', Metadata: { colour: 'green' } });
    await client.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'new', Body: 'new' }));
    expect((await epochsOf(before.tenant)).epochs).toEqual({ 3: { current: 10, noncurrent: 0 } });
  });
});

describe('an epoch is not retired', () => {
  let own: Bench;
  let its: Rotation;
  beforeAll(async () => {
    ({ bench: own, rotation: its } = await openRotationBench());
  });
  afterAll(() => own.close());

  test('while an older upload is open, which is named, and is afterwards', async () => {
    const at = { Bucket: own.bucket, Key: 'up/load' };
    const { UploadId } = await own.s3.send(new CreateMultipartUploadCommand(at));
    const { opened } = await its.begin();
    const blocked = await its.drain(opened);
    expect(blocked.retired).toEqual([]);
    expect(blocked.blockers).toEqual(['1 uploads in progress have to be completed or aborted']);
    expect(blocked.uploads).toMatchObject([{ bucket: own.bucket, key: 'up/load', uploadId: UploadId, epoch: 1 }]);
    // It can be finished: the draining epoch still opens its record.
    const part = await own.s3.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: 'part' }));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: part.ETag }] };
    await own.s3.send(new CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload }));
    expect(await its.drain(opened)).toMatchObject({ rewrapped: 1, retired: [1] });
    const { Body } = await own.s3.send(new GetObjectCommand(at));
    expect(await Body?.transformToString()).toBe('part');
    await own.s3.send(new AbortMultipartUploadCommand({ ...at, UploadId })).catch(() => undefined);
  });

  test('before requests that began under it must have ended', async () => {
    const { opened } = await its.begin();
    const early = await its.drain(opened, { settledAfterMs: 3_600_000 });
    expect(early.retired).toEqual([]);
    expect(early.retireAfter?.getTime()).toBeGreaterThan(Date.now() + 3_500_000);
    expect(await its.drain(opened)).toMatchObject({ retired: [2] });
  });

  test('while older versions need it, until they are purged; and a pass over them ends', async () => {
    const Bucket = own.bucket;
    const VersioningConfiguration = { Status: 'Enabled' as const };
    await own.s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    for (const Body of ['first', 'second']) await own.s3.send(new PutObjectCommand({ Bucket, Key: 'v', Body }));
    const { opened } = await its.begin();
    const kept = await its.drain(opened);
    // 'v' and the object of the test before; each left the version that was copied, and 'v' an older one too.
    expect(kept).toMatchObject({ rewrapped: 2, retired: [], pass: { noncurrent: 3 } });
    expect(kept.blockers).toEqual(['3 older versions: --purge-noncurrent deletes them']);
    const again = await its.drain(opened);
    expect(again).toMatchObject({ rewrapped: 0, retired: [], pass: { noncurrent: 3, current: 2 } });
    const purged = await its.drain(opened, { purgeNoncurrent: true });
    expect(purged).toMatchObject({ purged: 3, retired: [3] });
    const { Body } = await own.s3.send(new GetObjectCommand({ Bucket, Key: 'v' }));
    expect(await Body?.transformToString()).toBe('second');
  });

  test('and no version is purged that has become the current one since it was listed', async () => {
    const [Bucket, Key] = [own.bucket, 'undeleted'];
    const { VersionId } = await own.s3.send(new PutObjectCommand({ Bucket, Key, Body: 'wanted again' }));
    const { VersionId: marker = '' } = await own.s3.send(new DeleteObjectCommand({ Bucket, Key }));
    const { opened } = await its.begin();
    let undeleted = false;
    const backend: Backend = {
      ...own.backend,
      description: own.backend.description,
      close: async () => {},
      async send(request) {
        const isVersion = request.query?.some(([name, value]) => name === 'versionId' && value === VersionId) === true;
        if (request.key === Key && isVersion && !undeleted) {
          undeleted = true;
          await own.s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId: marker }));
        }
        return own.backend.send(request);
      },
    };
    expect((await its.drain(opened, { backend, purgeNoncurrent: true })).retired).not.toEqual([]);
    expect(undeleted).toBe(true);
    const { Body } = await own.s3.send(new GetObjectCommand({ Bucket, Key }));
    expect(await Body?.transformToString()).toBe('wanted again');
  });

  test('when an object cannot be re-wrapped, which is named', async () => {
    const Bucket = own.bucket;
    await own.s3.send(new PutObjectCommand({ Bucket, Key: 'moved', Body: 'moved' }));
    const { body, metadata } = await storedObject(own.backend, Bucket, 'moved');
    await storeDirectly(own.backend, { bucket: Bucket, key: 'elsewhere', body, metadata });
    const { opened } = await its.begin();
    const result = await its.drain(opened, { purgeNoncurrent: true });
    expect(result.blockers[0]).toBe('1 objects could not be re-wrapped');
    expect(result.pass.failures).toMatchObject([
      { key: 'elsewhere', reason: expect.stringContaining('HEADER_REFUSED') },
    ]);
    expect(result.retired).toEqual([]);
  });
});

describe('keys that are not at hand', () => {
  test('stop a rotation by name, are dropped when that was asked for, and stay when they are given', async () => {
    const { bench: own, rotation: its } = await openRotationBench();
    try {
      const admin = new KeyAdmin(its.deps);
      const caller = unsealAccessKeyId(own.tenant.accessKeyId, own.proxy.sealKeys);
      const make = async (label: string): Promise<TestTenant> => {
        const made = await admin.create(caller, { label }, AbortSignal.timeout(60_000));
        return { ...made, secretAccessKey: made.secretAccessKey ?? '' };
      };
      const [given, missing] = [await make('given'), await make('missing')];
      const before = await its.deps.state.get(keyringName(own.tenant.tenant), AbortSignal.timeout(60_000));
      await expect(its.begin({ others: [given] })).rejects.toThrow(SlotsWouldBeDropped);
      await expect(its.begin({ others: [given] })).rejects.toThrow(/\(missing\)/);
      const after = await its.deps.state.get(keyringName(own.tenant.tenant), AbortSignal.timeout(60_000));
      expect(after?.body.equals(before?.body ?? Buffer.alloc(0))).toBe(true);
      const begun = await its.begin({ others: [given], dropSlots: true });
      expect(begun.dropped.length).toBe(1);
      expect((await its.open(given)).roots.size).toBe(2);
      await expect(its.open(missing)).rejects.toMatchObject({ code: 'InvalidAccessKeyId' });
      const foreign = await own.proxy.createTenant();
      await expect(its.begin({ others: [foreign] })).rejects.toThrow("another tenant's");
    } finally {
      await own.close();
    }
  });

  test('a key that cannot be handed out changes nothing', async () => {
    const { bench: own, rotation: its } = await openRotationBench();
    try {
      const keep = async () => {
        throw new Error('the disk is full');
      };
      await expect(its.begin({ keepKey: false, keep })).rejects.toThrow('the disk is full');
      expect((await its.open()).keyring.epochs.length).toBe(1);
    } finally {
      await own.close();
    }
  });
});

test('a key with a short id gets another one, although the record of the old one cannot be removed', async () => {
  const { bench: own, rotation: its } = await openRotationBench();
  const { state, sealKeys } = own.proxy;
  const signal = AbortSignal.timeout(60_000);
  try {
    const first = unsealAccessKeyId(own.tenant.accessKeyId, sealKeys);
    const short = await new KeyAdmin(its.deps).create(first, { registered: true }, signal);
    const resolve = (id: string) => new Tenancy(its.deps).resolve(id, signal);
    const caller = await resolve(short.accessKeyId);
    own.backend.intercept = async (request, next) => {
      if (request.method === 'DELETE' && request.key?.startsWith('ids/') === true) throw new BackendUnavailable('away');
      return next(request);
    };
    const opened = await openKeyring(its.deps, caller, signal);
    const options = { keys: [caller], keepKey: false, dropSlots: true, keep: async () => {} };
    const { issued } = await beginEpoch(its.deps, opened, options, signal);
    own.backend.intercept = (request, next) => next(request);
    expect(issued?.accessKeyId).toMatch(/^SGRK/);
    expect(await state.get(registeredName(short.accessKeyId), signal)).toBeDefined();
    const renewed = await openKeyring(its.deps, await resolve(issued?.accessKeyId ?? ''), signal);
    expect([...renewed.roots.keys()]).toEqual([1, 2]);
  } finally {
    await own.close();
  }
});

describe('a file for the new key', () => {
  const begin = async (o: Bench, its: Rotation, path: string) => {
    const [out, err]: [string[], string[]] = [[], []];
    const output = { out: (line: string) => out.push(line), err: (line: string) => err.push(line) };
    const handOver = async (text: string) => void out.push(text);
    const keys = [unsealAccessKeyId(o.tenant.accessKeyId, o.proxy.sealKeys)];
    const opened = await its.open();
    const signal = AbortSignal.timeout(60_000);
    const made = handOut({ path, overwrite: false, json: true, kept: {}, output: { ...output, handOver } }, (keep) =>
      beginEpoch(its.deps, opened, { keys, keepKey: false, dropSlots: false, keep }, signal),
    ).catch((error: unknown) => error);
    return { made: await made, out, err };
  };

  test('is not left behind when the epoch could not begin, and is when that is not known', async () => {
    const { bench: own, rotation: its } = await openRotationBench();
    const directory = await mkdtemp(join(tmpdir(), 'sealgate-deep-'));
    const path = join(directory, 'new.json');
    const seen: string[][] = [];
    try {
      own.backend.intercept = async (request, next) => {
        if (request.method !== 'PUT' || request.key?.startsWith('keyrings/') !== true) return next(request);
        seen.push(readdirSync(directory));
        throw new BackendUnavailable('no writes');
      };
      expect(await begin(own, its, path)).toMatchObject({ made: { code: 'ServiceUnavailable' }, out: [] });
      expect(seen).toEqual([[expect.stringMatching(/^new\.json\.[0-9a-f]+\.new$/)]]);
      expect(readdirSync(directory)).toEqual([]);
      let isSilent = false;
      own.backend.intercept = async (request, next) => {
        if (isSilent) throw new BackendUnavailable('silent');
        if (request.method !== 'PUT' || request.key?.startsWith('keyrings/') !== true) return next(request);
        await next(request);
        isSilent = true;
        throw new BackendUnavailable('the answer was lost');
      };
      const { made, err } = await begin(own, its, path);
      expect([made, err.join()]).toEqual([expect.any(ChangeUncertain), expect.stringMatching(/in force: keep it/)]);
      own.backend.intercept = (request, next) => next(request);
      const renewed: TestTenant = JSON.parse(await readFile(path, 'utf8'));
      expect([...(await its.open(renewed)).roots.keys()]).toEqual([1, 2]);
    } finally {
      await own.close();
      await rm(directory, { recursive: true });
    }
  });
});

describe('two changes at once, each of which touches the epochs,', () => {
  test('are a conflict for the later one, and no keyring that was tampered with', async () => {
    const { bench: own, rotation: its } = await openRotationBench();
    const events: string[] = [];
    const deps = { ...its.deps, record: ({ kind }: { kind: string }) => void events.push(kind) };
    const signal = AbortSignal.timeout(60_000);
    try {
      const caller = unsealAccessKeyId(own.tenant.accessKeyId, own.proxy.sealKeys);
      const options = { keys: [caller], keepKey: true, dropSlots: false, keep: async () => {} };
      const opened = await its.open();
      const { opened: begun } = await beginEpoch(deps, opened, options, signal);
      await expect(beginEpoch(deps, opened, options, signal)).rejects.toThrow(KeyringConflict);

      // A key that is sealed for both epochs, put in when the older one is retired.
      const late = {
        ...its.deps.state,
        list: its.deps.state.list.bind(its.deps.state),
        get: its.deps.state.get.bind(its.deps.state),
        async put(...[name, body, o, at]: Parameters<typeof its.deps.state.put>) {
          if (events.at(-1) !== 'epoch-retired') await retireEpochs(deps, begun, signal);
          return its.deps.state.put(name, body, o, at);
        },
      } as typeof its.deps.state;
      const creating = new KeyAdmin({ ...deps, state: late }).create(caller, {}, signal);
      await expect(creating).rejects.toThrow(KeyringConflict);
      const begunTwice = ['epoch-begun', 'epoch-begun', 'change-failed'];
      expect(events).toEqual([...begunTwice, 'key-created', 'epoch-retired', 'change-failed']);
      expect((await its.open()).keyring.slots.length).toBe(1);
    } finally {
      await own.close();
    }
  });
});

test("a bucket that the store does not list, as another account's, is looked through when a grant names it", async () => {
  const { bench: own, rotation: its } = await openRotationBench();
  try {
    const Bucket = own.bucket;
    const grants = ['never-made', Bucket].map((bucket) => ({ bucket, prefix: '', access: 'read-write' as const }));
    const tenant = await own.proxy.createTenant(grants);
    const s3 = own.proxy.client(tenant);
    await s3.send(new PutObjectCommand({ Bucket, Key: 'elsewhere', Body: 'kept' }));
    const backend: Backend = {
      description: own.backend.description,
      close: async () => {},
      async send(request) {
        const reply = await own.backend.send(request);
        if (request.method !== 'GET' || request.bucket !== undefined) return reply;
        const text = (await readBody(reply, { maxBytes: MiB })).toString();
        const body = Readable.from([Buffer.from(text.replace(/<Bucket>.*<\/Bucket>/s, ''))]);
        return { ...reply, headers: {}, body };
      },
    };
    const { opened } = await its.begin({ tenant });
    expect(await its.drain(opened, { backend })).toMatchObject({ rewrapped: 1, retired: [1] });
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: 'elsewhere' }));
    expect(await Body?.transformToString()).toBe('kept');
    s3.destroy();
  } finally {
    await own.close();
  }
});
