/**
 * Exchanges among the pieces of the state bucket, by the names that the table in crypto/FORMAT.md gives them. Each is looked at by a
 * process that has not seen the piece before, and says what has to be refused to the client and put on record.
 */
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { registeredName } from '../../../proxy/keyring/access-keys/registered-id.ts';
import { TenantAdmin } from '../../../proxy/keyring/admin/tenant-admin.ts';
import { bucketRecordName, signBucketRecord } from '../../../proxy/keyring/buckets/bucket-record.ts';
import { keyringName } from '../../../proxy/keyring/state/records.ts';
import { lastUsedName, openLastUsed, sealLastUsed } from '../../../proxy/keyring/uses/last-used.ts';
import type { SecurityEventKind } from '../../../proxy/observe/events.ts';
import { FULL_ACCESS, type TestTenant } from '../../helpers/proxy.ts';
import { objectPath, type RawReply } from '../../helpers/raw-client.ts';
import { askStore } from '../../helpers/stored.ts';
import { beginUpload, type Listed, type Replica, type Upload } from '../../helpers/uploads.ts';
import { inReplica, putState, removeState, secretBytes, stateBytes, stateNames, type World } from './harness.ts';

const PART = 5 * 1024 * 1024;

/** What the client is told, and the event of it; none where the client's own list of parts is what is refused. */
export interface StateOutcome {
  readonly reply: RawReply;
  readonly status: number;
  readonly code: string;
  readonly event: SecurityEventKind | undefined;
  readonly log: readonly Record<string, unknown>[];
}
type StateExchange = (world: World) => Promise<StateOutcome>;

type Expected = Pick<StateOutcome, 'status' | 'code' | 'event'>;
const DAMAGED = { status: 500, code: 'InternalError', event: 'metadata-tampered' } as const;
const REFUSED_HEADER = { status: 500, code: 'InternalError', event: 'object-tampered' } as const;
const INVALID_PART = { status: 400, code: 'InvalidPart', event: undefined } as const;
const TAMPERED_BUCKET = { status: 403, code: 'AccessDenied', event: 'bucket-record-tampered' } as const;
const BUCKET_RECORD = { etags: 'md5', generation: 1, updated: '2026-01-01T00:00:00Z' } as const;
const TAMPERED_KEYRING = { status: 403, code: 'AccessDenied', event: 'keyring-tampered' } as const;

/** Asked of a process that has seen nothing yet. */
function asked(world: World, expected: Expected, ask: (replica: Replica) => Promise<RawReply>): Promise<StateOutcome> {
  return inReplica(world, async (replica) => {
    const reply = await ask(replica);
    return { reply, ...expected, log: [...replica.proxy.log] };
  });
}

/** An upload, and the names of what it keeps. */
async function begun(world: World, key: string, parts: readonly Buffer[], as: TestTenant = world.bench.tenant) {
  const before = new Set([...(await stateNames(world, 'record')), ...(await receiptsAndStaged(world))]);
  const { bench } = world;
  const upload = await beginUpload({ bucket: bench.bucket, send: (request) => bench.send(request, as) }, key);
  const listed: Listed[] = [];
  for (const [i, part] of parts.entries()) listed.push(await upload.put(i + 1, part));
  const own = (names: readonly string[]) => names.filter((name) => !before.has(name));
  const [record = ''] = own(await stateNames(world, 'record'));
  const receipts = own(await stateNames(world, 'receipts'));
  const staged = own(await stateNames(world, 'staged'));
  return { upload, listed, record, receipts, staged };
}

const bucketName = (bucket: string) => bucketRecordName(bucket) ?? '';

const receiptsAndStaged = async (world: World) => [
  ...(await stateNames(world, 'receipts')),
  ...(await stateNames(world, 'staged')),
];

/** The name under another upload, or another number. */
const moved = (name: string, from: string, to: string) => name.replace(from, to);
const prefixOf = (record: string) => record.slice(0, -'record'.length);

const list = (upload: Upload) => (replica: Replica) => upload.through(replica.send).list();

async function keyrings(world: World): Promise<{ own: TestTenant; other: TestTenant; name: string }> {
  const own = await world.bench.proxy.createTenant();
  const other = await world.bench.proxy.createTenant();
  return { own, other, name: keyringName(own.tenant) };
}

