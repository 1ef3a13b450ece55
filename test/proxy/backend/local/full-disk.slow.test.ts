// Protects: a disk without room refuses writes, names ENOSPC, leaves nothing half written, and lets reads and deletes go on, to the last
// block; such a store opens; once there is room it takes writes again. The disk is a small tmpfs, where the machine lets one be mounted.
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Backend } from '../../../../proxy/backend/backend.ts';
import { openLocalBackend } from '../../../../proxy/backend/local/local.ts';
import { explainStoreFailure } from '../../../../proxy/backend/trouble/explain-store-failure.ts';
import { LOCAL_RESERVE_BYTES } from '../../../../proxy/store-limits.ts';
import { MiB } from '../../../helpers/bytes.ts';
import { SmallDisk } from '../../../helpers/small-disk.ts';
import { type Call, pattern, send } from './harness.ts';
import { indexProblems, storeFiles } from './store-files.ts';

const disk = SmallDisk.mount(24);
afterAll(() => disk?.unmount());

describe.skipIf(disk === undefined)('on a disk of 24 MiB', () => {
  const directory = join(disk?.directory ?? '', 'store');
  const reserve = join(directory, 'reserve');
  const bucket = 'full';
  let backend: Backend;

  beforeEach(async () => {
    backend = await openLocalBackend({ directory });
    expect((await send(backend, 'PUT', { bucket })).status).toBe(200);
  });
  afterEach(async () => {
    await backend.close();
    expect(indexProblems(directory)).toEqual([]);
    const { blobs, indexed, pending } = storeFiles(directory);
    expect([blobs.toSorted(), pending]).toEqual([[...indexed.keys()].toSorted(), []]);
    disk?.makeRoom();
    rmSync(directory, { recursive: true });
  });

  const free = (): number => disk?.free ?? Number.NaN;
  const fill = (): void => disk?.fill();

  const put = (key: string, bytes: number): Promise<Call | unknown> =>
    send(backend, 'PUT', { bucket, key, body: pattern(bytes) }).catch((error: unknown) => error);
  const status = async (method: 'GET' | 'HEAD' | 'DELETE', key: string) =>
    (await send(backend, method, { bucket, key })).status;

  async function expectRefused(key: string, bytes: number): Promise<void> {
    const failure = await put(key, bytes);
    expect(explainStoreFailure(failure)).toMatchObject({ kind: 'full', what: expect.stringContaining('ENOSPC') });
    expect(await status('HEAD', key)).toBe(404);
  }

  test('a body that does not fit is refused and leaves nothing; reads go on', async () => {
    await put('kept', 100_000);
    const before = free();
    await expectRefused('big', 30 * MiB);
    expect(free()).toBeGreaterThan(before - 64 * 1024);
    expect((await send(backend, 'GET', { bucket, key: 'kept' })).bytes).toEqual(pattern(100_000));
  });

  test('without a single block: deletes go through and make room, and writes go on when there is enough', async () => {
    await put('large', 6 * MiB);
    for (let i = 0; i < 40; i++) await put(`small-${i}`, 1000);
    fill();
    await expectRefused('another', 200_000);
    // Within the index, where a delete frees no block of the disk.
    for (let i = 0; i < 40; i++) expect([i, await status('DELETE', `small-${i}`)]).toEqual([i, 204]);
    await expectRefused('tiny', 1);
    expect(await status('GET', 'large')).toBe(200);
    expect(await status('DELETE', 'large')).toBe(204);
    await expect.poll(free).toBeGreaterThan(MiB);
    disk?.makeRoom();
    expect(await put('tiny', 1)).toMatchObject({ status: 200 });
    expect(statSync(reserve).size).toBe(LOCAL_RESERVE_BYTES);
  });

  test('it opens without a single block, and something can be deleted', async () => {
    await put('large', MiB);
    for (let i = 0; i < 40; i++) await put(`small-${i}`, 1000);
    await backend.close();
    fill();
    backend = await openLocalBackend({ directory });
    expect(await status('GET', 'large')).toBe(200);
    await expectRefused('tiny', 1);
    for (let i = 0; i < 40; i++) expect([i, await status('DELETE', `small-${i}`)]).toEqual([i, 204]);
    expect(await status('DELETE', 'large')).toBe(204);
    expect(existsSync(reserve)).toBe(false);
  });

  test('what the reserve leaves free is not for writes, of whatever process', async () => {
    await put('kept', 1000);
    fill();
    const other = await openLocalBackend({ directory });
    try {
      // As when another process has used it.
      rmSync(reserve);
      expect(free()).toBe(LOCAL_RESERVE_BYTES);
      for (const key of ['tiny', 'large']) await expectRefused(key, key === 'tiny' ? 1 : MiB);
      expect(await status('DELETE', 'kept')).toBe(204);
    } finally {
      await other.close();
    }
  });

  test("the proxy's own state is written from the reserve, and nothing else is", async () => {
    fill();
    const state = (key: string, bytes: number) => {
      const body = pattern(bytes);
      const signal = AbortSignal.timeout(60_000);
      return backend.send({ method: 'PUT', bucket, key, body, essential: true, signal });
    };
    for (const [i, bytes] of [100_000, 1000, 100_000].entries())
      expect((await state(`state-${i}`, bytes)).status).toBe(200);
    expect(existsSync(reserve)).toBe(false);
    await expectRefused('tiny', 1);
    expect((await send(backend, 'GET', { bucket, key: 'state-0' })).bytes).toEqual(pattern(100_000));
    const failure = await state('too-much', 8 * MiB).catch((error: unknown) => error);
    expect(explainStoreFailure(failure)).toMatchObject({ kind: 'full' });
  });

  test('parts and uploads are refused, and an upload can be given up', async () => {
    const begun = await send(backend, 'POST', { bucket, key: 'parts', query: { uploads: '' } });
    const uploadId = begun.xml.value('UploadId') ?? '';
    const part = (partNumber: string, body: Buffer) =>
      send(backend, 'PUT', { bucket, key: 'parts', query: { uploadId, partNumber }, body }).catch(
        (error: unknown) => error,
      );
    expect(await part('1', pattern(5 * MiB))).toMatchObject({ status: 200 });
    fill();
    expect(explainStoreFailure(await part('2', pattern(100)))).toMatchObject({ kind: 'full' });
    expect((await send(backend, 'DELETE', { bucket, key: 'parts', query: { uploadId } })).status).toBe(204);
    await expect.poll(free).toBeGreaterThan(4 * MiB);
  });
});

