/** Puts the parts of a running proxy together from a configuration: what `serve`, the quickstart and the tests start. */

import { trustedIssuers } from './access/oidc/trusted-issuers.ts';
import { PublicAcls } from './access/public-acls.ts';
import { RateLimits } from './access/rates/rate-limits.ts';
import { serverPolicy } from './access/server-policy.ts';
import type { AuditLog } from './audit/audit-log.ts';
import type { RunningAudit } from './audit/open-audit.ts';
import type { Backend } from './backend/backend.ts';
import type { Capabilities } from './backend/capabilities.ts';
import { openBackend } from './backend/open-backend.ts';
import { probeCapabilities } from './backend/probe.ts';
import type { OnCredentialEvent } from './backend/s3/credentials/credential-source.ts';
import type { BackendConfig } from './config/backend-config.ts';
import type { Config } from './config/config.ts';
import { CorsConfigurations } from './cors/configurations.ts';
import { addressBlocks } from './http/addresses.ts';
import type { ConnectionLoad } from './http/connections.ts';
import { type EdgeLimits, leastRates } from './http/edge-limits.ts';
import type { ListenAddress } from './http/listen-address.ts';
import { type RunningServer, startServer } from './http/server.ts';
import { OwnKeys } from './iam/own-keys.ts';
import type { SealKeyUpkeep } from './keyring/active-seal-key/seal-key-upkeep.ts';
import { BucketSettings } from './keyring/buckets/bucket-settings.ts';
import { SessionDays } from './keyring/sessions/day-records.ts';
import { SessionIssuer } from './keyring/sessions/issue-session.ts';
import { SessionUpkeep } from './keyring/sessions/session-upkeep.ts';
import { UseCounts } from './keyring/sessions/use-counts.ts';
import type { SignIn } from './keyring/sign-in.ts';
import { EscrowUpkeep } from './keyring/slots/escrow-upkeep.ts';
import { processKdfRunner } from './keyring/slots/kdf.ts';
import { upgradeKdf } from './keyring/slots/upgrade-kdf.ts';
import { StateStore } from './keyring/state/state.ts';
import { Tenancy } from './keyring/tenancy.ts';
import type { TenantSlot } from './keyring/uses/last-used.ts';
import { UseNotes } from './keyring/uses/note-uses.ts';
import { onWorkersChange, tellWorkers } from './keyring/worker-changes.ts';
import type { KmsProvider } from './kms/provider.ts';
import { LISTED_PAGES_BYTES, LONGEST_WRITE_SECONDS, MAX_CONNECTIONS } from './limits.ts';
import { MemoryBudget } from './memory/admission.ts';
import { defaultMemoryBytes } from './memory/memory-setting.ts';
import { UploadCache } from './multipart/upload-cache.ts';
import { objectStore } from './object/context.ts';
import { ListedPages } from './object/listed-pages.ts';
import { eventSink } from './observe/event-sink.ts';
import type { RecordEvent } from './observe/events.ts';
import { reportFull } from './observe/full-listener.ts';
import { HostHint } from './observe/host-hint.ts';
import type { Logger } from './observe/log.ts';
import { createMetrics, type Metrics } from './observe/metrics.ts';
import { requestLinesTo } from './observe/request-line.ts';
import { counted } from './observe/request-scope.ts';
import { openServerKms } from './observe/server-kms.ts';
import { openTracing, type Tracing } from './observe/tracing.ts';
import { OPERATIONS } from './operations/table.ts';
import type { Pipeline } from './pipeline-parts.ts';
import { createRouter } from './route.ts';
import { listening } from './running/listen-failure.ts';
import type { ReloadTarget } from './running/reload.ts';
import { startOps } from './running/start-ops.ts';
import { PROBE_TIMEOUT_MS } from './running-limits.ts';

/** The store and the state in it. The command line needs no more. */
export interface Storage {
  readonly backend: Backend;
  readonly state: StateStore;
  /** Uses other credentials and certificates for the store, from the next request on. Absent where the store needs none. */
  readonly useCredentials?: (backend: BackendConfig) => void;
}

/** `onCredentials` is called when the proxy's own credentials for the store change, or cannot be renewed. */
export async function openStorage(
  config: Pick<Config, 'backend' | 'region' | 'state'>,
  o: { readonly onCredentials?: OnCredentialEvent } = {},
): Promise<Storage> {
  const backend = counted(await openBackend(config, o.onCredentials));
  const state = new StateStore({ backend, ...config.state, region: config.region });
  return { backend, state, useCredentials: (next) => backend.useCredentials?.(next) };
}

