/**
 * Whole objects in memory, sealed and opened through the public functions of crypto/ in the order that FORMAT.md section 8
 * demands. What a proxy does over HTTP, the tests and the vectors do here.
 */
import { Buffer } from 'node:buffer';
import { createHash, type KeyObject } from 'node:crypto';
import type {
  Checksum,
  ChecksumAlgorithm,
  EarlyAttributes,
  HeaderPair,
  LateAttributes,
} from '../../crypto/attributes.ts';
import { checkBody, checkPad, joinAttributes, type ObjectAttributes, padBytesOf } from '../../crypto/body.ts';
import { type DataKey, newDataKey } from '../../crypto/data-key.ts';
import { FormatError } from '../../crypto/errors.ts';
import { openFooterAttributes, openPartTable, type PartEntry, parseLocator, sealFooter } from '../../crypto/footer.ts';
import { type HeaderFields, type ObjectName, openHeader, type SealedHeader, sealHeader } from '../../crypto/header.ts';
import { type Layout, LOCATOR_BYTES, PART_HEADER_BYTES, sealedPartBytes } from '../../crypto/layout.ts';
import { PartOpener } from '../../crypto/open.ts';
import { PartSealer } from '../../crypto/seal.ts';

export interface ObjectPlan {
  readonly root: KeyObject;
  readonly epoch?: number;
  readonly name: ObjectName;
  readonly layout: Layout;
  /** Early attributes in the footer. */
  readonly inFooter?: boolean;
  /** One in layouts 0 and 1; in layout 2 with numbers. */
  readonly parts: readonly { readonly number: number; readonly plaintext: Buffer; readonly checksum?: Buffer }[];
  readonly headers?: readonly HeaderPair[];
  readonly metadata?: readonly HeaderPair[];
  readonly checksums?: readonly Checksum[];
  readonly partChecksum?: ChecksumAlgorithm;
  readonly dataKey?: DataKey;
  /** Of which parts no MD5 is computed; then the object has none either. */
  readonly withoutMd5?: (number: number) => boolean;
}

export interface StoredObject {
  readonly header: SealedHeader;
  readonly body: Buffer;
}

/** What a test may need beside the stored bytes. */
export interface SealedObject extends StoredObject, DataKey {
  readonly early: EarlyAttributes;
  readonly late: LateAttributes;
  /** The sealed parts. */
  readonly parts: readonly Buffer[];
  readonly table: readonly PartEntry[];
  readonly footer: Buffer;
}

export const md5 = (data: Buffer): Buffer => createHash('md5').update(data).digest();

export function singlePart(plaintext: Buffer): ObjectPlan['parts'] {
  return [{ number: 0, plaintext }];
}

export function sealObject(plan: ObjectPlan): SealedObject {
  const dataKey = plan.dataKey ?? newDataKey();
  const { dek } = dataKey;
  const { layout } = plan;
  const sealed = plan.parts.map(({ number, plaintext, checksum }) => {
    const sealer = new PartSealer({ dek, layout, partNumber: number });
    const entry = {
      number,
      size: plaintext.length,
      salt: sealer.salt,
      ...(plan.withoutMd5?.(number) === true ? {} : { md5: md5(plaintext) }),
      ...(checksum && { checksum }),
    };
    return { entry, bytes: sealer.seal(plaintext, { last: true }) };
  });
  const table = sealed.map(({ entry }) => entry);
  const first = table[0];
  if (first === undefined) throw new Error('An object has a part.');
  const { headers = [], metadata = [], checksums = [] } = plan;
  const single = layout === 2 ? {} : { size: first.size, partSalt: first.salt };
  const early: EarlyAttributes = { ...single, headers, metadata };
  const late: LateAttributes =
    layout === 2
      ? {
          ...md5OfParts(table),
          partCount: table.length,
          checksums,
          uploadFingerprint: Buffer.alloc(32, 0x75),
        }
      : { ...md5Of(first.md5), partCount: 0, checksums };
  const inFooter = plan.inFooter === true;
  const attributes = inFooter ? undefined : { early, ...(layout === 0 ? { late } : {}) };
  const header = sealHeader({
    root: plan.root,
    epoch: plan.epoch ?? 1,
    name: plan.name,
    ...dataKey,
    layout,
    attributes,
  });
  const inFooterEarly = inFooter ? { early } : {};
  const ofLayout1 = layout === 1 ? { size: first.size } : {};
  const ofLayout2 = layout === 2 ? { parts: table, partChecksum: plan.partChecksum } : {};
  const footer =
    layout === 0
      ? Buffer.alloc(0)
      : sealFooter({ ...dataKey, layout, ...inFooterEarly, late, ...ofLayout2, ...ofLayout1 });
  const parts = sealed.map(({ bytes }) => bytes);
  return { header, body: Buffer.concat([...parts, footer]), ...dataKey, early, late, parts, table, footer };
}

