/**
 * One budget of memory for all requests of a process. A request reserves everything that it may buffer before it reads its
 * body or asks the backend for anything, and gives it back when its reply is out. When the budget is full, requests wait a
 * short time in a bounded queue, first come first served, and are then refused with SlowDown, which clients repeat.
 *
 * A request takes its whole reservation at once and never asks for more, so none waits while it holds some: no deadlock.
 *
 * No tenant gets all of it: one that holds more than a multiple of what is free waits, whoever else there is. So the free part
 * shrinks with the number of tenants that want much, and is there for one that comes anew (dynamic thresholds, as switches
 * share their buffers).
 */
import type { ServerResponse } from 'node:http';
import { S3Error } from '../errors.ts';
import { MEMORY_WAIT_MS, MEMORY_WAITING, TENANT_MEMORY_MULTIPLE } from '../limits.ts';

export interface Reservation {
  /** Bytes held. */
  readonly bytes: number;
  /** Gives them back; further calls do nothing. */
  release(): void;
}

/** Who asks, and how much for. */
export interface MemoryClaim {
  readonly tenant: string;
  readonly bytes: number;
}

interface Waiting extends MemoryClaim {
  admit(reservation: Reservation): void;
}

export class MemoryBudget {
  /** Bytes that all reservations together may take. */
  readonly capacity: number;
  readonly #waitMs: number;
  readonly #maxWaiting: number;
  /** In the order of arrival. */
  readonly #waiting = new Set<Waiting>();
  /** Bytes reserved now, by tenant; those with none are not in it. */
  readonly #held = new Map<string, number>();
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
   * At once when there is room and nobody has waited longer for it. A request that needs more than there is gets all of it, alone.
   * @throws S3Error SlowDown when none came in time or too many wait already; the signal's reason when it is aborted first
   */
  reserve({ tenant, bytes }: MemoryClaim, signal: AbortSignal): Reservation | Promise<Reservation> {
    const claim = { tenant, bytes: Math.min(bytes, this.capacity) };
    if (this.#mayHaveMore(tenant) && this.#fits(claim.bytes) && !this.#isBehind(tenant)) return this.#take(claim);
    if (this.#isCrowded(tenant)) throw this.#refusal();
    return this.#wait(claim, signal);
  }

  #wait(claim: MemoryClaim, signal: AbortSignal): Promise<Reservation> {
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
        ...claim,
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

  #mayHaveMore(tenant: string): boolean {
    return (this.#held.get(tenant) ?? 0) <= TENANT_MEMORY_MULTIPLE * (this.capacity - this.#reserved);
  }

  /** Behind a request of its own, or behind one of another tenant that waits for room and not for its turn. */
  #isBehind(tenant: string): boolean {
    for (const waiting of this.#waiting) {
      if (waiting.tenant === tenant || this.#mayHaveMore(waiting.tenant)) return true;
    }
    return false;
  }

  /** All places are taken, or this tenant has its half of them. */
  #isCrowded(tenant: string): boolean {
    if (this.#waiting.size >= this.#maxWaiting) return true;
    if (this.#waiting.size < this.#maxWaiting / 2) return false;
    let own = 0;
    for (const waiting of this.#waiting) if (waiting.tenant === tenant) own += 1;
    return own >= this.#maxWaiting / 2;
  }

  #take({ tenant, bytes }: MemoryClaim): Reservation {
    this.#count(tenant, bytes);
    let held = true;
    return {
      bytes,
      release: () => {
        if (!held) return;
        held = false;
        this.#count(tenant, -bytes);
        this.#admitWaiting();
      },
    };
  }

  #count(tenant: string, bytes: number): void {
    this.#reserved += bytes;
    const held = (this.#held.get(tenant) ?? 0) + bytes;
    if (held === 0) this.#held.delete(tenant);
    else this.#held.set(tenant, held);
  }

  /** In order: a large one is not overtaken for ever by small ones. Tenants that hold enough are passed over. */
  #admitWaiting(): void {
    for (const waiting of this.#waiting) {
      if (!this.#mayHaveMore(waiting.tenant)) continue;
      if (!this.#fits(waiting.bytes)) return;
      waiting.admit(this.#take(waiting));
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
  claim: MemoryClaim,
  { outgoing, signal }: { outgoing: ServerResponse; signal: AbortSignal },
): Promise<void> {
  const reserving = budget.reserve(claim, signal);
  const reservation = reserving instanceof Promise ? await reserving : reserving;
  if (outgoing.closed) reservation.release();
  else outgoing.once('close', () => reservation.release());
}