/** Tries out what the backend can do, in the state bucket. Creates that bucket when it is missing. */
export async function probeStorage(storage: Storage, config: Pick<Config, 'state'>): Promise<Capabilities> {
  const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
  await storage.state.ensureBucket(signal);
  const { bucket, prefix } = config.state;
  return probeCapabilities(storage.backend, { bucket, prefix: `${prefix}probe/`, signal });
}

export interface RunningProxy {
  readonly address: ListenAddress;
  readonly connections: ConnectionLoad;
  /** Address of the operator's port. Absent where another process answers that port. */
  readonly opsAddress: ListenAddress | undefined;
  /** Requests under way. */
  openReplies(): number;
  /** Tells clients to go elsewhere, and still serves them: /readyz answers 503, replies close their connection. */
  drain(): void;
  /** Takes no more connections, gives requests under way the configured time to finish, and closes the operator's port last. */
  close(): Promise<void>;
  /** The parts that accept new values of settings while the server runs. */
  readonly reloads: ReloadTarget;
}

/** What a proxy is put together from. */
interface ProxyParts {
  config: Config;
  storage: Storage;
  capabilities: Capabilities;
  log: Logger;
  /** Gets every event, also the events of allowed decisions. */
  audit?: RecordEvent;
  now?: () => Date;
  /** Those of the configuration when absent. */
  kmsProviders?: readonly KmsProvider[] | undefined;
  /** Those of limits.ts when absent. */
  limits?: EdgeLimits;
}

export async function startProxy(
  o: ProxyParts & {
    /** Whether this process answers the operator's port: the primary of several workers does it for them. */
    ops: boolean;
    /** Further processes listen on the same address, each with a queue of its own (running/shared-address.ts). */
    reusePort?: boolean;
    /** The audit log, in the place of `audit`. */
    auditLog?: RunningAudit | undefined;
    /** Follows the active seal key, and ends with the last request. Absent in a worker. */
    sealKey?: Pick<SealKeyUpkeep, 'status' | 'close'> | undefined;
  },
): Promise<RunningProxy> {
  const { config, storage, auditLog } = o;
  const memory = new MemoryBudget({ bytes: config.memoryBytes ?? defaultMemoryBytes(config.workers) });
  const metrics = createMetrics(memory);
  metrics.showCredentials(storage.backend.credentials);
  if (auditLog !== undefined) metrics.showAudit(auditLog.status);
  const { sealKey } = o;
  if (sealKey !== undefined) metrics.showSealKey(() => sealKey.status);
  const tracing = config.traces === 'otlp' ? await openTracing() : undefined;
  const pipeline = createPipeline({ ...o, auditLog: auditLog?.log, metrics, memory, tracing });
  pipeline.sessionUpkeep.start();
  const { listen, tls, proxyProtocol } = config;
  const { limits, log } = o;
  const onFull = reportFull(log, limits?.maxConnections ?? MAX_CONNECTIONS);
  const server = await listening('SEALGATE_LISTEN', listen, () =>
    startServer(pipeline, { listen, tls, proxyProtocol, limits, onFull, reusePort: o.reusePort ?? false }),
  );
  metrics.showConnections(server.connections);
  const isFull = () => server.connections.isFull;
  const ops = o.ops ? await startOps({ config, storage, metrics, isFull }).catch(closing(server)) : undefined;
  return {
    address: server.address,
    connections: server.connections,
    opsAddress: ops?.address,
    openReplies: () => server.openReplies(),
    drain() {
      ops?.drain();
      server.drain();
    },
    async close() {
      ops?.drain();
      pipeline.sessionUpkeep.close();
      await server.close(config.drainTimeoutMs);
      await pipeline.uses?.close();
      await sealKey?.close();
      await auditLog?.close();
      await pipeline.kms.close();
      // The collector of traces may be gone. That is no reason not to stop.
      await tracing?.close().catch((err: unknown) => o.log.warn({ err }, 'the last traces were not sent'));
      await storage.backend.close();
      await ops?.close();
    },
    reloads: {
      sealKeys: config.sealKeys,
      renewCertificate: (pair) => server.renewCertificate(pair),
      useCredentials: storage.useCredentials,
      resizeMemory: (bytes) => memory.resize(bytes ?? defaultMemoryBytes(config.workers)),
    },
  };
}

type Made = { metrics: Metrics; memory: MemoryBudget; tracing: Tracing | undefined };

