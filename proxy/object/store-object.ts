/**
 * Plaintext into a stored object. A small body is buffered: all its attributes are known, so one request with a digest
 * stores it. A larger one streams in constant memory; its last sealed bytes are held back until the body has been verified,
 * and the late attributes follow in a footer whose length is fixed beforehand, so that Content-Length is exact.
 */
import type { KeyObject } from 'node:crypto';
import type { EarlyAttributes, LateAttributes } from '../../crypto/attributes.ts';
import { type DataKey, newDataKey } from '../../crypto/data-key.ts';
import { footerBytes, sealFooter, sealFooterPieces } from '../../crypto/footer.ts';
import { type SealedHeader, sealHeader } from '../../crypto/header.ts';
import { sealedPartBytes } from '../../crypto/layout.ts';
import { PartSealer, sealStream } from '../../crypto/seal.ts';
import type { BackendBody, BackendResponse } from '../backend/backend.ts';
import { discard } from '../backend/read-body.ts';
import type { BodyResult } from '../body/digests.ts';
import { collectBody, type VerifiedBody } from '../body/verified-body.ts';
import { BATCH_BYTES, SMALL_BODY_BYTES } from '../limits.ts';
import type { ClientAttributes } from './client-attributes.ts';
import { etagMode, type StoreContext } from './context.ts';
import { putDigest } from './put-digest.ts';
import { putStored } from './put-stored.ts';
import { fitsMetadata, toBackendHeaders } from './stored-metadata.ts';
import { writtenEtag } from './written-etag.ts';

export interface StoreRequest {
  readonly bucket: string;
  readonly key: string;
  readonly attributes: ClientAttributes;
  readonly body: VerifiedBody;
  /** Headers that the backend gets as they are: storage class, translated conditions, ... */
  readonly headers: Readonly<Record<string, string>>;
  /** How the stored body goes to the store; by one PUT where it can when absent. */
  readonly put?: typeof putStored;
  /** After a 412, headers to send in place of the condition among `headers`. Asked only where the body can be sent again. */
  readonly again?: (() => Promise<Readonly<Record<string, string>>>) | undefined;
}

export interface Stored {
  /** The backend's answer, 200 or not; its body is not read yet. */
  readonly response: BackendResponse;
  /** What the body turned out to be. Only after a 200: a backend may refuse before it has read the body. */
  readonly result: () => BodyResult;
  /** The new object's, as clients are told it, unquoted. Only after a 200. @throws as `writtenEtag` */
  readonly etag: () => Promise<string>;
}

/** Whether a body of that size can be sent to the store a second time. */
export function isResendable(plainBytes: number): boolean {
  return plainBytes <= SMALL_BODY_BYTES;
}

/** @throws S3Error when the body does not hold what was promised of it: then nothing was stored */
export async function storeObject(context: StoreContext, o: StoreRequest): Promise<Stored> {
  const dataKey = newDataKey();
  const mode = await etagMode(context, o.bucket);
  if (mode === 'md5') o.body.computeMd5();
  const store = isResendable(o.body.plainBytes) ? storeSmall : storeLarge;
  const { response, result } = await store(context, o, dataKey);
  const etag = () =>
    writtenEtag(context, o, { mode, late: lateAttributes(result()), stored: response.headers['etag'] });
  return { response, result, etag };
}

async function storeSmall(context: StoreContext, o: StoreRequest, dataKey: DataKey): Promise<Omit<Stored, 'etag'>> {
  const plaintext = await collectBody(o.body, { maxBytes: SMALL_BODY_BYTES, tooLarge: 'EntityTooLarge' });
  const result = o.body.result();
  const sealed = sealSmall(context, o, dataKey, { plaintext, late: lateAttributes(result) });
  const digest = putDigest(context, sealed.stored);
  const response = await put(context, o, sealed.header, sealed.stored, digest);
  if (response.status !== 412 || o.again === undefined) return { response, result: () => result };
  discard(response);
  const other = { ...o, headers: { ...o.headers, ...(await o.again()) } };
  return { response: await put(context, other, sealed.header, sealed.stored, digest), result: () => result };
}

