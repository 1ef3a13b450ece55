/**
 * How many requests come from one address, before anything is known of their sender, and from one tenant and one key, once the
 * signature is verified. Each process counts for itself. Nobody waits: what is too much is refused with SlowDown.
 */
import { S3Error } from '../../errors.ts';
import { EventBound } from '../../observe/event-bound.ts';
import type { RecordEvent } from '../../observe/events.ts';
import { addressGroup } from './address-group.ts';
import { Gcra, type Rate } from './gcra.ts';

export type RateKind = 'address' | 'tenant' | 'key';

/** A kind that is absent is not limited, and costs no request anything. */
export type Rates = { readonly [Kind in RateKind]?: Rate | undefined };

/** Of a request whose signature is verified. */
export interface RatedCaller {
  readonly tenant: string;
  readonly slot: string;
  /** Fingerprint. */
  readonly accessKey: string;
  readonly requestId: string;
}

/** For the event of a refusal. */
type Refused = Partial<Omit<RatedCaller, 'slot'>>;

export class RateLimits {
  readonly #limits: { readonly [Kind in RateKind]?: Gcra };
  readonly #record: RecordEvent;
  readonly #onRefused: (kind: RateKind) => void;
  /** Each kind for itself: a flood from many addresses hides no event of a tenant. */
  readonly #events: { readonly [Kind in RateKind]: EventBound };

  constructor(o: {
    readonly rates: Rates;
    readonly record: RecordEvent;
    /** Told of every refusal. */
    readonly onRefused: (kind: RateKind) => void;
    /** Milliseconds of a clock that never goes back. */
    readonly now?: () => number;
  }) {
    const now = o.now ?? (() => performance.now());
    const limit = (rate: Rate | undefined) => rate && new Gcra(rate, { now });
    const { address, tenant, key } = o.rates;
    this.#limits = { ...of('address', limit(address)), ...of('tenant', limit(tenant)), ...of('key', limit(key)) };
    this.#events = { address: new EventBound(now), tenant: new EventBound(now), key: new EventBound(now) };
    this.#record = o.record;
    this.#onRefused = o.onRefused;
  }

  /** `client`: undefined when it is not known; all such requests count together. @throws S3Error SlowDown */
  admitAddress(o: { readonly client: string | undefined; readonly requestId: string }): Promise<void> | undefined {
    if (this.#limits.address === undefined) return undefined;
    return this.#admit('address', o.client === undefined ? '' : addressGroup(o.client), { requestId: o.requestId });
  }

  /** The key first: one key that asks too much must not use up what its tenant may. @throws S3Error SlowDown */
  admitCaller(caller: RatedCaller): Promise<void> | undefined {
    const { key, tenant } = this.#limits;
    return key === undefined && tenant === undefined ? undefined : this.#admitCaller(caller);
  }

  async #admitCaller({ slot, ...known }: RatedCaller): Promise<void> {
    await this.#admit('key', `${known.tenant}/${slot}`, known);
    await this.#admit('tenant', known.tenant, known);
  }

  async #admit(kind: RateKind, key: string, refused: Refused): Promise<void> {
    const waitMs = this.#limits[kind]?.take(key) ?? 0;
    if (waitMs === 0) return;
    this.#onRefused(kind);
    if (this.#events[kind].isDue(key)) {
      const detail = `more requests come from one ${kind} than SEALGATE_RATE_${kind.toUpperCase()} allows: they are refused`;
      await this.#record({ kind: 'rate-limited', detail, ...refused });
    }
    const headers = { 'Retry-After': String(Math.max(1, Math.ceil(waitMs / 1000))) };
    throw new S3Error('SlowDown', undefined, { headers });
  }
}

function of<Kind extends RateKind>(kind: Kind, limit: Gcra | undefined): { [K in Kind]?: Gcra } {
  return limit === undefined ? {} : ({ [kind]: limit } as { [K in Kind]?: Gcra });
}
