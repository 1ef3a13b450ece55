/**
 * Every stored byte of an object in front of its part table, in one request: each part's header and each segment is authenticated,
 * empty parts too, and every byte of the pad has to be zero. The plaintext goes into the digests and nowhere else.
 */
import { checkPad, padBytesOf } from '../../crypto/body.ts';
import { FormatError } from '../../crypto/errors.ts';
import type { PartEntry } from '../../crypto/footer.ts';
import { sealedPartBytes, segmentsOf } from '../../crypto/layout.ts';
import { openStream, PartOpener } from '../../crypto/open.ts';
import { BATCH_BYTES } from '../limits.ts';
import type { StoreContext } from '../object/context.ts';
import { partTable } from '../object/footer.ts';
import { fromStore } from '../object/from-store.ts';
import { fetchStretch, partsOf } from '../object/read-object.ts';
import type { PlannedPart } from '../object/read-plan.ts';
import { SplitSource } from '../object/split-source.ts';
import type { SealedObject } from '../object/stored-object.ts';
import { DigestCheck } from './check-digests.ts';

/** Where the reading is, for a report. */
export interface ReadingPlace {
  /** Bytes of plaintext that are authentic. */
  bytes: number;
  /** ` (part 3)`, while a part is read. */
  where: string;
}

export interface ReadAllOptions {
  /** Is told how far the reading came, also when it fails. */
  readonly place: ReadingPlace;
  /** Resolves when that many more bytes may be read. */
  readonly pace: (bytes: number) => Promise<void>;
}

/** @throws FormatError, DigestMismatch, VersionChanged, S3Error, BackendUnavailable */
export async function readAll(context: StoreContext, object: SealedObject, o: ReadAllOptions): Promise<void> {
  const parts = await partsOf(context, object);
  const table = object.layout === 2 ? await partTable(context, object) : [];
  const end = object.facts.size - object.footerBytes + padBytesOf(object.late);
  const stored = await fetchStretch(context, object, { start: 0, end });
  const source = new SplitSource(paced(fromStore(stored), o.pace));
  const digests = new DigestCheck(object.late);
  try {
    for (const [index, part] of parts.entries()) {
      o.place.where = object.layout === 2 ? ` (part ${part.partNumber})` : '';
      await readPart(object, part, { source, digests, place: o.place });
      digests.endPart(entryAt(table, index));
    }
    o.place.where = '';
    let seen = 0;
    await source.skip(padBytesOf(object.late), (piece) => {
      checkPad(piece);
      seen += piece.length;
    });
    if (seen !== padBytesOf(object.late)) throw new FormatError('LENGTH_MISMATCH');
    digests.end();
  } finally {
    await source.close();
    stored.destroy();
  }
}

function entryAt(table: readonly PartEntry[], index: number): PartEntry | undefined {
  return table[index];
}

async function readPart(
  object: SealedObject,
  part: PlannedPart,
  o: { source: SplitSource; digests: DigestCheck; place: ReadingPlace },
): Promise<void> {
  const { dek, layout } = object;
  const { plainBytes } = part;
  const plaintext = openStream({
    opener: new PartOpener({ dek, layout, ...part }),
    withHeader: true,
    segmentCount: segmentsOf(plainBytes),
    skip: 0,
    take: plainBytes,
    sealed: o.source.take(sealedPartBytes(plainBytes)),
    batchBytes: BATCH_BYTES,
  });
  for await (const piece of plaintext) {
    o.digests.update(piece);
    o.place.bytes += piece.length;
  }
}

async function* paced(chunks: AsyncIterable<Buffer>, pace: (bytes: number) => Promise<void>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    await pace(chunk.length);
    yield chunk;
  }
}
