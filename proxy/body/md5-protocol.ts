/** The messages between a process and its MD5 threads. The bytes themselves lie in shared memory. */

export type ToMd5Thread =
  /** Begins a stream. */
  | { readonly id: number; readonly blocks: readonly SharedArrayBuffer[] }
  /**
   * The first `bytes` bytes of the block are the next ones of the stream. The block belongs to the thread until the thread returns
   * it.
   */
  | { readonly id: number; readonly block: number; readonly bytes: number }
  | { readonly id: number; readonly end: true };

export type FromMd5Thread =
  | { readonly id: number; readonly free: number }
  /** Ends the stream: the thread reads none of its blocks any more. */
  | { readonly id: number; readonly md5: Uint8Array };
