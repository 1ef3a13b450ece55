/**
 * One budget of memory for all requests of a process. A request reserves everything that it may buffer before it reads its
 * body or asks the backend for anything, and gives it back when its reply is out. When the budget is full, requests wait a
 * short time in a bounded queue, first come first served, and are then refused with SlowDown, which clients repeat.
 *
 * A request takes its whole reservation at once and never asks for more, so none waits while it holds some: no deadlock.
 *
 * No tenant gets all of it: one that holds more than a multiple of what is free waits, whoever else there is. So the free part
 * shrinks with the number of tenants that want much, and is there for one that comes anew (dynamic thresholds, as switches
 * share their buffers). In the same way no signed link of a tenant, a presigned URL or a form that was given to strangers, gets
 * all that its tenant can have.
 */
import type { ServerResponse } from 'node:http';
import { S3Error } from '../errors.ts';
import { LINK_MEMORY_MULTIPLE, MEMORY_WAIT_MS, MEMORY_WAITING, TENANT_MEMORY_MULTIPLE } from '../limits.ts';

export interface Reservation {
  /** Bytes held. */
  readonly bytes: number;
  /** Gives back everything above that many bytes. */
  keep(bytes: number): void;
  /** Gives all bytes back. Further calls do nothing. */
  release(): void;
}

/** Who asks, and how much for. */
export interface MemoryClaim {
  readonly tenant: string;
  /** The identity of the signed link, for a request that came by one. Kept in memory only. */
  readonly link?: string | undefined;
  readonly bytes: number;
}

interface Waiting extends MemoryClaim {
  admit(reservation: Reservation): void;
}

export class MemoryBudget {
  /** Bytes that all reservations together may take. */
  #capacity: number;
  readonly #waitMs: number;
  readonly #maxWaiting: number;
  /** In the order of arrival. */
  readonly #waiting = new Set<Waiting>();
  /** Bytes reserved now, by tenant. Tenants without a reservation are not in the map. */
  readonly #held = new Map<string, number>();
  /** The same by link. */
  readonly #heldByLink = new Map<string, number>();
  #reserved = 0;
  #refused = 0;

  constructor(o: { bytes: number; waitMs?: number; maxWaiting?: number }) {
    this.#capacity = o.bytes;
    this.#waitMs = o.waitMs ?? MEMORY_WAIT_MS;
    this.#maxWaiting = o.maxWaiting ?? MEMORY_WAITING;
  }

  /** Bytes that may be reserved in all. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Changes the size of the budget. Reservations beyond it stay until they are given back. */
  resize(bytes: number): void {
    this.#capacity = bytes;
    this.#admitWaiting();
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
  reserve(wanted: MemoryClaim, signal: AbortSignal): Reservation | Promise<Reservation> {
    const claim = { ...wanted, bytes: Math.min(wanted.bytes, this.capacity) };
    if (this.#mayHaveMore(claim) && this.#fits(claim.bytes) && !this.#isBehind(claim)) return this.#take(claim);
    if (this.#isCrowded(claim)) throw this.#refusal();
    return this.#wait(claim, signal);
  }

  #wait(claim: MemoryClaim, signal: AbortSignal): Promise<Reservation> {
    return new Promise((resolve, reject) => {
      const giveUp = (reason: unknown) => {
        leave();
        reject(reason);
        // The request may have stood in front of smaller ones.
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
    return this.#reserved + Math.min(bytes, this.#capacity) <= this.#capacity;
  }

  #mayHaveMore({ tenant, link }: MemoryClaim): boolean {
    const free = this.capacity - this.#reserved;
    if (link !== undefined && (this.#heldByLink.get(link) ?? 0) > LINK_MEMORY_MULTIPLE * free) return false;
    return (this.#held.get(tenant) ?? 0) <= TENANT_MEMORY_MULTIPLE * free;
  }

  /**
   * Whether the claim must wait behind a request of its own tenant and link, or behind one that waits for room and not for its
   * turn.
   */
  #isBehind({ tenant, link }: MemoryClaim): boolean {
    for (const waiting of this.#waiting) {
      if ((waiting.tenant === tenant && waiting.link === link) || this.#mayHaveMore(waiting)) return true;
    }
    return false;
  }

  /** Whether all places in the queue are taken, or this tenant has its half of them, or this link its quarter. */
  #isCrowded({ tenant, link }: MemoryClaim): boolean {
    if (this.#waiting.size >= this.#maxWaiting) return true;
    if (this.#waiting.size < this.#maxWaiting / 4) return false;
    let [ofTenant, ofLink] = [0, 0];
    for (const waiting of this.#waiting) {
      if (waiting.tenant !== tenant) continue;
      ofTenant += 1;
      if (link !== undefined && waiting.link === link) ofLink += 1;
    }
    return ofTenant >= this.#maxWaiting / 2 || ofLink >= this.#maxWaiting / 4;
  }

  #take(claim: MemoryClaim): Reservation {
    let held = 0;
    const hold = (bytes: number) => {
      this.#count(claim, bytes - held);
      held = bytes;
    };
    const keep = (bytes: number) => {
      if (bytes >= held) return;
      hold(bytes);
      this.#admitWaiting();
    };
    hold(claim.bytes);
    return {
      get bytes() {
        return held;
      },
      keep,
      release: () => keep(0),
    };
  }

  #count({ tenant, link }: MemoryClaim, bytes: number): void {
    this.#reserved += bytes;
    add(this.#held, tenant, bytes);
    if (link !== undefined) add(this.#heldByLink, link, bytes);
  }

  /** In order: a large one is not overtaken for ever by small ones. Tenants that hold enough are passed over. */
  #admitWaiting(): void {
    for (const waiting of this.#waiting) {
      if (!this.#mayHaveMore(waiting)) continue;
      if (!this.#fits(waiting.bytes)) return;
      waiting.admit(this.#take(waiting));
    }
  }

  #refusal(): S3Error {
    this.#refused += 1;
    return new S3Error('SlowDown', undefined, { headers: { 'Retry-After': '1' } });
  }
}

/** Entries that reach zero are removed. */
function add(to: Map<string, number>, key: string, bytes: number): void {
  const held = (to.get(key) ?? 0) + bytes;
  if (held === 0) to.delete(key);
  else to.set(key, held);
}

/**
 * Reserves for one request, until its reply has left: what is still on its way to a slow client is in memory too.
 * @throws as `MemoryBudget.reserve`
 */
export async function admit(
  budget: MemoryBudget,
  claim: MemoryClaim,
  { outgoing, signal }: { outgoing: ServerResponse; signal: AbortSignal },
): Promise<Reservation> {
  const reserving = budget.reserve(claim, signal);
  const reservation = reserving instanceof Promise ? await reserving : reserving;
  if (outgoing.closed) reservation.release();
  else outgoing.once('close', () => reservation.release());
  return reservation;
}
