/** What a CopyObject asks for beside its source, read and checked from the headers alone. */
import type { Checksum } from '../../crypto/attributes.ts';
import { type ChecksumName, checksumName, UNKNOWN_ALGORITHM } from '../body/checksums.ts';
import { S3Error } from '../errors.ts';
import type { S3Request } from '../http/request.ts';
import { type ClientAttributes, clientAttributes, storageHeaders } from './client-headers.ts';
import { type WriteConditions, writeConditions } from './conditions.ts';
import type { Moved } from './move-stored.ts';
import type { ObjectAddress, StoredObject } from './stored-object.ts';
import type { WriteKind } from './write-conditions.ts';

const TAGGING = 'x-amz-tagging';

export interface CopyWishes {
  /** Under the directive REPLACE; absent: the source's. */
  readonly attributes: ClientAttributes | undefined;
  /** Under the directive REPLACE, '' for none; absent: the source's. */
  readonly tagging: string | undefined;
  /** Storage class, ACL, locks and the like, without tags. */
  readonly storage: Readonly<Record<string, string>>;
  readonly conditions: WriteConditions | undefined;
  readonly checksum: ChecksumName | undefined;
}

export interface CopyRequest {
  readonly source: ObjectAddress;
  readonly target: ObjectAddress;
  readonly wishes: CopyWishes;
}

/** What the new object has, for the reply. */
export interface Copied extends Moved {
  readonly source: StoredObject;
  /** Unquoted. */
  readonly etag: string;
  readonly checksums: readonly Checksum[];
  readonly partCount: number;
}

/** Headers of the backend request that carry the condition on the target. */
export type ConditionsFor = (kind: WriteKind) => Promise<Record<string, string>>;

/** @throws S3Error InvalidArgument, InvalidRequest, NotImplemented, MetadataTooLarge */
export function copyWishes(request: S3Request): CopyWishes {
  const { [TAGGING]: tagging = '', ...storage } = storageHeaders(request);
  return {
    attributes: replaces(request, 'x-amz-metadata-directive') ? clientAttributes(request) : undefined,
    tagging: replaces(request, 'x-amz-tagging-directive') ? tagging : undefined,
    storage,
    conditions: writeConditions(request),
    checksum: wantedChecksum(request),
  };
}

function replaces(request: S3Request, name: string): boolean {
  const directive = request.header(name) ?? 'COPY';
  if (directive === 'COPY' || directive === 'REPLACE') return directive === 'REPLACE';
  const what = name === 'x-amz-tagging-directive' ? 'tagging' : 'metadata';
  throw new S3Error('InvalidArgument', `Unknown ${what} directive.`, {
    details: { ArgumentName: name, ArgumentValue: directive },
  });
}

function wantedChecksum(request: S3Request): ChecksumName | undefined {
  const text = request.header('x-amz-checksum-algorithm')?.trim();
  if (text === undefined || text === '') return undefined;
  const algorithm = checksumName(text);
  if (algorithm !== undefined) return algorithm;
  throw new S3Error('InvalidRequest', UNKNOWN_ALGORITHM);
}

/** Whether a copy of `request`'s target onto itself would change anything (S3 API reference, CopyObject). */
export function changesSomething(wishes: CopyWishes, storedClass: string): boolean {
  const { storage } = wishes;
  return (
    wishes.attributes !== undefined ||
    wishes.checksum !== undefined ||
    storage['x-amz-website-redirect-location'] !== undefined ||
    Object.keys(storage).some((name) => name.startsWith('x-amz-server-side-encryption')) ||
    (storage['x-amz-storage-class'] ?? storedClass) !== storedClass
  );
}