function sealSmall(
  context: StoreContext,
  o: StoreRequest,
  dataKey: DataKey,
  content: { plaintext: Buffer; late: LateAttributes },
): { header: SealedHeader; stored: Buffer } {
  const { plaintext, late } = content;
  const { dek } = dataKey;
  const layout0 = new PartSealer({ dek, layout: 0, partNumber: 0 });
  const early = { size: plaintext.length, partSalt: layout0.salt, ...o.attributes };
  const header = seal(context, o, dataKey, 0, { early, late });
  if (fitsMetadata(header)) return { header, stored: layout0.seal(plaintext, { last: true }) };
  // Unusually much metadata: the attributes go behind the body. The part key depends on the layout, so it is sealed anew.
  const layout1 = new PartSealer({ dek, layout: 1, partNumber: 0 });
  const placed = placeEarly(context, o, dataKey, { size: plaintext.length, partSalt: layout1.salt, ...o.attributes });
  const footer = sealFooterPieces({ ...dataKey, layout: 1, ...placed.inFooter, late, size: plaintext.length });
  return {
    header: placed.header,
    stored: Buffer.concat([...layout1.sealPieces(plaintext, { last: true }), ...footer]),
  };
}

async function storeLarge(context: StoreContext, o: StoreRequest, dataKey: DataKey): Promise<Omit<Stored, 'etag'>> {
  const { body } = o;
  const sealer = new PartSealer({ dek: dataKey.dek, layout: 1, partNumber: 0 });
  const { header, inFooter } = placeEarly(context, o, dataKey, {
    size: body.plainBytes,
    partSalt: sealer.salt,
    ...o.attributes,
  });
  const sizes = [body.plainBytes];
  const tail = footerBytes({ layout: 1, ...inFooter, checksums: body.checksumAlgorithms, sizes });
  const length = sealedPartBytes(body.plainBytes) + tail;
  const chunks = sealedChunks({ dataKey, sealer, body, inFooter });
  const response = await put(context, o, header, { length, chunks }, {});
  return { response, result: () => body.result() };
}

async function* sealedChunks(o: {
  dataKey: DataKey;
  sealer: PartSealer;
  body: VerifiedBody;
  inFooter: { early?: EarlyAttributes };
}): AsyncGenerator<Buffer> {
  const { dataKey, sealer, body } = o;
  yield* sealStream({ sealer, plaintext: body.chunks, plainBytes: body.plainBytes, batchBytes: BATCH_BYTES });
  const late = lateAttributes(body.result());
  yield sealFooter({ ...dataKey, layout: 1, ...o.inFooter, late, size: body.plainBytes });
}

/** Early attributes go into the metadata when they fit there, else into the footer. */
function placeEarly(
  context: StoreContext,
  o: StoreRequest,
  dataKey: DataKey,
  early: EarlyAttributes,
): { header: SealedHeader; inFooter: { early?: EarlyAttributes } } {
  const header = seal(context, o, dataKey, 1, { early });
  if (fitsMetadata(header)) return { header, inFooter: {} };
  return { header: seal(context, o, dataKey, 1, undefined), inFooter: { early } };
}

function seal(
  context: StoreContext,
  o: { bucket: string; key: string },
  dataKey: DataKey,
  layout: 0 | 1,
  attributes: Parameters<typeof sealHeader>[0]['attributes'],
): SealedHeader {
  const { tenant } = context;
  const name = { tenant: tenant.idBytes, bucket: o.bucket, key: o.key };
  const placed = attributes === undefined ? {} : { attributes };
  return sealHeader({ root: currentRoot(context), epoch: tenant.epoch, name, ...dataKey, layout, ...placed });
}

/** The root key that new DEKs are wrapped under. */
export function currentRoot(context: StoreContext): KeyObject {
  const root = context.tenant.root(context.tenant.epoch);
  if (root === undefined) throw new Error('an opened tenant lacks the root key of its current epoch');
  return root;
}

/** Late attributes of a body that was stored as one part. */
export function lateAttributes(result: BodyResult): LateAttributes {
  const checksums = result.checksums.map(({ algorithm, value }) => ({
    algorithm,
    type: 'FULL_OBJECT' as const,
    value,
  }));
  return { ...(result.md5 === undefined ? {} : { md5: result.md5 }), partCount: 0, checksums };
}

function put(
  context: StoreContext,
  o: StoreRequest,
  header: SealedHeader,
  body: BackendBody,
  extra: Readonly<Record<string, string>>,
): Promise<BackendResponse> {
  const headers = { ...o.headers, ...toBackendHeaders(header) };
  const { bucket, key } = o;
  return (o.put ?? putStored)(context, { bucket, key, headers: { ...headers, ...extra }, body });
}