export interface OpenedObject {
  readonly attributes: ObjectAttributes;
  readonly parts: readonly PartEntry[];
  readonly plaintext: Buffer;
}

export interface StoredPlace {
  readonly root: (epoch: number) => KeyObject | undefined;
  readonly name: ObjectName;
  readonly header: HeaderFields;
  readonly body: Buffer;
}

/** Opens a whole object. @throws FormatError */
export function openObject(stored: StoredPlace): OpenedObject {
  const { dek, layout, attributes, parts } = openLayout(stored);
  let at = 0;
  const plaintext = parts.map((part) => {
    const end = at + sealedPartBytes(part.size);
    const opener = new PartOpener({ dek, layout, partNumber: part.number, salt: part.salt, plainBytes: part.size });
    opener.checkHeader(stored.body.subarray(at, at + PART_HEADER_BYTES));
    const opened = opener.open(stored.body.subarray(at + PART_HEADER_BYTES, end));
    at = end;
    return opened;
  });
  checkPad(stored.body.subarray(at, at + padBytesOf(attributes.late)));
  return { attributes, parts, plaintext: Buffer.concat(plaintext) };
}

/** Everything but the segments. */
function openLayout({ root, name, header, body }: StoredPlace) {
  const opened = openHeader({ root, name, header });
  const { dek, binding, layout } = opened;
  if (layout === 0) {
    const attributes = joinAttributes(opened, undefined);
    checkBody({ layout, attributes, bodyBytes: body.length });
    return { dek, layout, attributes, parts: [onlyPart(attributes)] };
  }
  const locator = parseLocator(body);
  const boxAt = body.length - LOCATOR_BYTES - locator.attributesBytes;
  if (boxAt < 0) throw new FormatError('LENGTH_MISMATCH');
  const footer = openFooterAttributes({
    dek,
    binding,
    layout,
    sealed: body.subarray(boxAt, body.length - LOCATOR_BYTES),
  });
  const attributes = joinAttributes(opened, footer);
  checkBody({ layout, attributes, locator, bodyBytes: body.length });
  if (layout === 1) return { dek, layout, attributes, parts: [onlyPart(attributes)] };
  const sealed = body.subarray(boxAt - locator.tableBytes, boxAt);
  return { dek, layout, attributes, parts: openPartTable({ dek, late: attributes.late, sealed }) };
}

function onlyPart({ early, late, size }: ObjectAttributes): PartEntry {
  if (early.partSalt === undefined) throw new FormatError('ATTRIBUTES_MALFORMED');
  return { number: 0, size, salt: early.partSalt, ...md5Of(late.md5) };
}

function md5Of(digest: Buffer | undefined): { md5?: Buffer } {
  return digest === undefined ? {} : { md5: digest };
}

function md5OfParts(table: readonly PartEntry[]): { md5?: Buffer } {
  const digests = table.flatMap((part) => part.md5 ?? []);
  return digests.length === table.length ? { md5: md5(Buffer.concat(digests)) } : {};
}
