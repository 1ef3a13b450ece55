/**
 * Takes over new values of some settings while the server runs: on SIGHUP, and when a file that a setting names has changed. All
 * of them or none: what cannot be used is logged, and everything stays as it was.
 *
 * A seal key that is new opens and verifies at once. The one that signs stays: replicas get a new secret minutes apart, and what
 * one of them signs all others must be able to read. `seal-key activate` changes it (keyring/active-seal-key).
 */
import type { BackendConfig } from '../config/backend-config.ts';
import { type Config, readConfig } from '../config/config.ts';
import { ConfigError, type Settings, type Variable } from '../config/settings.ts';
import type { TlsPair } from '../config/tls-pair.ts';
import type { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import type { Logger } from '../observe/log.ts';

/** Settings whose new values are taken over. */
const RELOADED: ReadonlySet<string> = new Set<Variable>([
  'SEALGATE_BACKEND_ACCESS_KEY_ID',
  'SEALGATE_BACKEND_ACCESS_KEY_ID_FILE',
  'SEALGATE_BACKEND_CA',
  'SEALGATE_BACKEND_CLIENT_CERT',
  'SEALGATE_BACKEND_CLIENT_KEY',
  'SEALGATE_BACKEND_CREDENTIALS',
  'SEALGATE_BACKEND_SECRET_ACCESS_KEY',
  'SEALGATE_BACKEND_SECRET_ACCESS_KEY_FILE',
  'SEALGATE_BACKEND_SESSION_TOKEN',
  'SEALGATE_BACKEND_SESSION_TOKEN_FILE',
  'SEALGATE_LOG_LEVEL',
  'SEALGATE_MEMORY',
  'SEALGATE_SEAL_KEYS',
  'SEALGATE_SEAL_KEYS_FILE',
  'SEALGATE_TLS_CERT',
  'SEALGATE_TLS_KEY',
]);

/** Settings whose values are paths of files that may change. */
const FILES: readonly Variable[] = [
  'SEALGATE_BACKEND_CA',
  'SEALGATE_BACKEND_CLIENT_CERT',
  'SEALGATE_BACKEND_CLIENT_KEY',
  'SEALGATE_CONFIG',
  'SEALGATE_SEAL_KEYS_FILE',
  'SEALGATE_TLS_CERT',
  'SEALGATE_TLS_KEY',
];

/** The part of the server that takes new values. It must not fail for values that the settings allow. */
export interface ReloadTarget {
  readonly sealKeys: SealKeys;
  readonly renewCertificate?: ((pair: TlsPair) => void) | undefined;
  readonly useCredentials?: ((backend: BackendConfig) => void) | undefined;
  readonly resizeMemory?: ((bytes: number | undefined) => void) | undefined;
}

export class Reload {
  readonly #read: () => Settings;
  readonly #target: ReloadTarget;
  readonly #log: Logger;
  #settings: Settings;
  #config: Config;

  /** `settings`: as they were at the start; `read` gives them as they are now. */
  constructor(o: { settings: Settings; config: Config; read: () => Settings; target: ReloadTarget; log: Logger }) {
    this.#read = o.read;
    this.#target = o.target;
    this.#log = o.log;
    this.#settings = o.settings;
    this.#config = o.config;
  }

  /** Paths of files whose change is a reason to reload. */
  files(): readonly string[] {
    return FILES.flatMap((name) => this.#settings[name] ?? []);
  }

  /** Whether everything was taken over. Never throws. */
  run(reason: string): boolean {
    try {
      const settings = this.#read();
      const config = this.#checked(settings);
      this.#apply(config);
      this.#report(settings, config, reason);
      this.#settings = settings;
      this.#config = config;
      return true;
    } catch (error) {
      const problem = error instanceof ConfigError ? error.message : undefined;
      this.#log.error(
        { reason, ...(problem === undefined ? { err: error } : { problem }) },
        'not reloaded: everything stays as it was',
      );
      return false;
    }
  }

  /** @throws ConfigError when anything of it cannot be taken over */
  #checked(settings: Settings): Config {
    const { config, problems } = readConfig(settings);
    const [first] = problems;
    if (config === undefined) throw first ?? new Error('a configuration without a problem is missing');
    const refusal = this.#target.sealKeys.refusalOf(config.sealKeys);
    if (refusal !== undefined) throw new ConfigError(sealKeysName(settings), refusal);
    if ((config.tls === undefined) !== (this.#config.tls === undefined)) {
      throw new ConfigError('SEALGATE_TLS_CERT', 'cannot be set or unset while the server runs');
    }
    return config;
  }

  #apply(config: Config): void {
    const target = this.#target;
    target.sealKeys.adopt(config.sealKeys);
    if (config.tls !== undefined) target.renewCertificate?.(config.tls);
    target.useCredentials?.(config.backend);
    target.resizeMemory?.(config.memoryBytes);
    this.#log.level = config.logLevel;
  }

  #report(settings: Settings, config: Config, reason: string): void {
    const names = new Set([...Object.keys(settings), ...Object.keys(this.#settings)]);
    const changed = [...names].filter((name) => settings[name] !== this.#settings[name] && !RELOADED.has(name));
    if (changed.length > 0)
      this.#log.warn({ settings: changed }, 'these settings need a restart: they stay as they were');
    const { active, all } = this.#target.sealKeys;
    this.#log.info(
      {
        reason,
        sealKeyIds: all.map(({ kid }) => kid),
        certificateExpires: config.tls?.expires.toISOString(),
      },
      'reloaded',
    );
    const first = config.sealKeys.active.kid;
    if (first !== active.kid) {
      this.#log.warn(
        { signs: active.kid, first },
        'another seal key stands first: it opens and verifies now, and signs after sealgate seal-key activate',
      );
    }
  }
}

function sealKeysName(settings: Settings): Variable {
  return settings['SEALGATE_SEAL_KEYS'] === undefined ? 'SEALGATE_SEAL_KEYS_FILE' : 'SEALGATE_SEAL_KEYS';
}
