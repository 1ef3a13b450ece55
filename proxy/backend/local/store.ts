/** What every operation works with. */
import type { BlobFiles } from './blobs.ts';
import type { IndexReader } from './index-reader.ts';
import type { Writer } from './writer.ts';

export interface Store {
  readonly index: IndexReader;
  readonly writer: Writer;
  readonly blobs: BlobFiles;
  /** Milliseconds since 1970. */
  now(): number;
}
