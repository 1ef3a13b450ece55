/** The operator's port of a server: health, readiness and metrics. */
import type { Backend } from '../backend/backend.ts';
import type { Config } from '../config/config.ts';
import type { RunningServer } from '../http/server.ts';
import type { MetricsText } from '../observe/metrics-text.ts';
import { NotReady, opsApp, startOpsServer } from '../observe/ops-server.ts';
import { READINESS_TIMEOUT_MS } from '../running-limits.ts';
import { listening } from './listen-failure.ts';

/** The operator's port, which says from `drain` on that the server is not ready. */
export async function startOps(o: {
  config: Pick<Config, 'opsListen' | 'state'>;
  storage: { readonly backend: Backend };
  metrics: MetricsText;
  /** Whether the S3 listener has all its connections in use. */
  isFull: () => boolean;
}): Promise<RunningServer & { drain(): void }> {
  const { config, storage, metrics } = o;
  let isDraining = false;
  const readiness = {
    async check() {
      if (isDraining) throw new NotReady('the server is stopping');
      if (o.isFull()) throw new NotReady('all connections are in use');
      const signal = AbortSignal.timeout(READINESS_TIMEOUT_MS);
      const response = await storage.backend.send({ method: 'HEAD', bucket: config.state.bucket, signal });
      response.body.resume();
      if (response.status !== 200) throw new Error(`the state bucket answers ${response.status}`);
    },
  };
  const server = await listening('SEALGATE_OPS_LISTEN', config.opsListen, () =>
    startOpsServer(opsApp({ metrics, readiness }), config.opsListen),
  );
  return {
    ...server,
    drain() {
      isDraining = true;
    },
  };
}
