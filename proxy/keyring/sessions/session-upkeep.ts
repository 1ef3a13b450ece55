/**
 * Removes what sessions and approvals left behind, every hour on every replica: the secrets of past days, without which no token of
 * those days opens anything, the use records of sessions that ended, and the records of requests for approval. A secret that cannot be
 * removed is a security event: it keeps old tokens valid. Each process reports a record once, and tries to remove it every time.
 */

import { SESSION_UPKEEP_MS, SESSION_UPKEEP_TIMEOUT_MS } from '../../session-limits.ts';
import { removeOldApprovals } from '../approvals/approval-admin.ts';
import type { ApprovalDeps } from '../approvals/approver-admin.ts';
import type { SessionDays } from './day-records.ts';
import type { UseCounts } from './use-counts.ts';

export class SessionUpkeep {
  readonly #days: Pick<SessionDays, 'removeOld'>;
  readonly #uses: Pick<UseCounts, 'removeOld'>;
  readonly #deps: ApprovalDeps;
  readonly #onFailure: (error: unknown) => void;
  readonly #stop = new AbortController();
  /** Records that stay and were reported: no more than the store lists. */
  #reported = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(o: {
    days: Pick<SessionDays, 'removeOld'>;
    uses: Pick<UseCounts, 'removeOld'>;
    deps: ApprovalDeps;
    onFailure: (error: unknown) => void;
  }) {
    this.#days = o.days;
    this.#uses = o.uses;
    this.#deps = o.deps;
    this.#onFailure = o.onFailure;
  }

  /** Runs from now on, at a time in the hour that differs between replicas. */
  start(): void {
    if (this.#stop.signal.aborted) return;
    const wait = SESSION_UPKEEP_MS * (0.5 + Math.random());
    this.#timer = setTimeout(() => void this.run().finally(() => this.start()), wait).unref();
  }

  /** Once. Never rejects. */
  async run(): Promise<void> {
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SESSION_UPKEEP_TIMEOUT_MS)]);
    try {
      const { left } = await this.#days.removeOld(signal);
      this.#reported = new Set(left.filter((name) => this.#reported.has(name)));
      for (const name of left) {
        if (this.#reported.has(name)) continue;
        const detail = `${name}: the secret of a day past cannot be deleted, and tokens of that day still open their tenants to whoever has the seal key.`;
        await this.#deps.record({ kind: 'session-day-left', detail });
        this.#reported.add(name);
      }
      await this.#uses.removeOld(signal);
      await removeOldApprovals(this.#deps, signal);
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#onFailure(error);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#stop.abort();
  }
}
