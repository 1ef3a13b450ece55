/**
 * What stands in an object's metadata: algorithm, tenant, wrapped data key and, when they fit, the sealed attributes
 * (FORMAT.md section 4). The wrap is bound to tenant, bucket and object key, and to everything else in the header, so that
 * no piece can be changed, stripped or moved to another name.
 */
import { Buffer } from 'node:buffer';
import { createHash, type KeyObject, timingSafeEqual } from 'node:crypto';
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
import { uint8, uint32, utf8 } from './bytes.ts';
import { commitmentOf, type Dek, unwrapDek, wrapDek } from './dek.ts';
import { FormatError } from './errors.ts';
import { deriveKey, frame } from './keys.ts';
import { ALGORITHM, type Layout } from './layout.ts';
import { randomSalt } from './random.ts';

/** The logical name that clients see. Bucket and key enter the binding as UTF-8, as they are. */
export interface ObjectName {
  /** 12 bytes. */
  readonly tenant: Buffer;
  readonly bucket: string;
  readonly key: string;
}

/** Metadata without the `x-amz-meta-` prefix. */
export interface SealedHeader {
  readonly 'enc-algo': string;
  readonly 'enc-dek': string;
  readonly 'enc-tenant': string;
  readonly 'enc-attrs'?: string;
}

export type HeaderFields = Partial<Record<keyof SealedHeader, string | undefined>>;

/** `late` belongs here in layout 0, and in the footer in the others. */
export interface HeaderAttributes {
  readonly early: EarlyAttributes;
  readonly late?: LateAttributes;
}

export interface OpenedHeader {
  readonly dek: Dek;
  readonly layout: Layout;
  readonly epoch: number;
  /** Absent when the early attributes are in the footer. */
  readonly early?: EarlyAttributes;
  /** Layout 0 only. */
  readonly late?: LateAttributes;
}

export const TENANT_BYTES = 12;

const WRAP_LABEL = 'sealgate/1/dek-wrap';
const DEK_FIELD_BYTES = 118;
const MAX_EPOCH = 0xffff_ffff;
const NOTHING = Buffer.alloc(0);

/**
 * Seals a new header. Each call draws new salts: calling it again for a copy or a new epoch is safe.
 * `attributes` absent: the early attributes are in the footer (layouts 1 and 2).
 */
export function sealHeader(o: {
  readonly root: KeyObject;
  readonly epoch: number;
  readonly name: ObjectName;
  readonly dek: Dek;
  readonly layout: Layout;
  readonly attributes?: HeaderAttributes | undefined;
}): SealedHeader {
  if (!Number.isInteger(o.epoch) || o.epoch < 0 || o.epoch > MAX_EPOCH) throw new RangeError('Not an epoch.');
  if ((o.layout === 0) !== (o.attributes?.late !== undefined)) {
    throw new TypeError('Late attributes are in the header in layout 0, and only there.');
  }
  const names = nameFields(o.name);
  const attributes = o.attributes === undefined ? undefined : sealAttributes({ ...o, names, attributes: o.attributes });
  const fields: DekField = {
    layout: o.layout,
    location: attributes === undefined ? IN_FOOTER : IN_HEADER,
    epoch: o.epoch,
    salt: randomSalt(),
    commitment: commitmentOf(o.dek),
  };
  const wrapKey = deriveWrapKey(o.root, names, fields);
  const wrapped = wrapDek(o.dek, wrapKey, wrapAad(o.name.tenant, fields, attributes));
  wrapKey.fill(0);
  const dekField = Buffer.concat([
    uint8(fields.layout),
    uint8(fields.location),
    uint32(fields.epoch),
    fields.salt,
    wrapped,
    fields.commitment,
  ]);
  return {
    'enc-algo': ALGORITHM,
    'enc-dek': dekField.toString('base64url'),
    'enc-tenant': o.name.tenant.toString('hex'),
    ...(attributes === undefined ? {} : { 'enc-attrs': attributes.toString('base64url') }),
  };
}

/** Bytes of names and values, without `x-amz-meta-`: what counts against S3's limit of 2 KB. */
export function headerBytes(header: SealedHeader): number {
  return Object.entries(header).reduce((sum, [name, value]: [string, string]) => sum + name.length + value.length, 0);
}

