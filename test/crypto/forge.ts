/**
 * What a faulty or malicious writer that holds the keys could store: headers around any box, boxes of any content, part
 * tables of any entries. The key schedule is written out again here from FORMAT.md sections 3 to 7.
 */
import { Buffer } from 'node:buffer';
import { createCipheriv, createHash, type KeyObject, randomBytes } from 'node:crypto';
import { encodeAttributes, type LateAttributes, type TableReference } from '../../crypto/attributes.ts';
import { BOX_OVERHEAD_BYTES, sealBox } from '../../crypto/box.ts';
import type { DataKey } from '../../crypto/data-key.ts';
import { commitmentOf, type Dek, deriveFromDek, wrapDek } from '../../crypto/dek.ts';
import { parseLocator } from '../../crypto/footer.ts';
import type { ObjectName } from '../../crypto/header.ts';
import { renderHeader, type SealedHeader } from '../../crypto/header-fields.ts';
import { deriveKey, frame } from '../../crypto/keys.ts';
import { type Layout, LOCATOR_BYTES, LOCATOR_MAGIC } from '../../crypto/layout.ts';
import { newBinding, randomSalt } from '../../crypto/random.ts';
import { padBytes } from '../../crypto/stored-length.ts';

const u8 = (n: number) => Buffer.of(n);
const u32 = (n: number) => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(n);
  return out;
};
const algorithm = Buffer.from('sealgate-1');

/** A header that opens, around any box and with any commitment. */
export function forgeHeader(
  o: Partial<DataKey> & {
    readonly root: KeyObject;
    readonly name: ObjectName;
    readonly dek: Dek;
    readonly layout: Layout;
    readonly box?: Buffer;
    readonly commitment?: Buffer;
  },
): SealedHeader {
  const epoch = 1;
  const location = o.box === undefined ? 1 : 0;
  const salt = randomSalt();
  const binding = o.binding ?? newBinding();
  const commitment = o.commitment ?? commitmentOf(o.dek);
  const { tenant } = o.name;
  const context = [algorithm, tenant, Buffer.from(o.name.bucket), Buffer.from(o.name.key), u32(epoch)];
  const wrapKey = deriveKey(o.root, { label: 'sealgate/1/dek-wrap', salt, context });
  const digest = createHash('sha256')
    .update(o.box ?? '')
    .digest();
  const aad = frame(algorithm, tenant, u32(epoch), u8(o.layout), u8(location), digest, commitment, binding);
  const terms = { layout: o.layout, location, epoch, salt, binding, commitment };
  return renderHeader({ terms, wrapped: wrapDek(o.dek, wrapKey, aad), tenant, attributes: o.box });
}

/** A box of attributes of any content for the header. */
export function headerBox(o: { dek: Dek; layout: Layout; name: ObjectName; plaintext: Buffer }): Buffer {
  const names = [o.name.tenant, Buffer.from(o.name.bucket), Buffer.from(o.name.key)];
  return sealBox({
    dek: o.dek,
    label: 'sealgate/1/attrs',
    context: [u8(0), u8(o.layout), ...names],
    plaintext: o.plaintext,
  });
}

/** A box of attributes of any content for the footer. */
export function footerBox(o: DataKey & { layout: Layout; plaintext: Buffer }): Buffer {
  const context = [u8(1), u8(o.layout), o.binding];
  return sealBox({ dek: o.dek, label: 'sealgate/1/attrs', context, plaintext: o.plaintext });
}

export function locatorFor(box: Buffer, table: Buffer): Buffer {
  return Buffer.concat([LOCATOR_MAGIC, u32(box.length), u32(table.length)]);
}

/** The pieces of a footer, in their order. */
export function footerPieces(footer: Buffer): Record<'pad' | 'table' | 'box' | 'locator', Buffer> {
  const { tableBytes, endBytes } = parseLocator(footer);
  const at = footer.length - endBytes;
  return {
    pad: footer.subarray(0, at),
    table: footer.subarray(at, at + tableBytes),
    box: footer.subarray(at + tableBytes, -LOCATOR_BYTES),
    locator: footer.subarray(-LOCATOR_BYTES),
  };
}

/**
 * A footer around any table and any late attributes. `pad`: what a writer would put in front of it unless given, zeros as many
 * as the attributes are told, which with `padBytes` is another number.
 */
export function forgeFooter(
  o: DataKey & {
    readonly layout: 1 | 2;
    readonly late: LateAttributes;
    readonly plainBytes: number;
    /** Bytes in front of the footer. */
    readonly partsBytes: number;
    readonly table?: Buffer;
    readonly pad?: Buffer;
    readonly padBytes?: number;
  },
): Buffer {
  const { layout, late, table = Buffer.alloc(0) } = o;
  const encode = (bytes: number) => encodeAttributes({ layout, late: { ...late, padBytes: bytes } });
  const endBytes = table.length + encode(0).length + BOX_OVERHEAD_BYTES + LOCATOR_BYTES;
  const pad = o.pad ?? Buffer.alloc(padBytes({ plainBytes: o.plainBytes, unpaddedBytes: o.partsBytes + endBytes }));
  const box = footerBox({ ...o, plaintext: encode(o.padBytes ?? pad.length) });
  return Buffer.concat([pad, table, box, locatorFor(box, table)]);
}

/** One attribute entry. */
export function attribute(tag: number, value: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(value.length);
  return Buffer.concat([u8(tag), length, value]);
}

/** A sealed table of any content up to one segment, and a reference that names it. */
export function forgeTable(
  dek: Dek,
  plaintext: Buffer,
  partsBytes: number,
): { readonly sealed: Buffer; readonly reference: TableReference } {
  const salt = randomSalt();
  const key = deriveFromDek(dek, { label: 'sealgate/1/part-table', salt, context: [] });
  const cipher = createCipheriv('aes-256-gcm', key, Buffer.from([...Array(11).fill(0), 1]), { authTagLength: 16 });
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  const sha256 = createHash('sha256').update(sealed).digest();
  return { sealed, reference: { salt, bytes: sealed.length, sha256, partsBytes } };
}

/** A copy with one bit changed. */
export function flipped(bytes: Buffer, at: number, mask = 1): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ mask;
  if (copy.equals(bytes)) throw new Error(`Nothing to change at ${at}.`);
  return copy;
}

/** The same header with a field's decoded bytes changed. */
export function withField(
  header: SealedHeader,
  field: 'enc-dek' | 'enc-attrs',
  change: (bytes: Buffer) => Buffer,
): SealedHeader {
  const bytes = Buffer.from(header[field] ?? '', 'base64url');
  return { ...header, [field]: change(bytes).toString('base64url') };
}

export function lateOfTwoParts(o: Partial<LateAttributes> = {}): LateAttributes {
  return { md5: randomBytes(16), partCount: 2, checksums: [], uploadFingerprint: Buffer.alloc(32, 0x75), ...o };
}
