/**
 * A process full of bad connections: so many at once, evenly in all the states of bad-states.ts. One that the server ends is opened
 * anew. Told by a message whom to attack; answers a message with how many it holds, and how many it has opened in each state.
 */
import { setTimeout } from 'node:timers/promises';
import { BAD_STATES, type Victim } from './bad-states.ts';

export interface Attack {
  readonly victim: Victim;
  readonly connections: number;
}

export interface AttackReport {
  /** Connections that the server has not ended. */
  readonly held: number;
  readonly opened: Readonly<Record<string, number>>;
}

/** Milliseconds over which the first connections are spread, and the shortest pause before one is opened anew. */
const SPREAD_MS = 10_000;
const PAUSE_MS = 500;

let held = 0;
const opened: Record<string, number> = {};

async function keep(name: string, victim: Victim): Promise<never> {
  await setTimeout(Math.random() * SPREAD_MS);
  for (;;) {
    try {
      const socket = await BAD_STATES[name]?.(victim);
      if (socket === undefined) throw new Error('no such state');
      opened[name] = (opened[name] ?? 0) + 1;
      held += 1;
      // A half-open socket closes only when it has read the server's end: those that do not read are closed by a reset.
      await new Promise<void>((resolve) => socket.once('close', () => resolve()).once('end', () => resolve()));
      held -= 1;
      // The other half is left open for a while.
      void setTimeout(60_000, undefined, { ref: false }).then(() => socket.destroy());
    } catch {
      // Refused, or gone before it came so far.
    }
    await setTimeout(PAUSE_MS + Math.random() * PAUSE_MS);
  }
}

process.on('message', (message: Attack | 'report') => {
  if (message === 'report') {
    process.send?.({ held, opened } satisfies AttackReport);
    return;
  }
  const names = Object.keys(BAD_STATES);
  for (let i = 0; i < message.connections; i++) void keep(names[i % names.length] ?? '', message.victim);
});
