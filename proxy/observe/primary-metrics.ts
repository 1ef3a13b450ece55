/** What the primary process of several workers shows of itself: the writer of the audit, and the seal keys. */
import { Registry } from 'prom-client';
import { type AuditStatus, showAuditWriter } from './audit-metrics.ts';
import { type SealKeyMetrics, showSealKey } from './seal-key-metrics.ts';

export function primaryMetrics(o: {
  readonly audit: (() => AuditStatus) | undefined;
  readonly sealKey: () => SealKeyMetrics;
}): Registry {
  const registry = new Registry();
  if (o.audit !== undefined) showAuditWriter(registry, o.audit);
  showSealKey(registry, o.sealKey);
  return registry;
}
