/**
 * One page of a listing: rows in key order, those that share a common prefix rolled up into it. The rest of a common prefix
 * is skipped by seeking past it, so a page costs as many seeks as it has entries, however many keys lie beneath them.
 * S3: ListObjectsV2, "prefix" and "delimiter".
 */

/** Opens the rows at keys equal to or above `from`, in order. */
type Seek<Row> = (from: Uint8Array) => Iterable<Row>;

export type Entry<Row> = { readonly row: Row } | { readonly commonPrefix: Buffer };

export interface Page<Row> {
  readonly entries: readonly Entry<Row>[];
  /** There is a further entry after the last one. */
  readonly truncated: boolean;
}

export interface Walk<Row> {
  readonly seek: Seek<Row>;
  readonly prefix: Buffer;
  /** Empty: nothing is rolled up. */
  readonly delimiter: Buffer;
  /** Where the page starts: see `startAfter`. */
  readonly from: Uint8Array;
  /** Rows to come before those of `from`: what is left of a key at which the last page stopped. */
  readonly first?: Iterable<Row>;
  /** Entries at most. */
  readonly limit: number;
}

export function walk<Row extends { readonly key: Uint8Array }>(o: Walk<Row>): Page<Row> {
  const entries: Entry<Row>[] = [];
  if (o.limit === 0) return { entries, truncated: false };
  let source = o.first;
  let from: Uint8Array | undefined = o.from;
  while (source !== undefined || from !== undefined) {
    const rows: Iterable<Row> = source ?? o.seek(from ?? o.from);
    if (source === undefined) from = undefined;
    source = undefined;
    for (const row of rows) {
      const key = asBuffer(row.key);
      if (!startsWith(key, o.prefix)) {
        from = undefined;
        break;
      }
      if (entries.length === o.limit) return { entries, truncated: true };
      const commonPrefix = rolledUp(key, o);
      if (commonPrefix !== undefined) {
        entries.push({ commonPrefix });
        from = successor(commonPrefix);
        break;
      }
      entries.push({ row });
    }
  }
  return { entries, truncated: false };
}

/** The first key that may follow `marker`; a marker that is itself a common prefix is followed by what lies after it. */
export function startAfter(marker: Buffer, o: { readonly prefix: Buffer; readonly delimiter: Buffer }): Buffer {
  if (marker.length === 0) return o.prefix;
  const rolled = startsWith(marker, o.prefix) ? rolledUp(marker, o) : undefined;
  if (rolled?.equals(marker)) return successor(marker);
  const next = Buffer.concat([marker, Buffer.of(0)]);
  return Buffer.compare(next, o.prefix) < 0 ? o.prefix : next;
}

function rolledUp(key: Buffer, o: { readonly prefix: Buffer; readonly delimiter: Buffer }): Buffer | undefined {
  if (o.delimiter.length === 0) return undefined;
  const at = key.indexOf(o.delimiter, o.prefix.length);
  return at < 0 ? undefined : key.subarray(0, at + o.delimiter.length);
}

/** The least byte string above everything that begins with `prefix`: UTF-8 has no byte 0xff, so the last one has room. */
function successor(prefix: Buffer): Buffer {
  const next = Buffer.from(prefix);
  next[next.length - 1] = (next[next.length - 1] ?? 0) + 1;
  return next;
}

function startsWith(key: Buffer, prefix: Buffer): boolean {
  return key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
