/** What a store can do, as it was found out (probe.ts), or as a store that is part of this program knows. */

export interface Capabilities {
  /** PUT with If-None-Match: * creates at most once, raced too. */
  readonly conditionalPut: boolean;
  /** PUT with If-Match replaces only that ETag, raced too: compare-and-swap. */
  readonly conditionalPutIfMatch: boolean;
  /** DELETE with If-Match. */
  readonly conditionalDelete: boolean;
  /** CopyObject with If-None-Match / If-Match on the destination. */
  readonly conditionalCopy: boolean;
  /** CopyObject with x-amz-copy-source-if-match, which pins what is copied. */
  readonly conditionalCopySource: boolean;
  /** CompleteMultipartUpload with If-None-Match / If-Match. */
  readonly conditionalComplete: boolean;
  /** The bucket's versioning state can be asked for. */
  readonly versioning: boolean;
  /** All parts but the last must have the same size. */
  readonly equalParts: boolean;
  /** A copy of an object onto itself replaces its metadata. */
  readonly replaceMetadata: boolean;
  /** Content-MD5 is compared with the body. */
  readonly contentMd5: boolean;
  /** x-amz-checksum-crc32c is compared with the body. */
  readonly crc32c: boolean;
  /** A body cut short of its Content-Length is not stored. Without that no streamed upload is safe. */
  readonly discardsCutBodies: boolean;
  /** Listings show metadata when they are asked to. */
  readonly listsMetadata: boolean;
}

/** Of a store that was not probed: reading objects asks nothing of what a store can do. */
export const NO_CAPABILITIES: Capabilities = {
  conditionalPut: false,
  conditionalPutIfMatch: false,
  conditionalDelete: false,
  conditionalCopy: false,
  conditionalCopySource: false,
  conditionalComplete: false,
  versioning: false,
  equalParts: false,
  replaceMetadata: false,
  contentMd5: false,
  crc32c: false,
  discardsCutBodies: false,
  listsMetadata: false,
};

const LABELS: { readonly [name in keyof Capabilities]: string } = {
  conditionalPut: 'PUT If-None-Match',
  conditionalPutIfMatch: 'PUT If-Match',
  conditionalDelete: 'DELETE If-Match',
  conditionalCopy: 'copy If-Match',
  conditionalCopySource: 'copy-source If-Match',
  conditionalComplete: 'Complete If-Match',
  versioning: 'versioning',
  equalParts: 'equal parts wanted',
  replaceMetadata: 'metadata replaced in place',
  contentMd5: 'Content-MD5 checked',
  crc32c: 'CRC32C checked',
  discardsCutBodies: 'cut bodies discarded',
  listsMetadata: 'metadata in listings',
};

/** One line for the start banner: `yes: ...; no: ...`. */
export function describeCapabilities(c: Capabilities): string {
  const names = Object.keys(LABELS) as (keyof Capabilities)[];
  const list = (value: boolean) => names.filter((name) => c[name] === value).map((name) => LABELS[name]);
  return `yes: ${list(true).join(', ') || '-'}; no: ${list(false).join(', ') || '-'}`;
}
