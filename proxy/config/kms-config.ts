/**
 * The key services of SEALGATE_KMS: what each is called, where it is, and how Sealgate signs in there. Secrets stand in files, so
 * that the setting itself may be shown. What keyrings say of a key is its provider's name and never an address: whoever writes the
 * state cannot have a token sent elsewhere.
 */
import { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import {
  KMS_CACHE_MS,
  MAX_KMS_CACHE_MS,
  MAX_KMS_GRACE_MS,
  MAX_KMS_KEY_CHARACTERS,
  MAX_KMS_PROVIDERS,
  MIN_KMS_CACHE_MS,
} from '../kms-limits.ts';
import type { CredentialsConfig } from './credentials-config.ts';
import { readSecretFile } from './read-setting.ts';
import { ConfigError, type Settings, type Variable } from './settings.ts';

export type TransitAuth =
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'token-file'; readonly path: string }
  | { readonly kind: 'approle'; readonly mount: string; readonly roleId: string; readonly secretIdPath: string }
  | { readonly kind: 'kubernetes'; readonly mount: string; readonly role: string; readonly jwtPath: string };

interface Named {
  /** `transit:main`. */
  readonly name: string;
  readonly key: string;
}

export interface TransitConfig extends Named {
  readonly kind: 'transit';
  readonly url: URL;
  readonly mount: string;
  readonly namespace: string | undefined;
  readonly auth: TransitAuth;
  /** PEM. */
  readonly ca: string | undefined;
}

export interface AwsKmsConfig extends Named {
  readonly kind: 'aws-kms';
  readonly region: string;
  readonly endpoint: URL;
  readonly credentials: CredentialsConfig;
  readonly ca: string | undefined;
}

export interface Pkcs11Config extends Named {
  readonly kind: 'pkcs11';
  /** Path of the shared library. */
  readonly module: string;
  /** The token's label. */
  readonly token: string;
  /** Read anew for each login. */
  readonly pin: () => Promise<string>;
}

export type KmsProviderConfig = TransitConfig | AwsKmsConfig | Pkcs11Config;

export interface KmsConfig {
  readonly providers: readonly KmsProviderConfig[];
  /** Milliseconds for which a secret of a slot is used after the KMS gave it; and beyond that, while the KMS cannot be reached. */
  readonly cacheMs: number;
  readonly graceMs: number;
}

const SETTING = 'SEALGATE_KMS' satisfies Variable;

const text = z.string().min(1).max(1_024);
const key = z.string().min(1).max(MAX_KMS_KEY_CHARACTERS);
/** A token, or another value that is sent as a header. */
const word = text.regex(/^[\x21-\x7e]+$/);
/** The name of a key of Transit, which is a part of a path: it leads nowhere else. */
export const TRANSIT_KEY = /^(?!\.+$)[A-Za-z0-9_.-]+$/;
/** A part of a path at the server. */
const path = z.string().regex(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/);
const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/);

const SCHEMAS = {
  transit: z.strictObject({
    url: text,
    key: key.regex(TRANSIT_KEY),
    mount: path.default('transit'),
    namespace: word.optional(),
    ca: text.optional(),
    token: word.optional(),
    tokenFile: text.optional(),
    approle: z.strictObject({ mount: path.default('approle'), roleId: text, secretIdFile: text }).optional(),
    kubernetes: z
      .strictObject({
        mount: path.default('kubernetes'),
        role: text,
        jwtFile: text.default('/var/run/secrets/kubernetes.io/serviceaccount/token'),
      })
      .optional(),
  }),
  'aws-kms': z.strictObject({
    region: z.string().regex(/^[a-z0-9-]{1,32}$/),
    key,
    endpoint: text.optional(),
    ca: text.optional(),
    accessKeyIdFile: text.optional(),
    secretAccessKeyFile: text.optional(),
    sessionTokenFile: text.optional(),
  }),
  pkcs11: z.strictObject({ module: text, token: text, key, pinFile: text }),
} as const;

type Kind = keyof typeof SCHEMAS;

/** @throws ConfigError */
export function kms(settings: Settings): KmsConfig {
  const given = settings[SETTING];
  const providers = given === undefined ? [] : providersOf(given);
  return {
    providers,
    cacheMs: milliseconds(settings, 'SEALGATE_KMS_CACHE', KMS_CACHE_MS, [MIN_KMS_CACHE_MS, MAX_KMS_CACHE_MS]),
    graceMs: milliseconds(settings, 'SEALGATE_KMS_GRACE', 0, [0, MAX_KMS_GRACE_MS]),
  };
}

function providersOf(given: string): readonly KmsProviderConfig[] {
  const entries = Object.entries(parsedJson(given));
  if (entries.length > MAX_KMS_PROVIDERS) throw problem(`names more than ${MAX_KMS_PROVIDERS} providers`);
  const names = new Set<string>();
  return entries.map(([full, value]) => {
    const [kind = '', own = ''] = full.split(':', 2);
    if (!Object.hasOwn(SCHEMAS, kind) || !name.safeParse(own).success || full !== `${kind}:${own}`) {
      throw problem(`'${full}' is not transit:NAME, aws-kms:NAME or pkcs11:NAME, NAME of a-z, 0-9 and -`);
    }
    // A reference of a key is NAME/KEY.
    if (names.has(own)) throw problem(`two providers have the name '${own}'`);
    names.add(own);
    return providerOf(kind as Kind, full, value);
  });
}

