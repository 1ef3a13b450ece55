/** The store that the settings name. */
import { isDeepStrictEqual } from 'node:util';
import type { BackendConfig } from '../config/backend-config.ts';
import type { Backend } from './backend.ts';
import { openLocalBackend } from './local/local.ts';
import type { OnCredentialEvent } from './s3/credentials/credential-source.ts';
import { openCredentials } from './s3/credentials/open-credentials.ts';
import { goesPastProxy } from './s3/no-proxy.ts';
import { openS3Backend } from './s3/s3.ts';

export interface OpenedBackend extends Backend {
  /** Its credentials and certificates are these from the next request on; absent where there are none. */
  readonly useCredentials?: (backend: BackendConfig) => void;
}

/** The store alone, for commands that may do without state. */
export async function openBackend(
  config: { readonly backend: BackendConfig; readonly region: string },
  onEvent?: OnCredentialEvent,
): Promise<OpenedBackend> {
  if (config.backend.kind === 'local') return openLocalBackend(config.backend);
  const { region } = config;
  const { endpoint, pathStyle, proxy } = config.backend;
  let { credentials, tls } = config.backend;
  const backend = openS3Backend({
    endpoint,
    credentials: openCredentials(credentials, { region, onEvent }),
    region,
    pathStyle,
    tls,
    proxy: goesPastProxy(endpoint, process.env['NO_PROXY'] ?? process.env['no_proxy'] ?? '') ? undefined : proxy,
  });
  return {
    ...backend,
    // Equal parts stay in place: they may hold renewed credentials and TLS sessions.
    useCredentials: (next) => {
      if (next.kind !== 's3') return;
      if (!isDeepStrictEqual(next.credentials, credentials)) {
        backend.useCredentials(openCredentials(next.credentials, { region, onEvent }));
      }
      if (!isDeepStrictEqual(next.tls, tls)) backend.useTls(next.tls);
      ({ credentials, tls } = next);
    },
  };
}
