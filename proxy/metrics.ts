/** Prometheus metrics of the proxy. Labels are operation names and statuses only: no tenants, buckets or keys. */
import { Counter, collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export interface Metrics {
  request(o: { operation: string; status: number; seconds: number }): void;
  securityEvent(kind: string): void;
  /** Prometheus text exposition. */
  render(): Promise<string>;
  readonly contentType: string;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createMetrics(): Metrics {
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
  return {
    request(o) {
      requests.inc({ operation: o.operation, status: o.status });
      durations.observe({ operation: o.operation }, o.seconds);
    },
    securityEvent: (kind) => events.inc({ kind }),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
