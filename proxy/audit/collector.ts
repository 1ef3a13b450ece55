/**
 * Gathers the events of a process into blocks, and says when too much is unwritten: then requests are refused, and nothing is dropped.
 * An event that somebody waits for is handed on at once; with a strict audit, those of 20 ms together.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import {
  AUDIT_BACKLOG_BYTES,
  AUDIT_BACKLOG_MS,
  AUDIT_BLOCK_CHARACTERS,
  AUDIT_BLOCK_MS,
  AUDIT_GROUP_COMMIT_MS,
  AUDIT_WAIT_MS,
} from '../audit-limits.ts';
import { S3Error } from '../errors.ts';
import type { WriteBlock } from './block.ts';

const pack = promisify(gzip);
const PACKING = { level: constants.Z_BEST_SPEED };

/** A block on its way. */
interface Unwritten {
  readonly since: number;
  bytes: number;
}

export interface CollectorStatus {
  readonly events: number;
  /** Requests refused because too much was unwritten. */
  readonly refused: number;
  readonly unwrittenMs: number;
}

export class Collector {
  readonly #write: WriteBlock;
  readonly #elapsed: () => number;
  readonly #strict: boolean;
  readonly #backlogBytes: number;
  readonly #waitMs: number;
  /** Nothing that is written here is work of the request that happened to begin a block. */
  readonly #outside = AsyncLocalStorage.snapshot();
  #lines: string[] = [];
  #characters = 0;
  #first = { at: 0, time: '' };
  #last = '';
  #urgent = false;
  #timer: NodeJS.Timeout | undefined;
  #unwritten = new Set<Unwritten>();
  #unwrittenBytes = 0;
  #packing: Promise<unknown> = Promise.resolve();
  /** Of the block that is gathered. */
  #gathered: PromiseWithResolvers<void> | undefined;
  #sent = new Set<Promise<void>>();
  #events = 0;
  #refused = 0;

  /**
   * `elapsed`: milliseconds of a steady clock. `strict`: every block is urgent. `sharers`: processes that share the bound on what is
   * unwritten.
   */
  constructor(o: { write: WriteBlock; strict: boolean; elapsed?: () => number; sharers?: number; waitMs?: number }) {
    this.#write = o.write;
    this.#strict = o.strict;
    this.#elapsed = o.elapsed ?? (() => performance.now());
    this.#backlogBytes = Math.floor(AUDIT_BACKLOG_BYTES / (o.sharers ?? 1));
    this.#waitMs = o.waitMs ?? AUDIT_WAIT_MS;
  }

  get status(): CollectorStatus {
    const [oldest] = this.#unwritten;
    const since = oldest?.since ?? (this.#lines.length > 0 ? this.#first.at : undefined);
    const unwrittenMs = since === undefined ? 0 : this.#elapsed() - since;
    return { events: this.#events, refused: this.#refused, unwrittenMs };
  }

  /** Whether one more event may be taken. @throws S3Error SlowDown */
  admit(): void {
    const [oldest] = this.#unwritten;
    const isOld = oldest !== undefined && this.#elapsed() - oldest.since >= AUDIT_BACKLOG_MS;
    if (!isOld && this.#unwrittenBytes + this.#characters / 8 < this.#backlogBytes) return;
    this.#refused += 1;
    throw new S3Error('SlowDown', 'The audit log cannot be written. Please try again later.');
  }

  /** `time`: of the event. `line`: its JSON. */
  append(line: string, time: string): void {
    if (this.#lines.length === 0) {
      this.#first = { at: this.#elapsed(), time };
      const ms = this.#strict ? AUDIT_GROUP_COMMIT_MS : AUDIT_BLOCK_MS;
      this.#timer = this.#outside(() => setTimeout(() => this.#cut(), ms));
    }
    this.#lines.push(line);
    this.#characters += line.length + 1;
    this.#last = time;
    this.#events += 1;
    if (this.#characters >= AUDIT_BLOCK_CHARACTERS) this.#outside(() => this.#cut());
  }

  /** Resolves when what was appended so far is written. @throws S3Error SlowDown when that takes too long */
  async written(): Promise<void> {
    const waits = [...this.#sent];
    if (this.#lines.length > 0) {
      this.#gathered ??= Promise.withResolvers<void>();
      waits.push(this.#gathered.promise);
    }
    await this.#within(Promise.all(waits), new S3Error('SlowDown', NOT_WRITTEN));
  }

  /** As `append`, and resolves when it is written. @throws S3Error ServiceUnavailable when that takes too long */
  async appendDurably(line: string, time: string): Promise<void> {
    this.append(line, time);
    this.#urgent = true;
    const done = this.#outside(() => this.#cut());
    await this.#within(done, new S3Error('ServiceUnavailable', NOT_WRITTEN));
  }

  /** Hands on what is left. Resolves when all is written. @throws when that takes too long */
  async close(waitMs: number): Promise<void> {
    void this.#cut();
    await this.#within(Promise.all(this.#sent), new Error('Events of the audit were not written.'), waitMs);
  }

  /** Packs what was gathered and hands it on. Resolves when it is written. */
  #cut(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#lines.length === 0) return Promise.resolve();
    const text = `${this.#lines.join('\n')}\n`;
    const [events, first, last, gathered] = [this.#lines.length, this.#first, this.#last, this.#gathered];
    const urgent = this.#urgent || this.#strict;
    this.#lines = [];
    this.#characters = 0;
    this.#urgent = false;
    this.#gathered = undefined;
    const unwritten: Unwritten = { since: first.at, bytes: text.length / 8 };
    this.#unwritten.add(unwritten);
    this.#unwrittenBytes += unwritten.bytes;
    // In their order, whichever is packed first.
    const packed = Promise.all([pack(text, PACKING), this.#packing]).then(([bytes]) => bytes);
    this.#packing = packed.catch(() => undefined);
    const done = packed.then((bytes) => {
      this.#unwrittenBytes += bytes.length - unwritten.bytes;
      unwritten.bytes = bytes.length;
      return this.#write({ events, first: first.time, last, packed: bytes, urgent });
    });
    const settled = done.finally(() => {
      this.#unwritten.delete(unwritten);
      this.#unwrittenBytes -= unwritten.bytes;
      this.#sent.delete(settled);
    });
    this.#sent.add(settled);
    settled.then(gathered?.resolve, gathered?.reject ?? ignore);
    return settled;
  }

  /** Whoever does not wait any longer leaves the event where it is: it is still written. */
  async #within(work: Promise<unknown>, late: Error, waitMs = this.#waitMs): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(late), waitMs);
    });
    try {
      await Promise.race([work, timeout]);
    } catch (cause) {
      throw cause instanceof S3Error || cause === late ? cause : Object.assign(late, { cause });
    } finally {
      clearTimeout(timer);
    }
  }
}

const NOT_WRITTEN = 'The audit log cannot be written, and nothing happens here without it. Please try again later.';

function ignore(): void {}
