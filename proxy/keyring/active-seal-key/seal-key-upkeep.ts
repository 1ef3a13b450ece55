/**
 * What a server does about seal keys while it runs: it looks once a minute which one is active, and reports every few minutes which
 * ones it holds. Of several workers of one server the primary process does it for all.
 */
import { randomBytes } from 'node:crypto';
import type { RecordEvent } from '../../observe/events.ts';
import type { Logger } from '../../observe/log.ts';
import type { SealKeyMetrics } from '../../observe/seal-key-metrics.ts';
import {
  REPLICA_CLOSE_MS,
  REPLICA_LIFE_MS,
  REPLICA_REPORT_MS,
  SEAL_KEY_CHECK_MS,
  SEAL_KEY_TIMEOUT_MS,
} from '../../running-limits.ts';
import type { SealKeys } from '../access-keys/seal-keys.ts';
import { timestamp } from '../state/fields.ts';
import { StateConflict, type StateStore } from '../state/state.ts';
import { FollowActive } from './follow-active.ts';
import type { StartedSealKey } from './open-active.ts';
import { BOOT_BYTES, replicaName, sealReport } from './replica-record.ts';

export interface UpkeepOptions {
  readonly state: StateStore;
  readonly sealKeys: SealKeys;
  readonly started: StartedSealKey;
  readonly host: string;
  readonly log: Logger;
  readonly record: RecordEvent;
  readonly now: () => Date;
  /** Another seal key is active from now on. */
  readonly onActivate?: (kid: string) => void;
}

export class SealKeyUpkeep {
  readonly boot = randomBytes(BOOT_BYTES).toString('hex');
  readonly #o: UpkeepOptions;
  readonly #follow: FollowActive;
  readonly #started: string;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #reportDue = 0;
  /** Of the report that stands in the state. */
  #etag: string | undefined;

  constructor(o: UpkeepOptions) {
    this.#o = o;
    this.#started = timestamp(o.now());
    const onActivate = (kid: string) => {
      this.#reportDue = 0;
      o.onActivate?.(kid);
    };
    this.#follow = new FollowActive({ ...o, seen: o.started.seen, onActivate });
  }

  get status(): SealKeyMetrics {
    return this.#follow.status;
  }

  /** The first report stands when it resolves, unless the store fails. Never rejects. */
  async start(): Promise<void> {
    const { rolledBack } = this.#o.started;
    if (rolledBack !== undefined) {
      const detail = `${rolledBack} '${this.#o.sealKeys.active.kid}' signs, as servers say that run.`;
      await this.#o.record({ kind: 'seal-key-record-rollback', detail });
    }
    await this.run();
    this.#schedule();
  }

  /** Looks now, and reports if it is time, or if `report` says that the seal keys changed. Never rejects. */
  run(o: { readonly report?: boolean } = {}): Promise<void> {
    if (o.report === true) this.#reportDue = 0;
    this.#turn = this.#turn.then(() => this.#once());
    return this.#turn;
  }

  /** Takes the report away: whoever activates a seal key need not wait for this server any more. Never rejects. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#stop.abort();
    await this.#turn;
    const signal = AbortSignal.timeout(REPLICA_CLOSE_MS);
    await this.#o.state
      .delete(replicaName(this.boot), signal)
      .catch((err: unknown) =>
        this.#o.log.warn({ err }, 'the report of this server about its seal keys was not removed'),
      );
  }

  /** At times that differ between servers. */
  #schedule(): void {
    if (this.#stop.signal.aborted) return;
    const wait = SEAL_KEY_CHECK_MS * (0.75 + Math.random() / 4);
    this.#timer = setTimeout(() => void this.run().finally(() => this.#schedule()), wait).unref();
  }

  async #once(): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SEAL_KEY_TIMEOUT_MS)]);
    try {
      // Reported first: whoever activates a seal key after this look has seen the report.
      await this.#reportIfDue(signal);
      await this.#follow.look(signal);
      await this.#reportIfDue(signal);
    } catch (err) {
      if (!this.#stop.signal.aborted)
        this.#o.log.warn({ err }, 'the active seal key was not looked up, or not reported on');
    }
  }

  async #reportIfDue(signal: AbortSignal): Promise<void> {
    const { state, sealKeys, host, now } = this.#o;
    if (now().getTime() < this.#reportDue) return;
    const expires = timestamp(new Date(now().getTime() + REPLICA_LIFE_MS));
    const { generation, kid: active } = this.#follow.seen;
    const report = { boot: this.boot, host, started: this.#started, expires, active, generation };
    const body = sealReport(report, sealKeys);
    const name = replicaName(this.boot);
    try {
      const condition = this.#etag === undefined ? ({ ifAbsent: true } as const) : { ifMatch: this.#etag };
      this.#etag = await state.put(name, body, condition, signal);
    } catch (error) {
      if (!(error instanceof StateConflict)) throw error;
      // Somebody removed or replaced it, or the request was sent twice: the name is this server's own.
      await state.replace(name, body, signal);
      this.#etag = (await state.get(name, signal))?.etag;
    }
    this.#reportDue = now().getTime() + REPLICA_REPORT_MS * (0.75 + Math.random() / 4);
  }
}
