/**
 * `npm start`: a working endpoint with nothing else installed. The first run makes a seal key, a tenant and a bucket under
 * ./sealgate-data, and keeps the credentials there, beside the data they open: fit for trying out, and said so.
 */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ensureBucket } from '../backend/ensure-bucket.ts';
import { type Config, parseConfig } from '../config/config.ts';
import { ConfigError, readSettings, type Settings } from '../config/settings.ts';
import { S3Error } from '../errors.ts';
import { resolveAccessKey } from '../keyring/access-keys/registered-ids.ts';
import { SealKeys } from '../keyring/access-keys/seal-keys.ts';
import { recordedForCommand } from '../keyring/active-seal-key/recorded.ts';
import { type KeyringDeps, openKeyring } from '../keyring/admin/change-keyring.ts';
import { TenantAdmin } from '../keyring/admin/tenant-admin.ts';
import { processKdfRunner } from '../keyring/slots/kdf.ts';
import { UnknownTenant } from '../keyring/state/records.ts';
import { createLogger, securityEventsTo } from '../observe/log.ts';
import { openStorage } from '../runtime.ts';
import { audited } from './audited.ts';
import { serveAlone } from './serve.ts';

const DIRECTORY = 'sealgate-data';
const BUCKET = 'demo';

const Credentials = z.object({ accessKeyId: z.string(), secretAccessKey: z.string(), bucket: z.string() });
type Credentials = z.infer<typeof Credentials>;

/** A program that waits for this file finds an endpoint in it that answers. */
const CREDENTIALS = join(DIRECTORY, 'credentials.json');
/** The key of a tenant that was made by a run that does not listen yet. */
const NEW_CREDENTIALS = join(DIRECTORY, 'credentials.new.json');

/** Settings of the quickstart's own data. @throws ConfigError when there are none here */
export function quickstartSettings(): Settings {
  if (!existsSync(join(DIRECTORY, 'seal-keys'))) {
    throw new ConfigError(
      'SEALGATE_BACKEND',
      `must be set (and there is no quickstart data in ./${DIRECTORY} to work on)`,
    );
  }
  return defaults();
}

function defaults(): Settings {
  return {
    SEALGATE_BACKEND: `local:${join(DIRECTORY, 'store')}`,
    SEALGATE_STATE: 'sealgate-state',
    SEALGATE_SEAL_KEYS_FILE: join(DIRECTORY, 'seal-keys'),
  };
}

export async function quickstart(environment: NodeJS.ProcessEnv): Promise<number> {
  const read = () => withDefaults(readSettings(environment));
  const given = readSettings(environment);
  await mkdir(DIRECTORY, { recursive: true, mode: 0o700 });
  await chmod(DIRECTORY, 0o700);
  const settings = read();
  const sealKeysFile = settings['SEALGATE_SEAL_KEYS_FILE'];
  if (sealKeysFile !== undefined && sealKeysFile === defaults()['SEALGATE_SEAL_KEYS_FILE'])
    await makeSealKeys(sealKeysFile);
  if (given['SEALGATE_WORKERS'] !== undefined && given['SEALGATE_WORKERS'] !== '1') {
    throw new ConfigError('SEALGATE_WORKERS', 'is for `sealgate serve`; the quickstart runs one process');
  }
  const config = parseConfig(settings);
  const { credentials, inForce } = await ensureTenant(config);
  const log = createLogger({ level: config.logLevel });
  return serveAlone({ read, log }, async (endpoint) => {
    const current = { endpoint, ...credentials };
    await keepCredentials(current);
    process.stdout.write(inForce ? banner(current) : bannerWithoutKey(endpoint));
  });
}

/**
 * Settings that are given count. For the others, the quickstart uses its own data. A user at a terminal stops it, and need not
 * wait.
 */
function withDefaults(given: Settings): Settings {
  const { SEALGATE_SEAL_KEYS_FILE: sealKeysFile, ...own } = defaults();
  const sealKeys = given['SEALGATE_SEAL_KEYS'] === undefined ? { SEALGATE_SEAL_KEYS_FILE: sealKeysFile } : {};
  return {
    SEALGATE_LOG_LEVEL: 'warn',
    SEALGATE_WORKERS: '1',
    SEALGATE_DRAIN_DELAY: '0',
    ...own,
    ...sealKeys,
    ...given,
  };
}

