/** Connections that Sealgate itself cut: neither the client nor the store is to be blamed for what then failed. */
import type { ServerResponse } from 'node:http';

export type OwnCut = 'shutdown' | 'longest-write';

const cuts = new WeakMap<ServerResponse, OwnCut>();

/** To be called before the connection of a reply is destroyed. */
export function noteOwnCut(outgoing: ServerResponse, reason: OwnCut): void {
  if (!outgoing.writableFinished) cuts.set(outgoing, reason);
}

export function ownCutOf(outgoing: ServerResponse): OwnCut | undefined {
  return cuts.get(outgoing);
}
