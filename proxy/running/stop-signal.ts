/** Signals that stop a server, and the wait between the first word of a stop and the last connection that is taken. */
import { setTimeout } from 'node:timers/promises';

/** Resolves with the next one. Afterwards a further signal does what it does by default, unless somebody waits for it again. */
export function stopSignal(): Promise<'SIGTERM' | 'SIGINT'> {
  return new Promise((resolve) => {
    const stop = (signal: 'SIGTERM' | 'SIGINT') => {
      process.off('SIGTERM', stop).off('SIGINT', stop);
      resolve(signal);
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
  });
}

/**
 * Waits while load balancers notice that this server is no longer ready. A user at a terminal (SIGINT), and the sender of a second
 * signal, do not want to wait.
 */
export async function drainDelay(signal: 'SIGTERM' | 'SIGINT', ms: number): Promise<void> {
  if (signal === 'SIGINT' || ms === 0) return;
  await Promise.race([setTimeout(ms), stopSignal()]);
}
