/**
 * What the sink keeps: objects in memory, one body for each key, with a bound on all of them. A body under a key that
 * begins with `drop/` is forgotten as it arrives; only its size and headers stay.
 */

/** Keys under this prefix keep no body. */
export const DROPPED_PREFIX = 'drop/';
/** Bytes of bodies in memory: two objects of 1 GiB, and all that a run keeps beside them. */
export const SINK_MEMORY_BYTES = 6 * 1024 ** 3;

export interface StoredObject {
  /** Bytes, also of a body that was dropped. */
  readonly size: number;
  /** Without quotes. */
  readonly etag: string;
  readonly modified: Date;
  /** Header lines that come back with it, each with its line end. */
  readonly headers: string;
  /** `undefined`: dropped. */
  readonly body: readonly Buffer[] | undefined;
}

interface Bucket {
  readonly objects: Map<string, StoredObject>;
  /** Keys in order of their bytes; made when a listing asks for it. */
  sorted: readonly string[] | undefined;
}

export class SinkFull extends Error {}

export class SinkStore {
  readonly #buckets = new Map<string, Bucket>();
  #bytes = 0;
  #etags = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Like an MD5 in its form. It is none: a sink reads nothing. */
  nextEtag(): string {
    this.#etags += 1;
    return this.#etags.toString(16).padStart(32, '0');
  }

  hasBucket(bucket: string): boolean {
    return this.#buckets.has(bucket);
  }

  makeBucket(bucket: string): void {
    if (!this.hasBucket(bucket)) this.#buckets.set(bucket, { objects: new Map(), sorted: [] });
  }

  get(bucket: string, key: string): StoredObject | undefined {
    return this.#buckets.get(bucket)?.objects.get(key);
  }

  /** @throws SinkFull */
  put(bucket: string, key: string, object: StoredObject): void {
    this.makeBucket(bucket);
    const found = this.#buckets.get(bucket);
    if (found === undefined) return;
    const before = found.objects.get(key);
    this.reserve(heldBytes(object) - heldBytes(before));
    found.objects.set(key, object);
    if (before === undefined) found.sorted = undefined;
  }

  delete(bucket: string, key: string): void {
    const found = this.#buckets.get(bucket);
    const before = found?.objects.get(key);
    if (found === undefined || before === undefined) return;
    this.#bytes -= heldBytes(before);
    found.objects.delete(key);
    found.sorted = undefined;
  }

  /** Counts bytes that are held outside objects, such as parts. @throws SinkFull */
  reserve(bytes: number): void {
    if (this.#bytes + bytes > SINK_MEMORY_BYTES) throw new SinkFull('the sink is full');
    this.#bytes += bytes;
  }

  /** In the order of their bytes, as S3 lists them. */
  keys(bucket: string): readonly string[] {
    const found = this.#buckets.get(bucket);
    if (found === undefined) return [];
    found.sorted ??= [...found.objects.keys()].sort(byBytes);
    return found.sorted;
  }

  /** New ETags and times for everything below `prefix`: to whoever caches by them, these are objects never seen. */
  touch(bucket: string, prefix: string): number {
    const objects = this.#buckets.get(bucket)?.objects ?? new Map<string, StoredObject>();
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix));
    for (const key of keys) {
      const object = objects.get(key);
      if (object !== undefined) objects.set(key, { ...object, etag: this.nextEtag(), modified: new Date() });
    }
    return keys.length;
  }
}

function heldBytes(object: StoredObject | undefined): number {
  return object?.body === undefined ? 0 : object.size;
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
