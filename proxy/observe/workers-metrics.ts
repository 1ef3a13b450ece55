/**
 * The metrics of several workers, added up by their primary process. What a worker had counted when it was last asked stays after the
 * worker ended: a counter that fell back would look like a restart of the whole server, and rates over it would be wrong.
 */
import cluster, { type Worker } from 'node:cluster';
import { AggregatorRegistry, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client';
import { WORKER_METRICS_MS } from '../running-limits.ts';
import type { MetricsText } from './metrics-text.ts';

type Values = MetricObjectWithValues<MetricValue<string>>;

interface Question {
  readonly kind: 'metrics-asked';
}

interface Answer {
  readonly kind: 'metrics';
  readonly metrics: readonly Values[];
}

/** In a worker: answers its primary process from now on. */
export function answerPrimary(registry: Registry): void {
  process.on('message', (message: unknown) => {
    if (!isOfKind<Question>(message, 'metrics-asked')) return;
    void registry.getMetricsAsJSON().then((metrics) => {
      if (process.connected) process.send?.({ kind: 'metrics', metrics: metrics as Values[] } satisfies Answer);
    });
  });
}

/** In the primary process, once. `own`: what that process shows of itself. */
export function workersMetrics(own: Registry): MetricsText {
  const last = new Map<number, readonly Values[]>();
  const waiting = new Map<number, () => void>();
  let ended: readonly Values[] = [];
  cluster.on('message', ({ id }: Worker, message: unknown) => {
    if (!isOfKind<Answer>(message, 'metrics')) return;
    last.set(id, message.metrics);
    waiting.get(id)?.();
  });
  cluster.on('exit', ({ id }) => {
    ended = totals([ended, last.get(id) ?? []]);
    last.delete(id);
    waiting.get(id)?.();
  });
  const ask = (worker: Worker) =>
    new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        waiting.delete(worker.id);
        resolve();
      };
      // A worker that is too busy is shown as it was.
      const timer = setTimeout(done, WORKER_METRICS_MS);
      waiting.set(worker.id, done);
      worker.send({ kind: 'metrics-asked' } satisfies Question);
    });
  let running: Promise<unknown> | undefined;
  return {
    async render() {
      const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker?.isConnected() === true);
      running ??= Promise.all(workers.map((worker) => worker && ask(worker))).finally(() => {
        running = undefined;
      });
      await running;
      const all = AggregatorRegistry.aggregate([...last.values(), ended] as object[]);
      return `${await all.metrics()}${await own.metrics()}`;
    },
    contentType: own.contentType,
  };
}

/** What only grows, added up. */
function totals(parts: readonly (readonly Values[])[]): readonly Values[] {
  const growing = parts.map((metrics) => metrics.filter(({ type }) => GROWING.has(String(type))));
  const added = new Map<string, Values>();
  for (const metric of growing.flat()) {
    const known = added.get(metric.name);
    added.set(
      metric.name,
      known === undefined ? metric : { ...metric, values: addedValues(known.values, metric.values) },
    );
  }
  return [...added.values()];
}

const GROWING: ReadonlySet<string> = new Set(['counter', 'histogram']);

function addedValues(
  one: readonly MetricValue<string>[],
  other: readonly MetricValue<string>[],
): MetricValue<string>[] {
  const sums = new Map<string, MetricValue<string>>();
  for (const value of [...one, ...other]) {
    const key = JSON.stringify([nameOf(value), Object.entries(value.labels).sort()]);
    sums.set(key, { ...value, value: value.value + (sums.get(key)?.value ?? 0) });
  }
  return [...sums.values()];
}

/** Buckets, sum and count of a histogram have names of their own. */
function nameOf(value: MetricValue<string>): string {
  return (value as { metricName?: string }).metricName ?? '';
}

function isOfKind<T extends { kind: string }>(message: unknown, kind: T['kind']): message is T {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === kind;
}