function createPipeline(o: ProxyParts & Made & { auditLog: AuditLog | undefined }): Pipeline {
  const { config, storage, metrics, memory, log, auditLog } = o;
  const record = eventSink({ log, metrics, audit: auditLog ? (event) => auditLog.record(event) : o.audit });
  const now = o.now ?? (() => new Date());
  const { state } = storage;
  const { sealKeys } = config;
  const writeLine = requestLinesTo(log, config.logFormat);
  const hint = new HostHint({ hostnames: config.hostnames, log });
  const onSignIn = (signIn: SignIn) => escrow?.signedIn(signIn);
  const upgrade = (of: Pick<SignIn, 'key' | 'slot'>) =>
    upgradeKdf(keyrings, of, (err) => log.warn({ err, tenant: of.key.tenant }, 'a KDF was not upgraded'));
  const onUseFailure = (err: unknown, { tenant, slot }: TenantSlot) =>
    log.warn({ err, tenant, slot }, 'the use of a key was not noted');
  const uses =
    config.lastUsed === 'off' ? undefined : new UseNotes({ state, sealKeys, record, now, onFailure: onUseFailure });
  const onUse = (of: TenantSlot) => uses?.note(of);
  const useCounts = new UseCounts({ state, now });
  const sessionDays = new SessionDays({ state, sealKeys, now });
  const kms = openServerKms(config.kms, { now, metrics, record, providers: o.kmsProviders });
  const tenancy = new Tenancy({ state, sealKeys, sessionDays, record, now, onSignIn, onKdfDue: upgrade, onUse, kms });
  const note = (tenant: string, generation: number) => tenancy.noteGeneration(tenant, generation);
  const onChange = (tenant: string, generation: number) => {
    note(tenant, generation);
    tellWorkers(tenant, generation);
  };
  onWorkersChange(note);
  const { generations } = tenancy;
  const keyrings = { state, sealKeys, record, now, runner: processKdfRunner, kms, generations, onChange };
  const server = serverPolicy({
    ownBuckets: [config.state.bucket, ...(config.audit.store === undefined ? [] : [config.audit.store.bucket])],
    selfService: config.selfService,
    conditionalWrites: o.capabilities.conditionalPutIfMatch,
    sessions: o.capabilities.conditionalPut,
  });
  const sessions = new SessionIssuer({ deps: keyrings, days: sessionDays, upgradeKdf: upgrade });
  const issuers = trustedIssuers(config.oidcIssuers, {
    now,
    onFailure: (issuer, err) => log.warn({ err, issuer }, 'the keys of an OpenID Connect issuer were not read'),
  });
  const { escrowPublicKey } = config;
  const escrow = escrowPublicKey === undefined ? undefined : new EscrowUpkeep(keyrings, escrowPublicKey);
  return {
    services: {
      store: {
        ...objectStore({
          backend: storage.backend,
          capabilities: o.capabilities,
          legacy: config.legacy,
          bestEffortConditions: config.bestEffortConditions,
          etags: new BucketSettings({ state, sealKeys, record, now, etags: config.etags }),
          record,
          now,
        }),
        state,
        uploads: new UploadCache(),
      },
      pages: new ListedPages({ bytes: LISTED_PAGES_BYTES }),
      record,
      region: config.region,
      stateBucket: config.state.bucket,
      publicAcls: new PublicAcls({
        refuse: config.publicAcls === 'refuse',
        warn: (requestId) =>
          log.warn({ requestId }, 'a client asks for a public ACL; no anonymous request is answered here'),
      }),
      cors: new CorsConfigurations({
        backend: storage.backend,
        stateBucket: config.state.bucket,
        now: () => now().getTime(),
      }),
    },
    tenancy,
    kms,
    uses,
    ownKeys: new OwnKeys(keyrings),
    sessions,
    webIdentity: { keyrings, sessions, issuers, server, record },
    useCounts,
    sessionUpkeep: new SessionUpkeep({
      days: sessionDays,
      uses: useCounts,
      deps: keyrings,
      onFailure: (err) => log.warn({ err }, 'what old sessions left was not taken away'),
    }),
    server,
    rates: new RateLimits({ rates: config.rates, record, onRefused: (kind) => metrics.rateRefused(kind) }),
    router: createRouter(OPERATIONS),
    audit: auditLog,
    log,
    tracing: o.tracing,
    writeLine: (line) => {
      writeLine(line);
      hint.note(line);
    },
    metrics,
    memory,
    leastRates: leastRates(o.limits ?? {}, () => memory.waiting > 0),
    longestWriteMs: o.limits?.longestWriteMs ?? 1000 * LONGEST_WRITE_SECONDS,
    hostnames: config.hostnames,
    isTrustedProxy: addressBlocks(config.trustedProxies),
    signingRegion: config.regionIsSet ? config.region : undefined,
    now,
  };
}

/** Closes what was started when the rest cannot start. */
function closing(server: RunningServer): (error: unknown) => Promise<never> {
  return async (error) => {
    await server.close();
    throw error;
  };
}
