/**
 * Follows the record of the active seal key while a server runs. A newer record that the seal key before signed counts within a
 * minute. A record that is older than one that this server has seen, altered, or gone does not count: the server signs on as
 * before, says so, and puts the right record back.
 */
import type { RecordEvent, SecurityEvent } from '../../observe/events.ts';
import type { Logger } from '../../observe/log.ts';
import type { SealKeyMetrics } from '../../observe/seal-key-metrics.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import { StateConflict, type StateRecord, type StateStore } from '../state/state.ts';
import { ACTIVE_RECORD, ActiveRecordRefused, type OpenedActiveRecord, openActiveRecord } from './active-record.ts';
import { rolledBack, type SeenRecord } from './recorded.ts';

export interface FollowOptions {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly log: Logger;
  readonly record: RecordEvent;
  readonly now: () => Date;
  /** What the start found. */
  readonly seen: SeenRecord;
  /** Another seal key is active from now on. */
  readonly onActivate: (kid: string) => void;
}

export class FollowActive {
  readonly #o: FollowOptions;
  #seen: SeenRecord;
  /** Bytes that did not count, and what was said about them once. */
  #told: string | undefined;
  #refused = 0;
  #missing: string | undefined;
  #readAt: number;

  constructor(o: FollowOptions) {
    this.#o = o;
    this.#seen = o.seen;
    this.#readAt = o.now().getTime();
  }

  /** What is followed. */
  get seen(): SeenRecord {
    return this.#seen;
  }

  get status(): SealKeyMetrics {
    return {
      missing: this.#missing,
      refused: this.#refused,
      unreadMs: this.#o.now().getTime() - this.#readAt,
    };
  }

  /** Looks once. @throws S3Error ServiceUnavailable */
  async look(signal: AbortSignal): Promise<void> {
    const stored = await this.#o.state.get(ACTIVE_RECORD, signal);
    this.#readAt = this.#o.now().getTime();
    const problem = stored === undefined ? this.#goneProblem() : this.#take(stored);
    if (problem === undefined) {
      this.#told = undefined;
      return;
    }
    await this.#tell(problem, stored);
    if (problem.putBack) await this.#putBack(stored, signal);
  }

  #goneProblem(): Problem {
    const from = this.#seen.generation;
    return { kind: 'seal-key-record-rollback', detail: rolledBack({ from, to: 0 }), putBack: true };
  }

  /** What is wrong with a record; undefined when it counts. */
  #take({ body }: StateRecord): Problem | undefined {
    const seen = this.#seen;
    if (seen.body?.equals(body) === true && this.#missing === undefined) return undefined;
    const record = this.#open(body);
    if (record === undefined || 'detail' in record) return record;
    if (record.generation < seen.generation) {
      const detail = rolledBack({ from: seen.generation, to: record.generation });
      return { kind: 'seal-key-record-rollback', detail, putBack: true };
    }
    if (record.generation === seen.generation && seen.body?.equals(body) === false) {
      const detail = 'The record of the active seal key is another one of the same generation.';
      return { kind: 'seal-key-record-tampered', detail, putBack: true };
    }
    return this.#adopt(record, body);
  }

  /** Undefined: whether the record is right cannot be told, since it takes seal keys that are not at hand. */
  #open(body: Buffer): OpenedActiveRecord | Problem | undefined {
    try {
      return openActiveRecord(body, this.#o.sealKeys);
    } catch (error) {
      if (!(error instanceof ActiveRecordRefused)) throw error;
      if (error.missingKid !== undefined) {
        this.#isLeftBehind(error.missingKid);
        return undefined;
      }
      return { kind: 'seal-key-record-tampered', detail: sentence(error.message), putBack: true };
    }
  }

  #adopt(record: OpenedActiveRecord, body: Buffer): Problem | undefined {
    const { sealKeys, log, onActivate } = this.#o;
    const { kid, generation, isProved } = record;
    const before = sealKeys.active.kid;
    if (record.sealKey === undefined) {
      // Signed by the seal key before, which is at hand: the change is wanted, and this server was left behind.
      this.#isLeftBehind(kid);
      this.#seen = { generation, kid, body };
      return undefined;
    }
    if (kid !== before && !isProved) {
      const detail = `A record makes '${kid}' the active seal key without the signature of one that is configured here: a server follows it from its next start on.`;
      return { kind: 'seal-key-record-tampered', detail, putBack: false };
    }
    this.#missing = undefined;
    this.#seen = { generation, kid, body };
    if (kid === before) return undefined;
    sealKeys.activate(kid);
    log.info({ sealKey: kid, before, generation }, 'another seal key signs from now on');
    onActivate(kid);
    return undefined;
  }

  #isLeftBehind(kid: string): void {
    const { log, sealKeys } = this.#o;
    if (this.#missing !== kid) log.error({ sealKey: kid, signs: sealKeys.active.kid }, LEFT_BEHIND);
    this.#missing = kid;
  }

  async #tell({ kind, detail }: Problem, stored: StateRecord | undefined): Promise<void> {
    const found = stored?.etag ?? 'gone';
    if (this.#told === found) return;
    this.#told = found;
    this.#refused += 1;
    await this.#o.record({ kind, detail: `${detail} '${this.#o.sealKeys.active.kid}' signs on.` });
  }

  async #putBack(stored: StateRecord | undefined, signal: AbortSignal): Promise<void> {
    const { body } = this.#seen;
    if (body === undefined) return;
    const condition = stored === undefined ? ({ ifAbsent: true } as const) : { ifMatch: stored.etag };
    try {
      await this.#o.state.put(ACTIVE_RECORD, body, condition, signal);
      // The same bytes may come again: they are told of again.
      this.#told = undefined;
    } catch (error) {
      // Another server was quicker, or the operator wrote a newer one: the next look sees which.
      if (!(error instanceof StateConflict)) throw error;
    }
  }
}

interface Problem {
  readonly kind: Extract<SecurityEvent['kind'], 'seal-key-record-tampered' | 'seal-key-record-rollback'>;
  readonly detail: string;
  /** Whether the record that this server follows takes its place. */
  readonly putBack: boolean;
}

const LEFT_BEHIND = 'this server does not have the active seal key: what other servers sign is refused here';

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
