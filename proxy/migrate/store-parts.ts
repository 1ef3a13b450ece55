/**
 * An object of parts in one PUT. The plaintext is sealed part by part, with the boundaries of the object that it comes from, so that
 * its ETag stays. An upload would need a conditional Complete, which fewer stores have than a conditional PUT, and its parts of less than 5 MiB
 * could not be sealed each as a part of its own.
 */
import { randomBytes } from 'node:crypto';
import type { EarlyAttributes, LateAttributes } from '../../crypto/attributes.ts';
import { type DataKey, newDataKey } from '../../crypto/data-key.ts';
import { footerBytes, type PartEntry, sealFooter } from '../../crypto/footer.ts';
import { type SealedHeader, sealHeader } from '../../crypto/header.ts';
import { sealedPartBytes } from '../../crypto/layout.ts';
import { PartSealer, sealStream } from '../../crypto/seal.ts';
import type { BackendBody, BackendResponse } from '../backend/backend.ts';
import { BATCH_BYTES } from '../limits.ts';
import type { ClientAttributes } from '../object/client-attributes.ts';
import type { StoreContext } from '../object/context.ts';
import { SplitSource } from '../object/split-source.ts';
import { currentRoot } from '../object/store-object.ts';
import { fitsMetadata, toBackendHeaders } from '../object/stored-metadata.ts';
import type { CheckedPlaintext } from './checked-plaintext.ts';
import type { StoredPart } from './store-facts.ts';

export interface PartsRequest {
  readonly bucket: string;
  readonly key: string;
  readonly attributes: ClientAttributes;
  readonly parts: readonly StoredPart[];
  readonly source: AsyncIterable<Buffer>;
  /** Is given every piece. */
  readonly checked: CheckedPlaintext;
  /** Called when all plaintext has passed, before the body's last bytes leave: throws to store nothing. */
  readonly beforeEnd: () => void;
  readonly send: (o: { headers: Record<string, string>; body: BackendBody }) => Promise<BackendResponse>;
}

/** @returns the store's answer @throws what `beforeEnd`, `send` and the source throw: then nothing was stored */
export function storeParts(context: StoreContext, o: PartsRequest): Promise<BackendResponse> {
  const dataKey = newDataKey();
  const { header, early } = placeEarly(context, o, dataKey);
  const { checksums, partAlgorithm } = o.checked;
  const tail = footerBytes({
    layout: 2,
    early,
    checksums: checksums.map(({ algorithm }) => algorithm),
    sizes: o.parts.map(({ size }) => size),
    partChecksum: partAlgorithm,
    lookUp: isOnePart(o),
  });
  const length = o.parts.reduce((sum, { size }) => sum + sealedPartBytes(size), tail);
  const chunks = sealedChunks(o, { dataKey, early });
  return o.send({ headers: toBackendHeaders(header), body: { length, chunks } });
}

/** The length of an object of one part does not tell its size: its ETag at the store is that of a PUT. */
function isOnePart({ parts }: Pick<PartsRequest, 'parts'>): boolean {
  return parts.length === 1;
}

async function* sealedChunks(
  o: PartsRequest,
  { dataKey, early }: { dataKey: DataKey; early: EarlyAttributes | undefined },
): AsyncGenerator<Buffer> {
  const source = new SplitSource(o.source);
  const salts: Buffer[] = [];
  try {
    for (const { number, size } of o.parts) {
      const sealer = new PartSealer({ dek: dataKey.dek, layout: 2, partNumber: number });
      salts.push(sealer.salt);
      const plaintext = noted(source.take(size), o.checked);
      yield* sealStream({ sealer, plaintext, plainBytes: size, batchBytes: BATCH_BYTES });
      o.checked.endPart();
    }
  } finally {
    await source.close();
  }
  o.beforeEnd();
  yield sealTail(o, { dataKey, early, salts });
}

async function* noted(pieces: AsyncIterable<Buffer>, checked: CheckedPlaintext): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    checked.update(piece);
    yield piece;
  }
}

function sealTail(
  o: PartsRequest,
  { dataKey, early, salts }: { dataKey: DataKey; early: EarlyAttributes | undefined; salts: readonly Buffer[] },
): Buffer {
  const { checked } = o;
  const parts = checked.parts.map(({ size, md5, checksum }, index): PartEntry => {
    const salt = salts[index] ?? Buffer.alloc(0);
    const { number } = o.parts[index] ?? { number: index + 1 };
    return { number, size, salt, md5, ...(checksum === undefined ? {} : { checksum }) };
  });
  const late: LateAttributes = {
    md5: checked.md5({ ofParts: true }),
    partCount: parts.length,
    checksums: checked.checksums,
    // No Complete will be repeated.
    uploadFingerprint: randomBytes(32),
  };
  const partChecksum = checked.partAlgorithm;
  return sealFooter({ ...dataKey, layout: 2, early, late, parts, partChecksum, lookUp: isOnePart(o) });
}

/** Early attributes go into the metadata when they fit there, else into the footer. */
function placeEarly(
  context: StoreContext,
  { bucket, key, attributes }: PartsRequest,
  dataKey: DataKey,
): { header: SealedHeader; early: EarlyAttributes | undefined } {
  const { tenant } = context;
  const name = { tenant: tenant.idBytes, bucket, key };
  const terms = { root: currentRoot(context), epoch: tenant.epoch, name, ...dataKey, layout: 2 as const };
  const early: EarlyAttributes = { ...attributes };
  const header = sealHeader({ ...terms, attributes: { early } });
  return fitsMetadata(header) ? { header, early: undefined } : { header: sealHeader(terms), early };
}
