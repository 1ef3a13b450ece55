/**
 * Configuration: settings as typed values. A missing or malformed one stops the program with the variable's name, and never shows
 * the value of a secret.
 */
import { InvalidIssuers, type Issuer, parseIssuers } from '../access/oidc/issuers.ts';
import type { Rates } from '../access/rates/rate-limits.ts';
import type { ListenAddress } from '../http/listen-address.ts';
import { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import type { ApprovalAction } from '../keyring/approvals/actions.ts';
import { parseEscrowPublicKey } from '../keyring/slots/escrow-key.ts';
import { defaultWorkers, memoryShare } from '../memory/memory-setting.ts';
import { ETAG_MODES, type EtagMode } from '../object/etags.ts';
import { DRAIN_DELAY_MS, DRAIN_TIMEOUT_MS, MAX_DRAIN_MS, MAX_WORKERS } from '../running-limits.ts';
import { approvals } from './approvals-config.ts';
import { type AuditConfig, audit } from './audit-config.ts';
import { type BackendConfig, backend } from './backend-config.ts';
import { rates, trustedProxies } from './edge-config.ts';
import { type KmsConfig, kms } from './kms-config.ts';
import { oneOf, readSecretFile, required } from './read-setting.ts';
import { ConfigError, type Settings, type Variable } from './settings.ts';
import { readTlsPair, type TlsPair } from './tls-pair.ts';

/** What happens to objects without `enc-algo`. `time` is in milliseconds since 1970. */
export type LegacyPolicy =
  | { readonly kind: 'allow' }
  | { readonly kind: 'deny' }
  | { readonly kind: 'before'; readonly time: number };

export interface Config {
  readonly listen: ListenAddress;
  readonly opsListen: ListenAddress;
  readonly backend: BackendConfig;
  /** Region of the backend. Clients are told the same region. */
  readonly region: string;
  /** Whether the region was named: only then must signatures name it. */
  readonly regionIsSet: boolean;
  readonly state: { readonly bucket: string; readonly prefix: string };
  readonly sealKeys: SealKeys;
  /** 32 bytes: the key to which the root keys of tenants are sealed. Undefined: no escrow. */
  readonly escrowPublicKey: Buffer | undefined;
  /** Whether tenants may change their own keys over IAM's API. */
  readonly selfService: boolean;
  /** OpenID Connect issuers whose tokens roles may trust. */
  readonly oidcIssuers: readonly Issuer[];
  /** Key services that slots of keyrings may need. */
  readonly kms: KmsConfig;
  /** How exactly servers record when each key was last used. */
  readonly lastUsed: 'off' | 'day';
  readonly audit: AuditConfig;
  /** Commands that need approvals, whatever the state says. */
  readonly approvals: readonly ApprovalAction[];
  readonly workers: number;
  /** Whether the number of workers is set. Otherwise it follows from what the machine and the store can do. */
  readonly workersAreSet: boolean;
  /** Memory for the buffers of requests, in each process. Absent: a share of the memory of the machine. */
  readonly memoryBytes?: number | undefined;
  readonly legacy: LegacyPolicy;
  /** Of buckets that have no record. */
  readonly etags: EtagMode;
  readonly bestEffortConditions: boolean;
  /** What happens to ACLs that open something to everybody. */
  readonly publicAcls: 'warn' | 'refuse';
  readonly hostnames: readonly string[];
  /** Whether every connection to the S3 listener begins with a PROXY header, version 2. */
  readonly proxyProtocol: boolean;
  /** Addresses and blocks of addresses of forwarders whose X-Forwarded-For counts. */
  readonly trustedProxies: readonly string[];
  /** Requests that a process takes from one address, tenant and key. */
  readonly rates: Rates;
  readonly tls: TlsPair | undefined;
  readonly logLevel: string;
  /** Of request lines. */
  readonly logFormat: 'json' | 's3';
  readonly traces: 'off' | 'otlp';
  /** Milliseconds after SIGTERM for which connections are still taken, and then for requests under way to finish. */
  readonly drainDelayMs: number;
  readonly drainTimeoutMs: number;
}

/** @throws ConfigError: the first problem of `readConfig` */
export function parseConfig(settings: Settings): Config {
  const { config, problems } = readConfig(settings);
  const [first] = problems;
  if (first !== undefined) throw first;
  return config as Config;
}

/** All problems of the settings, or the configuration when there is none. */
export function readConfig(settings: Settings): {
  readonly config: Config | undefined;
  readonly problems: readonly ConfigError[];
} {
  const problems: ConfigError[] = [];
  const read = <T>(member: (settings: Settings) => T): T => {
    try {
      return member(settings);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      if (!problems.some(({ message }) => message === error.message)) problems.push(error);
      // Never used: with a problem there is no configuration.
      return undefined as T;
    }
  };
  const region = settings['SEALGATE_BACKEND_REGION'];
  const config: Config = {
    listen: read((s) => address(s, 'SEALGATE_LISTEN', '127.0.0.1:8080')),
    opsListen: read((s) => address(s, 'SEALGATE_OPS_LISTEN', '127.0.0.1:8081')),
    backend: read(backend),
    region: region ?? 'us-east-1',
    regionIsSet: region !== undefined,
    state: read(state),
    sealKeys: read(sealKeys),
    escrowPublicKey: read(escrowPublicKey),
    selfService: read((s) => oneOf(s, 'SEALGATE_SELF_SERVICE', ['on', 'off'])) === 'on',
    oidcIssuers: read(oidcIssuers),
    kms: read(kms),
    lastUsed: read((s) => oneOf(s, 'SEALGATE_LAST_USED', ['off', 'day'])),
    audit: read(audit),
    approvals: read(approvals),
    workers: read(workers),
    workersAreSet: (settings['SEALGATE_WORKERS'] ?? 'auto') !== 'auto',
    memoryBytes: read(memoryBytes),
    legacy: read(legacy),
    etags: read((s) => oneOf(s, 'SEALGATE_ETAGS', ETAG_MODES)),
    bestEffortConditions: read((s) => oneOf(s, 'SEALGATE_CONDITIONS', ['strict', 'best-effort'])) === 'best-effort',
    publicAcls: read((s) => oneOf(s, 'SEALGATE_PUBLIC_ACLS', ['warn', 'refuse'])),
    hostnames: read(hostnames),
    proxyProtocol: read((s) => oneOf(s, 'SEALGATE_PROXY_PROTOCOL', ['off', 'required'])) === 'required',
    trustedProxies: read(trustedProxies),
    rates: read(rates),
    tls: read(tls),
    logLevel: read((s) =>
      oneOf(s, 'SEALGATE_LOG_LEVEL', ['info', 'trace', 'debug', 'warn', 'error', 'fatal', 'silent']),
    ),
    traces: read((s) => oneOf(s, 'SEALGATE_TRACES', ['off', 'otlp'])),
    logFormat: read((s) => oneOf(s, 'SEALGATE_LOG_FORMAT', ['json', 's3'])),
    drainDelayMs: read((s) => milliseconds(s, 'SEALGATE_DRAIN_DELAY', DRAIN_DELAY_MS)),
    drainTimeoutMs: read((s) => milliseconds(s, 'SEALGATE_DRAIN_TIMEOUT', DRAIN_TIMEOUT_MS)),
  };
  return { config: problems.length === 0 ? config : undefined, problems };
}

function address(settings: Settings, name: Variable, fallback: string): ListenAddress {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+):(\d{1,5})$/i.exec(settings[name] ?? fallback);
  const port = Number(match?.[2]);
  if (match === null || port > 65535)
    throw new ConfigError(name, 'must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080');
  return { host: (match[1] ?? '').replace(/^\[|\]$/g, ''), port };
}

