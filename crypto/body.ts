/**
 * How long a body must be, and whether what the store says agrees (FORMAT.md section 8). A reader checks this before it
 * answers with any size, so that bytes cut off or added at the end are found without reading the whole body.
 */
import type { Buffer } from 'node:buffer';
import type { EarlyAttributes, LateAttributes } from './attributes.ts';
import { FormatError } from './errors.ts';
import type { Locator } from './footer.ts';
import type { OpenedHeader } from './header.ts';
import { type Layout, sealedPartBytes } from './layout.ts';
import { isLengthOf } from './stored-length.ts';

/** Both kinds of attributes of one object, wherever they were. */
export interface ObjectAttributes {
  readonly early: EarlyAttributes;
  readonly late: LateAttributes;
  /** Bytes of plaintext of the whole object. */
  readonly size: number;
}

/**
 * Joins the attributes of header and footer. Early attributes in the header win over those that the footer repeats.
 * @throws FormatError ATTRIBUTES_MALFORMED when one kind is missing.
 */
export function joinAttributes(
  header: Pick<OpenedHeader, 'layout' | 'early' | 'late'>,
  footer: { readonly early?: EarlyAttributes | undefined; readonly late: LateAttributes } | undefined,
): ObjectAttributes {
  const early = header.early ?? footer?.early;
  const late = header.late ?? footer?.late;
  const size = header.layout === 2 ? late?.size : early?.size;
  if (early === undefined || late === undefined || size === undefined) throw new FormatError('ATTRIBUTES_MALFORMED');
  return { early, late, size };
}

/**
 * Checks the exact length of a stored body, and in layouts 1 and 2 the locator's table length, against the attributes; and that
 * this length tells no other size than theirs (FORMAT.md section 7.5).
 * @throws FormatError LENGTH_MISMATCH; LOCATOR_MALFORMED when the locator names another table; ATTRIBUTES_MALFORMED when the
 * writer padded the body to a length of another plaintext.
 */
export function checkBody(o: {
  readonly layout: Layout;
  readonly attributes: ObjectAttributes;
  readonly locator?: Locator | undefined;
  /** As the store reports it. */
  readonly bodyBytes: number;
}): void {
  const { attributes, locator } = o;
  if ((o.layout === 0) !== (locator === undefined)) throw new TypeError('Layouts 1 and 2 have a locator.');
  const table = attributes.late.table;
  const tableBytes = table?.bytes ?? 0;
  if (locator !== undefined && locator.tableBytes !== tableBytes) throw new FormatError('LOCATOR_MALFORMED');
  const partsBytes = table?.partsBytes ?? sealedPartBytes(attributes.size);
  const footer = locator === undefined ? 0 : padBytesOf(attributes.late) + locator.endBytes;
  if (partsBytes + footer !== o.bodyBytes) throw new FormatError('LENGTH_MISMATCH');
  const length = { storedBytes: o.bodyBytes, plainBytes: attributes.size, hasFooter: o.layout !== 0 };
  if (!isLengthOf(length)) throw new FormatError('ATTRIBUTES_MALFORMED');
}

/** Bytes of zeros in front of the part table; 0 in layout 0. */
export function padBytesOf(late: LateAttributes): number {
  return late.padBytes ?? 0;
}

/** Checks bytes of the pad, all of them or a stretch. Every reader that reads them does so. @throws FormatError PAD_REFUSED. */
export function checkPad(pad: Buffer): void {
  if (pad.some((byte) => byte !== 0)) throw new FormatError('PAD_REFUSED');
}