/**
 * Opens a header: data key, layout, and the attributes that are in it.
 * @param o.root the tenant's root key of an epoch; `undefined` when there is no such epoch.
 * @throws FormatError UNKNOWN_ALGORITHM, HEADER_MALFORMED, UNKNOWN_EPOCH, HEADER_REFUSED, ATTRIBUTES_REFUSED,
 * ATTRIBUTES_MALFORMED; checked in that order (FORMAT.md section 4.4).
 */
export function openHeader(o: {
  readonly root: (epoch: number) => KeyObject | undefined;
  readonly name: ObjectName;
  readonly header: HeaderFields;
}): OpenedHeader {
  if (o.header['enc-algo'] !== ALGORITHM) throw new FormatError('UNKNOWN_ALGORITHM');
  const { dekField, tenant, attributes } = parseHeader(o.header);
  const names = nameFields(o.name);
  if (!timingSafeEqual(tenant, o.name.tenant)) throw new FormatError('HEADER_REFUSED');
  const root = o.root(dekField.epoch);
  if (root === undefined) throw new FormatError('UNKNOWN_EPOCH');
  const wrapKey = deriveWrapKey(root, names, dekField);
  const aad = wrapAad(tenant, dekField, attributes);
  const dek = unwrapDek({ wrapKey, wrapped: dekField.wrapped, aad, commitment: dekField.commitment });
  wrapKey.fill(0);
  if (dek === undefined) throw new FormatError('HEADER_REFUSED');
  const { layout, epoch } = dekField;
  return {
    dek,
    layout,
    epoch,
    ...(attributes === undefined ? {} : openAttributes({ dek, layout, names, attributes })),
  };
}

interface DekField {
  readonly layout: Layout;
  readonly location: number;
  readonly epoch: number;
  readonly salt: Buffer;
  readonly commitment: Buffer;
}

function parseHeader(header: HeaderFields) {
  const dek = canonicalBase64url(header['enc-dek']);
  const tenant = header['enc-tenant'];
  const attributes = header['enc-attrs'] === undefined ? undefined : canonicalBase64url(header['enc-attrs']);
  if (dek.length !== DEK_FIELD_BYTES || tenant === undefined || !/^[0-9a-f]{24}$/.test(tenant)) throw malformed();
  const layout = dek.readUInt8(0);
  const location = dek.readUInt8(1);
  if (!isLayout(layout)) throw malformed();
  if (location !== (attributes === undefined ? IN_FOOTER : IN_HEADER)) throw malformed();
  if (layout === 0 && location !== IN_HEADER) throw malformed();
  const dekField = {
    layout,
    location,
    epoch: dek.readUInt32BE(2),
    salt: dek.subarray(6, 38),
    wrapped: dek.subarray(38, 86),
    commitment: dek.subarray(86, 118),
  };
  return { dekField, tenant: Buffer.from(tenant, 'hex'), attributes };
}

function isLayout(value: number): value is Layout {
  return value === 0 || value === 1 || value === 2;
}

function nameFields(name: ObjectName): readonly [tenant: Buffer, bucket: Buffer, key: Buffer] {
  if (name.tenant.length !== TENANT_BYTES) throw new RangeError('A tenant id has 12 bytes.');
  return [name.tenant, utf8(name.bucket), utf8(name.key)];
}

function deriveWrapKey(root: KeyObject, names: readonly Buffer[], fields: DekField): Buffer {
  const context = [utf8(ALGORITHM), ...names, uint32(fields.epoch)];
  return deriveKey(root, { label: WRAP_LABEL, salt: fields.salt, context });
}

function wrapAad(tenant: Buffer, fields: DekField, attributes: Buffer | undefined): Buffer {
  const digest = createHash('sha256')
    .update(attributes ?? NOTHING)
    .digest();
  return frame(
    utf8(ALGORITHM),
    tenant,
    uint32(fields.epoch),
    uint8(fields.layout),
    uint8(fields.location),
    digest,
    fields.commitment,
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
  const plaintext = encodeAttributes({ layout: o.layout, early: o.attributes.early, late: o.attributes.late });
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

function canonicalBase64url(text: string | undefined): Buffer {
  const bytes = Buffer.from(text ?? '', 'base64url');
  if (text === undefined || bytes.toString('base64url') !== text) throw malformed();
  return bytes;
}

function malformed(): FormatError {
  return new FormatError('HEADER_MALFORMED');
}
