/**
 * What stands in an object's metadata: algorithm, tenant, wrapped data key and, when they fit, the sealed attributes
 * (FORMAT.md section 4). The wrap is bound to tenant, bucket and object key, and to everything else in the header, so that
 * no piece can be changed, stripped or moved to another name.
 */
import { Buffer } from 'node:buffer';
import { hash, type KeyObject, timingSafeEqual } from 'node:crypto';
import {
  ATTRIBUTES_LABEL,
  type EarlyAttributes,
  encodeAttributes,
  IN_FOOTER,
  IN_HEADER,
  type LateAttributes,
} from './attributes.ts';
import { type Attributes, decodeAttributes } from './attributes-decode.ts';
import { openBox, sealBox } from './box.ts';
import { exactly, uint8, uint32, utf8 } from './bytes.ts';
import type { DataKey } from './data-key.ts';
import { commitmentOf, type Dek, unwrapDek, wrapDek } from './dek.ts';
import { FormatError } from './errors.ts';
import { type DekTerms, type HeaderFields, parseHeader, renderHeader, type SealedHeader } from './header-fields.ts';
import { deriveKey, frame } from './keys.ts';
import { ALGORITHM, type Layout } from './layout.ts';
import { BINDING_BYTES, randomSalt } from './random.ts';

export type { HeaderFields, SealedHeader } from './header-fields.ts';

/** The logical name that clients see. Bucket and key enter the binding as UTF-8, as they are. */
export interface ObjectName {
  /** 12 bytes. */
  readonly tenant: Buffer;
  readonly bucket: string;
  readonly key: string;
}

/** `late` belongs here in layout 0, and in the footer in the others. */
export interface HeaderAttributes {
  readonly early: EarlyAttributes;
  readonly late?: LateAttributes;
}

export interface OpenedHeader extends DataKey {
  readonly layout: Layout;
  readonly epoch: number;
  /** Tells data keys apart without showing them, 32 bytes. */
  readonly commitment: Buffer;
  /** Absent when the early attributes are in the footer. */
  readonly early?: EarlyAttributes;
  /** Layout 0 only. */
  readonly late?: LateAttributes;
}

const TENANT_BYTES = 12;

const WRAP_LABEL = 'sealgate/1/dek-wrap';
const MAX_EPOCH = 0xffff_ffff;
const NOTHING = Buffer.alloc(0);

/**
 * Seals a new header. Each call draws new salts: calling it again for a copy or a new epoch is safe. `binding` is that of the
 * footer that belongs to it.
 * `attributes` absent: the early attributes are in the footer (layouts 1 and 2).
 * @throws TypeError or RangeError for attributes or names that the format does not allow.
 */
export function sealHeader(
  o: DataKey & {
    readonly root: KeyObject;
    readonly epoch: number;
    readonly name: ObjectName;
    readonly layout: Layout;
    readonly attributes?: HeaderAttributes | undefined;
  },
): SealedHeader {
  if (!Number.isInteger(o.epoch) || o.epoch < 1 || o.epoch > MAX_EPOCH) throw new RangeError('Not an epoch.');
  if ((o.layout === 0) !== (o.attributes?.late !== undefined)) {
    throw new TypeError('Late attributes are in the header in layout 0, and only there.');
  }
  const names = nameFields(o.name);
  const attributes = o.attributes === undefined ? undefined : sealAttributes({ ...o, names, attributes: o.attributes });
  const terms: DekTerms = {
    layout: o.layout,
    location: attributes === undefined ? IN_FOOTER : IN_HEADER,
    epoch: o.epoch,
    salt: randomSalt(),
    binding: exactly(BINDING_BYTES, o.binding),
    commitment: commitmentOf(o.dek),
  };
  const { tenant } = o.name;
  const wrapKey = deriveWrapKey(o.root, names, terms);
  const wrapped = wrapDek(o.dek, wrapKey, wrapAad(tenant, terms, attributes));
  wrapKey.fill(0);
  return renderHeader({ terms, wrapped, tenant, attributes });
}

