/** What the operator's port shows of seal keys: whether this server has the active one, and records that did not count. */
import { Counter, Gauge, type Registry } from 'prom-client';

/** As it is whenever the metrics are read. */
export interface SealKeyMetrics {
  /** Id of the active seal key, where this server does not have it. */
  readonly missing: string | undefined;
  readonly refused: number;
  readonly unreadMs: number;
}

export function showSealKey(registry: Registry, now: () => SealKeyMetrics): void {
  const registers = [registry];
  new Gauge({
    name: 'sealgate_active_seal_key_missing',
    help: '1 where this server does not have the active seal key; 0 else.',
    registers,
    collect() {
      this.set(now().missing === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: 'sealgate_seal_key_record_age_seconds',
    help: 'Seconds since this server read which seal key is active.',
    registers,
    collect() {
      this.set(now().unreadMs / 1000);
    },
  });
  let counted = 0;
  new Counter({
    name: 'sealgate_seal_key_record_refused_total',
    help: 'Records of the active seal key that did not count: altered, older, or gone.',
    registers,
    collect() {
      const { refused } = now();
      this.inc(refused - counted);
      counted = refused;
    },
  });
}
