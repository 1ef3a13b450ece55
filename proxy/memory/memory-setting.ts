/** The number of serving processes where none is set, and the memory budget of each: from the setting, or from the machine. */
import { availableParallelism, totalmem } from 'node:os';
import { DEFAULT_MEMORY_BUDGET_BYTES, MEMORY_BUDGET_DIVISOR, MIN_MEMORY_BUDGET_BYTES } from '../limits.ts';
import { AUTO_WORKERS, WORKER_MEMORY_BYTES } from '../running-limits.ts';

const SIZE = /^(\d{1,7})(MiB|GiB)$/;

/** Bytes for one of `workers` processes out of a size for all of them: `512MiB`, `2GiB`. `refused` when it cannot be meant. */
export function memoryShare(text: string | undefined, workers: number): number | undefined | 'refused' {
  if (text === undefined) return undefined;
  const [, digits = '', unit] = SIZE.exec(text) ?? [];
  const share = Math.floor((Number(digits) * (unit === 'GiB' ? 2 ** 30 : 2 ** 20)) / workers);
  return unit !== undefined && share >= MIN_MEMORY_BUDGET_BYTES ? share : 'refused';
}

/** Budget of one of `workers` processes where none is set, in bytes: a share of the machine's memory, or the container's. */
export function defaultMemoryBytes(workers: number, available: number = availableMemory()): number {
  const share = Math.floor(available / MEMORY_BUDGET_DIVISOR / workers);
  return Math.max(MIN_MEMORY_BUDGET_BYTES, Math.min(DEFAULT_MEMORY_BUDGET_BYTES, share));
}

/**
 * Workers where their number is not set. `parallelism`: what the process may use, a container's quota counted; `available`:
 * bytes of memory. A memory budget that is set is shared by them, and each needs the least that one may have.
 */
export function defaultWorkers(
  memory: string | undefined,
  {
    parallelism = availableParallelism(),
    available = availableMemory(),
  }: { parallelism?: number; available?: number } = {},
): number {
  const budget = memoryShare(memory, 1);
  const budgets = typeof budget === 'number' ? Math.floor(budget / MIN_MEMORY_BUDGET_BYTES) : AUTO_WORKERS;
  return Math.max(1, Math.min(AUTO_WORKERS, parallelism, budgets, Math.floor(available / WORKER_MEMORY_BYTES)));
}

/** For a container without a limit the number is 0, or larger than the machine. */
function availableMemory(): number {
  const constrained = process.constrainedMemory();
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}
