// Protects: a kill -9 at any moment loses no acknowledged write, shows no half-written object, and leaves no file behind
// once the store is opened again; a live process is not swept by another one's opening.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { openLocalBackend } from '../../../../proxy/backend/local/local.ts';
import { childBody } from './child-body.ts';
import { nextLine, startChild } from './children.ts';
import { md5, openTestStore, pattern, send, streamed, type TestStore } from './harness.ts';
import { blobSize, indexProblems, storeFiles } from './store-files.ts';

const bucket = 'kill';
const KILLS = 5;

type Line = {
  readonly key: string;
  readonly tag?: string;
  readonly size?: number;
  readonly deleting?: true;
  readonly deleted?: true;
};

/** Runs a child until it has acknowledged `count` operations, kills it, and returns all that it acknowledged. */
async function killAfter(directory: string, o: { readonly seed: number; readonly count: number }): Promise<Line[]> {
  const child = startChild('./writer-child.ts', directory, String(o.seed));
  const lines: Line[] = [];
  const parse = (line: string) => lines.push(JSON.parse(line) as Line);
  while (lines.length < o.count) parse(await nextLine(child));
  child.process.kill('SIGKILL');
  // What was printed before the kill was acknowledged too. A torn last line was not.
  for await (const line of child.lines) if (line.endsWith('}')) parse(line);
  expect(await child.exited).toBe('SIGKILL');
  return lines;
}

async function checkWhole(store: TestStore, acknowledged: ReadonlyMap<string, Line>): Promise<number> {
  let checked = 0;
  for (const [key, line] of acknowledged) {
    const got = await store.get({ bucket, key });
    if (key.startsWith('hot/')) {
      // A later write may have been committed and not yet acknowledged; an earlier one may not have come back.
      if (got.status === 200) expect(order(got.headers['x-amz-meta-tag'])).toBeGreaterThanOrEqual(order(line.tag));
    } else if (line.deleting && got.status === 404) {
      // Its deletion was under way.
    } else if (line.deleted) expect([key, got.status]).toEqual([key, 404]);
    else {
      const body = childBody(line.tag ?? '', line.size ?? 0);
      expect([key, got.status, got.headers['etag']]).toEqual([key, 200, `"${md5(body)}"`]);
      expect(got.bytes.equals(body)).toBe(true);
    }
    checked++;
  }
  return checked;
}

/** The order of writes to one key: child, then number. */
function order(tag: string | undefined): number {
  const [seed, n] = (tag ?? '0-0').split('-').map(Number);
  return (seed ?? 0) * 1e6 + (n ?? 0);
}

/** Every object that is visible, acknowledged or not, is whole: its bytes are those of its own tag. */
async function checkVisible(store: TestStore): Promise<number> {
  let checked = 0;
  let after = '';
  for (;;) {
    const { xml } = await store.get({ bucket, query: { 'list-type': '2', 'start-after': after } });
    for (const row of xml.children('Contents')) {
      const key = row.value('Key') ?? '';
      const got = await store.get({ bucket, key });
      const body = childBody(got.headers['x-amz-meta-tag'] ?? '', got.bytes.length);
      expect([key, got.status, got.headers['content-length']]).toEqual([key, 200, row.value('Size')]);
      expect(got.bytes.equals(body)).toBe(true);
      expect(row.value('ETag')).toBe(`"${md5(body)}"`);
      after = key;
      checked++;
    }
    if (xml.value('IsTruncated') === 'false') return checked;
  }
}

function expectNoOrphans(store: TestStore): void {
  const files = storeFiles(store.directory);
  expect([...files.blobs].sort()).toEqual([...files.indexed.keys()].sort());
  for (const [file, size] of files.indexed) expect(blobSize(store.directory, file)).toBe(size);
  expect([files.pending, files.garbage, files.owners.length]).toEqual([[], 0, 1]);
  expect(indexProblems(store.directory)).toEqual([]);
}

