/**
 * Protects what uploads keep in the state bucket (crypto/FORMAT.md, "Uploads in progress"): records, receipts and staged bytes
 * that were changed, moved or exchanged by whoever can write there are refused, and no data key stands there in clear.
 */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Dek } from '../../../crypto/dek.ts';
import { uploadIdOf } from '../../../proxy/multipart/upload-record.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import type { RawReply } from '../../helpers/raw-client.ts';
import { askStore, storeDirectly, storedKeys, storedObject } from '../../helpers/stored.ts';
import {
  beginUpload,
  elements,
  type Listed,
  openReplica,
  outcome,
  type Replica,
  type Upload,
} from '../../helpers/uploads.ts';

const STATE = 'sealgate-state';
const BODY = randomBytes(5000);

describe('state of uploads', () => {
  let bench: Bench;
  const deks: Buffer[] = [];
  beforeAll(async () => {
    const make = Dek.fromBytes;
    vi.spyOn(Dek, 'fromBytes').mockImplementation((raw) => {
      deks.push(Buffer.from(raw));
      return make(raw);
    });
    bench = await openBench();
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    await bench.close();
  });

  /** Knows nothing yet of any upload. */
  let fresh: Replica;
  let count = 0;
  let upload: Upload;
  let listed: Listed[];
  beforeEach(async () => {
    fresh = await openReplica(bench);
    upload = await beginUpload(bench, `state-${count++}`, [['x-amz-meta-secret', 'the content of a header']]);
    listed = [await upload.put(1, BODY)];
  });
  afterEach(() => fresh.proxy.close());

  const nameOf = (one: Upload) => `uploads/${uploadIdOf({ bucket: one.bucket, key: one.key, uploadId: one.id })}`;
  const under = async (prefix: string) =>
    (await storedKeys(bench.backend, STATE)).filter((key) => key.startsWith(prefix));
  const write = (key: string, body: Buffer | string) => storeDirectly(bench.backend, { bucket: STATE, key, body });
  const remove = (key: string) => askStore(bench.backend, { method: 'DELETE', bucket: STATE, key });
  const one = async (prefix: string): Promise<string> => {
    const [name, ...rest] = await under(prefix);
    if (name === undefined || rest.length > 0) throw new Error(`one object was expected under ${prefix}`);
    return name;
  };

  /** Every step at a replica that has not seen the upload. */
  async function steps(): Promise<RawReply[]> {
    const there = upload.through(fresh.send);
    return [await there.list(), await there.part(2, BODY), await there.complete(listed), await there.abort()];
  }

  const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  function flip(text: unknown): string {
    const bytes = Buffer.from(String(text), 'base64url');
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    return bytes.toString('base64url');
  }

  type Change = (record: Record<string, unknown>) => unknown;
  const header =
    (change: Change): Change =>
    (record) => ({
      ...record,
      header: change(isObject(record['header']) ? record['header'] : {}),
    });

  const DAMAGE: readonly [name: string, change: Change][] = [
    ['the box changed', (record) => ({ ...record, sealed: flip(record['sealed']) })],
    ['the box empty', (record) => ({ ...record, sealed: '' })],
    ['the wrapped key changed', header((fields) => ({ ...fields, 'enc-dek': flip(fields['enc-dek']) }))],
    ['the attributes changed', header((fields) => ({ ...fields, 'enc-attrs': flip(fields['enc-attrs']) }))],
    ['the attributes stripped', header(({ 'enc-attrs': _, ...fields }) => fields)],
    ['another algorithm', header((fields) => ({ ...fields, 'enc-algo': 'sealgate-2' }))],
    ['another format', (record) => ({ ...record, format: 2 })],
    ['a member too many', (record) => ({ ...record, more: true })],
    ['a member missing', ({ created: _, ...record }) => record],
    ['no record but a list', () => []],
  ];

  it.each(DAMAGE)('a record with %s opens for no step, and each try is a security event', async (_name, change) => {
    const name = `${nameOf(upload)}/record`;
    const record = JSON.parse((await storedObject(bench.backend, STATE, name)).body.toString());
    await write(name, JSON.stringify(change(record)));
    expect((await steps()).map(outcome)).toEqual(Array.from({ length: 4 }, () => '500 InternalError'));
    const events = fresh.proxy.log.filter(({ securityEvent }) => securityEvent !== undefined);
    expect(events).toHaveLength(4);
    expect(outcome(await upload.get())).toBe('404 NoSuchKey');
  });

  it("a record that says it is another tenant's is refused as that", async () => {
    const name = `${nameOf(upload)}/record`;
    const record = JSON.parse((await storedObject(bench.backend, STATE, name)).body.toString());
    await write(name, JSON.stringify({ ...record, header: { ...record.header, 'enc-tenant': 'a'.repeat(24) } }));
    expect((await steps()).map(outcome)).toEqual(Array.from({ length: 4 }, () => '403 AccessDenied'));
  });

  it.each(['', 'not JSON', '{"format":1}', '\u0000'])('a record %j opens for no step', async (text) => {
    await write(`${nameOf(upload)}/record`, text);
    expect((await steps()).map(outcome)).toEqual(Array.from({ length: 4 }, () => '500 InternalError'));
  });

  it.each([
    ['of the same object', () => upload.key],
    ['of another object', () => 'elsewhere'],
  ])('the record of another upload %s does not open in its place', async (_name, key) => {
    const other = await beginUpload(bench, key());
    const record = await storedObject(bench.backend, STATE, `${nameOf(other)}/record`);
    await write(`${nameOf(upload)}/record`, record.body);
    expect((await steps()).map(outcome)).toEqual(Array.from({ length: 4 }, () => '500 InternalError'));
  });

  it('without its record there is no upload', async () => {
    await remove(`${nameOf(upload)}/record`);
    const there = upload.through(fresh.send);
    const left = await under(nameOf(upload));
    const replies = [await there.list(), await there.part(2, BODY), await there.complete(listed), await there.abort()];
    expect(replies.map(outcome)).toEqual(replies.map(() => '404 NoSuchUpload'));
    // `sealgate gc` removes it: nothing here says whose it was.
    expect(await under(nameOf(upload))).toEqual(left);
  });

  describe('receipts', () => {
    const prefix = () => `${nameOf(upload)}/receipts/`;

    async function renamed(change: (name: string) => string): Promise<void> {
      const name = await one(prefix());
      await remove(name);
      await write(prefix() + change(name.slice(prefix().length)), '');
    }

    it.each<[string, (name: string) => string]>([
      ['renumbered', (name) => name.replace(/^00001-/, '00002-')],
      ['with one character changed', (name) => name.replace(/-(.)/, (_, c) => (c === 'A' ? '-B' : '-A'))],
      ['cut off', (name) => name.slice(0, -8)],
      ['with more behind', (name) => `${name}AAAA`],
      ['cut into other pieces', (name) => name.replace(/-(.{10})/, '-$1/')],
      ['with nothing in it', () => '00001-'],
    ])('%s: every step that reads them is refused', async (_name, change) => {
      await renamed(change);
      const there = upload.through(fresh.send);
      expect(outcome(await there.list())).toBe('500 InternalError');
      expect(outcome(await there.complete(listed))).toBe('500 InternalError');
      expect(fresh.proxy.log.filter(({ securityEvent }) => securityEvent === 'metadata-tampered')).toHaveLength(2);
      expect(outcome(await there.abort())).toBe('204');
    });

    it('of another upload of the same object are refused', async () => {
      const other = await beginUpload(bench, upload.key);
      await other.put(2, BODY);
      const name = await one(`${nameOf(other)}/receipts/`);
      await write(name.replace(nameOf(other), nameOf(upload)), '');
      expect(outcome(await upload.through(fresh.send).list())).toBe('500 InternalError');
      await other.abort();
    });

    it('removed: the part was never acknowledged', async () => {
      await remove(await one(prefix()));
      const there = upload.through(fresh.send);
      expect(elements(await there.list(), 'PartNumber')).toEqual([]);
      expect(outcome(await there.complete(listed))).toBe('400 InvalidPart');
    });

    it('an older one put back does not bring the older part back', async () => {
      const older = await one(prefix());
      const [staged] = await under(`${nameOf(upload)}/staged/`);
      const changed = await upload.put(1, BODY.subarray(1));
      await remove(staged ?? '');
      await write(older, '');
      const there = upload.through(fresh.send);
      expect(outcome(await there.complete(listed))).toBe('400 InvalidPart');
      expect(outcome(await there.complete([changed]))).toBe('200');
      expect((await upload.get()).body.equals(BODY.subarray(1))).toBe(true);
    });
  });

  describe('staged bytes', () => {
    const staged = () => one(`${nameOf(upload)}/staged/`);

    it.each<[string, (bytes: Buffer) => Buffer]>([
      ['cut off', (bytes) => bytes.subarray(0, -1)],
      ['with more behind', (bytes) => Buffer.concat([bytes, Buffer.alloc(1)])],
    ])('%s: Complete is refused, and nothing is stored', async (_name, change) => {
      const name = await staged();
      await write(name, change((await storedObject(bench.backend, STATE, name)).body));
      expect(outcome(await upload.complete(listed))).toBe('503 ServiceUnavailable');
      expect(outcome(await upload.get())).toBe('404 NoSuchKey');
    });

    it('changed, or of another upload: no byte of the object is given out', async () => {
      const other = await beginUpload(bench, 'other');
      await other.put(1, BODY);
      const theirs = await storedObject(bench.backend, STATE, await one(`${nameOf(other)}/staged/`));
      const name = await staged();
      await write(name, theirs.body);
      expect(outcome(await upload.complete(listed))).toBe('200');
      const got = await upload.get();
      expect([outcome(got), got.body.includes(BODY.subarray(0, 16))]).toEqual(['500 InternalError', false]);
      await other.abort();
    });

    it('gone: the part is not there any more', async () => {
      await remove(await staged());
      expect(outcome(await upload.complete(listed))).toBe('400 InvalidPart');
    });
  });

  it('nothing of the content, its digests and its keys is in clear at the store', async () => {
    const whole: Buffer[] = [];
    for (const bucket of [STATE, bench.bucket]) {
      for (const key of await storedKeys(bench.backend, bucket)) {
        const { body, headers } = await storedObject(bench.backend, bucket, key);
        whole.push(Buffer.from(`${key}\n${JSON.stringify(headers)}\n`), body);
      }
    }
    const seen = Buffer.concat(whole);
    expect(seen.includes(nameOf(upload))).toBe(true);
    const digests = ['md5', 'sha1', 'sha256'].map((name) => createHash(name).update(BODY).digest());
    const secrets = [...deks, ...digests, BODY.subarray(0, 24), Buffer.from('the content of a header')];
    expect(deks.length).toBeGreaterThan(5);
    for (const secret of secrets) {
      for (const encoding of ['latin1', 'hex', 'base64', 'base64url'] as const) {
        const text = secret.toString(encoding).replace(/=+$/, '');
        expect(seen.includes(Buffer.from(text, 'latin1'))).toBe(false);
      }
    }
  });
});
