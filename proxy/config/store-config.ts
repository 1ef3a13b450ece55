/** The settings of commands that work on a store without serving it: seal keys and state are optional there. */
import { backend } from './backend-config.ts';
import { type Config, legacy, sealKeys, state } from './config.ts';
import type { Settings } from './settings.ts';

export interface StoreConfig extends Pick<Config, 'backend' | 'region' | 'legacy'> {
  /** Absent when SEALGATE_STATE is not set. */
  readonly state: Config['state'] | undefined;
  /** Absent when no seal keys are configured. */
  readonly sealKeys: Config['sealKeys'] | undefined;
}

/** @throws ConfigError */
export function parseStoreConfig(settings: Settings): StoreConfig {
  const hasSealKeys = settings['SEALGATE_SEAL_KEYS'] !== undefined || settings['SEALGATE_SEAL_KEYS_FILE'] !== undefined;
  return {
    backend: backend(settings),
    region: settings['SEALGATE_BACKEND_REGION'] ?? 'us-east-1',
    legacy: legacy(settings),
    state: settings['SEALGATE_STATE'] === undefined ? undefined : state(settings),
    sealKeys: hasSealKeys ? sealKeys(settings) : undefined,
  };
}
