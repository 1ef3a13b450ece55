/**
 * OpenTelemetry traces, written by hand: a span for each request, for its authentication, and for each request to the store. Hooks
 * into every module would cost more than the requests themselves. The packages are loaded only where traces are on.
 */
import type { IncomingMessage } from 'node:http';
import type { Span, Tracer } from '@opentelemetry/api';
import { ConfigError } from '../config/settings.ts';

/** The trace of one request. */
export interface RequestTrace {
  /** A step of the request: ends when `work` does. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** A request to the store. `headers` carry the trace on; `end` is told the status, or undefined when no answer came. */
  toStore(name: string): { readonly headers: Readonly<Record<string, string>>; end(status: number | undefined): void };
  end(o: {
    readonly operation: string;
    readonly status: number;
    readonly attributes: Readonly<Record<string, string | number>>;
  }): void;
}

export interface Tracing {
  /** `traceparent`: as the client sent it (W3C Trace Context); the trace goes on from there. */
  begin(o: { readonly method: string; readonly traceparent: string | undefined }): RequestTrace;
  /** Sends what is not sent yet. */
  close(): Promise<void>;
}

/**
 * Sends to where OpenTelemetry's own variables say (OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_TRACES_SAMPLER, OTEL_SERVICE_NAME).
 * @throws ConfigError when the packages are not installed
 */
export async function openTracing(): Promise<Tracing> {
  const { api, core, exporter, resources, sdk } = await load();
  const resource = resources.resourceFromAttributes({ 'service.name': process.env['OTEL_SERVICE_NAME'] ?? 'sealgate' });
  const spanProcessors = [new sdk.BatchSpanProcessor(new exporter.OTLPTraceExporter())];
  const provider = new sdk.BasicTracerProvider({ resource, spanProcessors });
  const tracer = provider.getTracer('sealgate');
  return {
    begin({ method, traceparent }) {
      const remote = traceparent === undefined ? null : core.parseTraceParent(traceparent);
      const parent =
        remote === null ? api.ROOT_CONTEXT : api.trace.setSpanContext(api.ROOT_CONTEXT, { ...remote, isRemote: true });
      const span = tracer.startSpan(method, { kind: api.SpanKind.SERVER }, parent);
      return traceOf(api, tracer, span);
    },
    close: () => provider.shutdown(),
  };
}

/** The trace of a request that has come; undefined where traces are off. */
export function beginTrace(
  tracing: Tracing | undefined,
  incoming: Pick<IncomingMessage, 'method' | 'headers'>,
): RequestTrace | undefined {
  if (tracing === undefined) return undefined;
  // Read only here: node builds this object when it is first asked for.
  const { traceparent } = incoming.headers;
  const { method = '' } = incoming;
  return tracing.begin({ method, traceparent: typeof traceparent === 'string' ? traceparent : undefined });
}

type Api = typeof import('@opentelemetry/api');

function traceOf(api: Api, tracer: Tracer, span: Span): RequestTrace {
  const inside = api.trace.setSpan(api.ROOT_CONTEXT, span);
  const failed = { code: api.SpanStatusCode.ERROR };
  return {
    async step(name, work) {
      const own = tracer.startSpan(name, {}, inside);
      try {
        return await work();
      } catch (error) {
        own.setStatus(failed);
        throw error;
      } finally {
        own.end();
      }
    },
    toStore(name) {
      const own = tracer.startSpan(name, { kind: api.SpanKind.CLIENT }, inside);
      const { traceId, spanId, traceFlags } = own.spanContext();
      const flags = traceFlags.toString(16).padStart(2, '0');
      return {
        headers: { traceparent: `00-${traceId}-${spanId}-${flags}` },
        end(status) {
          if (status === undefined || status >= 500) own.setStatus(failed);
          if (status !== undefined) own.setAttribute('http.response.status_code', status);
          own.end();
        },
      };
    },
    end({ operation, status, attributes }) {
      span.updateName(operation);
      span.setAttributes({ ...attributes, 'http.response.status_code': status });
      if (status >= 500) span.setStatus(failed);
      span.end();
    },
  };
}

async function load() {
  try {
    const [api, core, exporter, resources, sdk] = await Promise.all([
      import('@opentelemetry/api'),
      import('@opentelemetry/core'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/resources'),
      import('@opentelemetry/sdk-trace-base'),
    ]);
    return { api, core, exporter, resources, sdk };
  } catch (cause) {
    if ((cause as { code?: string }).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new ConfigError(
      'SEALGATE_TRACES',
      'otlp needs packages that are not installed: npm install @opentelemetry/api @opentelemetry/core ' +
        '@opentelemetry/exporter-trace-otlp-http @opentelemetry/resources @opentelemetry/sdk-trace-base',
    );
  }
}
