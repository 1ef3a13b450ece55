/** What a CopyObject asks for beside its source, and what comes of it. */
import type { Checksum } from '../../crypto/attributes.ts';
import type { ChecksumName } from '../body/checksums.ts';
import type { ClientAttributes } from './client-attributes.ts';
import type { ReadConditions, WriteConditions } from './conditions.ts';
import type { StoreContext } from './context.ts';
import type { Moved } from './move-stored.ts';
import type { ObjectAddress, StoredObject } from './stored-object.ts';
import type { WriteKind } from './write-conditions.ts';

export interface CopyDirectives {
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
  /** For requests about the source, whose bucket may have another owner. */
  readonly sourceContext: StoreContext;
  readonly sourceConditions: ReadConditions | undefined;
  readonly target: ObjectAddress;
  readonly directives: CopyDirectives;
  /** Of a copy that takes tags along: throws when the source has tags which the caller may not copy. Absent: the caller may. */
  readonly requireTags?: ((context: StoreContext, source: StoredObject) => Promise<void>) | undefined;
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

/** Whether a copy of an object onto itself would change anything (S3 API reference, CopyObject). */
export function changesSomething(directives: CopyDirectives, storedClass: string): boolean {
  const { storage } = directives;
  return (
    directives.attributes !== undefined ||
    directives.checksum !== undefined ||
    storage['x-amz-website-redirect-location'] !== undefined ||
    Object.keys(storage).some((name) => name.startsWith('x-amz-server-side-encryption')) ||
    (storage['x-amz-storage-class'] ?? storedClass) !== storedClass
  );
}
