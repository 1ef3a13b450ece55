/** What a process hands to the one that writes the log: events of a moment, packed. */
export interface Block {
  readonly events: number;
  /** Times of the first and the last event. */
  readonly first: string;
  readonly last: string;
  /** A gzip member of JSON lines. */
  readonly packed: Buffer;
  /** Somebody waits for it. */
  readonly urgent: boolean;
}

/** Resolves when the block is written, however long that takes. Rejects when it never will be. */
export type WriteBlock = (block: Block) => Promise<void>;
