// Protects: a reader gets the object it asked for, whole, however often the object is replaced or deleted meanwhile; and
// readers that stop early leave no file open and no pin behind.
import { readdirSync, readlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BlobFiles } from '../../../../proxy/backend/local/blobs.ts';
import { IndexReader } from '../../../../proxy/backend/local/index-reader.ts';
import { getObject } from '../../../../proxy/backend/local/operations/get-object.ts';
import { readRequest } from '../../../../proxy/backend/local/request.ts';
import { openIndexForReading } from '../../../../proxy/backend/local/schema.ts';
import { Writer } from '../../../../proxy/backend/local/writer.ts';
import { LOCAL_OPEN_FILES_PER_READ } from '../../../../proxy/limits.ts';
import { md5, openTestStore, pattern, type TestStore } from './harness.ts';
import { storeFiles } from './store-files.ts';

const bucket = 'readers';
let store: TestStore;
beforeEach(async () => {
  store = await openTestStore({ bucket });
});
afterEach(() => store[Symbol.asyncDispose]());

async function openRead(key: string, controller = new AbortController()): Promise<Readable> {
  const { status, body } = await store.backend.send({ method: 'GET', bucket, key, signal: controller.signal });
  expect(status).toBe(200);
  return body;
}

async function readAll(body: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Blob files that this process holds open. */
function openBlobs(): number {
  const blobs = join(store.directory, 'blobs');
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(blobs);
    } catch {
      return false;
    }
  }).length;
}

function pins(): number {
  const db = new DatabaseSync(join(store.directory, 'index.sqlite'), { readOnly: true });
  try {
    return Number(db.prepare('SELECT count(*) AS n FROM pins').get()?.['n']);
  } finally {
    db.close();
  }
}

/** An object of `count` parts, each a file: parts copied from a body too large to be inline. */
async function manyFiles(key: string, count: number): Promise<Buffer> {
  const { xml } = await store.post({ bucket, key, query: { uploads: '' } });
  const uploadId = xml.value('UploadId') ?? '';
  const MIN = 5 * 1024 * 1024;
  const listed: string[] = [];
  const bodies: Buffer[] = [];
  for (let n = 1; n <= count; n++) {
    const body = Buffer.alloc(n === count ? 100_000 : MIN, pattern(997, n));
    bodies.push(body);
    await store.put({ bucket, key, query: { uploadId, partNumber: String(n) }, body });
    listed.push(`<Part><PartNumber>${n}</PartNumber><ETag>${md5(body)}</ETag></Part>`);
  }
  const body = `<CompleteMultipartUpload>${listed.join('')}</CompleteMultipartUpload>`;
  expect((await store.post({ bucket, key, query: { uploadId }, body })).status).toBe(200);
  return Buffer.concat(bodies);
}

test('a reader keeps the object that it opened', async () => {
  const old = pattern(5_000_000);
  await store.put({ bucket, key: 'k', body: old });
  const reading = await openRead('k');
  await store.put({ bucket, key: 'k', body: pattern(100_000, 7) });
  await store.delete({ bucket, key: 'k' });
  expect((await readAll(reading)).equals(old)).toBe(true);
  expect(openBlobs()).toBe(0);
});

test('an object replaced between look-up and opening is looked up again', async () => {
  const replacements = [pattern(100_000, 2), pattern(200_000, 3)];
  const latest = replacements.at(-1) ?? Buffer.alloc(0);
  await store.put({ bucket, key: 'k', body: pattern(300_000, 1) });
  /** Replaces the object, and waits until the old file is gone, before each of the first openings. */
  class Interfering extends BlobFiles {
    override async open(file: string) {
      const body = replacements.shift();
      if (body !== undefined) {
        await store.put({ bucket, key: 'k', body });
        await rm(join(store.directory, 'blobs', file.slice(0, 2), file), { force: true });
      }
      return super.open(file);
    }
  }
  const index = new IndexReader(openIndexForReading(store.directory));
  const writer = await Writer.open(store.directory);
  const blobs = new Interfering(store.directory, writer.owner);
  const signal = new AbortController().signal;
  const request = readRequest({ method: 'GET', bucket, key: 'k', signal });
  const { headers, body } = await getObject({ index, writer, blobs, now: Date.now }, request);
  expect([replacements.length, headers['etag']]).toEqual([0, `"${md5(latest)}"`]);
  expect((await readAll(body)).equals(latest)).toBe(true);
  index.close();
  await writer.close();
});

test('reads during a storm of replacements are each one whole version', async () => {
  const versions = [1, 2, 3].map((seed) => pattern(200_000, seed));
  const whole = new Set(versions.map(md5));
  await store.put({ bucket, key: 'k', body: versions[0] ?? '' });
  let writing = true;
  let seen = 0;
  const readers = Array.from({ length: 4 }, async () => {
    while (writing) {
      const got = await store.get({ bucket, key: 'k' });
      expect(whole.has(md5(got.bytes))).toBe(true);
      expect(got.headers['etag']).toBe(`"${md5(got.bytes)}"`);
      seen++;
    }
  });
  for (let i = 0; i < 20; i++) await store.put({ bucket, key: 'k', body: versions[i % 3] ?? '' });
  writing = false;
  await Promise.all(readers);
  expect(seen).toBeGreaterThan(3);
});

test('a reader that stops early, never starts or aborts closes its file', async () => {
  await store.put({ bucket, key: 'k', body: pattern(5_000_000) });
  const closed = (body: Readable) => new Promise((resolve) => body.once('close', resolve));
  const never = await openRead('k');
  const neverClosed = closed(never);
  never.destroy();
  await neverClosed;
  for await (const chunk of await openRead('k')) {
    expect((chunk as Buffer).length).toBeGreaterThan(0);
    break;
  }
  const controller = new AbortController();
  const aborted = await openRead('k', controller);
  const abortedClosed = closed(aborted);
  aborted.on('error', () => undefined);
  controller.abort();
  await abortedClosed;
  expect(openBlobs()).toBe(0);
});

test('a read over many files holds few open, survives their replacement, and lets go of them', async () => {
  const count = LOCAL_OPEN_FILES_PER_READ + 4;
  const whole = await manyFiles('many', count);
  expect(storeFiles(store.directory).indexed.size).toBe(count);
  const reading = await openRead('many');
  expect(pins()).toBe(count);
  expect(openBlobs()).toBeLessThanOrEqual(1);
  await store.delete({ bucket, key: 'many' });
  const got = await readAll(reading);
  expect(got.equals(whole)).toBe(true);
  await store.reopen();
  expect([pins(), openBlobs(), storeFiles(store.directory).blobs]).toEqual([0, 0, []]);
});

test('a read over many files that stops early lets go of them', async () => {
  await manyFiles('many', LOCAL_OPEN_FILES_PER_READ + 1);
  const reading = await openRead('many');
  const closed = new Promise((resolve) => reading.once('close', resolve));
  reading.destroy();
  await closed;
  expect([pins(), openBlobs()]).toEqual([0, 0]);
  expect((await readAll(await openRead('many'))).length).toBeGreaterThan(0);
});
