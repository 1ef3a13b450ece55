/** `sealgate serve`: one process, or SEALGATE_WORKERS of them sharing the address (running/shared-address.ts). */
import cluster, { type Worker } from 'node:cluster';
import { openWorkerAudit, type ServerAudit } from '../audit/open-audit.ts';
import { blocksFromWorkers } from '../audit/worker-blocks.ts';
import { type Capabilities, describeCapabilities } from '../backend/capabilities.ts';
import { type Config, parseConfig } from '../config/config.ts';
import { readSettings, type Settings } from '../config/settings.ts';
import type { ListenAddress } from '../http/listen-address.ts';
import type { SealKeyUpkeep } from '../keyring/active-seal-key/seal-key-upkeep.ts';
import { relayKeyringChanges } from '../keyring/worker-changes.ts';
import { credentialEventsTo } from '../observe/credential-log.ts';
import { anyWorkerFull } from '../observe/full-listener.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { primaryMetrics } from '../observe/primary-metrics.ts';
import { workersMetrics } from '../observe/workers-metrics.ts';
import { Reload } from '../running/reload.ts';
import { reserveAddress, type SharedAddress } from '../running/shared-address.ts';
import { startOps } from '../running/start-ops.ts';
import { drainDelay, stopSignal } from '../running/stop-signal.ts';
import { orderWorker, orderWorkers, prepareOrders, receiveOrders } from '../running/worker-orders.ts';
import { WORKER_RESTART_MS } from '../running-limits.ts';
import { openStorage, type Storage, startProxy } from '../runtime.ts';
import { checkKms } from '../startup/check-kms.ts';
import { inWords, StartRefused, type Tell } from '../startup/finding.ts';
import { checkStorage } from '../startup/run-checks.ts';
import { startAudit } from './start-audit.ts';
import { startReloading } from './start-reloading.ts';
import { openSealKey, startSealKeyUpkeep } from './start-seal-keys.ts';
import { waitForStore } from './wait-for-store.ts';

export async function serve(environment: NodeJS.ProcessEnv): Promise<number> {
  const read = () => readSettings(environment);
  const settings = read();
  const config = parseConfig(settings);
  const log = serverLog(config);
  if (!cluster.isPrimary) return serveAsWorker({ settings, config, read, log });
  const ready = await openChecked(config, log);
  if (config.workers > 1 && ready.capabilities.conditionalPutIfMatch) {
    return serveWithWorkers({ settings, config, read, log }, ready);
  }
  // Without compare-and-swap only one process may serve. It gets the memory of all of them.
  const alone = () => ({ ...read(), SEALGATE_WORKERS: '1' });
  const { sealKeys } = config;
  return serveReady({ settings: alone(), config: { ...parseConfig(alone()), sealKeys }, read: alone, log }, ready);
}

/** Lines in S3's format have standard output for themselves. */
function serverLog({ logLevel: level, logFormat }: Config): Logger {
  return createLogger(logFormat === 's3' ? { level, destination: process.stderr } : { level });
}

/** One process, until SIGTERM or SIGINT. `read` gives the settings as they are now. */
export async function serveAlone(
  o: { readonly read: () => Settings; readonly log: Logger },
  onReady?: (address: string) => Promise<void>,
): Promise<number> {
  const settings = o.read();
  const config = parseConfig(settings);
  return serveReady({ ...o, settings, config }, await openChecked(config, o.log), onReady);
}

/** What a process serves by. */
interface Serving {
  readonly settings: Settings;
  readonly config: Config;
  readonly read: () => Settings;
  readonly log: Logger;
}

interface Ready {
  readonly storage: Storage;
  readonly capabilities: Capabilities;
  readonly audit: ServerAudit | undefined;
  readonly sealKey: SealKeyUpkeep;
}

