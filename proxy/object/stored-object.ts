/**
 * A stored object, understood: what the backend says of it, and what its sealed attributes say once opened. Everything a
 * client is told (size, ETag, headers) comes from here, never from the backend's own numbers.
 */
import type { EarlyAttributes, LateAttributes } from '../../crypto/attributes.ts';
import { checkBody, joinAttributes } from '../../crypto/body.ts';
import type { DataKey } from '../../crypto/data-key.ts';
import { FormatError } from '../../crypto/errors.ts';
import { type Layout, sealedPartBytes } from '../../crypto/layout.ts';
import {
  type BackendRequest,
  type BackendResponse,
  BackendUnavailable,
  type QueryParameter,
} from '../backend/backend.ts';
import { backendFailure, readErrorResponse, withoutDocument } from '../backend/errors.ts';
import { discard, readBody } from '../backend/read-body.ts';
import { S3Error } from '../errors.ts';
import { FOOTER_GUESS_BYTES, READ_ATTEMPTS, SMALL_BODY_BYTES } from '../limits.ts';
import type { VersionIdentity } from './attributes-cache.ts';
import { codeBehind } from './code-behind.ts';
import { reportObject, type StoreContext } from './context.ts';
import { fetchFooter } from './footer.ts';
import { tenantFor } from './newer-epoch.ts';
import {
  type BackendHeaders,
  fromBackendHeaders,
  MalformedSealedObject,
  type StoredHeader,
} from './stored-metadata.ts';

/** An object's name as clients know it, and the version asked for. */
export interface ObjectAddress {
  readonly bucket: string;
  readonly key: string;
  readonly versionId?: string | undefined;
}

/** What the backend says of one stored version. */
export interface BackendFacts {
  /** As given, quotes included. */
  readonly etag: string;
  readonly lastModified: string;
  readonly versionId: string | undefined;
  /** Stored bytes. */
  readonly size: number;
  readonly headers: BackendHeaders;
}

export interface SealedObject extends DataKey {
  readonly kind: 'sealed';
  readonly address: ObjectAddress;
  readonly facts: BackendFacts;
  readonly layout: Layout;
  readonly epoch: number;
  /** Plaintext bytes. */
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
  readonly early: EarlyAttributes;
  readonly late: LateAttributes;
  /** Bytes of the part table and of the whole footer; 0 in layout 0. */
  readonly tableBytes: number;
  readonly footerBytes: number;
}

export interface LegacyObject {
  readonly kind: 'legacy';
  readonly address: ObjectAddress;
  readonly facts: BackendFacts;
  readonly size: number;
  readonly etag: string;
}

export type StoredObject = SealedObject | LegacyObject;

/** The version changed between two requests about it. Callers start again. */
export class VersionChanged extends Error {
  readonly code = 'VERSION_CHANGED';
}

/** Behind an AccessDenied: the object's metadata name another tenant. */
export class ForeignObject extends Error {
  readonly code = 'FOREIGN_OBJECT';
}

export function versionQuery(address: ObjectAddress): readonly QueryParameter[] {
  return address.versionId === undefined ? [] : [['versionId', address.versionId]];
}

/**
 * HEAD and, for a footered object not in the cache, one suffix GET. With `storedBytes` known to be large, from a listing, the
 * suffix GET alone: it brings the metadata too.
 * @throws S3Error NoSuchKey, AccessDenied, ... as the backend or the attributes have it
 */
export async function inspectObject(
  context: StoreContext,
  address: ObjectAddress,
  o: { storedBytes?: number } = {},
): Promise<StoredObject> {
  const large = o.storedBytes !== undefined && o.storedBytes > LARGEST_SMALL_BYTES;
  return retryWhenChanged(() => (large ? inspectByTail(context, address) : inspectByHead(context, address)));
}

/** Beyond it a sealed object has a footer. */
export const LARGEST_SMALL_BYTES = sealedPartBytes(SMALL_BODY_BYTES);

async function inspectByHead(context: StoreContext, address: ObjectAddress): Promise<StoredObject> {
  const response = await context.store.backend.send({ method: 'HEAD', ...about(context, address) });
  discard(response);
  if (response.status === 403) throw await forbidden(context, address);
  if (response.status !== 200) throw headFailure(response.status, response.headers, address);
  return understand(context, address, factsOf(response.headers));
}

async function inspectByTail(context: StoreContext, address: ObjectAddress): Promise<StoredObject> {
  const { headers, ...request } = about(context, address);
  const range = `bytes=-${FOOTER_GUESS_BYTES}`;
  const response = await context.store.backend.send({ method: 'GET', ...request, headers: { ...headers, range } });
  if (response.status !== 206) {
    discard(response);
    return inspectByHead(context, address);
  }
  const tail = await readBody(response, { maxBytes: FOOTER_GUESS_BYTES });
  return understand(context, address, factsOf(response.headers), tail);
}

/** What every request about an object has in common. */
export function about(context: StoreContext, address: ObjectAddress): Omit<BackendRequest, 'method' | 'body'> {
  const { bucket, key } = address;
  const { signal, accountHeaders } = context;
  return { bucket, key, query: versionQuery(address), headers: accountHeaders, signal };
}

/** Runs `attempt` again when it found the version replaced underneath it. */
export async function retryWhenChanged<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = READ_ATTEMPTS; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof VersionChanged)) throw error;
      if (left <= 1)
        throw new S3Error('ServiceUnavailable', 'The object is being replaced too quickly to be read. Try again.');
    }
  }
}

