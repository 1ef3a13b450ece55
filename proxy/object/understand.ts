/** From what the backend says of a version to an opened object: a legacy one, or a sealed one with all its attributes. */
import { checkBody, joinAttributes, padBytesOf } from '../../crypto/body.ts';
import { S3Error } from '../errors.ts';
import { etagMode, reportObject, type StoreContext } from './context.ts';
import { asObjectFailure } from './damaged-object.ts';
import { otherEtag, sealedEtag } from './etags.ts';
import { fetchFooter } from './footer.ts';
import { tenantFor } from './newer-epoch.ts';
import { fromBackendHeaders, type StoredHeader } from './stored-metadata.ts';
import {
  type BackendFacts,
  ForeignObject,
  type LegacyObject,
  type ObjectAddress,
  type SealedObject,
  type StoredObject,
} from './stored-object.ts';
import { identityOf } from './version-identity.ts';

/** `tail` is the end of the stored body, if at hand. @throws S3Error, VersionChanged */
export async function understand(
  context: StoreContext,
  address: ObjectAddress,
  facts: BackendFacts,
  tail?: Buffer,
): Promise<StoredObject> {
  try {
    const stored = fromBackendHeaders(facts.headers);
    if (stored === undefined) return await legacyObject(context, address, facts);
    await refuseForeign(context, address, stored['enc-tenant']);
    return await openSealed(context, address, facts, { stored, tail });
  } catch (error) {
    throw await asObjectFailure(context, address, error);
  }
}

async function openSealed(
  context: StoreContext,
  address: ObjectAddress,
  facts: BackendFacts,
  o: { stored: StoredHeader; tail: Buffer | undefined },
): Promise<SealedObject> {
  const tenant = await tenantFor(context, address, o.stored);
  const header = context.store.headers.open(tenant, address, o.stored);
  const { dek, binding, layout, epoch } = header;
  const footer = layout === 0 ? undefined : await fetchFooter(context, address, facts, header, { tail: o.tail });
  const attributes = joinAttributes(header, footer);
  checkBody({ layout, attributes, locator: footer?.locator, bodyBytes: facts.size });
  const { early, late, size } = attributes;
  const mode = await etagMode(context, address.bucket);
  const sources = { late, stored: facts.etag };
  const object: SealedObject = {
    kind: 'sealed',
    address,
    facts,
    dek,
    binding,
    layout,
    epoch,
    size,
    etag: sealedEtag(mode, sources),
    otherEtag: otherEtag(mode, sources),
    early,
    late,
    tableBytes: footer?.locator.tableBytes ?? 0,
    footerBytes: footer === undefined ? 0 : padBytesOf(late) + footer.locator.endBytes,
  };
  // Listings were told of this version when it was first remembered.
  const isKnown = context.store.recent.remember(tenant.id, address, facts);
  if (!isKnown) {
    const etag = sealedEtag('md5', sources);
    context.store.cache.addListed(identityOf(context, address, facts), { size, etag, checksums: late.checksums });
  }
  return object;
}

async function legacyObject(context: StoreContext, address: ObjectAddress, facts: BackendFacts): Promise<LegacyObject> {
  const { legacy } = context.store;
  const allowed = legacy.kind === 'allow' || (legacy.kind === 'before' && Date.parse(facts.lastModified) < legacy.time);
  if (!allowed) {
    const { bucket, key } = address;
    const detail = 'an object without encryption was refused, as SEALGATE_LEGACY says';
    await reportObject(context, { kind: 'unencrypted-object', detail, bucket, key });
    throw new S3Error(
      'AccessDenied',
      'The object is not encrypted, and this endpoint is set to refuse such objects (SEALGATE_LEGACY).',
    );
  }
  return { kind: 'legacy', address, facts, size: facts.size, etag: facts.etag.replaceAll('"', '') };
}

async function refuseForeign(context: StoreContext, address: ObjectAddress, owner: string | undefined): Promise<void> {
  if (owner === context.tenant.id) return;
  const { bucket, key } = address;
  await reportObject(context, {
    kind: 'foreign-object',
    detail: 'an object of another tenant was asked for',
    bucket,
    key,
  });
  throw new S3Error('AccessDenied', undefined, { cause: new ForeignObject("The object is another tenant's.") });
}