async function makeSealKeys(path: string): Promise<void> {
  if (existsSync(path)) return;
  await writeSecret(path, `${SealKeys.generate()}\n`);
}

/** The tenant of credentials.json, or a new one; the demo bucket exists afterwards. `inForce`: the key opens its tenant still. */
async function ensureTenant(config: Config): Promise<{ credentials: Credentials; inForce: boolean }> {
  const storage = await openStorage(config);
  try {
    const signal = AbortSignal.timeout(30_000);
    await storage.state.ensureBucket(signal);
    await ensureBucket(storage.backend, { bucket: BUCKET, region: config.region, signal });
    const log = createLogger({ level: 'error' });
    const { sealKeys, escrowPublicKey } = config;
    const [now, runner] = [() => new Date(), processKdfRunner];
    const deps = { state: storage.state, sealKeys, record: securityEventsTo(log), now, runner };
    await recordedForCommand({ state: storage.state, sealKeys });
    const kept = await readCredentials();
    if (kept !== undefined) return { credentials: kept, inForce: await opens(deps, kept, signal) };
    const grants = [{ bucket: '*', prefix: '', access: 'read-write' as const }];
    const { accessKeyId, secretAccessKey } = await audited({ storage, config, log }, (record) =>
      new TenantAdmin({ ...deps, record, escrowPublicKey }).create({ grants, label: 'quickstart' }),
    );
    const credentials = { accessKeyId, secretAccessKey, bucket: BUCKET };
    await writeSecret(NEW_CREDENTIALS, asJson(credentials));
    return { credentials, inForce: true };
  } finally {
    await storage.backend.close();
  }
}

/** Whatever else stands in its way is for the first request to say. */
async function opens(deps: KeyringDeps, { accessKeyId }: Credentials, signal: AbortSignal): Promise<boolean> {
  try {
    await openKeyring(deps, await resolveAccessKey(deps, accessKeyId, signal), signal);
    return true;
  } catch (error) {
    const isGone = error instanceof UnknownTenant || (error instanceof S3Error && error.code === 'InvalidAccessKeyId');
    return !isGone;
  }
}

async function readCredentials(): Promise<Credentials | undefined> {
  const path = [CREDENTIALS, NEW_CREDENTIALS].find((candidate) => existsSync(candidate));
  if (path === undefined) return undefined;
  try {
    return Credentials.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch {
    throw new Error(`${path} cannot be read. Restore it: it holds the only key to the data under ./${DIRECTORY}.`);
  }
}

/** Call it when the endpoint answers. */
async function keepCredentials(current: Credentials & { readonly endpoint: string }): Promise<void> {
  const content = asJson(current);
  const isThere = existsSync(CREDENTIALS) && (await readFile(CREDENTIALS, 'utf8')) === content;
  if (!isThere) await writeSecret(CREDENTIALS, content);
  await rm(NEW_CREDENTIALS, { force: true });
}

function asJson(credentials: Credentials): string {
  return `${JSON.stringify(credentials, null, 2)}\n`;
}

/** Written aside and renamed, so that a crash leaves the old file or the new one. */
async function writeSecret(path: string, content: string): Promise<void> {
  const aside = `${path}.new`;
  await writeFile(aside, content, { mode: 0o600, flush: true });
  await chmod(aside, 0o600);
  await rename(aside, path);
}

/** The key was rotated into another file, revoked, or has expired, or its tenant was deleted. */
function bannerWithoutKey(endpoint: string): string {
  return `
Sealgate is serving S3 at ${endpoint}

The key in ${resolve(CREDENTIALS)} is in force no longer: it was rotated, revoked, or has
expired, or its tenant was deleted. Use the one that took its place; 'npx sealgate tenant list' shows the tenants, 'npx sealgate key list TENANT' their keys.
`;
}

function banner(credentials: Credentials & { readonly endpoint: string }): string {
  const { endpoint, accessKeyId, secretAccessKey, bucket } = credentials;
  return `
Sealgate is serving S3 at ${endpoint}

  access key id      ${accessKeyId}
  secret access key  ${secretAccessKey}
  bucket             ${bucket}

Try it:

  AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey} AWS_DEFAULT_REGION=us-east-1 aws --endpoint-url ${endpoint} s3 cp README.md s3://${bucket}/

The same credentials are kept in ${resolve(CREDENTIALS)} (mode 0600), beside the data
and the seal key: good for trying it out, not for production. See README.md, "Trust".
`;
}
