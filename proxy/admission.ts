/**
 * One budget of memory for all requests of a process. A request reserves everything that it may buffer before it reads its
 * body or asks the backend for anything, and gives it back when its reply is out. When the budget is full, requests wait a
 * short time in a bounded queue, first come first served, and are then refused with SlowDown, which clients repeat.
 *
 * A request takes its whole reservation at once and never asks for more, so none waits while it holds some: no deadlock.
 */
import type { ServerResponse } from 'node:http';
import { S3Error } from './errors.ts';
import { MEMORY_WAIT_MS, MEMORY_WAITING } from './limits.ts';

export interface Reservation {
  /** Bytes held. */
  readonly bytes: number;
  /** Gives them back; further calls do nothing. */
  release(): void;
}

interface Waiting {
  readonly bytes: number;
  admit(reservation: Reservation): void;
}

export class MemoryBudget {
  /** Bytes that all reservations together may take. */
  readonly capacity: number;
  readonly #waitMs: number;
  readonly #maxWaiting: number;
  /** In the order of arrival. */
  readonly #waiting = new Set<Waiting>();
  #reserved = 0;
  #refused = 0;

  constructor(o: { bytes: number; waitMs?: number; maxWaiting?: number }) {
    this.capacity = o.bytes;
    this.#waitMs = o.waitMs ?? MEMORY_WAIT_MS;
    this.#maxWaiting = o.maxWaiting ?? MEMORY_WAITING;
  }

  /** Bytes reserved now. */
  get reserved(): number {
    return this.#reserved;
  }

  /** Requests that wait now. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Requests refused so far. */
  get refused(): number {
    return this.#refused;
  }

  /**
   * At once when there is room and nobody waits. A request that needs more than there is gets all of it, alone.
   * @throws S3Error SlowDown when none came in time or too many wait already; the signal's reason when it is aborted first
   */
  reserve(bytes: number, signal: AbortSignal): Reservation | Promise<Reservation> {
    const wanted = Math.min(bytes, this.capacity);
    if (this.#waiting.size === 0 && this.#fits(wanted)) return this.#take(wanted);
    if (this.#waiting.size >= this.#maxWaiting) throw this.#refusal();
    return this.#wait(wanted, signal);
  }

  #wait(bytes: number, signal: AbortSignal): Promise<Reservation> {
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown) => {
        leave();
        reject(reason);
        // It may have stood in front of smaller ones.
        this.#admitWaiting();
      };
      const onAbort = () => giveUp(signal.reason);
      const timer = setTimeout(() => giveUp(this.#refusal()), this.#waitMs);
      const waiting: Waiting = {
        bytes,
        admit: (reservation) => {
          leave();
          resolve(reservation);
        },
      };
      const leave = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        this.#waiting.delete(waiting);
      };
      if (signal.aborted) {
        clearTimeout(timer);
        reject(signal.reason);
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(waiting);
    });
  }

  #fits(bytes: number): boolean {
    return this.#reserved + bytes <= this.capacity;
  }

  #take(bytes: number): Reservation {
    this.#reserved += bytes;
    let held = true;
    return {
      bytes,
      release: () => {
        if (!held) return;
        held = false;
        this.#reserved -= bytes;
        this.#admitWaiting();
      },
    };
  }

  /** In order: a large one is not overtaken for ever by small ones. */
  #admitWaiting(): void {
    for (const waiting of this.#waiting) {
      if (!this.#fits(waiting.bytes)) return;
      waiting.admit(this.#take(waiting.bytes));
    }
  }

  #refusal(): S3Error {
    this.#refused += 1;
    return new S3Error('SlowDown', undefined, { headers: { 'Retry-After': '1' } });
  }
}

/**
 * Reserves for one request, until its reply has left: what is still on its way to a slow client is in memory too.
 * @throws as `MemoryBudget.reserve`
 */
export async function admit(
  budget: MemoryBudget,
  bytes: number,
  { outgoing, signal }: { outgoing: ServerResponse; signal: AbortSignal },
): Promise<void> {
  const reserving = budget.reserve(bytes, signal);
  const reservation = reserving instanceof Promise ? await reserving : reserving;
  if (outgoing.closed) reservation.release();
  else outgoing.once('close', () => reservation.release());
}
