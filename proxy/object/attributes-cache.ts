/**
 * Opened attributes that cannot change under one backend version: size, ETag, checksums, part table. The key names the
 * tenant and everything the backend says of the version. User metadata and content headers are never cached: a copy of an
 * object onto itself changes them and keeps the backend's ETag.
 */
import { LRUCache } from 'lru-cache';
import type { EarlyAttributes, LateAttributes } from '../../crypto/attributes.ts';
import type { Locator, PartEntry } from '../../crypto/footer.ts';

/** One stored version, as LIST, HEAD and GET of the backend all describe it. */
export interface VersionIdentity {
  readonly tenant: string;
  readonly bucket: string;
  readonly key: string;
  /** As the backend gives it. */
  readonly etag: string;
  /** A time, or an HTTP date: compared by the second. */
  readonly lastModified: string | Date;
  /** Ciphertext bytes. */
  readonly size: number;
}

/** What a listing shows of a version. `sealed` is absent for legacy objects. */
export interface ListedAttributes {
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
  readonly checksums: readonly { readonly algorithm: string; readonly type: string }[];
}

/** An opened footer. */
export interface FooterAttributes {
  readonly late: LateAttributes;
  /** Only when the early attributes did not fit the metadata. */
  readonly early?: EarlyAttributes | undefined;
  readonly locator: Locator;
  /** Of the data key it opened under: a hit counts for that key only. */
  readonly commitment: Buffer;
}

interface Entry {
  listed?: ListedAttributes | undefined;
  footer?: FooterAttributes | undefined;
  table?: readonly PartEntry[] | undefined;
  /** A legacy object that was looked at and does not begin like a sealed one. */
  isPlain?: true | undefined;
}

export class AttributesCache {
  readonly #entries: LRUCache<string, Entry>;

  constructor(o: { bytes: number }) {
    this.#entries = new LRUCache({ maxSize: o.bytes, sizeCalculation: estimatedBytes });
  }

  get(version: VersionIdentity): Readonly<Entry> | undefined {
    return this.#entries.get(versionName(version));
  }

  /** Adds what is given to what is known of the version. */
  add(version: VersionIdentity, known: Readonly<Entry>): void {
    const name = versionName(version);
    this.#entries.set(name, { ...this.#entries.get(name), ...known });
  }

  /** The same for what a listing shows, unless it is known. */
  addListed(version: VersionIdentity, { size, etag, checksums }: ListedAttributes): void {
    const name = versionName(version);
    const entry = this.#entries.get(name);
    if (entry?.listed?.etag === etag) return;
    this.#entries.set(name, { ...entry, listed: { size, etag, checksums: sharedKinds(checksums) } });
  }
}

/** Objects of few kinds are many: those of one kind share what says so. */
const kinds = new Map<string, ListedAttributes['checksums']>();

function sharedKinds(checksums: ListedAttributes['checksums']): ListedAttributes['checksums'] {
  const name = checksums.map(({ algorithm, type }) => `${algorithm} ${type}`).join();
  const known = kinds.get(name);
  if (known !== undefined) return known;
  const kind = checksums.map(({ algorithm, type }) => ({ algorithm, type }));
  if (kinds.size < MOST_KINDS) kinds.set(name, kind);
  return kind;
}

/** More than there are algorithms and types; what a damaged object names must not fill the memory. */
const MOST_KINDS = 100;

/** Roughly what an entry costs, as the heap shows it; a part table is what makes one large. */
function estimatedBytes(entry: Entry, name: string): number {
  const footer = entry.footer === undefined ? 0 : FOOTER_ENTRY_BYTES;
  return ENTRY_BYTES + name.length + footer + (entry.table?.length ?? 0) * TABLE_ROW_BYTES;
}

const ENTRY_BYTES = 680;
const FOOTER_ENTRY_BYTES = 1_500;
const TABLE_ROW_BYTES = 500;

/** One text for each version. */
export function versionName(version: VersionIdentity): string {
  const { tenant, bucket, key, lastModified, size } = version;
  const time = typeof lastModified === 'string' ? Date.parse(lastModified) : lastModified.getTime();
  const etag = version.etag.replaceAll('"', '');
  return `${tenant}\0${bucket}\0${key}\0${etag}\0${Math.floor(time / 1000)}\0${size}`;
}
