/**
 * Seals parts: a header with a fresh salt, then segments (FORMAT.md section 6). One sealer seals one part once; there is no
 * way to give it a salt or to move its counter.
 */
import { Buffer } from 'node:buffer';
import { uint8, uint16 } from './bytes.ts';
import type { Dek } from './dek.ts';
import { type Layout, MAX_PART_NUMBER, PART_MAGIC, SEGMENT_BYTES } from './layout.ts';
import { regroup } from './regroup.ts';
import { RunSealer } from './segments.ts';

export interface PartIdentity {
  readonly dek: Dek;
  readonly layout: Layout;
  /** 0 in layouts 0 and 1; 1 to 10,000 in layout 2. */
  readonly partNumber: number;
}

/** What the part's key is derived for (FORMAT.md section 6.1). */
export function partPurpose({ dek, layout, partNumber }: PartIdentity) {
  const [fewest, most] = layout === 2 ? [1, MAX_PART_NUMBER] : [0, 0];
  if (!Number.isInteger(partNumber) || partNumber < fewest || partNumber > most) {
    throw new RangeError('The layout does not allow that part number.');
  }
  return { dek, label: 'sealgate/1/part', context: [uint8(layout), uint16(partNumber)] };
}

export class PartSealer {
  readonly #run: RunSealer;
  #header: Buffer | undefined;

  constructor(o: PartIdentity) {
    this.#run = new RunSealer(partPurpose(o));
    this.#header = Buffer.concat([PART_MAGIC, this.#run.salt]);
  }

  /** 32 bytes, drawn by this sealer. A copy: changing it changes nothing. */
  get salt(): Buffer {
    return Buffer.from(this.#run.salt);
  }

  /**
   * Seals whole segments into a new buffer; the first one starts with the part header. `last` ends the part: then the
   * length is free, and 0 for an empty part only.
   * @throws Error when the part has ended; RangeError for a length that is not allowed.
   */
  seal(plaintext: Buffer, o: { readonly last: boolean }): Buffer {
    return Buffer.concat(this.sealPieces(plaintext, o));
  }

  /** The same in new buffers that are to be sent one after the other, which saves a copy. */
  sealPieces(plaintext: Buffer, o: { readonly last: boolean }): Buffer[] {
    const sealed = this.#run.sealPieces(plaintext, o);
    const header = this.#header;
    this.#header = undefined;
    return header === undefined ? sealed : [header, ...sealed];
  }
}

/**
 * Seals a stream in batches of `batchBytes` (a multiple of SEGMENT_BYTES). The last batch is sealed only after the source
 * has ended without throwing, so that a body that fails its verification is never completed.
 * @param o.plainBytes exact length of the source. @throws RangeError when the source has fewer or more bytes.
 */
export async function* sealStream(o: {
  readonly sealer: PartSealer;
  readonly plaintext: AsyncIterable<Buffer>;
  readonly plainBytes: number;
  readonly batchBytes: number;
}): AsyncGenerator<Buffer> {
  if (o.batchBytes <= 0 || o.batchBytes % SEGMENT_BYTES !== 0) throw new RangeError('A batch is whole segments.');
  const mismatch = () => new RangeError('The source does not have the announced length.');
  const batches = regroup({ source: o.plaintext, totalBytes: o.plainBytes, batchBytes: o.batchBytes, mismatch });
  for await (const { bytes, isLast } of batches) {
    for (const piece of o.sealer.sealPieces(bytes, { last: isLast })) yield piece;
  }
}
