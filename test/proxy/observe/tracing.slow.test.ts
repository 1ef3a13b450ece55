/**
 * Protects: traces go on from the client's traceparent to the store, name operation and outcome, and hold nothing of a tenant's data;
 * without the setting none of the packages is loaded.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Bench, openBench } from '../../helpers/bench.ts';

interface SentSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly kind: number;
  readonly status?: { readonly code?: number };
  readonly attributes: readonly { readonly key: string; readonly value: Record<string, unknown> }[];
}

let spans: SentSpan[];
let bodies: string;
let collector: ReturnType<typeof createServer>;
let bench: Bench;

beforeEach(async () => {
  spans = [];
  bodies = '';
  collector = createServer(async (incoming, outgoing) => {
    let text = '';
    for await (const piece of incoming) text += piece;
    bodies += text;
    for (const resource of JSON.parse(text).resourceSpans) {
      for (const scope of resource.scopeSpans) spans.push(...scope.spans);
    }
    outgoing.setHeader('content-type', 'application/json').end('{}');
  }).listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const { port } = collector.address() as AddressInfo;
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://127.0.0.1:${port}`);
  bench = await openBench({ config: { traces: 'otlp' } });
});
afterEach(async () => {
  vi.unstubAllEnvs();
  collector.closeAllConnections();
  await promisify(collector.close.bind(collector))();
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const attribute = (span: SentSpan | undefined, key: string) => {
  const { value = {} } = span?.attributes.find((one) => one.key === key) ?? {};
  return Object.values(value)[0];
};

test('a request, its authentication and what it asked of the store are one trace', async () => {
  const path = `/${bench.bucket}/hidden-name`;
  const traceparent = ['traceparent', `00-${TRACE}-${PARENT}-01`] as const;
  const { requests } = await bench.watch(() => bench.send({ method: 'PUT', path, body: 'x', headers: [traceparent] }));
  await bench.send({ method: 'GET', path: `/${bench.bucket}/missing`, headers: [['traceparent', 'nonsense']] });
  await bench.close();
  const put = spans.find(({ name }) => name === 'PutObject');
  expect(put).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, kind: 2 });
  expect([attribute(put, 'http.response.status_code'), attribute(put, 'sealgate.tenant')]).toEqual([
    200,
    bench.tenant.tenant,
  ]);
  const inside = spans.filter(({ parentSpanId }) => parentSpanId === put?.spanId);
  expect(inside.map(({ name }) => name)).toEqual(expect.arrayContaining(['authenticate', 'store PUT']));
  expect(inside.every(({ traceId }) => traceId === TRACE)).toBe(true);
  const stored = inside.find(({ name }) => name === 'store PUT');
  expect(requests.map(({ headers }) => headers?.['traceparent'])).toContain(`00-${TRACE}-${stored?.spanId}-01`);
  const get = spans.find(({ name }) => name === 'GetObject');
  expect(get?.parentSpanId).toBeUndefined();
  expect([attribute(get, 'error.type'), get?.status?.code ?? 0]).toEqual(['NoSuchKey', 0]);
  for (const secret of ['hidden-name', bench.bucket, bench.tenant.accessKeyId, bench.tenant.secretAccessKey]) {
    expect(bodies).not.toContain(secret);
  }
});

test('a collector that is gone stops nothing', async () => {
  collector.closeAllConnections();
  await promisify(collector.close.bind(collector))();
  const reply = await bench.send({ method: 'GET', path: `/${bench.bucket}` });
  expect(reply.status).toBe(200);
  await bench.close();
  collector = createServer().listen(0);
  await once(collector, 'listening');
});

test('without the setting nothing of its own is loaded', async () => {
  const script =
    "const { registerHooks } = await import('node:module'); const seen = [];" +
    'registerHooks({ resolve: (s, c, next) => { seen.push(s); return next(s, c); } });' +
    "await import('./proxy/runtime.ts'); console.log(JSON.stringify(seen));";
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const seen: string[] = JSON.parse(stdout);
  expect(seen.length).toBeGreaterThan(100);
  // What counts requests brings the types of the API itself along.
  expect(seen.filter((name) => /opentelemetry\/(?!api$)/.test(name))).toEqual([]);
  await bench.close();
});
