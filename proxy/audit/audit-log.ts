/**
 * The audit as the rest of a process sees it: it takes every event, and holds back what must not happen before its event is written.
 * The event of a decision waits with its request until the answer is known, so that it says what the decision led to.
 */
import { AUDIT_CLOSE_MS } from '../audit-limits.ts';
import type { DecisionEvent, SecurityEvent } from '../observe/events.ts';
import { currentScope, type RequestScope } from '../observe/request-scope.ts';
import { isControl } from './audit-events.ts';
import { type Actor, type AnsweredRequest, recordLine } from './cloudtrail.ts';
import type { Collector, CollectorStatus } from './collector.ts';
import { MicroClock } from './micro-clock.ts';

export class AuditLog {
  readonly #collector: Collector;
  readonly #strict: boolean;
  readonly #region: string;
  readonly #actor: Actor;
  readonly #clock: MicroClock;

  /** `strict`: replies wait until their events are written. */
  constructor(o: { collector: Collector; strict: boolean; region: string; actor: Actor; now: () => Date }) {
    this.#collector = o.collector;
    this.#strict = o.strict;
    this.#region = o.region;
    this.#actor = o.actor;
    this.#clock = new MicroClock({ now: o.now, elapsed: () => performance.now() });
  }

  get status(): CollectorStatus {
    return this.#collector.status;
  }

  /**
   * A change's event is written when this resolves. @throws S3Error SlowDown when too much is unwritten; ServiceUnavailable when
   * the event of a change is not written in time
   */
  record(event: SecurityEvent | DecisionEvent): Promise<void> | undefined {
    const time = this.#clock.text();
    if (isControl(event)) return this.#collector.appendDurably(this.#line(event, time), time);
    this.#collector.admit();
    const scope = currentScope();
    if (scope?.held === undefined) this.#collector.append(this.#line(event, time), time);
    else scope.held.push({ event, time });
    return undefined;
  }

  /**
   * What a request came to, before the client is told. `request` is asked only when there are events, and once for each request.
   * @throws S3Error SlowDown when the audit is strict and the events are not written in time
   */
  answered(scope: RequestScope, request: () => AnsweredRequest): Promise<void> | undefined {
    const { held } = scope;
    scope.held = undefined;
    if (held === undefined || held.length === 0) return undefined;
    const known = request();
    for (const { event, time } of held) this.#collector.append(this.#line(event, time, known), time);
    return this.#strict ? this.#collector.written() : undefined;
  }

  /** @throws when what is left cannot be written in time */
  close(): Promise<void> {
    return this.#collector.close(AUDIT_CLOSE_MS);
  }

  #line(event: SecurityEvent | DecisionEvent, time: string, request?: AnsweredRequest): string {
    return recordLine(event, { time, region: this.#region, actor: this.#actor, request });
  }
}
