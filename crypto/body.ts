/**
 * How long a body must be, and whether what the store says agrees (FORMAT.md section 8). A reader checks this before it
 * answers with any size, so that bytes cut off or added at the end are found without reading the whole body.
 */
import type { EarlyAttributes, LateAttributes } from './attributes.ts';
import { FormatError } from './errors.ts';
import type { Locator } from './footer.ts';
import type { OpenedHeader } from './header.ts';
import { type Layout, LOCATOR_BYTES, sealedPartBytes } from './layout.ts';

/** Both kinds of attributes of one object, wherever they were. */
export interface ObjectAttributes {
  readonly early: EarlyAttributes;
  readonly late: LateAttributes;
  /** Bytes of plaintext of the whole object. */
  readonly size: number;
}

/**
 * Joins what header and footer hold: the header's early attributes count if it has any, whatever the footer repeats.
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
 * Checks the exact length of a stored body, and in layouts 1 and 2 the locator's table length, against the attributes.
 * @throws FormatError LENGTH_MISMATCH; LOCATOR_MALFORMED when the locator names another table.
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
  const footer = locator === undefined ? 0 : tableBytes + locator.attributesBytes + LOCATOR_BYTES;
  if (partsBytes + footer !== o.bodyBytes) throw new FormatError('LENGTH_MISMATCH');
}
