/**
 * Rows of a listing in the form in which stores usually write them, read without a tree: the tree costs half of a cold page. A
 * document with anything unusual in a row (entities, other elements, another order, white space between elements) is left to the
 * general reader as a whole.
 */

/** The text of a row's elements, as written. No text has an entity in it. */
export interface PlainRowText {
  readonly key: string;
  readonly lastModified: string;
  /** Without quotes. */
  readonly etag: string;
  readonly size: string;
  readonly storageClass: string | undefined;
  /** Of an owner, who is there when the id is. */
  readonly ownerId: string | undefined;
  readonly ownerName: string | undefined;
}

export interface PlainRows {
  readonly rows: readonly PlainRowText[];
  /** The document without its rows. */
  readonly rest: string;
}

const QUOTE = '(?:&quot;|&#34;|")';
const OWNER = '(?:<Owner><ID>([^<&]*)</ID><DisplayName>([^<&]*)</DisplayName></Owner>)?';
const ROW = new RegExp(
  [
    '<Contents><Key>([^<&]+)</Key><LastModified>([^<&]+)</LastModified>',
    `<ETag>${QUOTE}([^<&"]+)${QUOTE}</ETag>`,
    '(?:<ChecksumAlgorithm>[^<&]*</ChecksumAlgorithm>)*(?:<ChecksumType>[^<&]*</ChecksumType>)?',
    `<Size>(\\d{1,15})</Size>${OWNER}(?:<StorageClass>([^<&]*)</StorageClass>)?</Contents>`,
  ].join(''),
  'y',
);

/** `undefined`: there are no rows, or not all of them are plain, one behind the other. */
export function plainRowsOf(document: string): PlainRows | undefined {
  const start = document.indexOf('<Contents>');
  if (start < 0 || document.includes('<!')) return undefined;
  const rows: PlainRowText[] = [];
  let end = start;
  while (document.startsWith('<Contents>', end)) {
    ROW.lastIndex = end;
    const found = ROW.exec(document);
    if (found === null) return undefined;
    const [whole, key = '', lastModified = '', etag = '', size = '', ownerId, ownerName, storageClass] = found;
    rows.push({ key, lastModified, etag, size, storageClass, ownerId, ownerName });
    end += whole.length;
  }
  const rest = document.slice(0, start) + document.slice(end);
  return rest.includes('Contents>') ? undefined : { rows, rest };
}
