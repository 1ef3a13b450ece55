/**
 * The one writer of a server: takes the blocks of its processes and writes them as segments, one after the other, each of which names
 * the hash of the one before. What the store does not take is sent again, the same bytes under the same name, until it does.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  AUDIT_HEARTBEAT_MS,
  AUDIT_RETRY_MAX_MS,
  AUDIT_RETRY_MS,
  AUDIT_SEGMENT_BYTES,
  AUDIT_SEGMENT_MS,
  AUDIT_WRITE_TIMEOUT_MS,
} from '../audit-limits.ts';
import { StateConflict, type StateStore } from '../keyring/state/state.ts';
import type { Logger } from '../observe/log.ts';
import type { Block } from './block.ts';
import { minuteOf, sealSegment } from './format/segment.ts';

interface Waiting extends Block {
  readonly written: PromiseWithResolvers<void>;
}

export interface WriterStatus {
  readonly segments: number;
  /** Writes that failed; each was made again. */
  readonly failures: number;
  readonly unwrittenBytes: number;
}

export class SegmentWriter {
  /** 16 hex digits. */
  readonly boot = randomBytes(8).toString('hex');
  readonly #store: StateStore;
  readonly #key: { readonly id: string; readonly key: KeyObject };
  readonly #now: () => Date;
  readonly #log: Logger;
  readonly #onWritten: (name: string) => void;
  readonly #retryMaxMs: number;
  readonly #giveUp = new AbortController();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #seq = 0;
  #total = 0;
  #previous = '';
  #timer: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #segments = 0;
  #failures = 0;
  #isClosed = false;

  /** `onWritten` is told the name of each segment. `heartbeats`: empty segments say that the writer lives. */
  constructor(o: {
    store: StateStore;
    key: { readonly id: string; readonly key: KeyObject };
    log: Logger;
    now: () => Date;
    heartbeats: boolean;
    onWritten?: (name: string) => void;
    /** Milliseconds between two attempts at most. */
    retryMaxMs?: number;
  }) {
    this.#store = o.store;
    this.#key = o.key;
    this.#now = o.now;
    this.#retryMaxMs = o.retryMaxMs ?? AUDIT_RETRY_MAX_MS;
    this.#log = o.log;
    this.#onWritten = o.onWritten ?? (() => undefined);
    if (o.heartbeats) this.#heartbeat = setInterval(() => this.#beat(), AUDIT_HEARTBEAT_MS).unref();
  }

  get status(): WriterStatus {
    return { segments: this.#segments, failures: this.#failures, unwrittenBytes: this.#waitingBytes };
  }

  /** Resolves when the block is in a segment that the store has. Rejects only when the writer was closed before. */
  write(block: Block): Promise<void> {
    if (this.#isClosed) return Promise.reject(new Error('The audit is closed.'));
    const written = Promise.withResolvers<void>();
    this.#waiting.push({ ...block, written });
    this.#waitingBytes += block.packed.length;
    if (block.urgent || this.#waitingBytes >= AUDIT_SEGMENT_BYTES) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), AUDIT_SEGMENT_MS);
    return written.promise;
  }

  /** Writes what is left, and a last segment that says so. @throws when the store does not take it in time */
  async close(waitMs: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#heartbeat);
    const timer = setTimeout(() => this.#giveUp.abort(new Error('The audit was not written to its end.')), waitMs);
    try {
      await this.#writing;
      while (this.#waiting.length > 0) await this.#writeNext(false);
      if (this.#seq > 0) await this.#writeNext(true);
    } finally {
      clearTimeout(timer);
      const left = new Error('The audit is closed.');
      for (const { written } of this.#waiting) written.reject(left);
    }
  }

  #beat(): void {
    if (this.#writing === undefined && this.#waiting.length === 0) this.#start(() => this.#writeNext(false));
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#start(async () => {
      while (this.#waiting.length > 0) await this.#writeNext(false);
    });
  }

  /** One at a time: each segment names the one before. */
  #start(work: () => Promise<void>): void {
    if (this.#writing !== undefined) return;
    this.#writing = work()
      .catch((err: unknown) => this.#log.error({ err }, 'the audit was not written'))
      .finally(() => {
        this.#writing = undefined;
        if (this.#waiting.length > 0 && !this.#isClosed) this.#timer ??= setTimeout(() => this.#flush(), 0);
      });
  }

  async #writeNext(final: boolean): Promise<void> {
    const blocks = this.#takeBlocks();
    const events = blocks.reduce((sum, block) => sum + block.events, 0);
    const payload = Buffer.concat(blocks.map(({ packed }) => packed));
    const seal = () =>
      sealSegment(
        {
          boot: this.boot,
          events,
          total: this.#total + events,
          final: final ? 'yes' : 'no',
          first: blocks[0]?.first ?? '',
          last: blocks.at(-1)?.last ?? '',
          key: this.#key.id,
          minute: minuteOf(this.#now()),
          previous: this.#previous,
          seq: this.#seq,
        },
        payload,
        this.#key.key,
      );
    try {
      const { name, sha256 } = await this.#put(seal);
      this.#seq += 1;
      this.#total += events;
      this.#previous = sha256;
      this.#segments += 1;
      this.#waitingBytes -= payload.length;
      this.#onWritten(name);
      for (const { written } of blocks) written.resolve();
    } catch (error) {
      for (const { written } of blocks) written.reject(error);
      throw error;
    }
  }

  #takeBlocks(): Waiting[] {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ packed }) => {
      bytes += packed.length;
      return bytes >= AUDIT_SEGMENT_BYTES;
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end + 1);
  }

  /** Until the store has it. What stands there already is this segment, when its bytes are: an attempt before whose answer was lost. */
  async #put(seal: () => ReturnType<typeof sealSegment>): Promise<ReturnType<typeof sealSegment>> {
    const segment = seal();
    const given = this.#giveUp.signal;
    for (let waitMs = AUDIT_RETRY_MS; ; waitMs = Math.min(2 * waitMs, this.#retryMaxMs)) {
      given.throwIfAborted();
      try {
        const signal = AbortSignal.any([given, AbortSignal.timeout(AUDIT_WRITE_TIMEOUT_MS)]);
        await this.#putOnce(segment, signal);
        return segment;
      } catch (error) {
        given.throwIfAborted();
        this.#failures += 1;
        if (waitMs === AUDIT_RETRY_MS) this.#log.error({ err: error }, 'the audit cannot be written; trying again');
        await delay(waitMs, undefined, { signal: given });
      }
    }
  }

  async #putOnce({ name, body }: ReturnType<typeof sealSegment>, signal: AbortSignal): Promise<void> {
    try {
      await this.#store.put(name, body, { ifAbsent: true }, signal);
    } catch (error) {
      if (!(error instanceof StateConflict)) throw error;
      if ((await this.#store.get(name, signal))?.body.equals(body) !== true) throw error;
    }
  }
}