export function state(settings: Settings): Config['state'] {
  const [bucket = '', ...rest] = required(settings, 'SEALGATE_STATE').split('/');
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new ConfigError(
      'SEALGATE_STATE',
      'must be BUCKET or BUCKET/PREFIX with a valid bucket name, dedicated to this program',
    );
  }
  const prefix = rest.join('/').replace(/\/+$/, '');
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` };
}

export function sealKeys(settings: Settings): SealKeys {
  const inline = settings['SEALGATE_SEAL_KEYS'];
  const path = settings['SEALGATE_SEAL_KEYS_FILE'];
  if (inline !== undefined && path !== undefined) {
    throw new ConfigError('SEALGATE_SEAL_KEYS', 'and SEALGATE_SEAL_KEYS_FILE are both set: set one');
  }
  if (inline !== undefined) return parseSealKeys('SEALGATE_SEAL_KEYS', inline);
  if (path === undefined) throw new ConfigError('SEALGATE_SEAL_KEYS', 'or SEALGATE_SEAL_KEYS_FILE must be set');
  return parseSealKeys('SEALGATE_SEAL_KEYS_FILE', readSecretFile('SEALGATE_SEAL_KEYS_FILE', path));
}

function oidcIssuers(settings: Settings): readonly Issuer[] {
  try {
    return parseIssuers(settings['SEALGATE_OIDC_ISSUERS'] ?? []);
  } catch (error) {
    if (!(error instanceof InvalidIssuers)) throw error;
    throw new ConfigError('SEALGATE_OIDC_ISSUERS', error.message);
  }
}

function parseSealKeys(name: Variable, text: string): SealKeys {
  try {
    return SealKeys.parse(
      text
        .trim()
        .split(/\s*\n\s*/)
        .join(','),
    );
  } catch (error) {
    throw new ConfigError(name, error instanceof Error ? error.message : 'cannot be read');
  }
}

function escrowPublicKey(settings: Settings): Buffer | undefined {
  const text = settings['SEALGATE_ESCROW_PUBLIC_KEY'];
  if (text === undefined) return undefined;
  try {
    return parseEscrowPublicKey(text);
  } catch (error) {
    throw new ConfigError('SEALGATE_ESCROW_PUBLIC_KEY', error instanceof Error ? error.message : 'cannot be read');
  }
}

/** `auto`: what the processor and the memory of the process, or of its container, allow. */
function workers(settings: Settings): number {
  const text = settings['SEALGATE_WORKERS'] ?? 'auto';
  if (text === 'auto') return defaultWorkers(settings['SEALGATE_MEMORY']);
  const number = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= MAX_WORKERS) return number;
  throw new ConfigError('SEALGATE_WORKERS', `must be a number from 1 to ${MAX_WORKERS}, or auto`);
}

function memoryBytes(settings: Settings): number | undefined {
  const share = memoryShare(settings['SEALGATE_MEMORY'], workers(settings));
  if (share !== 'refused') return share;
  throw new ConfigError('SEALGATE_MEMORY', 'must be a size such as 512MiB or 2GiB, at least 32MiB for each worker');
}

export function legacy(settings: Settings): LegacyPolicy {
  const value = settings['SEALGATE_LEGACY'] ?? 'allow';
  if (value === 'allow' || value === 'deny') return { kind: value };
  const time = value.startsWith('before:') ? Date.parse(value.slice('before:'.length)) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new ConfigError('SEALGATE_LEGACY', 'must be allow, deny or before:TIME, such as before:2026-01-31T00:00:00Z');
  }
  return { kind: 'before', time };
}

/** `5s`, `2m`, or a number of seconds. */
function milliseconds(settings: Settings, name: Variable, fallback: number): number {
  const text = settings[name];
  if (text === undefined) return fallback;
  const [, digits, unit = 's'] = /^(\d{1,5})([sm])?$/.exec(text) ?? [];
  const ms = Number(digits) * (unit === 'm' ? 60_000 : 1_000);
  if (ms <= MAX_DRAIN_MS) return ms;
  throw new ConfigError(name, `must be a time such as 5s or 2m, at most ${MAX_DRAIN_MS / 60_000}m`);
}

function hostnames(settings: Settings): readonly string[] {
  const names = (settings['SEALGATE_HOSTNAMES'] ?? '').split(',').map((name) => name.trim().toLowerCase());
  const given = names.filter((name) => name !== '');
  for (const name of given) {
    if (!/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) {
      throw new ConfigError('SEALGATE_HOSTNAMES', 'must be host names without port, separated by commas');
    }
  }
  return given;
}

function tls(settings: Settings): Config['tls'] {
  const cert = settings['SEALGATE_TLS_CERT'];
  const key = settings['SEALGATE_TLS_KEY'];
  if (cert === undefined && key === undefined) return undefined;
  if (cert === undefined) throw new ConfigError('SEALGATE_TLS_CERT', 'must be set together with SEALGATE_TLS_KEY');
  if (key === undefined) throw new ConfigError('SEALGATE_TLS_KEY', 'must be set together with SEALGATE_TLS_CERT');
  return readTlsPair({ cert, key }, readSecretFile);
}
