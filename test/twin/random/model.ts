/**
 * What the generator remembers of what it asked for, so that conditions, versions, parts and ranges are about things that are
 * there about half of the time. It guesses what a write does and may be wrong: replies are compared with replies, not with it.
 */
import type { Algorithm } from '../../helpers/reference-checksums.ts';
import type { StoreName } from '../difference.ts';
import type { Dice } from './dice.ts';

export interface KnownObject {
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
  readonly parts: number;
}

export interface KnownPart {
  readonly size: number;
  readonly etag: string;
}

export interface KnownUpload {
  /** The upload id is saved under this name. */
  readonly name: string;
  readonly key: string;
  readonly checksum: Algorithm | undefined;
  readonly parts: Map<number, KnownPart>;
  isOver: boolean;
}

export interface KnownVersion {
  readonly key: string;
  /** The version id is saved under this name. */
  readonly name: string;
}

/** Of nothing that a sequence stores. */
const NO_ETAG = '0123456789abcdef0123456789abcdef';

export type Versioning = 'Enabled' | 'Suspended' | undefined;

export class Model {
  readonly store: StoreName;
  readonly dice: Dice;
  readonly versioning: Versioning;
  readonly keys: readonly string[];
  readonly objects = new Map<string, KnownObject>();
  readonly uploads: KnownUpload[] = [];
  readonly versions: KnownVersion[] = [];
  /** Of objects that were overwritten or deleted. */
  readonly oldEtags: string[] = ['d41d8cd98f00b204e9800998ecf8427e'];
  #saved = 0;
  /** A copy of an object of parts has another ETag on either side: from then on no such ETag is compared. */
  #hasCopied = false;

  constructor(o: { store: StoreName; dice: Dice; versioning: Versioning; keys: readonly string[] }) {
    this.store = o.store;
    this.dice = o.dice;
    this.versioning = o.versioning;
    this.keys = o.keys;
  }

  /** A name to save something under, of its own. */
  name(kind: string): string {
    this.#saved += 1;
    return `${kind}${this.#saved}`;
  }

  /** A key: mostly one that holds an object, when `likely` says so. */
  key(likely: 'there' | 'any' = 'any'): string {
    const there = [...this.objects.keys()];
    if (likely === 'there' && there.length > 0 && this.dice.percent(90)) return this.dice.pick(there);
    return this.dice.pick(this.keys);
  }

  stored(key: string, object: KnownObject): void {
    const before = this.objects.get(key);
    if (before !== undefined) this.oldEtags.push(before.etag);
    this.objects.set(key, object);
  }

  copied(key: string, source: KnownObject | undefined): void {
    this.#hasCopied = true;
    if (source !== undefined) this.stored(key, source.etag.includes('-') ? { ...source, etag: NO_ETAG } : source);
  }

  removed(key: string): void {
    const before = this.objects.get(key);
    if (before !== undefined) this.oldEtags.push(before.etag);
    this.objects.delete(key);
  }

  /** An ETag to compare with: that of the key, or another; quoted or not. */
  etag(key: string): string {
    const own = this.objects.get(key)?.etag;
    const asked = own !== undefined && this.dice.percent(60) ? own : this.dice.pick(this.oldEtags);
    const etag = this.#hasCopied && asked.includes('-') ? NO_ETAG : asked;
    return this.dice.percent(85) ? `"${etag}"` : etag;
  }

  /** `versionId` as a query parameter, rarely; in a bucket with versions often. */
  versionOf(key: string): readonly (readonly [string, string])[] {
    const own = this.versions.filter((version) => version.key === key);
    if (this.versioning === undefined || !this.dice.percent(35)) return [];
    if (own.length === 0 || this.dice.percent(10)) return [['versionId', 'null']];
    return [['versionId', `{{${this.dice.pick(own).name}}}`]];
  }

  /** What a write saves: the version that it made. Nothing, when it will probably fail. */
  saveVersion(key: string, isLikely: boolean): { readonly save?: Readonly<Record<string, string>> } {
    if (this.versioning !== 'Enabled' || !isLikely) return {};
    const name = this.name('version');
    this.versions.push({ key, name });
    return { save: { [name]: 'header:x-amz-version-id' } };
  }

  upload(): KnownUpload | undefined {
    const open = this.uploads.filter(({ isOver }) => !isOver);
    if (open.length > 0 && this.dice.percent(90)) return this.dice.pick(open);
    return this.uploads.length === 0 ? undefined : this.dice.pick(this.uploads);
  }
}
