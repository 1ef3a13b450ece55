/**
 * A stored object, understood: what the backend says of it, and what its sealed attributes say once opened. Everything a
 * client is told (size, ETag, headers) comes from here, never from the backend's own numbers.
 */
import type { EarlyAttributes, LateAttributes } from '../../crypto/attributes.ts';
import type { DataKey } from '../../crypto/data-key.ts';
import type { Layout } from '../../crypto/layout.ts';
import type { BackendHeaders } from './stored-metadata.ts';

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
  /** As clients are told it, unquoted. */
  readonly etag: string;
  /** The form of the other mode, which conditions accept too. */
  readonly otherEtag: string;
  readonly early: EarlyAttributes;
  readonly late: LateAttributes;
  /** Bytes of the part table, and of the whole footer with its pad; 0 in layout 0. */
  readonly tableBytes: number;
  readonly footerBytes: number;
}

export interface LegacyObject {
  readonly kind: 'legacy';
  readonly address: ObjectAddress;
  readonly facts: BackendFacts;
  readonly size: number;
  readonly etag: string;
  readonly otherEtag?: undefined;
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
