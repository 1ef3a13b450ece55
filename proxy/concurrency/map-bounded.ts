/** Work on many things at once, within a bound: a list whole, or a stream as it comes. */
import { setImmediate } from 'node:timers/promises';

/** `map` over promises with at most `atOnce` of them under way; results in order; the first rejection rejects the whole. */
export async function mapBounded<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  return results;
}

/** `work` on each item of a stream with at most `atOnce` of them under way; the first rejection stops it and is thrown. */
export async function eachBounded<T>(
  items: AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.asyncIterator]();
  let stopped = false;
  let turn: Promise<unknown> = Promise.resolve();
  // Reads one item at a time: not every iterator accepts several calls at once.
  const next = () => {
    const step = turn.then(() => iterator.next());
    turn = step.catch(() => undefined);
    return step;
  };
  const worker = async () => {
    try {
      for (let step = await next(); step.done !== true && !stopped; step = await next()) {
        await work(step.value);
        // A store in this process may answer without waiting. Signals and timers must still get their turn.
        await setImmediate();
      }
    } catch (error) {
      stopped = true;
      throw error;
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, worker));
  } finally {
    stopped = true;
    await turn;
    await iterator.return?.();
  }
}
