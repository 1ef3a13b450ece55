/** The settings of the store: its address, its protocol and the credentials for it. */
import { X509Certificate } from 'node:crypto';
import type { ClientTls } from '../backend/s3/open-socket.ts';
import { type CredentialsConfig, credentials } from './credentials-config.ts';
import { oneOf, readSecretFile, required } from './read-setting.ts';
import { ConfigError, type Settings, type Variable } from './settings.ts';
import { readTlsPair } from './tls-pair.ts';

export type BackendConfig =
  | { readonly kind: 'local'; readonly directory: string }
  | {
      readonly kind: 's3';
      readonly endpoint: URL;
      readonly pathStyle: boolean;
      readonly credentials: CredentialsConfig;
      readonly tls: ClientTls;
      readonly proxy: URL | undefined;
    };

/** @throws ConfigError */
export function backend(settings: Settings): BackendConfig {
  const value = required(settings, 'SEALGATE_BACKEND');
  if (value.startsWith('local:')) {
    const directory = value.slice('local:'.length);
    if (directory === '') throw new ConfigError('SEALGATE_BACKEND', 'local: must be followed by a directory');
    return { kind: 'local', directory };
  }
  const endpoint = endpointOf(value);
  return {
    kind: 's3',
    endpoint,
    pathStyle: oneOf(settings, 'SEALGATE_BACKEND_PATH_STYLE', ['true', 'false']) === 'true',
    credentials: credentials(settings, endpoint),
    tls: clientTls(settings, endpoint),
    proxy: outboundProxy(settings, endpoint),
  };
}

function endpointOf(value: string): URL {
  const endpoint = URL.canParse(value) ? new URL(value) : undefined;
  if (endpoint === undefined || !/^https?:$/.test(endpoint.protocol)) {
    throw new ConfigError('SEALGATE_BACKEND', 'must be local:DIR or http(s)://host[:port]');
  }
  if (endpoint.pathname !== '/' || endpoint.search !== '' || endpoint.username !== '' || endpoint.hash !== '') {
    throw new ConfigError('SEALGATE_BACKEND', 'must be a bare endpoint: no path, query or credentials');
  }
  return endpoint;
}

/** Never shown: it may hold a password. */
function outboundProxy(settings: Settings, endpoint: URL): URL | undefined {
  const name = 'SEALGATE_BACKEND_PROXY';
  const value = settings[name];
  if (value === undefined) return undefined;
  // A proxy could read and change what is sent to it in clear text.
  if (endpoint.protocol !== 'https:') throw new ConfigError(name, 'is for an https:// backend');
  const proxy = URL.canParse(value) ? new URL(value) : undefined;
  const isBare = proxy?.pathname === '/' && proxy.search === '' && proxy.hash === '';
  if (proxy === undefined || !/^https?:$/.test(proxy.protocol) || proxy.hostname === '' || !isBare) {
    throw new ConfigError(name, 'must be http(s)://[user:password@]host[:port]');
  }
  return proxy;
}

const TLS_SETTINGS = [
  'SEALGATE_BACKEND_CA',
  'SEALGATE_BACKEND_CLIENT_CERT',
  'SEALGATE_BACKEND_CLIENT_KEY',
] as const satisfies readonly Variable[];

function clientTls(settings: Settings, endpoint: URL): ClientTls {
  const given = TLS_SETTINGS.find((name) => settings[name] !== undefined);
  if (given !== undefined && endpoint.protocol !== 'https:') {
    throw new ConfigError(given, 'is for an https:// backend, and SEALGATE_BACKEND is http://');
  }
  return { ca: authorities(settings), ...clientPair(settings) };
}

/**
 * Reads one certificate or more, and checks each of them. OpenSSL accepts a file without any certificate silently, and then trusts
 * nobody.
 */
function authorities(settings: Settings): string | undefined {
  const name = 'SEALGATE_BACKEND_CA';
  const path = settings[name];
  if (path === undefined) return undefined;
  const pem = readSecretFile(name, path);
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  if (certificates.length === 0) throw new ConfigError(name, `${path} has no certificate in PEM form`);
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch {
      throw new ConfigError(name, `certificate ${index + 1} of ${path} cannot be read`);
    }
  }
  return pem;
}

function clientPair(settings: Settings): ClientTls {
  const names = { cert: 'SEALGATE_BACKEND_CLIENT_CERT', key: 'SEALGATE_BACKEND_CLIENT_KEY' } as const;
  const cert = settings[names.cert];
  const key = settings[names.key];
  if (cert === undefined && key === undefined) return {};
  if (cert === undefined) throw new ConfigError(names.cert, `must be set together with ${names.key}`);
  if (key === undefined) throw new ConfigError(names.key, `must be set together with ${names.cert}`);
  const pair = readTlsPair({ cert, key }, readSecretFile, names);
  return { cert: pair.cert.toString(), key: pair.key.toString() };
}
