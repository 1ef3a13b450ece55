/**
 * The text of a header, both ways: canonical base64url and hexadecimal fields of known lengths, before any key is used
 * (FORMAT.md sections 4.1 and 4.2).
 */
import { Buffer } from 'node:buffer';
import { IN_FOOTER, IN_HEADER } from './attributes.ts';
import { exactly, uint8, uint32 } from './bytes.ts';
import { FormatError } from './errors.ts';
import { ALGORITHM, type Layout } from './layout.ts';
import { BINDING_BYTES } from './random.ts';

/** Metadata without the `x-amz-meta-` prefix. */
export interface SealedHeader {
  readonly 'enc-algo': string;
  readonly 'enc-dek': string;
  readonly 'enc-tenant': string;
  readonly 'enc-attrs'?: string;
}

export type HeaderFields = Partial<Record<keyof SealedHeader, string | undefined>>;

/** What `enc-dek` says beside the wrapped key. */
export interface DekTerms {
  readonly layout: Layout;
  /** IN_HEADER or IN_FOOTER: where the early attributes are. */
  readonly location: number;
  readonly epoch: number;
  readonly salt: Buffer;
  /** The footer that belongs to this header was sealed for the same one. */
  readonly binding: Buffer;
  readonly commitment: Buffer;
}

export interface ParsedHeader {
  readonly terms: DekTerms;
  readonly wrapped: Buffer;
  readonly tenant: Buffer;
  /** The sealed attributes; absent when they are in the footer. */
  readonly attributes: Buffer | undefined;
}

const DEK_FIELD_BYTES = 134;
const TENANT_TEXT = /^[0-9a-f]{24}$/;

export function renderHeader({ terms, wrapped, tenant, attributes }: ParsedHeader): SealedHeader {
  const dekField = Buffer.concat([
    uint8(terms.layout),
    uint8(terms.location),
    uint32(terms.epoch),
    terms.salt,
    exactly(BINDING_BYTES, terms.binding),
    wrapped,
    terms.commitment,
  ]);
  return {
    'enc-algo': ALGORITHM,
    'enc-dek': dekField.toString('base64url'),
    'enc-tenant': tenant.toString('hex'),
    ...(attributes === undefined ? {} : { 'enc-attrs': attributes.toString('base64url') }),
  };
}

/** @throws FormatError UNKNOWN_ALGORITHM; HEADER_MALFORMED for a field that is missing, not canonical or contradicts another. */
export function parseHeader(header: HeaderFields): ParsedHeader {
  if (header['enc-algo'] !== ALGORITHM) throw new FormatError('UNKNOWN_ALGORITHM');
  const dek = canonicalBase64url(header['enc-dek']);
  const tenant = header['enc-tenant'];
  const attributes = header['enc-attrs'] === undefined ? undefined : canonicalBase64url(header['enc-attrs']);
  if (dek.length !== DEK_FIELD_BYTES || tenant === undefined || !TENANT_TEXT.test(tenant)) throw malformed();
  const layout = dek.readUInt8(0);
  const location = dek.readUInt8(1);
  if (!isLayout(layout) || location !== (attributes === undefined ? IN_FOOTER : IN_HEADER)) throw malformed();
  if (layout === 0 && location !== IN_HEADER) throw malformed();
  return {
    terms: {
      layout,
      location,
      epoch: dek.readUInt32BE(2),
      salt: dek.subarray(6, 38),
      binding: dek.subarray(38, 54),
      commitment: dek.subarray(102, DEK_FIELD_BYTES),
    },
    wrapped: dek.subarray(54, 102),
    tenant: Buffer.from(tenant, 'hex'),
    attributes,
  };
}

function isLayout(value: number): value is Layout {
  return value === 0 || value === 1 || value === 2;
}

function canonicalBase64url(text: string | undefined): Buffer {
  const bytes = Buffer.from(text ?? '', 'base64url');
  if (text === undefined || bytes.toString('base64url') !== text) throw malformed();
  return bytes;
}

function malformed(): FormatError {
  return new FormatError('HEADER_MALFORMED');
}
