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
    rmSync(guarded.directory, { recursive: true, force: true });
  }
  process.exit(0);
});
