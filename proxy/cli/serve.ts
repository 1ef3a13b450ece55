/** `sealgate serve`: one process, or SEALGATE_WORKERS of them sharing the listener through node:cluster. */
import cluster, { type Worker } from 'node:cluster';
import { type Capabilities, describeCapabilities } from '../backend/probe.ts';
import { type Config, parseConfig } from '../config/config.ts';
import { readSettings } from '../config/settings.ts';
import { relayKeyringChanges } from '../keyring/worker-changes.ts';
import { anyWorkerFull } from '../observe/full-listener.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { workersMetrics } from '../observe/metrics.ts';
import { WORKER_RESTART_MS } from '../running-limits.ts';
import { openStorage, type Storage, startOps, startProxy } from '../runtime.ts';
import { inWords, StartRefused, type Tell } from '../startup/finding.ts';
import { checkStorage } from '../startup/run-checks.ts';
import { waitForStore } from './wait-for-store.ts';

export async function serve(environment: NodeJS.ProcessEnv): Promise<number> {
  const config = parseConfig(readSettings(environment));
  const log = createLogger({ level: config.logLevel });
  if (!cluster.isPrimary) return serveAsWorker(config, log);
  const ready = await openChecked(config, log);
  // Without compare-and-swap one process is all that there may be; it has the memory of all of them.
  const alone = parseConfig({ ...readSettings(environment), SEALGATE_WORKERS: '1' });
  const isShared = config.workers > 1 && ready.capabilities.conditionalPutIfMatch;
  return isShared ? serveWithWorkers(config, ready, log) : serveReady(alone, ready, log);
}

/** One process, until SIGTERM or SIGINT. */
export async function serveAlone(
  config: Config,
  log: Logger,
  onReady?: (address: string) => Promise<void>,
): Promise<number> {
  return serveReady(config, await openChecked(config, log), log, onReady);
}

interface Ready {
  readonly storage: Storage;
  readonly capabilities: Capabilities;
}

/** The store, once all is checked. @throws StartRefused with the first fault */
async function openChecked(config: Config, log: Logger): Promise<Ready> {
  const storage = await openStorage(config);
  try {
    await waitForStore(storage, log);
    const capabilities = await checkStorage(
      storage,
      { config, makesBucket: true, now: () => new Date() },
      startLog(log),
    );
    if (capabilities === undefined) throw new Error('a check failed without a finding');
    return { storage, capabilities };
  } catch (error) {
    await storage.backend.close();
    throw error;
  }
}

/** Findings into the log; a fault ends the start. */
function startLog(log: Logger): Tell {
  return (finding) => {
    if (finding.level === 'fault') throw new StartRefused(finding);
    const level = finding.level === 'warning' ? 'warn' : 'debug';
    log[level]({ check: finding.subject }, inWords(finding));
  };
}

async function serveReady(
  config: Config,
  { storage, capabilities }: Ready,
  log: Logger,
  onReady?: (address: string) => Promise<void>,
): Promise<number> {
  const proxy = await startProxy({ config, storage, capabilities, log, ops: true });
  announce(config, log, { backend: storage.backend.description, capabilities, ...proxy });
  await onReady?.(`${config.tls === undefined ? 'http' : 'https'}://${hostPort(proxy.address)}`);
  await stopSignal();
  log.info('stopping: finishing the requests under way');
  await proxy.close();
  return 0;
}

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
async function serveWithWorkers(config: Config, { storage, capabilities }: Ready, log: Logger): Promise<number> {
  relayKeyringChanges();
  const isFull = anyWorkerFull();
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
  const ops = await startOps({ config, storage, metrics: workersMetrics(), isFull });
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