/** The store, once all is checked. @throws StartRefused with the first fault */
async function openChecked(config: Config, log: Logger): Promise<Ready> {
  const storage = await openStorage(config, { onCredentials: credentialEventsTo(log) });
  try {
    await checkKms(config.kms, startLog(log));
    await waitForStore(storage, log);
    const capabilities = await checkStorage(
      storage,
      { config, makesBucket: true, now: () => new Date() },
      startLog(log),
    );
    if (capabilities === undefined) throw new Error('a check failed without a finding');
    const started = await openSealKey(config, storage, log);
    const audit = await startAudit(config, storage, log);
    const sealKey = await startSealKeyUpkeep(config, { storage, audit, started, log });
    return { storage, capabilities, audit, sealKey };
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
  serving: Serving,
  ready: Ready,
  onReady?: (address: string) => Promise<void>,
): Promise<number> {
  const { config, log } = serving;
  const { storage, capabilities, audit, sealKey } = ready;
  const parts = { config, storage, capabilities, log, ops: true, auditLog: audit, sealKey };
  const proxy = await startProxy(parts).catch(closing(ready));
  const reload = new Reload({ ...serving, target: proxy.reloads });
  const reloading = startReloading(reload, sealKey);
  announce(config, log, { backend: storage.backend.description, capabilities, ...proxy });
  await onReady?.(`${config.tls === undefined ? 'http' : 'https'}://${hostPort(proxy.address)}`);
  const signal = await stopSignal();
  reloading.close();
  log.info({ signal }, 'stopping: clients are sent elsewhere');
  proxy.drain();
  await drainDelay(signal, config.drainDelayMs);
  log.info('stopping: finishing the requests under way');
  await proxy.close();
  return 0;
}

/** Closes what is open when the start fails. A writer of the audit that never says that it ended looks like one whose events are lost. */
function closing({ storage, audit, sealKey }: Ready): (error: unknown) => Promise<never> {
  return async (error) => {
    await sealKey.close();
    await audit?.close();
    await storage.backend.close();
    throw error;
  };
}

function announce(
  config: Config,
  log: Logger,
  o: { backend: string; capabilities: Capabilities; address: ListenAddress; opsAddress: ListenAddress | undefined },
): void {
  log.info(
    {
      listen: hostPort(o.address),
      ops: o.opsAddress && hostPort(o.opsAddress),
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

/** The primary looks at the store and answers the operator's port; the workers answer clients. */
async function serveWithWorkers(serving: Serving, ready: Ready): Promise<number> {
  const { config, log } = serving;
  const { storage, capabilities, audit, sealKey } = ready;
  if (audit !== undefined) blocksFromWorkers(audit.write);
  relayKeyringChanges();
  const isFull = anyWorkerFull();
  prepareOrders();
  const shared = await reserveAddress(config.listen).catch(closing(ready));
  if (!shared.hasReusePort) {
    log.warn('this system has no SO_REUSEPORT: the first process accepts connections, and hands them to the workers');
  }
  let stopping = false;
  const startWorker = () => fork(capabilities, shared, config.sealKeys.active.kid);
  const stop = async () => {
    stopping = true;
    await Promise.all(Object.values(cluster.workers ?? {}).map((worker) => stopped(worker)));
    await sealKey.close();
    await audit?.close();
    shared.release();
    await storage.backend.close();
  };
  const failed = async (error: unknown): Promise<never> => {
    await stop();
    throw error;
  };
  const workers = Array.from({ length: config.workers }, startWorker);
  const [address = config.listen] = await Promise.all(workers.map(servingAddress)).catch(failed);
  shared.served();
  cluster.on('exit', (worker, code) => {
    if (stopping) return;
    log.error({ worker: worker.id, code }, 'a worker ended; starting another');
    setTimeout(() => (stopping ? undefined : startWorker()), WORKER_RESTART_MS);
  });
  const ops = await startOps({
    config,
    storage,
    metrics: workersMetrics(primaryMetrics({ audit: audit?.status, sealKey: () => sealKey.status })),
    isFull,
  }).catch(failed);
  // Workers check the same values again: each of them takes all or nothing.
  const target = { sealKeys: config.sealKeys, useCredentials: storage.useCredentials };
  const reloading = startReloading(new Reload({ ...serving, target }), sealKey, () => orderWorkers('reload'));
  announce(config, log, { backend: storage.backend.description, capabilities, address, opsAddress: ops.address });
  const signal = await stopSignal();
  reloading.close();
  log.info({ signal }, 'stopping: clients are sent elsewhere');
  ops.drain();
  orderWorkers('drain');
  await drainDelay(signal, config.drainDelayMs);
  log.info('stopping: finishing the requests under way');
  await stop();
  await ops.close();
  return 0;
}

/** @throws Error when it cannot start: at the start of the program that is final, and no loop of further attempts. */
function servingAddress(worker: Worker): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    worker.on('message', (message: unknown) => {
      if (isServing(message)) resolve(message.address);
    });
    worker.once('exit', () => reject(new Error('a worker could not start; its own message stands above')));
  });
}

interface ServingMessage {
  readonly kind: 'serving';
  readonly address: ListenAddress;
}

function isServing(message: unknown): message is ServingMessage {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === 'serving';
}

function stopped(worker: Worker | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (worker === undefined || worker.isDead()) return resolve();
    worker.once('exit', () => resolve());
    if (worker.isConnected()) orderWorker(worker, 'stop');
    else worker.process.kill('SIGKILL');
  });
}

/** Workers are told what the probe found, which seal key signs, and where each of them listens by itself. */
function fork(capabilities: Capabilities, { address, hasReusePort }: SharedAddress, sealKey: string): Worker {
  return cluster.fork({
    [CAPABILITIES]: JSON.stringify(capabilities),
    [SEAL_KEY]: sealKey,
    ...(hasReusePort && { [LISTEN]: JSON.stringify(address) }),
  });
}

const CAPABILITIES = 'WORKER_CAPABILITIES';
const LISTEN = 'WORKER_LISTEN';
const SEAL_KEY = 'WORKER_SEAL_KEY';

async function serveAsWorker(serving: Serving): Promise<number> {
  const { log } = serving;
  const capabilities = JSON.parse(process.env[CAPABILITIES] ?? '') as Capabilities;
  const own = process.env[LISTEN];
  const listen = own === undefined ? serving.config.listen : (JSON.parse(own) as ListenAddress);
  const config = { ...serving.config, listen };
  const orders = receiveOrders();
  const activate = (kid: string) => {
    if (!config.sealKeys.activate(kid)) log.error({ sealKey: kid }, 'this process does not have the active seal key');
  };
  activate(process.env[SEAL_KEY] ?? '');
  try {
    const storage = await openStorage(config, { onCredentials: credentialEventsTo(log) });
    const auditLog = openWorkerAudit({ ...config, config: config.audit, now: () => new Date(), log });
    const reusePort = own !== undefined;
    const proxy = await startProxy({ config, storage, capabilities, log, ops: false, reusePort, auditLog });
    process.send?.({ kind: 'serving', address: proxy.address } satisfies ServingMessage);
    const reload = new Reload({ ...serving, target: proxy.reloads });
    for (let order = await orders.next(); order !== 'stop'; order = await orders.next()) {
      if (typeof order === 'object') activate(order.sealKey);
      else if (order === 'drain') proxy.drain();
      else reload.run('an order of the primary process');
    }
    await proxy.close();
    return 0;
  } finally {
    // The channel to the primary would keep a worker alive that could not start.
    cluster.worker?.disconnect();
  }
}
