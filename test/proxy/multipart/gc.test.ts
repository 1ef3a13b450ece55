/**
 * Protects `sealgate gc`: it finds what ended, orphaned and abandoned uploads left, needs no tenant's key for it, changes nothing
 * when asked not to, and never touches an upload that is in progress or a record that it does not understand.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { gcCommand } from '../../../proxy/cli/gc.ts';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { StateStore } from '../../../proxy/keyring/state/state.ts';
import { collectGarbage, type GarbageFound } from '../../../proxy/multipart/collect-garbage.ts';
import { uploadIdOf } from '../../../proxy/multipart/upload-record.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { askStore, storeDirectly, storedKeys, storedObject } from '../../helpers/stored.ts';
import { beginUpload, openUploads, outcome, type Upload, uploadState } from '../../helpers/uploads.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const STATE = 'sealgate-state';
const BODY = randomBytes(300);

describe('gc', () => {
  let bench: Bench;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealgate-gc-'));
    const backend = await openLocalBackend({ directory });
    const close = async () => {
      await backend.close();
      await rm(directory, { recursive: true, force: true });
    };
    bench = await openBench({ store: { backend, close } });
  });
  afterAll(() => bench.close());
  afterEach(async () => {
    for (const name of await uploadState(bench.backend)) {
      await askStore(bench.backend, { method: 'DELETE', bucket: STATE, key: name });
    }
    for (const id of await openUploads(bench.backend, bench.bucket)) await abortAtStore('up', id);
  });

  const idOf = (upload: Upload) => uploadIdOf({ ...upload, uploadId: upload.id });
  const abortAtStore = (key: string, id: string) =>
    askStore(bench.backend, { method: 'DELETE', bucket: bench.bucket, key, query: [['uploadId', id]] });

  /** With a state store of its own that has no keys, `days` from now. */
  function collect(o: { days?: number; dryRun?: boolean; unrecorded?: boolean } = {}): Promise<GarbageFound[]> {
    const { days = 0, dryRun = false, unrecorded = false } = o;
    const found = collectGarbage({
      backend: bench.backend,
      state: new StateStore({ backend: bench.backend, bucket: STATE, prefix: '' }),
      signal: AbortSignal.timeout(60_000),
      now: new Date(Date.now() + days * DAY_MS),
      abandonedAfterMs: 7 * DAY_MS,
      unrecorded,
      dryRun,
    });
    return Array.fromAsync(found);
  }

  async function begun(): Promise<Upload> {
    const upload = await beginUpload(bench, 'up');
    await upload.put(1, BODY);
    return upload;
  }

  it('leaves an upload in progress alone, which then completes', async () => {
    const upload = await begun();
    expect(await collect({ days: 6.9, unrecorded: true })).toEqual([]);
    expect(outcome(await upload.complete([await upload.put(1, BODY)]))).toBe('200');
    expect(await collect({ days: 100, unrecorded: true })).toEqual([]);
    expect((await upload.get()).body.equals(BODY)).toBe(true);
  });

  it('aborts what was begun more than a week ago, at the store too', async () => {
    const upload = await begun();
    const found = await collect({ days: 7.1 });
    const address = { bucket: bench.bucket, key: 'up', uploadId: upload.id };
    expect(found).toEqual([{ reason: 'abandoned', id: idOf(upload), address, objects: 3 }]);
    expect([await uploadState(bench.backend), await openUploads(bench.backend, bench.bucket)]).toEqual([[], []]);
    expect(outcome(await upload.part(1, BODY))).toBe('404 NoSuchUpload');
  });

  it('removes the state of what the store no longer knows, however young', async () => {
    const [ended, live] = [await begun(), await begun()];
    await abortAtStore('up', ended.id);
    const found = await collect();
    expect(found.map(({ reason, id, objects }) => [reason, id, objects])).toEqual([['ended', idOf(ended), 3]]);
    const kept = await uploadState(bench.backend);
    expect([kept.length, kept.every((name) => name.includes(idOf(live)))]).toEqual([3, true]);
  });

  it('removes what has no record: a part that was acknowledged while its upload was completed', async () => {
    const upload = await begun();
    const receipts = (await uploadState(bench.backend)).filter((name) => name.includes('/receipts/'));
    expect(outcome(await upload.complete([await upload.put(1, BODY)]))).toBe('200');
    for (const key of receipts) await storeDirectly(bench.backend, { bucket: STATE, key, body: '' });
    const found = await collect();
    expect(found).toEqual([{ reason: 'orphaned', id: idOf(upload), address: undefined, objects: 1 }]);
    expect(await uploadState(bench.backend)).toEqual([]);
    expect((await upload.get()).body.equals(BODY)).toBe(true);
  });

  it('reports and changes nothing on a dry run', async () => {
    const [ended, old] = [await begun(), await begun()];
    await abortAtStore('up', ended.id);
    const before = [await uploadState(bench.backend), await openUploads(bench.backend, bench.bucket)];
    const found = await collect({ days: 8, dryRun: true });
    expect(found.map(({ reason, id }) => `${reason} ${id}`).sort()).toEqual(
      [`abandoned ${idOf(old)}`, `ended ${idOf(ended)}`].sort(),
    );
    expect([await uploadState(bench.backend), await openUploads(bench.backend, bench.bucket)]).toEqual(before);
  });

  it.each([
    ['is no JSON', () => 'no JSON'],
    ['has another format', (text: string) => text.replace('"format":1', '"format":2')],
    ['stands under another name', (text: string) => text.replace('"key":"up"', '"key":"elsewhere"')],
  ])('leaves a record alone that %s', async (_name, change) => {
    const upload = await begun();
    const name = `uploads/${idOf(upload)}/record`;
    const { body } = await storedObject(bench.backend, STATE, name);
    expect(change(body.toString())).not.toBe(body.toString());
    await storeDirectly(bench.backend, { bucket: STATE, key: name, body: change(body.toString()) });
    const found = await collect({ days: 100 });
    expect(found.map(({ reason, objects }) => [reason, objects])).toEqual([['unreadable', 3]]);
    expect(await uploadState(bench.backend)).toHaveLength(3);
    expect(await openUploads(bench.backend, bench.bucket)).toEqual([upload.id]);
  });

  it('finds uploads without a record only when asked, and only old ones', async () => {
    const upload = await begun();
    const made = await askStore(bench.backend, {
      method: 'POST',
      bucket: bench.bucket,
      key: 'a b/ü',
      query: [['uploads', '']],
      body: Buffer.alloc(0),
    });
    const id = /<UploadId>([^<]*)/.exec(made.body.toString())?.[1] ?? '';
    expect((await collect({ days: 6, unrecorded: true })).map(({ reason }) => reason)).toEqual([]);
    expect((await collect({ days: 6 })).map(({ reason }) => reason)).toEqual([]);
    const found = await collect({ days: 8, unrecorded: true });
    expect(found.map(({ reason, address }) => [reason, address?.uploadId])).toEqual([
      ['abandoned', upload.id],
      ['unrecorded', id],
    ]);
    expect(await openUploads(bench.backend, bench.bucket)).toEqual([]);
  });

  it('touches nothing but uploads', async () => {
    await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'kept', Body: BODY }));
    await begun();
    const others = async () => [
      ...(await storedKeys(bench.backend, bench.bucket)),
      ...(await storedKeys(bench.backend, STATE)).filter((name) => !name.startsWith('uploads/')),
    ];
    const before = await others();
    expect(before.some((name) => name.startsWith('keyrings/'))).toBe(true);
    await collect({ days: 100, unrecorded: true });
    expect(await others()).toEqual(before);
  });

  describe('the command', () => {
    async function run(...args: string[]): Promise<{ code: number; out: string }> {
      let out = '';
      const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
        out += String(text);
        return true;
      });
      const silent = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
      const environment = {
        SEALGATE_BACKEND: `local:${directory}`,
        SEALGATE_STATE: STATE,
        SEALGATE_SEAL_KEYS: SealKeys.generate(),
      };
      try {
        return { code: await gcCommand(args, environment), out };
      } finally {
        write.mockRestore();
        silent.mockRestore();
      }
    }

    it('reports as text and as JSON, and removes', async () => {
      const upload = await begun();
      await abortAtStore('up', upload.id);
      const dry = await run('--dry-run', '--json');
      expect(dry.code).toBe(0);
      expect(JSON.parse(dry.out)).toEqual({
        reason: 'ended',
        id: idOf(upload),
        bucket: bench.bucket,
        key: 'up',
        objects: 3,
      });
      const text = await run();
      expect(text.out).toBe(`ended      3 objects  ${bench.bucket}/up\nremoved 3 objects of 1 uploads\n`);
      expect((await run()).out).toBe('removed 0 objects of 0 uploads\n');
      expect(await uploadState(bench.backend)).toEqual([]);
    });

    it.each([['--abandoned-after', 'x'], ['--abandoned-after=-1'], ['--unknown'], ['word']])(
      'refuses %s %s',
      async (...args) => {
        const upload = await begun();
        expect((await run(...args.filter((arg) => arg !== undefined))).code).toBe(2);
        expect(await openUploads(bench.backend, bench.bucket)).toEqual([upload.id]);
      },
    );

    it('takes the age in days: 0 ends everything in progress', async () => {
      await begun();
      expect((await run('--abandoned-after', '1')).out).toBe('removed 0 objects of 0 uploads\n');
      expect((await run('--abandoned-after', '0')).out).toMatch(/^abandoned {2}3 objects {2}\S+\/up\n/);
      expect(await openUploads(bench.backend, bench.bucket)).toEqual([]);
    });
  });
});