async function forbidden(context: StoreContext, address: ObjectAddress): Promise<S3Error> {
  const { headers, ...request } = about(context, address);
  const answer = await codeBehind(context, { ...request, headers: { ...headers, range: 'bytes=0-0' } });
  return backendFailure(answer, { operation: 'HeadObject', ...address });
}

/** A HEAD has no error document: the status, and what S3 sends beside it, tell what happened. */
function headFailure(status: number, headers: BackendHeaders, address: ObjectAddress): S3Error {
  const deleteMarker = headers['x-amz-delete-marker'];
  const extra: Record<string, string> = {};
  for (const name of ['x-amz-delete-marker', 'x-amz-version-id', 'last-modified', 'allow']) {
    const value = headers[name];
    if (value !== undefined) extra[name] = value;
  }
  if (status === 404) {
    const { key, versionId } = address;
    if (versionId === undefined) return new S3Error('NoSuchKey', undefined, { headers: extra, details: { Key: key } });
    const details = { Key: key, VersionId: versionId };
    return new S3Error('NoSuchVersion', undefined, { headers: extra, details });
  }
  if (status === 405 && deleteMarker === 'true') return new S3Error('MethodNotAllowed', undefined, { headers: extra });
  const answer = withoutDocument(status, status === 400 ? 'InvalidArgument' : '');
  return backendFailure(answer, { operation: 'HeadObject', ...address });
}

export function factsOf(headers: BackendHeaders): BackendFacts {
  const total = /\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1] ?? headers['content-length'];
  const { etag } = headers;
  const lastModified = headers['last-modified'];
  if (total === undefined || etag === undefined || lastModified === undefined) {
    throw new BackendUnavailable('its answer lacks Content-Length, ETag or Last-Modified');
  }
  return { etag, lastModified, versionId: headers['x-amz-version-id'], size: Number(total), headers };
}

/** From the backend's word to an opened object; `tail` is the end of the stored body, if at hand. @throws S3Error, VersionChanged */
export async function understand(
  context: StoreContext,
  address: ObjectAddress,
  facts: BackendFacts,
  tail?: Buffer,
): Promise<StoredObject> {
  try {
    const stored = fromBackendHeaders(facts.headers);
    if (stored === undefined) return legacyObject(context, address, facts);
    refuseForeign(context, address, stored['enc-tenant']);
    return await openSealed(context, address, facts, { stored, tail });
  } catch (error) {
    throw asObjectFailure(context, address, error);
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
  const md5 = late.md5.toString('hex');
  const etag = late.partCount === 0 ? md5 : `${md5}-${late.partCount}`;
  const object: SealedObject = {
    kind: 'sealed',
    address,
    facts,
    dek,
    binding,
    layout,
    epoch,
    size,
    etag,
    early,
    late,
    tableBytes: footer?.locator.tableBytes ?? 0,
    footerBytes: footer?.locator.footerBytes ?? 0,
  };
  // Listings were told of this version when it was first remembered.
  const isKnown = context.store.recent.remember(tenant.id, address, facts);
  if (!isKnown) {
    context.store.cache.addListed(identityOf(context, address, facts), { size, etag, checksums: late.checksums });
  }
  return object;
}

export function identityOf(context: StoreContext, address: ObjectAddress, facts: BackendFacts): VersionIdentity {
  const { etag, lastModified, size } = facts;
  return { tenant: context.tenant.id, bucket: address.bucket, key: address.key, etag, lastModified, size };
}

function legacyObject(context: StoreContext, address: ObjectAddress, facts: BackendFacts): LegacyObject {
  const { legacy } = context.store;
  const allowed = legacy.kind === 'allow' || (legacy.kind === 'before' && Date.parse(facts.lastModified) < legacy.time);
  if (!allowed) {
    throw new S3Error(
      'AccessDenied',
      'The object is not encrypted, and this endpoint is set to refuse such objects (SEALGATE_LEGACY).',
    );
  }
  return { kind: 'legacy', address, facts, size: facts.size, etag: facts.etag.replaceAll('"', '') };
}

function refuseForeign(context: StoreContext, address: ObjectAddress, owner: string | undefined): void {
  if (owner === context.tenant.id) return;
  report(context, address, 'foreign-object', 'an object of another tenant was asked for');
  throw new S3Error('AccessDenied', undefined, { cause: new ForeignObject("The object is another tenant's.") });
}

/** Anything that shows a damaged or forged object becomes one error and one security event. */
export function asObjectFailure(context: StoreContext, address: ObjectAddress, error: unknown): unknown {
  if (!(error instanceof FormatError) && !(error instanceof MalformedSealedObject)) return error;
  report(
    context,
    address,
    error instanceof MalformedSealedObject ? 'metadata-tampered' : 'object-tampered',
    `${error.code}: ${error.message}`,
  );
  return new S3Error(
    'InternalError',
    'The stored object is damaged or was altered: its contents could not be authenticated.',
    {
      cause: error,
    },
  );
}

function report(
  context: StoreContext,
  address: ObjectAddress,
  kind: 'foreign-object' | 'object-tampered' | 'metadata-tampered',
  detail: string,
): void {
  reportObject(context, { kind, detail, bucket: address.bucket, key: address.key });
}

/** The client's error for a backend reply that is not the wanted one. Consumes the body. */
export async function failureOf(
  response: BackendResponse,
  context: { operation: string; bucket?: string; key?: string; versionId?: string | undefined },
): Promise<S3Error> {
  return backendFailure(await readErrorResponse(response), context);
}