/** Bytes of names and values, without `x-amz-meta-`: what counts against S3's limit of 2 KB. */
export function headerBytes(header: SealedHeader): number {
  return Object.entries(header).reduce((sum, [name, value]: [string, string]) => sum + name.length + value.length, 0);
}

/**
 * Opens a header: data key, layout, and the attributes that are in it.
 * @param o.root the tenant's root key of an epoch; `undefined` when there is no such epoch.
 * @throws FormatError UNKNOWN_ALGORITHM, HEADER_MALFORMED, HEADER_REFUSED, UNKNOWN_EPOCH, ATTRIBUTES_REFUSED,
 * ATTRIBUTES_MALFORMED (FORMAT.md section 4.4 gives the order of the checks).
 */
export function openHeader(o: {
  readonly root: (epoch: number) => KeyObject | undefined;
  readonly name: ObjectName;
  readonly header: HeaderFields;
}): OpenedHeader {
  const { terms, wrapped, tenant, attributes } = parseHeader(o.header);
  const names = nameFields(o.name);
  if (!timingSafeEqual(tenant, o.name.tenant)) throw new FormatError('HEADER_REFUSED');
  const root = o.root(terms.epoch);
  if (root === undefined) throw new FormatError('UNKNOWN_EPOCH');
  const wrapKey = deriveWrapKey(root, names, terms);
  const aad = wrapAad(tenant, terms, attributes);
  const dek = unwrapDek({ wrapKey, wrapped, aad, commitment: terms.commitment });
  wrapKey.fill(0);
  if (dek === undefined) throw new FormatError('HEADER_REFUSED');
  const { layout, epoch, binding, commitment } = terms;
  return {
    dek,
    layout,
    epoch,
    binding,
    commitment,
    ...(attributes === undefined ? {} : openAttributes({ dek, layout, names, attributes })),
  };
}

function nameFields(name: ObjectName): readonly [tenant: Buffer, bucket: Buffer, key: Buffer] {
  if (name.tenant.length !== TENANT_BYTES) throw new RangeError('A tenant id has 12 bytes.');
  return [name.tenant, utf8(name.bucket), utf8(name.key)];
}

function deriveWrapKey(root: KeyObject, names: readonly Buffer[], terms: DekTerms): Buffer {
  const context = [utf8(ALGORITHM), ...names, uint32(terms.epoch)];
  return deriveKey(root, { label: WRAP_LABEL, salt: terms.salt, context });
}

function wrapAad(tenant: Buffer, terms: DekTerms, attributes: Buffer | undefined): Buffer {
  const digest = hash('sha256', attributes ?? NOTHING, 'buffer');
  return frame(
    utf8(ALGORITHM),
    tenant,
    uint32(terms.epoch),
    uint8(terms.layout),
    uint8(terms.location),
    digest,
    terms.commitment,
    terms.binding,
  );
}

interface HeaderBox {
  readonly dek: Dek;
  readonly layout: Layout;
  readonly names: readonly Buffer[];
}

function attributesPurpose({ dek, layout, names }: HeaderBox) {
  return { dek, label: ATTRIBUTES_LABEL, context: [uint8(IN_HEADER), uint8(layout), ...names] };
}

function sealAttributes(o: HeaderBox & { readonly attributes: HeaderAttributes }): Buffer {
  const { early, late } = o.attributes;
  const plaintext = encodeAttributes({ layout: o.layout, early, late });
  return sealBox({ ...attributesPurpose(o), plaintext });
}

function openAttributes(o: HeaderBox & { readonly attributes: Buffer }): Attributes {
  const plaintext = openBox({ ...attributesPurpose(o), box: o.attributes });
  if (plaintext === undefined) throw new FormatError('ATTRIBUTES_REFUSED');
  const attributes = decodeAttributes(o.layout, plaintext);
  const isComplete = attributes.early !== undefined && (attributes.late !== undefined) === (o.layout === 0);
  if (!isComplete) throw new FormatError('ATTRIBUTES_MALFORMED');
  return attributes;
}
