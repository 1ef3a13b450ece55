/** Ends the processes that it was last told of, and removes their directory, when its parent is gone, however that ended. */
import { rmSync } from 'node:fs';
import { killTrees } from './children.ts';

export interface Guarded {
  readonly pids: readonly number[];
  readonly directory: string;
}

let guarded: Guarded | undefined;

process.on('message', (message: Guarded) => {
  guarded = message;
});
process.once('disconnect', () => {
  if (guarded !== undefined) {
    killTrees(guarded.pids);
    // What was killed may still write: a directory that is not empty is tried again.
    rmSync(guarded.directory, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  }
  process.exit(0);
});
