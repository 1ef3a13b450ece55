/** What the benchmark tells its sink, and what it asks, over the channel between the two processes. */

export type SinkCommand =
  | { readonly id: number; readonly kind: 'delay'; readonly ms: number }
  | { readonly id: number; readonly kind: 'counts' }
  | { readonly id: number; readonly kind: 'touch'; readonly bucket: string; readonly prefix: string };

/** Answers to the command with that id: requests by operation since last asked for, or objects touched. */
export interface SinkAnswer {
  readonly id: number;
  readonly counts?: Readonly<Record<string, number>>;
  readonly touched?: number;
}

/** The first message: where it listens. */
export interface SinkReady {
  readonly port: number;
  readonly tlsPort: number | undefined;
}
