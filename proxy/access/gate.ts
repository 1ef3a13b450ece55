/**
 * What one request asks of decide.ts, and the one place from which decisions about requests are made: each is followed by
 * exactly one event, allowed or refused. The event is awaited before anything is done, so that whoever keeps events can hold
 * an action back until its event is safe.
 */
import { S3Error } from '../errors.ts';
import type { RecordEvent } from '../observe/events.ts';
import { type Action, isReadOnly } from './actions.ts';
import type { Context, ContextValues } from './context.ts';
import { type Decision, type Demand, decide, type Principal } from './decide.ts';
import { couldReach } from './reach.ts';
import { bucketResource, type Resource } from './resource.ts';

const KEY_POLICIES = 'the policies of the access key';

export class Gate {
  readonly #principal: Principal;
  readonly #requestId: string;
  readonly #eventName: string;
  readonly #context: Context;
  readonly #record: RecordEvent;

  constructor(o: {
    principal: Principal;
    requestId: string;
    /** S3's, IAM's or STS's name of the operation. */
    eventName: string;
    context: Context;
    record: RecordEvent;
  }) {
    this.#principal = o.principal;
    this.#requestId = o.requestId;
    this.#eventName = o.eventName;
    const { tenant } = o.principal;
    this.#context = { get: (key) => (key === 'aws:username' ? tenant : o.context.get(key)) };
    this.#record = o.record;
  }

  /** Decides and records. `more`: what is known of this demand alone. */
  async decide(demand: Demand, more?: ContextValues): Promise<Decision> {
    const decision = decide(this.#principal, demand.action, demand.resource, this.#contextWith(more));
    await this.#note(demand, decision);
    return decision;
  }

  /** All of them must be allowed; the first that is not ends it. @throws S3Error AccessDenied */
  async require(demands: readonly Demand[]): Promise<void> {
    const refused = await this.#firstRefused(demands);
    if (refused !== undefined) throw refusal(refused.action);
  }

  /** As `require`, for what may be refused beside others. `more`: what is known of these demands alone. */
  async allows(demands: readonly Demand[], more?: ContextValues): Promise<boolean> {
    return (await this.#firstRefused(demands, more)) === undefined;
  }

  /** Before a body names objects: whether the caller could reach anything in the bucket. @throws S3Error AccessDenied */
  async requireReach(action: Action, bucket: string): Promise<void> {
    if (this.couldReach(bucket)) return;
    const demand = { action, resource: bucketResource(bucket) };
    const { effect, statement } = decide(this.#principal, action, demand.resource, this.#context);
    await this.#note(demand, { effect: 'deny', statement: effect === 'deny' ? statement : 'reach/none' });
    throw refusal(action);
  }

  /** No decision: whether `require` would allow what only a part of all requests asks for. Whoever goes on with a no asks with `require`. */
  wouldAllow(demands: readonly Demand[]): boolean {
    return demands.every(
      ({ action, resource }) => decide(this.#principal, action, resource, this.#context).effect === 'allow',
    );
  }

  /** No decision: what ListBuckets shows. */
  couldReach(bucket: string): boolean {
    return couldReach(this.#principal, bucket);
  }

  /** Records a refusal by something else than the principal's policies: `by` says what it is, and `statement` names it. */
  async refuse(demand: Demand, { statement, by }: { statement: string; by: string }): Promise<void> {
    await this.#note(demand, { effect: 'deny', statement }, by);
  }

  async #firstRefused(demands: readonly Demand[], more?: ContextValues): Promise<Demand | undefined> {
    for (const demand of demands) if ((await this.decide(demand, more)).effect === 'deny') return demand;
    return undefined;
  }

  #contextWith(more: ContextValues | undefined): Context {
    if (more === undefined) return this.#context;
    return {
      get: (key) => {
        const value = more[key];
        return value === undefined ? this.#context.get(key) : value();
      },
    };
  }

  #note({ action, resource }: Demand, { effect, statement }: Decision, by = KEY_POLICIES): Promise<void> | void {
    const { tenant, slot, accessKey } = this.#principal;
    return this.#record({
      kind: effect === 'allow' ? 'access-allowed' : 'access-denied',
      detail: effect === 'allow' ? 'allowed' : `refused by ${by}`,
      tenant,
      slot,
      accessKey,
      requestId: this.#requestId,
      eventName: this.#eventName,
      action,
      decision: effect,
      statement,
      resource: resource.arn,
      readOnly: isReadOnly(action),
      ...named(resource),
    });
  }
}

function named({ bucket, key }: Resource): { bucket?: string; key?: string } {
  return { ...(bucket === undefined ? {} : { bucket }), ...(key === undefined ? {} : { key }) };
}

function refusal(action: Action): S3Error {
  if (action !== 's3:BypassGovernanceRetention') return new S3Error('AccessDenied');
  return new S3Error('AccessDenied', 'Overriding an object lock needs a read-write grant on the whole bucket.');
}
