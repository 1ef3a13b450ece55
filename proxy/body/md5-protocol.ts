/** What passes between a process and its MD5 threads. The bytes themselves lie in shared memory. */

export type ToMd5Thread =
  /** Begins a stream. */
  | { readonly id: number; readonly blocks: readonly SharedArrayBuffer[] }
  /** The next `bytes` bytes of the stream are the beginning of a block, which the thread has until it gives it back. */
  | { readonly id: number; readonly block: number; readonly bytes: number }
  | { readonly id: number; readonly end: true };

export type FromMd5Thread =
  | { readonly id: number; readonly free: number }
  /** Ends the stream: nothing of its blocks is read any more. */
  | { readonly id: number; readonly md5: Uint8Array };