test.each(['large', 'small'])(
  'a link to a %s file elsewhere keeps no room: it is replaced, and the file stays',
  async (size) => {
    const parent = mkdtempSync(join(tmpdir(), 'sealgate-reserve-'));
    const [directory, elsewhere] = [join(parent, 'store'), join(parent, 'elsewhere')];
    try {
      writeFileSync(elsewhere, Buffer.alloc(size === 'large' ? LOCAL_RESERVE_BYTES : 1));
      const before = readFileSync(elsewhere);
      await (await openLocalBackend({ directory })).close();
      rmSync(join(directory, 'reserve'));
      symlinkSync(elsewhere, join(directory, 'reserve'));
      await (await openLocalBackend({ directory })).close();
      const reserve = lstatSync(join(directory, 'reserve'));
      expect([reserve.isFile(), reserve.size]).toEqual([true, LOCAL_RESERVE_BYTES]);
      expect(readFileSync(elsewhere).equals(before)).toBe(true);
    } finally {
      rmSync(parent, { recursive: true });
    }
  },
);

test('a reserve that is cut short is made whole', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-reserve-'));
  try {
    writeFileSync(join(directory, 'reserve'), 'cut');
    await (await openLocalBackend({ directory })).close();
    expect(statSync(join(directory, 'reserve')).size).toBe(LOCAL_RESERVE_BYTES);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
