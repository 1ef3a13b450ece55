/** The plaintext of a sealed object that leaves the format: every digest of the object is compared before the last piece is released. */
import type { PartEntry } from '../../crypto/footer.ts';
import type { StoreContext } from '../object/context.ts';
import { partTable } from '../object/footer.ts';
import { readRange } from '../object/read-object.ts';
import { SplitSource } from '../object/split-source.ts';
import type { SealedObject } from '../object/stored-object.ts';
import { DigestCheck } from '../verify/check-digests.ts';
import { paced, type ReadingContext } from './context.ts';
import type { SealedFile } from './spool.ts';

export interface CheckedReading {
  readonly object: SealedObject;
  /** Undefined for an object of no parts. */
  readonly parts: readonly (PartEntry | undefined)[];
  /** The sealed bytes, in the place of those at the store. */
  readonly file?: SealedFile | undefined;
  /** Called when all plaintext has passed its checks: throws to release no more. */
  readonly beforeEnd?: () => Promise<void>;
}

/** Opened, so that no other request about the object has to come first. @throws S3Error; DigestMismatch while it is read */
export async function openChecked(context: ReadingContext, o: CheckedReading): Promise<AsyncGenerator<Buffer>> {
  const { object } = o;
  const plaintext =
    o.file === undefined ? await readRange(context, object, { start: 0, end: object.size }) : await o.file.plaintext();
  return checkedPlaintext(context, o, iterate(plaintext));
}

/** The parts that clients know of an object of parts. */
export async function partsOf(context: StoreContext, object: SealedObject): Promise<readonly PartEntry[]> {
  if (object.layout === 2) return partTable(context, object);
  return [{ number: 1, size: object.size, salt: Buffer.alloc(0) }];
}

async function* checkedPlaintext(
  context: ReadingContext,
  { object, parts, beforeEnd }: CheckedReading,
  plaintext: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const digests = new DigestCheck(object.late);
  const source = new SplitSource(plaintext);
  let held: Buffer | undefined;
  try {
    for (const part of parts) {
      for await (const piece of paced(source.take(part?.size ?? object.size), context)) {
        digests.update(piece);
        if (held !== undefined) yield held;
        held = Buffer.from(piece);
      }
      digests.endPart(part?.md5 === undefined ? undefined : part);
    }
    // To its end, where the last tag and the pad are checked.
    await source.drain();
    digests.end();
    await beforeEnd?.();
    if (held !== undefined) yield held;
  } finally {
    await source.close();
  }
}

async function* iterate(pieces: AsyncIterable<Buffer> | readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces;
}
