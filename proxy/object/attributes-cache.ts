/**
 * Opened attributes that cannot change under one backend version: size, ETag, checksums, part table. The key names the
 * tenant and everything the backend says of the version. User metadata and content headers are never cached: a copy of an
 * object onto itself changes them and keeps the backend's ETag.
 */
import { hash } from 'node:crypto';
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
  /** Unquoted. In the cache always the one of md5 mode, since the mode of a bucket can change. */
  readonly etag: string;
  readonly checksums: readonly { readonly algorithm: string; readonly type: string }[];
}

/** An opened footer. */
export interface FooterAttributes {
  readonly late: LateAttributes;
  /** Only when the early attributes did not fit the metadata. */
  readonly early?: EarlyAttributes | undefined;
  readonly locator: Locator;
  /** Of the data key and the header that it opened under: a hit counts for these only. */
  readonly commitment: Buffer;
  readonly binding: Buffer;
}

interface Entry {
  footer?: FooterAttributes | undefined;
  table?: readonly PartEntry[] | undefined;
  /** A legacy object that was looked at and does not begin like a sealed one. */
  isPlain?: true | undefined;
}

export class AttributesCache {
  readonly #entries: LRUCache<string, Entry>;
  /** Attributes for listings are many and small: they have a cache of their own, packed as text. */
  readonly #listed: LRUCache<string, string>;

  /** `bytes`: of memory for footers and part tables; `listedBytes`: for what listings show. */
  constructor(o: { bytes: number; listedBytes: number }) {
    this.#entries = new LRUCache({ maxSize: o.bytes, sizeCalculation: estimatedBytes });
    this.#listed = new LRUCache({
      maxSize: o.listedBytes,
      sizeCalculation: (packed) => LISTED_ENTRY_BYTES + packed.length,
    });
  }

  get(version: VersionIdentity): Readonly<Entry> | undefined {
    return this.#entries.get(versionName(version));
  }

  /** Adds what is given to what is known of the version. */
  add(version: VersionIdentity, known: Readonly<Entry>): void {
    const name = versionName(version);
    this.#entries.set(name, { ...this.#entries.get(name), ...known });
  }

  listed(version: VersionIdentity): ListedAttributes | undefined {
    const packed = this.#listed.get(versionName(version));
    return packed === undefined ? undefined : unpack(packed);
  }

  addListed(version: VersionIdentity, attributes: ListedAttributes): void {
    this.#listed.set(versionName(version), pack(attributes));
  }
}

/** Roughly what an entry costs, as the heap shows it; a part table is what makes one large. */
function estimatedBytes(entry: Entry): number {
  const footer = entry.footer === undefined ? 0 : FOOTER_ENTRY_BYTES;
  return ENTRY_BYTES + footer + (entry.table?.length ?? 0) * TABLE_ROW_BYTES;
}

const ENTRY_BYTES = 300;
const LISTED_ENTRY_BYTES = 150;
const FOOTER_ENTRY_BYTES = 1_500;
const TABLE_ROW_BYTES = 500;

/** Size, kinds of checksums, ETag. The ETag stands last, since it may hold any character. */
function pack({ size, etag, checksums }: ListedAttributes): string {
  const kinds = checksums.map(({ algorithm, type }) => `${algorithm}:${type}`).join();
  // Through bytes: a text that was put together would hold on to its pieces.
  return Buffer.from(`${size} ${kinds} ${etag}`).toString();
}

function unpack(packed: string): ListedAttributes {
  const [afterSize, afterKinds] = [packed.indexOf(' '), packed.indexOf(' ', packed.indexOf(' ') + 1)];
  const kinds = packed.slice(afterSize + 1, afterKinds);
  return {
    size: Number(packed.slice(0, afterSize)),
    etag: packed.slice(afterKinds + 1),
    checksums: kinds === '' ? [] : kinds.split(',').map(kindOf),
  };
}

function kindOf(text: string): ListedAttributes['checksums'][number] {
  const [algorithm = '', type = ''] = text.split(':');
  return { algorithm, type };
}

/** A short text for each version, and no two have the same. */
export function versionName(version: VersionIdentity): string {
  const { tenant, bucket, key, lastModified, size } = version;
  const time = typeof lastModified === 'string' ? Date.parse(lastModified) : lastModified.getTime();
  const etag = version.etag.replaceAll('"', '');
  const name = `${tenant}\0${bucket}\0${key}\0${etag}\0${Math.floor(time / 1000)}\0${size}`;
  return hash('sha256', name, 'binary');
}
