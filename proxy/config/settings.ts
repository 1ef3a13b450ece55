/**
 * Gathers the settings: from environment variables and from an optional YAML file. The environment wins. An unknown name is
 * refused, because it may be a mistyped one.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { suggestion } from './nearest.ts';

/** A setting that cannot be used. The message begins with the variable's name. */
export class ConfigError extends Error {
  readonly code = 'CONFIG';
  readonly variable: string;
  constructor(variable: string, problem: string) {
    super(`${variable}: ${problem}`);
    this.name = 'ConfigError';
    this.variable = variable;
  }
}

export type Settings = Readonly<Record<string, string | undefined>>;

/** Variables this program knows. Any other one that begins with SEALGATE_ is a typing error and is refused. */
const VARIABLES = [
  'SEALGATE_CONFIG',
  'SEALGATE_LISTEN',
  'SEALGATE_OPS_LISTEN',
  'SEALGATE_BACKEND',
  'SEALGATE_BACKEND_ACCESS_KEY_ID',
  'SEALGATE_BACKEND_ACCESS_KEY_ID_FILE',
  'SEALGATE_BACKEND_SECRET_ACCESS_KEY',
  'SEALGATE_BACKEND_SECRET_ACCESS_KEY_FILE',
  'SEALGATE_BACKEND_SESSION_TOKEN',
  'SEALGATE_BACKEND_SESSION_TOKEN_FILE',
  'SEALGATE_BACKEND_CREDENTIALS',
  'SEALGATE_BACKEND_CA',
  'SEALGATE_BACKEND_CLIENT_CERT',
  'SEALGATE_BACKEND_CLIENT_KEY',
  'SEALGATE_BACKEND_PROXY',
  'SEALGATE_BACKEND_REGION',
  'SEALGATE_BACKEND_PATH_STYLE',
  'SEALGATE_STATE',
  'SEALGATE_SEAL_KEYS',
  'SEALGATE_SEAL_KEYS_FILE',
  'SEALGATE_ESCROW_PUBLIC_KEY',
  'SEALGATE_SELF_SERVICE',
  'SEALGATE_OIDC_ISSUERS',
  'SEALGATE_KMS',
  'SEALGATE_KMS_CACHE',
  'SEALGATE_KMS_GRACE',
  'SEALGATE_LAST_USED',
  'SEALGATE_APPROVALS',
  'SEALGATE_AUDIT',
  'SEALGATE_AUDIT_BUCKET',
  'SEALGATE_AUDIT_RETENTION',
  'SEALGATE_AUDIT_WEBHOOK',
  'SEALGATE_AUDIT_WEBHOOK_SECRET',
  'SEALGATE_AUDIT_WEBHOOK_SECRET_FILE',
  'SEALGATE_WORKERS',
  'SEALGATE_MEMORY',
  'SEALGATE_LEGACY',
  'SEALGATE_ETAGS',
  'SEALGATE_CONDITIONS',
  'SEALGATE_PUBLIC_ACLS',
  'SEALGATE_HOSTNAMES',
  'SEALGATE_PROXY_PROTOCOL',
  'SEALGATE_TRUSTED_PROXIES',
  'SEALGATE_RATE_ADDRESS',
  'SEALGATE_RATE_TENANT',
  'SEALGATE_RATE_KEY',
  'SEALGATE_TLS_CERT',
  'SEALGATE_TLS_KEY',
  'SEALGATE_LOG_LEVEL',
  'SEALGATE_LOG_FORMAT',
  'SEALGATE_TRACES',
  'SEALGATE_DRAIN_DELAY',
  'SEALGATE_DRAIN_TIMEOUT',
] as const;

/** Single values; the list of issuers is written as a list, and the key services as a map. */
const fileSchema = z
  .object({
    SEALGATE_OIDC_ISSUERS: z.union([z.string(), z.array(z.unknown())]).optional(),
    SEALGATE_KMS: z.union([z.string(), z.record(z.string(), z.unknown())]).optional(),
  })
  .catchall(z.union([z.string(), z.number(), z.boolean()]));

export type Variable = (typeof VARIABLES)[number];

export function variables(): readonly string[] {
  return VARIABLES;
}

/** Environment over file. @throws ConfigError */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  const { settings, unknown } = gatherSettings(environment);
  const [first] = unknown;
  if (first !== undefined) throw first;
  return settings;
}

/** The same with all names that are no settings, each as the refusal it deserves. @throws ConfigError for the file */
export function gatherSettings(environment: NodeJS.ProcessEnv): {
  readonly settings: Settings;
  readonly unknown: readonly ConfigError[];
} {
  const file = environment['SEALGATE_CONFIG'];
  const settings: Record<string, string | undefined> = file === undefined || file === '' ? {} : readFile(file);
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith('SEALGATE_') || value === undefined || value === '') continue;
    if (!isServiceLink(name, value)) settings[name] = value;
  }
  const unknown = Object.keys(settings).filter((name) => !(VARIABLES as readonly string[]).includes(name));
  return {
    settings,
    unknown: unknown.map(
      (name) => new ConfigError(name, `is not a setting of this program.${suggestion(name, VARIABLES)}`),
    ),
  };
}

/**
 * Recognises the variables that Kubernetes puts into every pod in the namespace of a Service whose name begins with `sealgate`:
 * addresses that are nobody's settings (Kubernetes documentation, "Service", environment variables). Such a Service must not stop
 * the sidecars of others.
 */
function isServiceLink(name: string, value: string): boolean {
  if ((VARIABLES as readonly string[]).includes(name)) return false;
  if (/_SERVICE_HOST$/.test(name)) return isIP(value) > 0;
  if (/_SERVICE_PORT(_[A-Z0-9_]+)?$/.test(name)) return /^\d{1,5}$/.test(value);
  if (/_PORT_\d{1,5}_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)$/.test(name)) return true;
  return /_PORT(_\d{1,5}_(TCP|UDP|SCTP))?$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value);
}

function readFile(path: string): Record<string, string | undefined> {
  let document: unknown;
  try {
    document = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new ConfigError(
      'SEALGATE_CONFIG',
      `${path} cannot be read as YAML (${(error as { code?: string }).code ?? 'not valid'})`,
    );
  }
  const parsed = fileSchema.safeParse(document ?? {});
  if (!parsed.success) throw new ConfigError('SEALGATE_CONFIG', `${path} must map variable names to single values`);
  return Object.fromEntries(
    Object.entries(parsed.data).map(([name, value]) => [
      name,
      typeof value === 'object' ? JSON.stringify(value) : String(value),
    ]),
  );
}
