/**
 * Protects: what the operator decided about a bucket. The bytes of a record are those of crypto/FORMAT.md; nobody without the seal
 * key makes one up, or gives a bucket the record of another; servers follow a change within a minute and refuse requests to a bucket
 * whose record was forged, rolled back or taken away while they run.
 */
import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { SealKey, SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';
import {
  type BucketDeps,
  BucketRecordConflict,
  listBucketRecords,
  readBucketRecord,
  resignBucketRecord,
  setBucketRecord,
} from '../../../../proxy/keyring/buckets/bucket-admin.ts';
import {
  BucketRecordTampered,
  bucketOfRecord,
  bucketRecordName,
  openBucketRecord,
  signBucketRecord,
} from '../../../../proxy/keyring/buckets/bucket-record.ts';
import { BucketSettings } from '../../../../proxy/keyring/buckets/bucket-settings.ts';
import { StateStore } from '../../../../proxy/keyring/state/state.ts';
import type { EtagMode } from '../../../../proxy/object/etags.ts';
import type { SecurityEvent } from '../../../../proxy/observe/events.ts';
import { MAX_BUCKET_RECORD_BYTES } from '../../../../proxy/store-limits.ts';
import { newSealKeys } from '../../../helpers/keyring-fixture.ts';
import { StateBackend } from '../../../helpers/state-backend.ts';

const signal = new AbortController().signal;
const S = Buffer.from('8f1d3c5b7a9e0214365870a9bdcefe11223f4455667a8899aabbccddeeff0910', 'hex');
const SEAL_KEY = new SealKey('one', S);
const SEAL_KEYS = new SealKeys([SEAL_KEY]);
const RECORD = { bucket: 'photos', etags: 'opaque' as const, generation: 3, updated: '2026-05-31T00:00:00Z' };
const KEY = 'p/buckets/photos.json';

/** The MAC as the format document describes it, from nothing but node:crypto. */
function macBySpecification(bucket: string, covered: string): string {
  const lp = (data: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(data.length);
    return Buffer.concat([length, data]);
  };
  const ctx = createHash('sha256')
    .update(lp(Buffer.from(bucket)))
    .digest();
  const info = Buffer.concat([lp(Buffer.from('sealgate/1/bucket-record')), ctx]);
  const key = Buffer.from(hkdfSync('sha256', S, Buffer.alloc(0), info, 32));
  return createHmac('sha256', key).update(covered).digest('base64');
}

describe('the record', () => {
  it('has the bytes that the format document says', () => {
    const covered =
      '{"bucket":"photos","etags":"opaque","format":"sealgate-bucket/1","generation":3,"kid":"one","updated":"2026-05-31T00:00:00Z"}';
    const mac = macBySpecification('photos', covered);
    const body = signBucketRecord(RECORD, SEAL_KEY);
    expect(body.toString()).toBe(covered.replace('"kid":"one",', `"kid":"one","mac":"${mac}",`));
    expect(body.length).toBeLessThan(MAX_BUCKET_RECORD_BYTES);
    expect(openBucketRecord(body, 'photos', SEAL_KEYS)).toEqual({ ...RECORD, kid: 'one' });
  });

  it('is refused when any byte of it is another, and under the name of another bucket', () => {
    const body = signBucketRecord(RECORD, SEAL_KEY);
    let tried = 0;
    for (let at = 0; at < body.length; at += 1) {
      for (const bit of [0x01, 0x20, 0x80]) {
        const altered = Buffer.from(body);
        altered.writeUInt8(altered.readUInt8(at) ^ bit, at);
        expect(() => openBucketRecord(altered, 'photos', SEAL_KEYS), `${at} ${bit}`).toThrow(BucketRecordTampered);
        tried += 1;
      }
    }
    expect(tried).toBe(3 * body.length);
    expect(() => openBucketRecord(body, 'other', SEAL_KEYS)).toThrow(/another bucket's/);
    const moved = Buffer.from(body.toString().replace('photos', 'others'));
    expect(() => openBucketRecord(moved, 'others', SEAL_KEYS)).toThrow(/MAC/);
    expect(() => openBucketRecord(body, 'photos', newSealKeys('two'))).toThrow(/'one', which is not configured/);
    expect(() => openBucketRecord(body, 'photos', newSealKeys('one'))).toThrow(/MAC/);
    expect(() => openBucketRecord(Buffer.alloc(MAX_BUCKET_RECORD_BYTES + 1, 0x20), 'photos', SEAL_KEYS)).toThrow(
      /malformed/,
    );
  });

  it('has a name that only a bucket has', () => {
    expect(bucketRecordName('photos')).toBe('buckets/photos.json');
    expect(bucketOfRecord('buckets/photos.json')).toBe('photos');
    for (const name of ['', 'a', '../keyrings/x', 'a/b', 'a..b', '.json', 'x'.repeat(300)]) {
      expect([name, bucketRecordName(name)]).toEqual([name, undefined]);
      expect(bucketOfRecord(`buckets/${name}.json`)).toBeUndefined();
    }
  });
});

describe('servers', () => {
  let backend: StateBackend;
  let state: StateStore;
  let events: SecurityEvent[];
  let time: number;
  let deps: BucketDeps;
  beforeEach(async () => {
    backend = new StateBackend();
    state = new StateStore({ backend, bucket: 'state', prefix: 'p' });
    events = [];
    time = Date.parse('2026-06-01T00:00:00Z');
    await state.ensureBucket(signal);
    backend.requests.length = 0;
    deps = { state, sealKeys: SEAL_KEYS, record: (event) => void events.push(event), now: () => new Date(time) };
  });
  const server = (etags: EtagMode = 'md5') => new BucketSettings({ ...deps, etags });
  const modeOf = async (settings: BucketSettings, bucket = 'photos') => settings.of(bucket, signal);
  const set = (etags: EtagMode) => setBucketRecord(deps, 'photos', { etags, replaceDamaged: false }, signal);

  it('go by the default without a record, and ask once a minute', async () => {
    const settings = server('opaque');
    for (let i = 0; i < 5; i++) expect(await modeOf(settings)).toBe('opaque');
    expect(backend.requests).toHaveLength(1);
    time += 60_000;
    expect(await modeOf(settings)).toBe('opaque');
    expect(backend.requests).toHaveLength(2);
    expect(settings.of('photos', signal)).toBe('opaque');
    // No record can have that name, so none is looked for.
    expect(settings.of('a/../b', signal)).toBe('opaque');
  });

  it('follow a change within 60 s, every replica', async () => {
    const replicas = [server(), server('opaque')];
    await set('md5');
    expect(await Promise.all(replicas.map((one) => modeOf(one)))).toEqual(['md5', 'md5']);
    await set('opaque');
    time += 59_999;
    expect(await Promise.all(replicas.map((one) => modeOf(one)))).toEqual(['md5', 'md5']);
    time += 1;
    expect(await Promise.all(replicas.map((one) => modeOf(one)))).toEqual(['opaque', 'opaque']);
    time += 60_000;
    expect(await modeOf(replicas[0] as BucketSettings)).toBe('opaque');
    expect(backend.requests.at(-1)?.headers?.['if-none-match']).toBeDefined();
  });

  it('share one read of many requests', async () => {
    await set('opaque');
    const settings = server();
    const before = backend.requests.length;
    expect(await Promise.all(Array.from({ length: 20 }, () => modeOf(settings)))).toEqual(new Array(20).fill('opaque'));
    expect(backend.requests.length - before).toBe(1);
  });

  it.each<[string, (older: Buffer) => void, string]>([
    [
      'forged',
      () => backend.overwrite('state', KEY, signBucketRecord(RECORD, new SealKey('one', Buffer.alloc(32, 7)))),
      'bucket-record-tampered',
    ],
    ['malformed', () => backend.overwrite('state', KEY, Buffer.from('{}')), 'bucket-record-tampered'],
    [
      "another bucket's",
      () => backend.overwrite('state', KEY, signBucketRecord({ ...RECORD, bucket: 'other' }, SEAL_KEY)),
      'bucket-record-tampered',
    ],
    ['rolled back', (older) => backend.overwrite('state', KEY, older), 'bucket-record-rollback'],
  ])(
    'refuse requests to a bucket whose record was %s, with an event, until it is right again',
    async (_, damage, kind) => {
      await set('md5');
      const older = backend.stored('state', KEY) ?? Buffer.alloc(0);
      await set('opaque');
      const newest = backend.stored('state', KEY) ?? Buffer.alloc(0);
      const settings = server();
      expect(await modeOf(settings)).toBe('opaque');
      damage(older);
      time += 60_000;
      events.length = 0;
      await expect(modeOf(settings)).rejects.toMatchObject({ code: 'AccessDenied' });
      expect(events).toMatchObject([{ kind, bucket: 'photos' }]);
      expect(await modeOf(settings, 'others')).toBe('md5');
      backend.overwrite('state', KEY, newest);
      expect(await modeOf(settings)).toBe('opaque');
    },
  );

  it('refuse when a record that was there is gone, and cannot know it after a restart', async () => {
    await set('opaque');
    const settings = server();
    expect(await modeOf(settings)).toBe('opaque');
    await state.delete('buckets/photos.json', signal);
    time += 60_000;
    await expect(modeOf(settings)).rejects.toMatchObject({ code: 'AccessDenied' });
    expect(events.at(-1)?.kind).toBe('bucket-record-rollback');
    expect(await modeOf(server())).toBe('md5');
  });

  it('fail when the state cannot be reached, and do not go by what they knew', async () => {
    await set('opaque');
    const settings = server();
    expect(await modeOf(settings)).toBe('opaque');
    backend.isDown = true;
    expect(await modeOf(settings)).toBe('opaque');
    time += 60_000;
    await expect(modeOf(settings)).rejects.toMatchObject({ code: 'ServiceUnavailable' });
  });
});

describe('the operator', () => {
  const backend = new StateBackend();
  const state = new StateStore({ backend, bucket: 'state', prefix: 'p' });
  const events: SecurityEvent[] = [];
  const deps: BucketDeps = {
    state,
    sealKeys: SEAL_KEYS,
    record: (event) => void events.push(event),
    now: () => new Date(),
  };
  const set = (etags: EtagMode, replaceDamaged = false) =>
    setBucketRecord(deps, 'photos', { etags, replaceDamaged }, signal);

  it('sets, changes and lists records; the same again changes nothing', async () => {
    await state.ensureBucket(signal);
    expect(await readBucketRecord(deps, 'photos', signal)).toBeUndefined();
    expect(await set('opaque')).toMatchObject({ etags: 'opaque', generation: 1, kid: 'one' });
    expect(await set('opaque')).toMatchObject({ generation: 1 });
    expect(await set('md5')).toMatchObject({ etags: 'md5', generation: 2 });
    expect(events.map(({ kind, detail }) => `${kind} ${detail}`)).toEqual([
      'bucket-changed ETags: opaque, before no record',
      'bucket-changed ETags: md5, before opaque',
    ]);
    expect(await Array.fromAsync(listBucketRecords(deps, signal))).toMatchObject([{ bucket: 'photos', status: 'ok' }]);
  });

  it('whose change was overtaken writes nothing', async () => {
    let isRaced = false;
    backend.intercept = (request) => {
      if (request.method === 'PUT' && !isRaced) {
        isRaced = true;
        backend.overwrite('state', KEY, signBucketRecord({ ...RECORD, generation: 9 }, SEAL_KEY));
      }
      return undefined;
    };
    await expect(set('opaque')).rejects.toThrow(BucketRecordConflict);
    backend.intercept = () => undefined;
    expect(await readBucketRecord(deps, 'photos', signal)).toMatchObject({ generation: 9 });
  });

  it('writes over a damaged record only when that is asked for, and servers that saw the old one take it', async () => {
    const settings = new BucketSettings({ ...deps, etags: 'md5' });
    expect(await settings.of('photos', signal)).toBe('opaque');
    backend.overwrite('state', KEY, Buffer.from('damaged'));
    await expect(set('md5')).rejects.toThrow(BucketRecordTampered);
    expect((await Array.fromAsync(listBucketRecords(deps, signal)))[0]?.status).toBe('tampered');
    expect((await set('md5', true)).generation).toBeGreaterThan(1_700_000_000);
    const later = { ...deps, now: () => new Date(Date.now() + 60_000) };
    expect(await new BucketSettings({ ...later, etags: 'opaque' }).of('photos', signal)).toBe('md5');
  });

  it.each<[string, (older: Buffer) => Promise<void> | void]>([
    ['rolled back', (older) => backend.overwrite('state', KEY, older)],
    ['taken away', () => state.delete('buckets/photos.json', signal)],
  ])(
    'replaces a record that was %s, by the same mode too, and servers that saw the newer one take it',
    async (_, damage) => {
      await state.delete('buckets/photos.json', signal);
      await set('md5');
      await set('opaque');
      const older = backend.stored('state', KEY) ?? Buffer.alloc(0);
      await set('md5');
      await set('opaque');
      let time = Date.now();
      const settings = new BucketSettings({ ...deps, now: () => new Date(time), etags: 'md5' });
      expect(await settings.of('photos', signal)).toBe('opaque');
      await damage(older);
      time += 60_000;
      await expect(settings.of('photos', signal)).rejects.toMatchObject({ code: 'AccessDenied' });
      await set('opaque', true);
      expect(await settings.of('photos', signal)).toBe('opaque');
      await set('md5', true);
      time += 60_000;
      expect(await settings.of('photos', signal)).toBe('md5');
    },
  );

  it('signs records under another seal key, so that the old one can be dropped', async () => {
    const two = newSealKeys('two').active;
    const both = { ...deps, sealKeys: new SealKeys([two, SEAL_KEY]) };
    const record = await readBucketRecord(both, 'photos', signal);
    if (record === undefined) throw new Error('there is a record');
    expect(await resignBucketRecord(both, record, signal)).toBe(true);
    const signed = await readBucketRecord({ ...deps, sealKeys: new SealKeys([two]) }, 'photos', signal);
    expect(signed).toMatchObject({ kid: 'two', etags: record.etags, generation: record.generation + 1 });
    if (signed !== undefined) expect(await resignBucketRecord(both, signed, signal)).toBe(false);
  });
});
