/**
 * An existing object under a new name, with new metadata or with another checksum, without touching its parts: the DEK is
 * wrapped again, the attributes are sealed again with fresh salts, and what had to move gets a new footer under a new binding
 * (crypto/FORMAT.md section 9). Copies do this; so does whatever re-wraps an object where it is.
 */
import type { EarlyAttributes, HeaderPair, LateAttributes } from '../../crypto/attributes.ts';
import { type DataKey, forNewFooter, newDataKey } from '../../crypto/data-key.ts';
import { sealFooter, sealFooterPieces } from '../../crypto/footer.ts';
import { type HeaderAttributes, type SealedHeader, sealHeader } from '../../crypto/header.ts';
import type { Layout } from '../../crypto/layout.ts';
import { PartSealer } from '../../crypto/seal.ts';
import type { StoreContext } from './context.ts';
import { partTable } from './footer.ts';
import { readRange } from './read-object.ts';
import { currentRoot } from './store-object.ts';
import { fitsMetadata, fromBackendHeaders } from './stored-metadata.ts';
import type { ObjectAddress, SealedObject } from './stored-object.ts';

/** What the new object says of itself. */
export interface NewAttributes {
  readonly headers: readonly HeaderPair[];
  readonly metadata: readonly HeaderPair[];
  /** The source's own object when nothing of it changes. */
  readonly late: LateAttributes;
}

/** A header, and the body it belongs to: bytes [0, kept) of the source's body, then `tail`. */
export interface Resealed {
  readonly header: SealedHeader;
  readonly kept: number;
  readonly tail: Buffer;
}

const NOTHING = Buffer.alloc(0);

/** `context` reads the source; the tenant's current epoch wraps the DEK. @throws S3Error, VersionChanged */
export async function reseal(
  context: StoreContext,
  source: SealedObject,
  target: ObjectAddress,
  attributes: NewAttributes,
): Promise<Resealed> {
  const early = { ...source.early, headers: attributes.headers, metadata: attributes.metadata };
  return source.layout === 0
    ? resealSmall(context, source, target, { early, late: attributes.late })
    : resealFootered(context, source, target, { layout: source.layout, early, late: attributes.late });
}

async function resealSmall(
  context: StoreContext,
  source: SealedObject,
  target: ObjectAddress,
  o: { early: EarlyAttributes; late: LateAttributes },
): Promise<Resealed> {
  const header = seal(context, target, { ...dataKeyOf(source), layout: 0, attributes: o });
  if (fitsMetadata(header)) return { header, kept: source.facts.size, tail: NOTHING };
  // Layout 0 has no other place for attributes, and the part key depends on the layout: the body is sealed anew.
  const pieces: Buffer[] = [];
  const whole = { start: 0, end: source.size };
  for await (const piece of await readRange(context, source, whole)) pieces.push(piece);
  const dataKey = newDataKey();
  const sealer = new PartSealer({ dek: dataKey.dek, layout: 1, partNumber: 0 });
  const early = { ...o.early, partSalt: sealer.salt };
  const placed = placeEarly(context, target, { ...dataKey, layout: 1, early });
  const part = sealer.seal(Buffer.concat(pieces), { last: true });
  const footer = sealFooterPieces({
    ...dataKey,
    layout: 1,
    early: placed.inFooter,
    late: o.late,
    size: source.size,
  });
  return { header: placed.header, kept: 0, tail: Buffer.concat([part, ...footer]) };
}

async function resealFootered(
  context: StoreContext,
  source: SealedObject,
  target: ObjectAddress,
  o: { layout: 1 | 2; early: EarlyAttributes; late: LateAttributes },
): Promise<Resealed> {
  const kept = placeEarly(context, target, { ...o, ...dataKeyOf(source) });
  const footerServes =
    kept.inFooter === undefined || (hasEarlyInFooter(source) && isSameDescription(source.early, kept.inFooter));
  if (footerServes && o.late === source.late) return { header: kept.header, kept: source.facts.size, tail: NOTHING };
  const dataKey = forNewFooter(source);
  const { header, inFooter } = placeEarly(context, target, { ...o, ...dataKey });
  const tail =
    o.layout === 1
      ? sealFooter({ ...dataKey, layout: 1, early: inFooter, late: o.late, size: source.size })
      : sealFooter({
          ...dataKey,
          layout: 2,
          early: inFooter,
          late: o.late,
          parts: await partTable(context, source),
          partChecksum: o.late.table?.checksum,
        });
  return { header, kept: source.facts.size - source.footerBytes, tail };
}

/** Early attributes go into the metadata when they fit there, else into the footer. */
function placeEarly(
  context: StoreContext,
  target: ObjectAddress,
  o: DataKey & { layout: 1 | 2; early: EarlyAttributes },
): { header: SealedHeader; inFooter: EarlyAttributes | undefined } {
  const { dek, binding, layout, early } = o;
  const header = seal(context, target, { dek, binding, layout, attributes: { early } });
  if (fitsMetadata(header)) return { header, inFooter: undefined };
  return { header: seal(context, target, { dek, binding, layout }), inFooter: early };
}

function seal(
  context: StoreContext,
  target: ObjectAddress,
  o: DataKey & { layout: Layout; attributes?: HeaderAttributes },
): SealedHeader {
  const { tenant } = context;
  const name = { tenant: tenant.idBytes, bucket: target.bucket, key: target.key };
  return sealHeader({ root: currentRoot(context), epoch: tenant.epoch, name, ...o });
}

/** The footer stays, or there is none: the binding stays with it. */
function dataKeyOf({ dek, binding }: SealedObject): DataKey {
  return { dek, binding };
}

function hasEarlyInFooter(source: SealedObject): boolean {
  return fromBackendHeaders(source.facts.headers)?.['enc-attrs'] === undefined;
}

function isSameDescription(a: EarlyAttributes, b: EarlyAttributes): boolean {
  return JSON.stringify([a.headers, a.metadata]) === JSON.stringify([b.headers, b.metadata]);
}