test(`${KILLS} kills at random moments`, async () => {
  const store = await openTestStore({ bucket });
  await store.backend.close();
  const acknowledged = new Map<string, Line>();
  let operations = 0;
  let checked = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    const count = 1 + Math.floor(Math.random() * 50);
    const lines = await killAfter(store.directory, { seed: kill, count });
    operations += lines.length;
    const last = new Map(lines.map((line) => [line.key, line]));
    for (const [key, line] of last) acknowledged.set(key, line);
    store.backend = await openLocalBackend({ directory: store.directory });
    expectNoOrphans(store);
    expect(await checkWhole(store, last)).toBe(last.size);
    if (kill < KILLS - 1) await store.backend.close();
  }
  checked = await checkWhole(store, acknowledged);
  expect(await checkVisible(store)).toBeGreaterThan(0);
  expect(operations).toBeGreaterThanOrEqual(KILLS);
  expect(checked).toBeGreaterThan(0);
  await store[Symbol.asyncDispose]();
}, 120_000);

test('a killed process is swept while another one lives, and the living one’s writes are not', async () => {
  await using store = await openTestStore({ bucket });
  const body = pattern(500_000);
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const reached = Promise.withResolvers<void>();
  async function* slow(): AsyncGenerator<Buffer> {
    yield body.subarray(0, 400_000);
    reached.resolve();
    await held;
    yield body.subarray(400_000);
  }
  const put = store.put({ bucket, key: 'slow', body: { length: body.length, chunks: slow() } });
  await reached.promise;
  const lines = await killAfter(store.directory, { seed: 99, count: 20 });
  expect(lines.length).toBeGreaterThanOrEqual(20);
  const second = await openLocalBackend({ directory: store.directory });
  const files = storeFiles(store.directory);
  // The live write's marker and file stand; nothing of the dead process does.
  expect([files.pending.length, files.owners.length]).toEqual([1, 2]);
  expect(files.blobs.filter((file) => file.endsWith('.partial'))).toHaveLength(1);
  release();
  expect((await put).status).toBe(200);
  const seen = await send(second, 'GET', { bucket, key: 'slow' });
  expect(seen.bytes.equals(body)).toBe(true);
  await second.close();
  await store.reopen();
  expectNoOrphans(store);
});

test('a file whose commit never came is removed, one whose commit came is kept', async () => {
  const store = await openTestStore({ bucket });
  await store.put({ bucket, key: 'kept', body: pattern(100_000) });
  await store.backend.close();
  const [kept = ''] = storeFiles(store.directory).indexed.keys();
  const dead = 'd'.repeat(32);
  const orphan = '0'.repeat(32);
  const partial = `${kept.slice(0, 2)}${'1'.repeat(30)}`;
  const at = (...names: string[]) => join(store.directory, ...names);
  mkdirSync(at('pending', dead));
  mkdirSync(at('blobs', '00'), { recursive: true });
  writeFileSync(at('owners', dead), '');
  writeFileSync(at('blobs', '00', orphan), 'never committed');
  writeFileSync(at('blobs', kept.slice(0, 2), `${partial}.partial`), 'half');
  for (const file of [kept, orphan, partial]) writeFileSync(at('pending', dead, file), '');
  store.backend = await openLocalBackend({ directory: store.directory });
  expect(storeFiles(store.directory).blobs).toEqual([kept]);
  expectNoOrphans(store);
  expect((await store.get({ bucket, key: 'kept' })).bytes.equals(pattern(100_000))).toBe(true);
  await store[Symbol.asyncDispose]();
});

test('a missing file is an error, never an empty or short object', async () => {
  await using store = await openTestStore({ bucket });
  await store.put({ bucket, key: 'lost', body: streamed(pattern(100_000), 1000) });
  await store.put({ bucket, key: 'cut', body: pattern(200_000) });
  const bySize = new Map([...storeFiles(store.directory).indexed].map(([file, size]) => [size, file]));
  const path = (size: number) => {
    const file = bySize.get(size) ?? '';
    return join(store.directory, 'blobs', file.slice(0, 2), file);
  };
  rmSync(path(100_000));
  writeFileSync(path(200_000), pattern(150_000));
  await expect(store.get({ bucket, key: 'lost' })).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  await expect(store.get({ bucket, key: 'cut' })).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
});

test('a foreign or newer index is refused', async () => {
  for (const pragma of ['user_version = 3', 'application_id = 1']) {
    const store = await openTestStore({ bucket });
    await store.backend.close();
    const db = new DatabaseSync(join(store.directory, 'index.sqlite'));
    db.exec(`PRAGMA ${pragma}`);
    db.close();
    await expect(openLocalBackend({ directory: store.directory })).rejects.toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
    });
    rmSync(store.directory, { recursive: true });
  }
});
