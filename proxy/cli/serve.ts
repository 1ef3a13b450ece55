/** `sealgate serve`: one process, or SEALGATE_WORKERS of them sharing the listener through node:cluster. */
import cluster, { type Worker } from 'node:cluster';
import { type Capabilities, describeCapabilities } from '../backend/probe.ts';
import { type Config, ConfigError, parseConfig, readSettings } from '../config/config.ts';
import { relayKeyringChanges } from '../keyring/worker-changes.ts';
import { WORKER_RESTART_MS } from '../limits.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { workersMetrics } from '../observe/metrics.ts';
import { openStorage, probeStorage, startOps, startProxy } from '../runtime.ts';
import { waitForStore } from './wait-for-store.ts';

export async function serve(environment: NodeJS.ProcessEnv): Promise<number> {
  const config = parseConfig(readSettings(environment));
  const log = createLogger({ level: config.logLevel });
  return config.workers > 1 ? serveWithWorkers(config, log) : serveAlone(config, log);
}

/** Runs until SIGTERM or SIGINT. */
export async function serveAlone(
  config: Config,
  log: Logger,
  onReady?: (address: string) => Promise<void>,
): Promise<number> {
  const storage = await openStorage(config);
  await waitForStore(storage, log);
  const capabilities = await probeStorage(storage, config);
  refuseUnsafe(config, capabilities);
  const proxy = await startProxy({ config, storage, capabilities, log, ops: true });
  announce(config, log, { backend: storage.backend.description, capabilities, ...proxy });
  if (!capabilities.conditionalPutIfMatch) log.warn(NO_COMPARE_AND_SWAP);
  await onReady?.(`${config.tls === undefined ? 'http' : 'https'}://${hostPort(proxy.address)}`);
  await stopSignal();
  log.info('stopping: finishing the requests under way');
  await proxy.close();
  return 0;
}

/** What cannot be served safely is refused at start, by the name of the setting that asks for it. */
function refuseUnsafe(config: Config, capabilities: Capabilities): void {
  if (!capabilities.discardsCutBodies) {
    throw new ConfigError(
      'SEALGATE_BACKEND',
      'stores uploads that break off half-way, so no upload would be safe on it',
    );
  }
  if (config.workers > 1 && !capabilities.conditionalPutIfMatch) {
    throw new ConfigError(
      'SEALGATE_WORKERS',
      'must be 1: the backend has no compare-and-swap, so the state cannot be shared',
    );
  }
}

const NO_COMPARE_AND_SWAP =
  'the backend has no compare-and-swap: run one server and no other, and change keys while it is stopped';

function announce(
  config: Config,
  log: Logger,
  o: { backend: string; capabilities: Capabilities; address: { host: string; port: number } },
): void {
  log.info(
    {
      listen: hostPort(o.address),
      tls: config.tls !== undefined,
      backend: o.backend,
      state: `${config.state.bucket}/${config.state.prefix}`,
      legacy: config.legacy.kind,
      workers: config.workers,
      escrow: config.escrowPublicKey?.toString('base64') ?? 'off',
      capabilities: describeCapabilities(o.capabilities),
    },
    'serving',
  );
}

export function hostPort(address: { host: string; port: number }): string {
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', () => resolve());
    process.once('SIGINT', () => resolve());
  });
}

/** The primary probes the backend and answers the operator's port; the workers answer clients. */
async function serveWithWorkers(config: Config, log: Logger): Promise<number> {
  if (!cluster.isPrimary) return serveAsWorker(config, log);
  const storage = await openStorage(config);
  await waitForStore(storage, log);
  const capabilities = await probeStorage(storage, config);
  refuseUnsafe(config, capabilities);
  relayKeyringChanges();
  let stopping = false;
  const workers = Array.from({ length: config.workers }, () => fork(capabilities));
  const [address = config.listen] = await Promise.all(workers.map(listening)).catch(async (error: unknown) => {
    await Promise.all(workers.map(stopped));
    await storage.backend.close();
    throw error;
  });
  cluster.on('exit', (worker, code) => {
    if (stopping) return;
    log.error({ worker: worker.id, code }, 'a worker ended; starting another');
    setTimeout(() => (stopping ? undefined : fork(capabilities)), WORKER_RESTART_MS);
  });
  const ops = await startOps(config, storage, workersMetrics());
  announce(config, log, { backend: storage.backend.description, capabilities, address });
  await stopSignal();
  stopping = true;
  await Promise.all(Object.values(cluster.workers ?? {}).map((worker) => stopped(worker)));
  await ops.close();
  await storage.backend.close();
  return 0;
}

/** @throws Error when it cannot start: at the start of the program that is final, and no loop of further attempts. */
function listening(worker: Worker): Promise<{ host: string; port: number }> {
  return new Promise((resolve, reject) => {
    worker.once('listening', ({ address, port }) => resolve({ host: address, port }));
    worker.once('exit', () => reject(new Error('a worker could not start; its own message stands above')));
  });
}

function stopped(worker: Worker | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (worker === undefined || worker.isDead()) return resolve();
    worker.once('exit', () => resolve());
    worker.process.kill('SIGTERM');
  });
}

/** Workers are told what the probe found. */
function fork(capabilities: Capabilities): Worker {
  return cluster.fork({ [CAPABILITIES]: JSON.stringify(capabilities) });
}

const CAPABILITIES = 'WORKER_CAPABILITIES';

async function serveAsWorker(config: Config, log: Logger): Promise<number> {
  const capabilities = JSON.parse(process.env[CAPABILITIES] ?? '') as Capabilities;
  try {
    const storage = await openStorage(config);
    const proxy = await startProxy({ config, storage, capabilities, log, ops: false });
    await stopSignal();
    await proxy.close();
    return 0;
  } finally {
    // The channel to the primary would keep a worker alive that could not start.
    cluster.worker?.disconnect();
  }
}
