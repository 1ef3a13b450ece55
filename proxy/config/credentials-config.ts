/**
 * The credentials of the proxy for the store: a key pair in settings or in files, or the AWS credential chain. Files are read again
 * when they change. The chain is asked again before its credentials expire.
 */
import { readSecretFile } from './read-setting.ts';
import { SAMPLE_SECRETS } from './sample-secrets.ts';
import { ConfigError, type Settings, type Variable } from './settings.ts';

/** A text, or the file that holds it. */
export type SecretText = { readonly text: string } | { readonly path: string };

export type CredentialsConfig =
  | {
      readonly kind: 'keys';
      readonly accessKeyId: SecretText;
      readonly secretAccessKey: SecretText;
      readonly sessionToken: SecretText | undefined;
    }
  | { readonly kind: 'aws' };

const KEY_ID = 'SEALGATE_BACKEND_ACCESS_KEY_ID';
const SECRET = 'SEALGATE_BACKEND_SECRET_ACCESS_KEY';
const TOKEN = 'SEALGATE_BACKEND_SESSION_TOKEN';
const FROM = 'SEALGATE_BACKEND_CREDENTIALS';
type Named = typeof KEY_ID | typeof SECRET | typeof TOKEN;

/** @throws ConfigError */
export function credentials(settings: Settings, endpoint: URL): CredentialsConfig {
  const given = ([KEY_ID, SECRET, TOKEN] as const)
    .flatMap((name) => [name, fileOf(name)])
    .find((name) => settings[name] !== undefined);
  const from = settings[FROM] ?? (given === undefined && isAmazon(endpoint) ? 'aws' : 'keys');
  if (from === 'aws') {
    if (given !== undefined) throw new ConfigError(given, `and ${FROM}=aws are both set: set one`);
    return { kind: 'aws' };
  }
  if (from !== 'keys') throw new ConfigError(FROM, 'must be one of keys, aws');
  const accessKeyId = secretText(settings, KEY_ID);
  const secretAccessKey = secretText(settings, SECRET);
  if (secretAccessKey === undefined) throw missing(SECRET);
  if (accessKeyId === undefined) throw missing(KEY_ID);
  refuseSample(secretAccessKey, endpoint);
  return { kind: 'keys', accessKeyId, secretAccessKey, sessionToken: secretText(settings, TOKEN) };
}

/** An endpoint of Amazon S3, its partitions and private endpoints among them. */
function isAmazon({ hostname }: URL): boolean {
  return /(^|\.)amazonaws\.(com|com\.cn|eu)$/.test(hostname);
}

function missing(name: Named): ConfigError {
  return new ConfigError(
    name,
    `must be set, or ${fileOf(name)}; ${FROM}=aws takes the credentials that AWS gives a machine`,
  );
}

function fileOf(name: Named): Variable {
  return `${name}_FILE`;
}

function secretText(settings: Settings, name: Named): SecretText | undefined {
  const text = settings[name] || undefined;
  const path = settings[fileOf(name)] || undefined;
  if (text !== undefined && path !== undefined) {
    throw new ConfigError(name, `and ${fileOf(name)} are both set: set one`);
  }
  if (path === undefined) return text === undefined ? undefined : { text };
  if (readSecretFile(fileOf(name), path).trim() === '') throw new ConfigError(fileOf(name), `${path} is empty`);
  return { path };
}

function refuseSample(secret: SecretText, endpoint: URL): void {
  const isFile = 'path' in secret;
  const text = isFile ? readSecretFile(fileOf(SECRET), secret.path).trim() : secret.text;
  if (!SAMPLE_SECRETS.has(text)) return;
  const where = `for ${endpoint.hostname}`;
  throw new ConfigError(
    isFile ? fileOf(SECRET) : SECRET,
    `is a well-known sample value; create real credentials ${where}`,
  );
}