function providerOf(kind: Kind, full: string, value: unknown): KmsProviderConfig {
  if (kind === 'transit') return transit(full, checked(SCHEMAS.transit, full, value));
  if (kind === 'aws-kms') return awsKms(full, checked(SCHEMAS['aws-kms'], full, value));
  const { module, token, key: label, pinFile } = checked(SCHEMAS.pkcs11, full, value);
  const pin = async () => readSecretFile(SETTING, pinFile).trim();
  if (readSecretFile(SETTING, pinFile).trim() === '') throw problem(`${full}: ${pinFile} is empty`);
  return { kind, name: full, module, token, key: label, pin };
}

function transit(full: string, o: z.infer<typeof SCHEMAS.transit>): TransitConfig {
  const url = endpointOf(full, o.url);
  const { key: own, mount, namespace } = o;
  return {
    kind: 'transit',
    name: full,
    url,
    key: own,
    mount,
    namespace,
    auth: transitAuth(full, o),
    ca: authorities(full, o.ca),
  };
}

function transitAuth(full: string, o: z.infer<typeof SCHEMAS.transit>): TransitAuth {
  const ways: TransitAuth[] = [
    ...(o.token === undefined ? [] : [{ kind: 'token', token: o.token } as const]),
    ...(o.tokenFile === undefined ? [] : [{ kind: 'token-file', path: o.tokenFile } as const]),
    ...(o.approle === undefined ? [] : [appRole(o.approle)]),
    ...(o.kubernetes === undefined ? [] : [kubernetes(o.kubernetes)]),
  ];
  const [way] = ways;
  if (way === undefined || ways.length > 1)
    throw problem(`${full} must have one of tokenFile, approle, kubernetes, token`);
  return way;
}

function appRole({
  mount,
  roleId,
  secretIdFile,
}: {
  mount: string;
  roleId: string;
  secretIdFile: string;
}): TransitAuth {
  return { kind: 'approle', mount, roleId, secretIdPath: secretIdFile };
}

function kubernetes({ mount, role, jwtFile }: { mount: string; role: string; jwtFile: string }): TransitAuth {
  return { kind: 'kubernetes', mount, role, jwtPath: jwtFile };
}

function awsKms(full: string, o: z.infer<(typeof SCHEMAS)['aws-kms']>): AwsKmsConfig {
  const { region } = o;
  const suffix = region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com';
  const endpoint = endpointOf(full, o.endpoint ?? `https://kms.${region}.${suffix}`);
  const bare = endpoint.pathname === '/' && endpoint.search === '';
  if (!bare) throw problem(`${full}: endpoint has a path`);
  return {
    kind: 'aws-kms',
    name: full,
    key: o.key,
    region,
    endpoint,
    credentials: awsCredentials(full, o),
    ca: authorities(full, o.ca),
  };
}

function awsCredentials(full: string, o: z.infer<(typeof SCHEMAS)['aws-kms']>): CredentialsConfig {
  const { accessKeyIdFile: id, secretAccessKeyFile: secret, sessionTokenFile: token } = o;
  if (id === undefined && secret === undefined && token === undefined) return { kind: 'aws' };
  if (id === undefined || secret === undefined) {
    throw problem(`${full} must have accessKeyIdFile and secretAccessKeyFile, or neither`);
  }
  const sessionToken = token === undefined ? undefined : { path: token };
  return { kind: 'keys', accessKeyId: { path: id }, secretAccessKey: { path: secret }, sessionToken };
}

/** Over plain HTTP only to this machine, as to an agent beside Sealgate: tokens and secrets go there. */
function endpointOf(full: string, given: string): URL {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const isLoopback = url !== undefined && /^(127(\.\d{1,3}){3}|\[::1\]|localhost)$/.test(url.hostname);
  const isUsable = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback);
  const isBare = url !== undefined && [url.username, url.password, url.search, url.hash].every((part) => part === '');
  if (isUsable && isBare) return url;
  throw problem(`${full}: its address must be an https:// URL, or an http:// URL of this machine`);
}

function authorities(full: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const pem = readSecretFile(SETTING, file);
  try {
    new X509Certificate(pem);
    return pem;
  } catch {
    throw problem(`${full}: ${file} does not begin with a certificate in PEM form`);
  }
}

function checked<T>(schema: z.ZodType<T>, full: string, value: unknown): T {
  const found = schema.safeParse(value);
  if (found.success) return found.data;
  const [issue] = found.error.issues;
  throw problem(`${full}: ${issue?.path.join('.') || 'its value'}: ${issue?.message}`);
}

function parsedJson(given: string): object {
  let value: unknown;
  try {
    value = JSON.parse(given);
  } catch {
    throw problem('is not well-formed JSON');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw problem('must be an object, with a member for each provider');
}

/** `90s`, `5m`, `1h`, or a number of seconds. */
function milliseconds(
  settings: Settings,
  variable: Variable,
  fallback: number,
  [least, most]: readonly [number, number],
): number {
  const given = settings[variable];
  if (given === undefined) return fallback;
  const [, digits, unit = 's'] = /^(\d{1,5})([smh])?$/.exec(given) ?? [];
  const ms = Number(digits) * ({ s: 1_000, m: 60_000, h: 3_600_000 }[unit] ?? Number.NaN);
  if (ms >= least && ms <= most) return ms;
  throw new ConfigError(variable, `must be a time such as 300s or 5m, from ${least / 1_000}s to ${most / 3_600_000}h`);
}

function problem(what: string): ConfigError {
  return new ConfigError(SETTING, what);
}
