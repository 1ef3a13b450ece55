/**
 * What the client told Create, kept in the state bucket until Complete: S3 does not give it back before then, and any replica
 * may take the next part. The record is named by a hash of bucket, key and the backend's upload id, which clients get
 * unchanged. The DEK in the record is wrapped for the name of the object; the secret fields are sealed under the DEK
 * (crypto/FORMAT.md, "Uploads in progress").
 */
import { z } from 'zod';
import { openBox, sealBox } from '../../crypto/box.ts';
import { type DataKey, newDataKey } from '../../crypto/data-key.ts';
import { openHeader, type SealedHeader, sealHeader } from '../../crypto/header.ts';
import { context as keyContext } from '../../crypto/keys.ts';
import { S3Error } from '../errors.ts';
import type { ClientAttributes } from '../object/client-attributes.ts';
import { reportObject } from '../object/context.ts';
import { asObjectFailure } from '../object/damaged-object.ts';
import { tenantFor } from '../object/newer-epoch.ts';
import { currentRoot } from '../object/store-object.ts';
import { fitsMetadata, MalformedSealedObject } from '../object/stored-metadata.ts';
import type { UploadAddress, UploadChecksum, UploadRecord } from './upload.ts';
import type { UploadContext } from './upload-context.ts';

const LABEL = 'sealgate/1/upload-record';

const Pairs = z.array(z.tuple([z.string(), z.string()]));
const Sealed = z.strictObject({
  headers: Pairs,
  metadata: Pairs,
  inFooter: z.boolean(),
  checksum: z.strictObject({ algorithm: z.string(), type: z.enum(['FULL_OBJECT', 'COMPOSITE']) }).nullable(),
});

/** The stored form. Bucket, key and upload id are in clear: the backend knows them, and `sealgate gc` needs them. */
export const StoredRecord = z.strictObject({
  format: z.literal(1),
  bucket: z.string(),
  key: z.string(),
  uploadId: z.string(),
  created: z.string(),
  header: z.strictObject({
    'enc-algo': z.string(),
    'enc-dek': z.string(),
    'enc-tenant': z.string(),
    'enc-attrs': z.string().optional(),
  }),
  sealed: z.string(),
});

export function uploadIdOf(address: UploadAddress): string {
  const fields = [address.bucket, address.key, address.uploadId].map((text) => Buffer.from(text, 'utf8'));
  return keyContext(...fields).toString('hex');
}

/** Names in the state bucket, below its prefix. */
export const UPLOADS_PREFIX = 'uploads/';
export function uploadPrefix(id: string): string {
  return `${UPLOADS_PREFIX}${id}/`;
}
export function recordName(id: string): string {
  return `${uploadPrefix(id)}record`;
}

/** A new upload's DEK and the metadata that its object will have, before the backend has given it an id. */
export interface UploadDraft extends DataKey {
  readonly header: SealedHeader;
  readonly attributes: ClientAttributes;
  readonly attributesInFooter: boolean;
}

export function draftUpload(
  context: UploadContext,
  o: { bucket: string; key: string; attributes: ClientAttributes },
): UploadDraft {
  const dataKey = newDataKey();
  const { tenant } = context;
  const name = { tenant: tenant.idBytes, bucket: o.bucket, key: o.key };
  const common = { root: currentRoot(context), epoch: tenant.epoch, name, ...dataKey, layout: 2 as const };
  const header = sealHeader({ ...common, attributes: { early: o.attributes } });
  if (fitsMetadata(header)) return { ...dataKey, header, attributes: o.attributes, attributesInFooter: false };
  return { ...dataKey, header: sealHeader(common), attributes: o.attributes, attributesInFooter: true };
}

/** The binding ties the box to the header beside it. */
function boxPurpose(id: string, { dek, binding }: DataKey) {
  return { dek, label: LABEL, context: [Buffer.from(id, 'hex'), binding] };
}

/** Writes the record; afterwards every replica can take parts. */
export async function saveUpload(
  context: UploadContext,
  address: UploadAddress,
  draft: UploadDraft,
  checksum: UploadChecksum | undefined,
): Promise<void> {
  const id = uploadIdOf(address);
  const { headers, metadata } = draft.attributes;
  const secret = { headers, metadata, inFooter: draft.attributesInFooter, checksum: checksum ?? null };
  const plaintext = Buffer.from(JSON.stringify(secret));
  const sealed = sealBox({ ...boxPurpose(id, draft), plaintext });
  const stored: z.infer<typeof StoredRecord> = {
    format: 1,
    ...address,
    created: context.store.now().toISOString(),
    header: draft.header,
    sealed: sealed.toString('base64url'),
  };
  await context.store.state.replace(recordName(id), Buffer.from(JSON.stringify(stored)), context.signal);
}

/**
 * The record of an upload of the caller's.
 * @throws S3Error NoSuchUpload; AccessDenied for another tenant's; InternalError for a damaged one
 */
export async function requireUpload(
  context: UploadContext,
  address: UploadAddress,
  o: { fresh?: boolean } = {},
): Promise<UploadRecord> {
  const id = uploadIdOf(address);
  const { uploads, state } = context.store;
  const cached = o.fresh === true ? undefined : uploads.get(context.tenant.id, id);
  if (cached !== undefined) return cached;
  const found = await state.get(recordName(id), context.signal);
  if (found === undefined) {
    uploads.delete(context.tenant.id, id);
    throw noSuchUpload(address);
  }
  const record = await openRecord(context, { ...address, id }, found.body);
  uploads.set(context.tenant.id, record);
  return record;
}

export function noSuchUpload(address: UploadAddress): S3Error {
  return new S3Error('NoSuchUpload', undefined, { details: { UploadId: address.uploadId } });
}

async function openRecord(
  context: UploadContext,
  address: UploadAddress & { id: string },
  body: Buffer,
): Promise<UploadRecord> {
  try {
    const stored = StoredRecord.safeParse(parseJson(body));
    if (!stored.success) throw new MalformedSealedObject('the upload record is malformed');
    const { header } = stored.data;
    await refuseForeign(context, address, header['enc-tenant']);
    const name = { tenant: context.tenant.idBytes, bucket: address.bucket, key: address.key };
    const fields = withoutUndefined(header);
    const tenant = await tenantFor(context, address, fields);
    const { dek, binding } = openHeader({ root: (epoch) => tenant.root(epoch), name, header: fields });
    const box = Buffer.from(stored.data.sealed, 'base64url');
    const plaintext = openBox({ ...boxPurpose(address.id, { dek, binding }), box });
    if (plaintext === undefined) throw new MalformedSealedObject('the upload record does not open');
    const { headers, metadata, inFooter, checksum } = Sealed.parse(parseJson(plaintext));
    return {
      ...address,
      dek,
      binding,
      attributes: { headers, metadata },
      attributesInFooter: inFooter,
      checksum: checksum === null ? undefined : (checksum as UploadChecksum),
    };
  } catch (error) {
    throw await asObjectFailure(context, address, error);
  }
}

async function refuseForeign(context: UploadContext, { bucket, key }: UploadAddress, owner: string): Promise<void> {
  if (owner === context.tenant.id) return;
  await reportObject(context, { kind: 'foreign-object', detail: "another tenant's upload was named", bucket, key });
  throw new S3Error('AccessDenied');
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function withoutUndefined(header: z.infer<typeof StoredRecord>['header']): SealedHeader {
  const { 'enc-attrs': attributes, ...rest } = header;
  return attributes === undefined ? rest : { ...rest, 'enc-attrs': attributes };
}
