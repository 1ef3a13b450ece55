/**
 * The sealed bytes of an object in a file, for a store that gives nothing of an object while a conditional PUT of it runs: the PUT then has a
 * source of its own, and is over quickly. The file holds ciphertext only, and has no name: nothing is left of it, however the program ends.
 */

import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { BATCH_BYTES } from '../limits.ts';
import { fetchPlan, openPlan, type Plaintext, partsOf } from '../object/read-object.ts';
import { planRead } from '../object/read-plan.ts';
import type { SealedObject } from '../object/stored-object.ts';
import { paced, type ReadingContext } from './context.ts';

export interface SealedFile {
  /** May be asked for once. @throws what does not open is thrown by the iteration */
  plaintext(): Promise<Plaintext>;
  close(): Promise<void>;
}

/** @throws VersionChanged, S3Error, and what the disk says */
export async function spool(context: ReadingContext, object: SealedObject): Promise<SealedFile> {
  const plan = planRead(await partsOf(context, object), { start: 0, end: object.size });
  const path = join(tmpdir(), `sealgate-${randomBytes(12).toString('hex')}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await rm(path);
    const response = await fetchPlan(context, object, plan);
    for await (const piece of paced(response.body, context)) await file.appendFile(piece);
    return {
      plaintext() {
        return openPlan(context, object, plan, { ...response, body: Readable.from(piecesOf(file)) });
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function* piecesOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (let at = 0; ; ) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(BATCH_BYTES), 0, BATCH_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
