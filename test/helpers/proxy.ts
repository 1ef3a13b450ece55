/**
 * A proxy in this process on any backend, with as many tenants as a test wants. Nothing is stubbed but the clock, when asked:
 * the same parts as `sealgate serve`, on a free loopback port.
 */
import { randomBytes } from 'node:crypto';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { RunningAudit } from '../../proxy/audit/open-audit.ts';
import type { Backend } from '../../proxy/backend/backend.ts';
import type { Capabilities } from '../../proxy/backend/capabilities.ts';
import type { Config } from '../../proxy/config/config.ts';
import type { ConnectionLoad } from '../../proxy/http/connections.ts';
import type { EdgeLimits } from '../../proxy/http/edge-limits.ts';
import { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { TenantAdmin } from '../../proxy/keyring/admin/tenant-admin.ts';
import type { Grant } from '../../proxy/keyring/grants.ts';
import { StateStore } from '../../proxy/keyring/state/state.ts';
import type { KmsProvider } from '../../proxy/kms/provider.ts';
import type { DecisionEvent, RecordEvent, SecurityEvent } from '../../proxy/observe/events.ts';
import { createLogger } from '../../proxy/observe/log.ts';
import { counted } from '../../proxy/observe/request-scope.ts';
import type { ReloadTarget } from '../../proxy/running/reload.ts';
import { probeStorage, startProxy } from '../../proxy/runtime.ts';

export interface TestTenant {
  readonly tenant: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface TestProxy {
  readonly endpoint: string;
  /** Of the operator's port, where it was asked for. */
  readonly opsEndpoint: string | undefined;
  readonly backend: Backend;
  readonly connections: ConnectionLoad;
  readonly sealKeys: SealKeys;
  readonly state: StateStore;
  /** Every line logged so far, parsed. */
  readonly log: Record<string, unknown>[];
  /** What was decided so far, allowed or refused, oldest first. */
  readonly decisions: DecisionEvent[];
  createTenant(grants?: readonly Grant[]): Promise<TestTenant>;
  client(tenant: TestTenant, config?: S3ClientConfig): S3Client;
  readonly reloads: ReloadTarget;
  /** Requests under way. */
  openReplies(): number;
  /** The first step of a stop. */
  drain(): void;
  /** Leaves the backend open. */
  close(): Promise<void>;
}

export const FULL_ACCESS: readonly Grant[] = [{ bucket: '*', prefix: '', access: 'read-write' }];

export interface TestProxyOptions {
  readonly backend: Backend;
  readonly config?: Partial<Config>;
  /** Probed when not given. */
  readonly capabilities?: Capabilities;
  readonly sealKeys?: SealKeys;
  readonly now?: () => Date;
  readonly limits?: EdgeLimits;
  /** In place of those of the configuration. */
  readonly kmsProviders?: readonly KmsProvider[];
  /** Whether the operator's port is there, too. */
  readonly ops?: boolean;
  /** Takes every event, in place of `decisions`. */
  readonly audit?: RecordEvent;
  /** An audit log as `serve` has it. The proxy closes it. */
  readonly auditLog?: RunningAudit;
}

export async function startTestProxy(o: TestProxyOptions): Promise<TestProxy> {
  const sealKeys = o.sealKeys ?? SealKeys.parse(SealKeys.generate());
  const config: Config = {
    listen: { host: '127.0.0.1', port: 0 },
    opsListen: { host: '127.0.0.1', port: 0 },
    backend: { kind: 'local', directory: '' },
    region: 'us-east-1',
    regionIsSet: false,
    state: { bucket: 'sealgate-state', prefix: '' },
    sealKeys,
    escrowPublicKey: undefined,
    selfService: true,
    oidcIssuers: [],
    kms: { providers: [], cacheMs: 300_000, graceMs: 0 },
    lastUsed: 'off',
    approvals: [],
    audit: { mode: 'off', store: undefined, retentionDays: 90, webhook: undefined },
    workers: 1,
    workersAreSet: true,
    legacy: { kind: 'allow' },
    etags: 'md5',
    bestEffortConditions: false,
    publicAcls: 'warn',
    hostnames: [],
    proxyProtocol: false,
    trustedProxies: [],
    rates: {},
    tls: undefined,
    logLevel: 'info',
    logFormat: 'json',
    traces: 'off',
    drainDelayMs: 0,
    drainTimeoutMs: 25_000,
    ...o.config,
  };
  const log: Record<string, unknown>[] = [];
  const logger = createLogger({
    level: config.logLevel,
    destination: { write: (line) => void log.push(JSON.parse(line)) },
  });
  const kept: Backend = counted({
    description: o.backend.description,
    send: (request) => o.backend.send(request),
    close: async () => {},
  });
  const storage = { backend: kept, state: new StateStore({ backend: kept, ...config.state }) };
  const capabilities = o.capabilities ?? (await probeStorage(storage, config));
  await storage.state.ensureBucket(AbortSignal.timeout(60_000));
  const now = o.now === undefined ? {} : { now: o.now };
  const limits = o.limits === undefined ? {} : { limits: o.limits };
  const decisions: DecisionEvent[] = [];
  const audit = (event: SecurityEvent | DecisionEvent) => void ('decision' in event && decisions.push(event));
  const ofAudit = o.auditLog === undefined ? {} : { auditLog: o.auditLog };
  const { kmsProviders } = o;
  const shared = { config, kmsProviders, storage, capabilities, log: logger };
  const parts = { ...ofAudit, ...shared, audit: o.audit ?? audit, ...now, ...limits };
  const proxy = await startProxy({ ...parts, ops: o.ops ?? false });
  const scheme = config.tls === undefined ? 'http' : 'https';
  const endpoint = `${scheme}://127.0.0.1:${proxy.address.port}`;
  const { escrowPublicKey } = config;
  const admin = new TenantAdmin({ state: storage.state, sealKeys, escrowPublicKey, record: () => {} });
  return {
    endpoint,
    opsEndpoint: proxy.opsAddress && `http://127.0.0.1:${proxy.opsAddress.port}`,
    backend: o.backend,
    connections: proxy.connections,
    sealKeys,
    state: storage.state,
    log,
    decisions,
    createTenant: (grants = FULL_ACCESS) => admin.create({ grants }),
    client: (tenant, extra = {}) => s3Client(endpoint, tenant, extra),
    reloads: proxy.reloads,
    openReplies: () => proxy.openReplies(),
    drain: () => proxy.drain(),
    close: () => proxy.close(),
  };
}

/** A stock AWS SDK client without retries, so that a test sees the first answer. */
export function s3Client(
  endpoint: string,
  credentials: Omit<TestTenant, 'tenant'>,
  extra: S3ClientConfig = {},
): S3Client {
  const { accessKeyId, secretAccessKey } = credentials;
  return new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId, secretAccessKey },
    ...extra,
  });
}

/** A bucket name no other test uses. */
export function uniqueBucket(): string {
  return `test-${randomBytes(6).toString('hex')}`;
}
