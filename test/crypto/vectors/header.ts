/**
 * Vectors whose header is refused.
 */
import { Buffer } from 'node:buffer';
import { createSecretKey } from 'node:crypto';
import { encodeAttributes } from '../../../crypto/attributes.ts';
import { type SealedHeader, sealHeader } from '../../../crypto/header.ts';
import { flipped, footerBox, forgeHeader, headerBox, withField } from '../forge.ts';
import { bad, NAME, ok, root, set, single, type VectorCase } from './build.ts';

export const HEADER_CASES: readonly VectorCase[] = [
  bad('algo-missing', 'UNKNOWN_ALGORITHM', 'enc-algo is missing.', () => {
    const { header, body } = single(0, 1);
    const { 'enc-algo': _, ...rest } = header;
    return { header: rest as SealedHeader, body };
  }),
  badHeader('algo-unknown', 'UNKNOWN_ALGORITHM', 'A later version.', (h) => ({ ...h, 'enc-algo': 'sealgate-2' })),
  badHeader('algo-case', 'UNKNOWN_ALGORITHM', 'Another spelling.', (h) => ({ ...h, 'enc-algo': 'Sealgate-1' })),
  badHeader(
    'dek-short',
    'HEADER_MALFORMED',
    'enc-dek lacks a byte.',
    dek((b) => b.subarray(0, -1)),
  ),
  badHeader(
    'dek-long',
    'HEADER_MALFORMED',
    'enc-dek has a byte more.',
    dek((b) => Buffer.concat([b, Buffer.of(0)])),
  ),
  badHeader('dek-bits', 'HEADER_MALFORMED', 'Unused bits of the last character are set.', (h) => ({
    ...h,
    'enc-dek': h['enc-dek'].slice(0, -1) + nextCharacter(h['enc-dek'].slice(-1)),
  })),
  badHeader('dek-padding', 'HEADER_MALFORMED', 'enc-dek is padded.', (h) => ({ ...h, 'enc-dek': `${h['enc-dek']}=` })),
  badHeader(
    'dek-layout-3',
    'HEADER_MALFORMED',
    'A layout that does not exist.',
    dek((b) => set(b, 0, 3)),
  ),
  badHeader(
    'dek-small-in-footer',
    'HEADER_MALFORMED',
    'Layout 0 with location 1.',
    dek((b) => set(b, 1, 1)),
  ),
  badHeader(
    'dek-location-2',
    'HEADER_MALFORMED',
    'A location that does not exist.',
    dek((b) => set(b, 1, 2)),
  ),
  bad(
    'attrs-stripped',
    'HEADER_MALFORMED',
    'enc-attrs taken away, so that older ones in the footer would count.',
    () => {
      const object = single(1, 20, { inFooter: true });
      const { early } = object;
      const resealed = sealHeader({
        root,
        epoch: 1,
        name: NAME,
        dek: object.dek,
        binding: object.binding,
        layout: 1,
        attributes: { early },
      });
      const { 'enc-attrs': _, ...rest } = resealed;
      return { header: rest, body: object.body };
    },
  ),
  bad('attrs-moved-from-small', 'HEADER_MALFORMED', 'Layout 0 with location 1, and enc-attrs taken away.', () => {
    const { header, body } = single(0, 1);
    const { 'enc-attrs': _, ...rest } = withField(header, 'enc-dek', (b) => set(b, 1, 1));
    return { header: rest, body };
  }),
  bad('attrs-added', 'HEADER_MALFORMED', 'enc-attrs added to an object that has them in the footer.', () => {
    const object = single(1, 20, { inFooter: true });
    return { header: { ...object.header, 'enc-attrs': single(1, 20).header['enc-attrs'] ?? '' }, body: object.body };
  }),
  badHeader('tenant-case', 'HEADER_MALFORMED', 'enc-tenant in upper case.', (h) => ({
    ...h,
    'enc-tenant': h['enc-tenant'].toUpperCase(),
  })),
  badHeader('tenant-other', 'HEADER_REFUSED', 'enc-tenant names another tenant.', (h) => ({
    ...h,
    'enc-tenant': `${h['enc-tenant'].slice(0, -1)}0`,
  })),
  {
    ...ok('name-tenant', 'Opened by another tenant.', () => single(0, 1)),
    result: 'HEADER_REFUSED',
    name: { ...NAME, tenant: Buffer.alloc(12, 0x7f) },
  },
  {
    ...ok('name-bucket', 'Moved to another bucket.', () => single(0, 1)),
    result: 'HEADER_REFUSED',
    name: { ...NAME, bucket: 'vectorz' },
  },
  {
    ...ok('name-key', 'Moved to another key.', () => single(0, 1)),
    result: 'HEADER_REFUSED',
    name: { ...NAME, key: 'x' },
  },
  {
    ...ok('name-boundary', 'Bucket and key cut at another place.', () => single(0, 1)),
    result: 'HEADER_REFUSED',
    name: { ...NAME, bucket: 'vector', key: `s${NAME.key}` },
  },
  bad('root-other', 'HEADER_REFUSED', 'Sealed under another root key.', () =>
    single(0, 1, { root: createSecretKey(Buffer.alloc(32, 0x33)) }),
  ),
  badHeader(
    'epoch-unknown',
    'UNKNOWN_EPOCH',
    'An epoch newer than the keyring.',
    dek((b) => set(b, 5, 9)),
  ),
  badHeader(
    'epoch-other',
    'HEADER_REFUSED',
    'The epoch changed to another known one.',
    dek((b) => set(b, 5, 2)),
  ),
  badHeader(
    'dek-salt',
    'HEADER_REFUSED',
    'A bit of the object salt.',
    dek((b) => flipped(b, 6)),
  ),
  badHeader(
    'dek-binding',
    'HEADER_REFUSED',
    'A bit of the binding.',
    dek((b) => flipped(b, 38)),
  ),
  badHeader(
    'dek-wrapped',
    'HEADER_REFUSED',
    'A bit of the wrapped key.',
    dek((b) => flipped(b, 60)),
  ),
  badHeader(
    'dek-tag',
    'HEADER_REFUSED',
    'A bit of the tag of the wrap.',
    dek((b) => flipped(b, 101)),
  ),
  badHeader(
    'dek-commitment',
    'HEADER_REFUSED',
    'A bit of the commitment.',
    dek((b) => flipped(b, 133)),
  ),
  bad('dek-layout', 'HEADER_REFUSED', 'Layout 1 made layout 2.', () => {
    const { header, body } = single(1, 20);
    return { header: withField(header, 'enc-dek', (b) => set(b, 0, 2)), body };
  }),
  bad('commitment-other', 'HEADER_REFUSED', 'The wrap opens, but its commitment is that of another data key.', () => {
    const object = single(1, 20, { inFooter: true });
    const header = forgeHeader({
      root,
      name: NAME,
      dek: object.dek,
      binding: object.binding,
      layout: 1,
      commitment: Buffer.alloc(32, 5),
    });
    return { header, body: object.body };
  }),
  badHeader('attrs-flipped', 'HEADER_REFUSED', 'A bit of enc-attrs.', (h) =>
    withField(h, 'enc-attrs', (b) => flipped(b, 40)),
  ),
  bad('attrs-exchanged', 'HEADER_REFUSED', 'enc-attrs of another sealing of the same object.', () => {
    const object = single(0, 1);
    const { early, late } = object;
    const again = sealHeader({
      root,
      epoch: 1,
      name: NAME,
      dek: object.dek,
      binding: object.binding,
      layout: 0,
      attributes: { early, late },
    });
    return { header: { ...object.header, 'enc-attrs': again['enc-attrs'] ?? '' }, body: object.body };
  }),
  bad('attrs-late-in-header', 'ATTRIBUTES_MALFORMED', 'Layout 1 with late attributes in the header.', () => {
    const object = single(1, 20);
    const plaintext = encodeAttributes({ layout: 1, early: object.early, late: { ...object.late, padBytes: 0 } });
    const box = headerBox({ dek: object.dek, layout: 1, name: NAME, plaintext });
    return {
      header: forgeHeader({ root, name: NAME, dek: object.dek, binding: object.binding, layout: 1, box }),
      body: object.body,
    };
  }),
  bad(
    'attrs-of-footer',
    'ATTRIBUTES_REFUSED',
    "A footer's box in the header, wrapped by someone with the root key.",
    () => {
      const object = single(0, 1);
      const plaintext = encodeAttributes({ layout: 0, early: object.early, late: object.late });
      const box = footerBox({ dek: object.dek, binding: object.binding, layout: 0, plaintext });
      return {
        header: forgeHeader({ root, name: NAME, dek: object.dek, binding: object.binding, layout: 0, box }),
        body: object.body,
      };
    },
  ),
];

function badHeader(
  file: string,
  result: string,
  comment: string,
  change: (h: SealedHeader) => SealedHeader,
): VectorCase {
  return bad(file, result, comment, () => {
    const { header, body } = single(0, 1);
    return { header: change(header), body };
  });
}

function dek(change: (bytes: Buffer) => Buffer): (header: SealedHeader) => SealedHeader {
  return (header) => withField(header, 'enc-dek', change);
}

function nextCharacter(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) + 1);
}