const look = (world: World, as: TestTenant) => (replica: Replica) =>
  replica.send({ method: 'GET', path: `/${world.bench.bucket}`, query: 'list-type=2' }, as);

export const STATE_EXCHANGES: Readonly<Record<string, StateExchange>> = {
  async 'record-of-upload'(world) {
    const [a, b] = [await begun(world, 'record', []), await begun(world, 'record', [])];
    await putState(world, a.record, await stateBytes(world, b.record));
    return asked(world, DAMAGED, list(a.upload));
  },
  async 'record-of-name'(world) {
    const [a, b] = [await begun(world, 'record/x', []), await begun(world, 'record/y', [])];
    await putState(world, a.record, await stateBytes(world, b.record));
    return asked(world, REFUSED_HEADER, list(a.upload));
  },
  async 'record-of-tenant'(world) {
    const stranger = await world.bench.proxy.createTenant();
    const [a, b] = [await begun(world, 'record/t', []), await begun(world, 'record/t', [], stranger)];
    await putState(world, a.record, await stateBytes(world, b.record));
    return asked(world, { status: 403, code: 'AccessDenied', event: 'foreign-object' }, list(a.upload));
  },
  async 'record-header'(world) {
    const [a, b] = [await begun(world, 'record/h', []), await begun(world, 'record/h', [])];
    const [own, other] = [await stateBytes(world, a.record), await stateBytes(world, b.record)].map((bytes) =>
      JSON.parse(bytes.toString()),
    );
    await putState(world, a.record, Buffer.from(JSON.stringify({ ...own, header: other.header })));
    return asked(world, DAMAGED, list(a.upload));
  },
  async 'receipt-of-upload'(world) {
    const [a, b] = [await begun(world, 'receipt', []), await begun(world, 'receipt', [secretBytes(1000)])];
    await putState(world, moved(b.receipts[0] ?? '', prefixOf(b.record), prefixOf(a.record)), Buffer.alloc(0));
    return asked(world, DAMAGED, list(a.upload));
  },
  async 'receipt-number'(world) {
    const a = await begun(world, 'receipt/n', [secretBytes(1000)]);
    await putState(world, moved(a.receipts[0] ?? '', 'receipts/00001-', 'receipts/00002-'), Buffer.alloc(0));
    return asked(world, DAMAGED, list(a.upload));
  },
  async 'receipt-older'(world) {
    const a = await begun(world, 'receipt/o', [secretBytes(PART)]);
    const [older = ''] = a.receipts;
    await a.upload.put(1, secretBytes(PART));
    const mine = (await stateNames(world, 'receipts')).filter((name) => name.startsWith(prefixOf(a.record)));
    for (const name of mine) if (name !== older) await removeState(world, name);
    return asked(world, INVALID_PART, (replica) => a.upload.through(replica.send).complete(a.listed));
  },
  async 'staged-older'(world) {
    const a = await begun(world, 'staged/o', [secretBytes(1000)]);
    const [receipt = '', staged = ''] = [...a.receipts, ...a.staged];
    const bytes = await stateBytes(world, staged);
    const listed = [await a.upload.put(1, secretBytes(1000))];
    for (const name of await receiptsAndStaged(world)) {
      if (name.startsWith(prefixOf(a.record))) await removeState(world, name);
    }
    await putState(world, receipt, Buffer.alloc(0));
    await putState(world, staged, bytes);
    return asked(world, INVALID_PART, (replica) => a.upload.through(replica.send).complete(listed));
  },
  async 'staged-of-part'(world) {
    const [a, b] = [
      await begun(world, 'staged/p', [secretBytes(1000)]),
      await begun(world, 'staged/q', [secretBytes(1000)]),
    ];
    await putState(world, a.staged[0] ?? '', await stateBytes(world, b.staged[0] ?? ''));
    return asked(world, REFUSED_HEADER, async (replica) => {
      const completed = await a.upload.through(replica.send).complete(a.listed);
      if (completed.status !== 200) throw new Error(`the upload was not completed: ${completed.code}`);
      return a.upload.through(replica.send).get();
    });
  },
  async 'store-part'(world) {
    const { bench } = world;
    const a = await begun(world, 'part', [secretBytes(PART)]);
    const { bucket, key, id } = a.upload;
    const query = [['partNumber', '1'] as const, ['uploadId', id] as const];
    await askStore(bench.backend.inner, { method: 'PUT', bucket, key, query, body: Buffer.alloc(PART + 100) });
    return asked(world, INVALID_PART, (replica) => a.upload.through(replica.send).complete(a.listed));
  },
  async 'keyring-of-tenant'(world) {
    const { own, other, name } = await keyrings(world);
    await putState(world, name, await stateBytes(world, keyringName(other.tenant)));
    return asked(world, TAMPERED_KEYRING, look(world, own));
  },
  async 'keyring-slots'(world) {
    const { own, other, name } = await keyrings(world);
    const [mine, theirs] = [await stateBytes(world, name), await stateBytes(world, keyringName(other.tenant))];
    const slots = JSON.parse(theirs.toString()).slots;
    const mixed = JSON.stringify({ ...JSON.parse(mine.toString()), slots });
    await putState(world, name, Buffer.from(mixed));
    return asked(world, TAMPERED_KEYRING, look(world, own));
  },
  async 'registered-id-of-another'(world) {
    const { state, sealKeys } = world.bench.proxy;
    const admin = new TenantAdmin({ state, sealKeys, escrowPublicKey: undefined, record: () => {} });
    const [own, other] = [
      await admin.create({ grants: FULL_ACCESS, registered: true }),
      await admin.create({ grants: FULL_ACCESS, registered: true }),
    ];
    await putState(world, registeredName(own.accessKeyId), await stateBytes(world, registeredName(other.accessKeyId)));
    return asked(world, TAMPERED_KEYRING, look(world, own));
  },
  async 'bucket-record-of-another'(world) {
    const { bucket } = world.bench;
    const bytes = signBucketRecord({ ...BUCKET_RECORD, bucket: 'another' }, world.bench.proxy.sealKeys.active);
    await putState(world, bucketName(bucket), bytes);
    const outcome = await asked(world, TAMPERED_BUCKET, look(world, world.bench.tenant));
    await removeState(world, bucketName(bucket));
    return outcome;
  },
  async 'bucket-record-older'(world) {
    const { bench, rotation } = world;
    const { active } = bench.proxy.sealKeys;
    const { bucket } = bench;
    const record = (generation: number) => signBucketRecord({ ...BUCKET_RECORD, bucket, generation }, active);
    const lookAt = () => look(world, bench.tenant)({ proxy: bench.proxy, send: bench.send });
    await putState(world, bucketName(bucket), record(2));
    rotation.expire();
    const before = await lookAt();
    if (before.status !== 200) throw new Error(`the newer record is refused: ${before.code}`);
    await putState(world, bucketName(bucket), record(1));
    const mark = bench.proxy.log.length;
    rotation.expire();
    const reply = await lookAt();
    const log = bench.proxy.log.slice(mark);
    await putState(world, bucketName(bucket), record(2));
    return { reply, status: 403, code: 'AccessDenied', event: 'bucket-record-rollback', log };
  },
  async 'last-use-of-another'(world) {
    const { sealKeys } = world.bench.proxy;
    const { own, other } = await keyrings(world);
    const [mine, theirs] = [own, other].map(({ accessKeyId }) => unsealAccessKeyId(accessKeyId, sealKeys));
    if (mine === undefined || theirs === undefined) throw new Error('the ids do not open');
    await putState(world, lastUsedName(mine), sealLastUsed(theirs, '2030-01-01', sealKeys.active));
    const shown = openLastUsed(await stateBytes(world, lastUsedName(mine)), mine, sealKeys);
    if (shown !== undefined) throw new Error('a record of another slot is believed');
    return asked(world, { status: 200, code: '', event: undefined }, look(world, own));
  },
  async 'keyring-older'(world) {
    const { bench, rotation } = world;
    const name = keyringName(bench.tenant.tenant);
    const older = await stateBytes(world, name);
    await rotation.begin();
    await bench.send({ method: 'PUT', path: objectPath(bench.bucket, 'seen'), body: 'under the newer keyring' });
    const newer = await stateBytes(world, name);
    await putState(world, name, older);
    const mark = bench.proxy.log.length;
    rotation.expire();
    const reply = await look(world, bench.tenant)({ proxy: bench.proxy, send: bench.send });
    const log = bench.proxy.log.slice(mark);
    await putState(world, name, newer);
    rotation.expire();
    return { reply, status: 403, code: 'AccessDenied', event: 'keyring-rollback', log };
  },
};
