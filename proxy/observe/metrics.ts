/**
 * Prometheus metrics of the proxy. Labels are operation names and statuses only: no tenants, buckets or keys. With several
 * workers the primary process answers the operator's port and adds up what they count.
 */
import cluster from 'node:cluster';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { RateKind } from '../access/rates/rate-limits.ts';
import type { CredentialStatus } from '../backend/backend.ts';
import { type StoreTroubleKind, storeTroubleKinds } from '../backend/trouble/store-trouble.ts';
import type { ConnectionLoad } from '../http/connections.ts';
import type { KmsCall } from '../kms/kms-secrets.ts';
import { KMS_FAILURE_KINDS } from '../kms/provider.ts';
import { MemoryBudget } from '../memory/admission.ts';
import { type AuditStatus, showAuditedEvents, showAuditWriter } from './audit-metrics.ts';
import { SECURITY_EVENT_KINDS } from './events.ts';
import type { MetricsText } from './metrics-text.ts';
import { type SealKeyMetrics, showSealKey } from './seal-key-metrics.ts';
import { answerPrimary } from './workers-metrics.ts';

export interface Metrics extends MetricsText {
  request(o: { operation: string; status: number; seconds: number }): void;
  securityEvent(kind: string): void;
  /** Shows these connections from now on. They are counted whenever the metrics are read. */
  showConnections(load: ConnectionLoad): void;
  /** Counts a request that failed because of the store. `kind` is one of StoreTroubleKind. */
  storeFailure(kind: StoreTroubleKind): void;
  /** A request that was refused because its address, tenant or key asks too often. */
  rateRefused(limit: RateKind): void;
  /** A connection that was closed because it did not begin with a PROXY header. */
  proxyHeaderRefused(): void;
  /** The key services that may be called. */
  showKmsProviders(names: readonly string[]): void;
  /** A call to a KMS. */
  kmsCall(call: KmsCall): void;
  /** A wrap of a KMS that was made at that time, milliseconds, is in use. */
  kmsWrap(wrapped: number): void;
  /** The proxy's own credentials at the store, as they are whenever the metrics are read. */
  showCredentials(credentials: { readonly status: CredentialStatus } | undefined): void;
  /** The audit, as it is whenever the metrics are read. A worker shows the events alone. */
  showAudit(status: () => Pick<AuditStatus, 'events' | 'refused' | 'unwrittenMs'> | AuditStatus): void;
  /** The seal keys of this server. Of several workers the primary process shows them. */
  showSealKey(status: () => SealKeyMetrics): void;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** `memory`: the budget to show, as it is whenever the metrics are read. */
export function createMetrics(memory?: MemoryBudget): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const requests = new Counter({
    name: 'sealgate_requests_total',
    help: 'Requests answered, by operation and HTTP status.',
    labelNames: ['operation', 'status'],
    registers: [registry],
  });
  const durations = new Histogram({
    name: 'sealgate_request_duration_seconds',
    help: 'Seconds from the request head to the last byte handed to the socket.',
    labelNames: ['operation'],
    buckets: SECONDS,
    registers: [registry],
  });
  const events = new Counter({
    name: 'sealgate_security_events_total',
    help: 'Security events, by kind.',
    labelNames: ['kind'],
    registers: [registry],
  });
  const storeFailures = new Counter({
    name: 'sealgate_store_failures_total',
    help: 'Requests that failed because of the store, or of the proxy towards the store, by kind.',
    labelNames: ['kind'],
    registers: [registry],
  });
  const ratesRefused = new Counter({
    name: 'sealgate_rate_refused_total',
    help: 'Requests refused with SlowDown because more came from one address, tenant or key than may.',
    labelNames: ['limit'],
    registers: [registry],
  });
  const proxyHeadersRefused = new Counter({
    name: 'sealgate_proxy_header_refused_total',
    help: 'Connections closed because they did not begin with the PROXY header that SEALGATE_PROXY_PROTOCOL requires.',
    registers: [registry],
  });
  // A series that appears with its first event has no increase, and an alert on the first event would not fire.
  for (const kind of SECURITY_EVENT_KINDS) if (kind !== 'access-allowed') events.inc({ kind }, 0);
  for (const kind of storeTroubleKinds()) storeFailures.inc({ kind }, 0);
  const kms = kmsMetrics(registry);
  showMemory(registry, memory ?? new MemoryBudget({ bytes: 0 }));
  let connections: ConnectionLoad = { open: 0, limit: 0, isFull: false, refused: 0 };
  showConnections(registry, () => connections);
  let credentials: { readonly status: CredentialStatus } | undefined;
  showCredentials(registry, () => credentials?.status);
  if (cluster.isWorker) answerPrimary(registry);
  return {
    request(o) {
      requests.inc({ operation: o.operation, status: o.status });
      durations.observe({ operation: o.operation }, o.seconds);
    },
    securityEvent: (kind) => events.inc({ kind }),
    showConnections(load) {
      connections = load;
    },
    rateRefused: (limit) => ratesRefused.inc({ limit }),
    proxyHeaderRefused: () => proxyHeadersRefused.inc(),
    storeFailure: (kind) => storeFailures.inc({ kind }),
    ...kms,
    showCredentials(shown) {
      credentials = shown;
    },
    showAudit(status) {
      showAuditedEvents(registry, status);
      const first = status();
      if ('segments' in first) showAuditWriter(registry, status as () => AuditStatus);
    },
    showSealKey: (status) => showSealKey(registry, status),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function kmsMetrics(registry: Registry): Pick<Metrics, 'showKmsProviders' | 'kmsCall' | 'kmsWrap'> {
  const registers = [registry];
  const calls = new Counter({
    name: 'sealgate_kms_requests_total',
    help: 'Calls to a key service, attempts counted one by one, by provider, operation and result.',
    labelNames: ['provider', 'operation', 'result'],
    registers,
  });
  const seconds = new Histogram({
    name: 'sealgate_kms_request_duration_seconds',
    help: 'Seconds that a call to a key service took.',
    labelNames: ['provider'],
    buckets: SECONDS,
    registers,
  });
  let oldest: number | undefined;
  new Gauge({
    name: 'sealgate_kms_oldest_wrap_age_seconds',
    help: 'Age of the oldest wrap of a key service that this server opened since its start; 0 for none.',
    aggregator: 'max',
    registers,
    collect() {
      this.set(oldest === undefined ? 0 : Math.max(0, (Date.now() - oldest) / 1000));
    },
  });
  return {
    showKmsProviders(names) {
      // As above: the first failure must be an increase.
      for (const provider of names) {
        for (const result of ['ok', ...KMS_FAILURE_KINDS]) calls.inc({ provider, operation: 'unwrap', result }, 0);
      }
    },
    kmsCall(call) {
      calls.inc({ provider: call.provider, operation: call.operation, result: call.result });
      seconds.observe({ provider: call.provider }, call.seconds);
    },
    kmsWrap(wrapped) {
      oldest = Math.min(wrapped, oldest ?? wrapped);
    },
  };
}

function showMemory(registry: Registry, budget: MemoryBudget): void {
  const registers = [registry];
  new Gauge({
    name: 'sealgate_memory_budget_bytes',
    help: 'Bytes that requests may reserve for what they buffer.',
    registers,
    collect() {
      this.set(budget.capacity);
    },
  });
  new Gauge({
    name: 'sealgate_memory_reserved_bytes',
    help: 'Bytes of the memory budget that requests hold now.',
    registers,
    collect() {
      this.set(budget.reserved);
    },
  });
  new Gauge({
    name: 'sealgate_memory_waiting_requests',
    help: 'Requests that wait for a share of the memory budget now.',
    registers,
    collect() {
      this.set(budget.waiting);
    },
  });
  let counted = 0;
  new Counter({
    name: 'sealgate_memory_refused_total',
    help: 'Requests refused with SlowDown because the memory budget was full.',
    registers,
    collect() {
      this.inc(budget.refused - counted);
      counted = budget.refused;
    },
  });
}

function showCredentials(registry: Registry, now: () => CredentialStatus | undefined): void {
  const registers = [registry];
  new Gauge({
    name: 'sealgate_store_credentials_expiry_timestamp_seconds',
    help: "Unix time at which the proxy's credentials at the store end; 0 when they do not.",
    // Of several workers, shows the credentials that expire first.
    aggregator: 'min',
    registers,
    collect() {
      this.set((now()?.expires ?? 0) / 1000);
    },
  });
  let counted = 0;
  new Counter({
    name: 'sealgate_store_credentials_failures_total',
    help: "Attempts to get or renew the proxy's credentials at the store that failed.",
    registers,
    collect() {
      const failures = now()?.failures ?? 0;
      this.inc(failures - counted);
      counted = failures;
    },
  });
}

function showConnections(registry: Registry, now: () => ConnectionLoad): void {
  const registers = [registry];
  new Gauge({
    name: 'sealgate_connections',
    help: 'Client connections open now, from accept on, TLS handshakes included.',
    registers,
    collect() {
      this.set(now().open);
    },
  });
  new Gauge({
    name: 'sealgate_connections_limit',
    help: 'Client connections that may be open.',
    registers,
    collect() {
      this.set(now().limit);
    },
  });
  let counted = 0;
  new Counter({
    name: 'sealgate_connections_refused_total',
    help: 'Connections refused because as many were open as may be.',
    registers,
    collect() {
      const { refused } = now();
      this.inc(refused - counted);
      counted = refused;
    },
  });
}
