/** What the operator's port shows of the audit: how much is unwritten, and what the writer and the batches came to. */
import { Counter, Gauge, type Registry } from 'prom-client';

export interface AuditStatus {
  readonly events: number;
  readonly refused: number;
  readonly unwrittenMs: number;
  readonly segments: number;
  readonly failures: number;
  readonly unwrittenBytes: number;
  readonly batches: number;
  readonly invalidBatches: number;
  readonly invalidSegments: number;
  readonly unbatchedMs: number;
  readonly size: number;
}

/** What every process that takes events counts. */
export function showAuditedEvents(
  registry: Registry,
  now: () => Pick<AuditStatus, 'events' | 'refused' | 'unwrittenMs'>,
): void {
  counter(registry, 'sealgate_audit_events_total', 'Events taken by the audit.', () => now().events);
  counter(
    registry,
    'sealgate_audit_refused_total',
    'Requests refused with SlowDown because too many events were unwritten.',
    () => now().refused,
  );
  gauge(
    registry,
    'sealgate_audit_unwritten_seconds',
    'Age of the oldest event that is not written; 60 s are refused requests.',
    () => now().unwrittenMs / 1000,
    'max',
  );
}

/** What the process that writes counts besides. */
export function showAuditWriter(
  registry: Registry,
  now: () => Omit<AuditStatus, 'events' | 'refused' | 'unwrittenMs'>,
): void {
  gauge(
    registry,
    'sealgate_audit_unwritten_bytes',
    'Compressed bytes of events that are not written.',
    () => now().unwrittenBytes,
  );
  counter(registry, 'sealgate_audit_segments_total', 'Segments of the audit that were written.', () => now().segments);
  counter(
    registry,
    'sealgate_audit_write_failures_total',
    'Writes of segments that failed; each is made again.',
    () => now().failures,
  );
  counter(registry, 'sealgate_audit_batches_total', 'Batches that this server wrote.', () => now().batches);
  counter(
    registry,
    'sealgate_audit_invalid_total',
    'Batches and segments in the audit that no server wrote.',
    () => now().invalidBatches + now().invalidSegments,
  );
  gauge(
    registry,
    'sealgate_audit_unbatched_seconds',
    "Age of this server's oldest segment that is in no batch.",
    () => now().unbatchedMs / 1000,
  );
  gauge(registry, 'sealgate_audit_log_size', 'Segments that the newest checkpoint covers.', () => now().size);
}

function counter(registry: Registry, name: string, help: string, value: () => number): void {
  let counted = 0;
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      const all = value();
      this.inc(all - counted);
      counted = all;
    },
  });
}

function gauge(
  registry: Registry,
  name: string,
  help: string,
  value: () => number,
  aggregator: 'sum' | 'max' = 'sum',
): void {
  new Gauge({
    name,
    help,
    aggregator,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });
}
