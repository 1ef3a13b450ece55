/**
 * Protects: constant memory (seen elsewhere: whole files buffered). 5 GiB up and down through the running program, and a reader that
 * stops reading half-way, take no more resident memory than a few large buffers, on the embedded store and on a real server.
 */

import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createBucket } from '../e2e/support/client-suite.ts';
import { openDownload, openUpload, send, type Target, writeBody } from '../e2e/support/signed-stream.ts';
import { Stage } from '../e2e/support/stage.ts';
import { isInstalled, type StoreName } from '../e2e/support/store-under-test.ts';
import { MiB } from '../helpers/bytes.ts';
import { generatedBody, hashed } from './support/generated-body.ts';
import { printSoak, processMemory, type SoakRow } from './support/process-memory.ts';

const BYTES = 5 * 1024 * MiB;
const MAX_RESIDENT = 300 * MiB;
/** How long the slow reader leaves the socket alone, several times. */
const PAUSE_MS = 2_000;
const PAUSES = 5;

for (const store of ['embedded store', 'MinIO'] as const satisfies readonly StoreName[]) {
  if (!isInstalled(store)) console.log(`${store} is not installed: large bodies on it are left out`);
  describe.skipIf(!isInstalled(store))(`5 GiB on ${store}`, () => suite(store));
}

function suite(store: StoreName): void {
  let stage: Stage;
  let target: Target;
  let sent = '';
  const rows: SoakRow[] = [];
  beforeAll(async () => {
    stage = await Stage.open({ store, transport: 'http', settings: { SEALGATE_LOG_LEVEL: 'info' } });
    await createBucket(stage);
    target = { endpoint: stage.endpoint, credentials: stage.tenant, bucket: stage.bucket, key: 'large' };
  });
  afterAll(async () => {
    printSoak(`Resident memory on ${store}`, rows);
    await stage.close();
  });

  async function measured(what: string, work: () => Promise<number>): Promise<void> {
    const began = Date.now();
    const bytes = await work();
    rows.push({ what, bytes, ms: Date.now() - began, memory: processMemory(stage.program.pid) });
    expect(processMemory(stage.program.pid).peak).toBeLessThan(MAX_RESIDENT);
  }

  test('PUT', async () => {
    await measured('PUT of 5 GiB', async () => {
      const hash = { md5: createHash('md5'), sha256: createHash('sha256') };
      const { request, reply } = openUpload(target, BYTES);
      await writeBody(request, hashed(generatedBody(stage.marker, BYTES), Object.values(hash)));
      request.end();
      const response = await reply;
      response.resume();
      expect([response.statusCode, response.headers['etag']]).toEqual([200, `"${hash.md5.digest('hex')}"`]);
      sent = hash.sha256.digest('hex');
      return BYTES;
    });
    expect((await send(target, 'HEAD')).headers['content-length']).toBe(String(BYTES));
  });

  test('GET', async () => {
    await measured('GET of 5 GiB', async () => {
      const hash = createHash('sha256');
      let received = 0;
      for await (const piece of await openDownload(target)) {
        hash.update(piece);
        received += piece.length;
      }
      expect([received, hash.digest('hex')]).toEqual([BYTES, sent]);
      return received;
    });
  });

  test('GETs by readers that keep stopping', async () => {
    await measured('eight GETs, stopping and going on', async () => {
      const read = await Promise.all(Array.from({ length: 8 }, () => readInFits(target, stage.marker)));
      return read.reduce((sum, bytes) => sum + bytes, 0);
    });
  });
}

/**
 * Reads a little, stops for a while, several times, and goes away: it is for the program to hold the reply back, not to
 * buffer it. What was read must be the beginning of the object.
 */
async function readInFits(target: Target, seed: string): Promise<number> {
  const hash = createHash('sha256');
  const response = await openDownload(target);
  let read = 0;
  let pauses = 0;
  for await (const piece of response) {
    hash.update(piece);
    read += piece.length;
    if (read < (pauses + 1) * 4 * MiB) continue;
    // Time passing is what is tested here: nothing would announce that the program buffers.
    await delay(PAUSE_MS);
    if (++pauses === PAUSES) break;
  }
  response.destroy();
  const wanted = createHash('sha256');
  let left = read;
  for (const piece of generatedBody(seed, BYTES)) {
    wanted.update(piece.subarray(0, left));
    left -= Math.min(left, piece.length);
    if (left === 0) break;
  }
  expect(hash.digest('hex')).toBe(wanted.digest('hex'));
  return read;
}
