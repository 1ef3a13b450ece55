/**
 * Protects: constant memory with many parts (seen elsewhere: ranged reads of multipart objects buffered, out of memory overnight).
 * Sixty-four parts at once, and a thousand ranges of one byte over an object of many parts.
 */

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createBucket } from '../e2e/support/client-suite.ts';
import { openDownload, openUpload, send, type Target, writeBody } from '../e2e/support/signed-stream.ts';
import { Stage } from '../e2e/support/stage.ts';
import { MiB } from '../helpers/bytes.ts';
import { generatedBody } from './support/generated-body.ts';
import { printSoak, processMemory, type SoakRow } from './support/process-memory.ts';

const PARTS = 64;
const PART_BYTES = 8 * MiB;
const MANY_PARTS = 400;
const SMALL_PART_BYTES = 5 * MiB;
const RANGES = 1000;
/** Sixty-four parts of which each holds a batch on its way in and one on its way out. */
const MAX_RESIDENT = 400 * MiB;

let stage: Stage;
const rows: SoakRow[] = [];
const target = (key: string, query?: string): Target => ({
  endpoint: stage.endpoint,
  credentials: stage.tenant,
  bucket: stage.bucket,
  key,
  ...(query !== undefined && { query }),
});

beforeAll(async () => {
  stage = await Stage.open({
    store: 'embedded store',
    transport: 'http',
    settings: { SEALGATE_LOG_LEVEL: 'info' },
  });
  await createBucket(stage);
});
afterAll(async () => {
  printSoak('Resident memory with many parts, on the embedded store', rows);
  await stage.close();
});

async function measured(what: string, work: () => Promise<number>): Promise<void> {
  const began = Date.now();
  const bytes = await work();
  const memory = processMemory(stage.program.pid);
  rows.push({ what, bytes, ms: Date.now() - began, memory });
  expect(memory.peak).toBeLessThan(MAX_RESIDENT);
}

test(`${PARTS} parts of 8 MiB at once`, async () => {
  await measured(`${PARTS} UploadParts of 8 MiB at once`, async () => {
    await uploadInParts('parallel', { parts: PARTS, bytes: PART_BYTES, atOnce: PARTS });
    return PARTS * PART_BYTES;
  });
  const hash = createHash('sha256');
  for await (const piece of await openDownload(target('parallel'))) hash.update(piece);
  const wanted = createHash('sha256');
  for (let part = 1; part <= PARTS; part++) {
    for (const piece of generatedBody(`parallel ${part}`, PART_BYTES)) wanted.update(piece);
  }
  expect(hash.digest('hex')).toBe(wanted.digest('hex'));
});

test(`${RANGES} ranges of one byte over ${MANY_PARTS} parts`, async () => {
  await uploadInParts('many', { parts: MANY_PARTS, bytes: SMALL_PART_BYTES, atOnce: 4 });
  await measured(`${RANGES} ranges of one byte, 16 at once`, async () => {
    let next = 0;
    const reader = async () => {
      for (let index = next++; index < RANGES; index = next++) {
        // Spread over all parts, at their edges and inside.
        const part = (index * 7) % MANY_PARTS;
        const inside = [0, 1, 65_535, 65_536, SMALL_PART_BYTES - 1][index % 5] ?? 0;
        await expectByte(part, inside);
      }
    };
    await Promise.all(Array.from({ length: 16 }, reader));
    expect(next).toBeGreaterThanOrEqual(RANGES);
    return RANGES;
  });
});

async function expectByte(part: number, inside: number): Promise<void> {
  const at = part * SMALL_PART_BYTES + inside;
  const response = await openDownload(target('many'), [at, at]);
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  expect([response.statusCode, Buffer.concat(pieces)]).toEqual([206, byteAt(`many ${part + 1}`, inside)]);
}

const known = new Map<string, Buffer>();

/** The first 64 KiB and a bit, and the last byte, are all that is asked for. */
function byteAt(seed: string, at: number): Buffer {
  const name = `${seed} ${at}`;
  const found = known.get(name);
  if (found !== undefined) return found;
  let passed = 0;
  for (const piece of generatedBody(seed, SMALL_PART_BYTES)) {
    if (at < passed + piece.length) {
      const byte = Buffer.from(piece.subarray(at - passed, at - passed + 1));
      known.set(name, byte);
      return byte;
    }
    passed += piece.length;
  }
  throw new Error('beyond the part');
}

async function uploadInParts(key: string, o: { parts: number; bytes: number; atOnce: number }): Promise<void> {
  const created = await send(target(key, 'uploads='), 'POST');
  const id = /<UploadId>([^<]+)/.exec(created.body)?.[1] ?? '';
  const etags: string[] = [];
  let next = 1;
  const worker = async () => {
    for (let part = next++; part <= o.parts; part = next++) {
      const { request, reply } = openUpload(target(key, `partNumber=${part}&uploadId=${id}`), o.bytes);
      await writeBody(request, generatedBody(`${key} ${part}`, o.bytes));
      request.end();
      const response = await reply;
      response.resume();
      expect(response.statusCode).toBe(200);
      etags[part - 1] = String(response.headers['etag']);
    }
  };
  await Promise.all(Array.from({ length: o.atOnce }, worker));
  const parts = etags.map((etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`);
  const document = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
  const completed = await send(target(key, `uploadId=${id}`), 'POST', document);
  expect([completed.status, completed.body]).toEqual([200, expect.stringContaining('<ETag>')]);
}
