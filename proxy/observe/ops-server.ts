/** The operator's listener: liveness, readiness and metrics. Never on the S3 port, never with anything of a tenant's. */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import type { ListenAddress } from '../http/listen-address.ts';
import type { RunningServer } from '../http/server.ts';
import type { MetricsText } from './metrics-text.ts';

export interface Readiness {
  /** Resolves when the backend and the state bucket answer. @throws otherwise; NotReady for another reason than that */
  check(): Promise<void>;
}

/** The reason why the server is not ready where the store is not the cause, in words for the reader of /readyz. */
export class NotReady extends Error {}

export function opsApp(o: { metrics: MetricsText; readiness: Readiness }): Hono {
  const app = new Hono();
  app.get('/healthz', (c) => c.text('ok\n'));
  app.get('/readyz', async (c) => {
    try {
      await o.readiness.check();
      return c.text('ready\n');
    } catch (error) {
      const reason = error instanceof NotReady ? error.message : 'the backend or the state bucket does not answer';
      return c.text(`not ready: ${reason}\n`, 503);
    }
  });
  app.get('/metrics', async (c) => c.text(await o.metrics.render(), 200, { 'Content-Type': o.metrics.contentType }));
  return app;
}

export function startOpsServer(app: Hono, listen: ListenAddress): Promise<RunningServer> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname: listen.host, port: listen.port }, (info) => {
      server.off('error', reject);
      resolve({
        address: { host: info.address, port: info.port },
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            if ('closeAllConnections' in server) server.closeAllConnections();
          }),
      });
    });
    server.once('error', reject);
  });
}
