/**
 * No request writes for longer than LONGEST_WRITE_SECONDS. It wraps its data key under the root key that was current when it
 * began, and that root key may be given up after a deep rotation once LONGEST_REQUEST_SECONDS have passed (docs/rotation.md):
 * an object that was stored later would be lost. So its connection is cut, which stores nothing.
 */
import type { ServerResponse } from 'node:http';
import { noteOwnCut } from './own-cuts.ts';

/** Cuts the reply after `ms` milliseconds. A reply that is sent whole by then is left alone. */
export function cutAfter(outgoing: ServerResponse, ms: number): void {
  const cut = () => {
    noteOwnCut(outgoing, 'longest-write');
    outgoing.destroy();
  };
  const timer = setTimeout(cut, ms).unref();
  const done = () => clearTimeout(timer);
  outgoing.once('finish', done).once('close', done);
}
