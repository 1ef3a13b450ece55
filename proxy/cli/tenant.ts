/**
 * `sealgate tenant create | list | show`: tenants from the command line (README.md, tenants). Works on the same state as
 * the servers and is safe beside running ones.
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */
import { parseArgs } from 'node:util';
import { S3Error } from '../errors.ts';
import type { KeyDetails, TenantAdmin, TenantDetails, TenantSummary } from '../keyring/admin.ts';
import { KeyringMalformed } from '../keyring/document.ts';
import { type Grant, InvalidGrant, parseGrant } from '../keyring/grants.ts';
import { isTenantId } from '../keyring/ids.ts';
import { DEFAULT_KDFS, isKdfName, type Kdf } from '../keyring/kdf.ts';
import { KeyringTampered, UnknownTenant } from '../keyring/records.ts';

export const TENANT_USAGE = `Usage:
  sealgate tenant create --bucket NAME|'*' [--bucket NAME ...] [--prefix P] [--read-only] [--label L]
                         [--kdf ${Object.keys(DEFAULT_KDFS).join('|')}] [--json]
  sealgate tenant list [--json]
  sealgate tenant show TENANT [--json]
  sealgate tenant recover TENANT --escrow-key FILE ... (see sealgate tenant recover --help)

create  makes a tenant and its first API key, and prints the key once
        --bucket     a bucket that the key may use; repeat for more; '*' for every bucket
        --prefix     only keys that start with this
        --read-only  no writes
        --label      a note, up to 64 characters
        --kdf        hkdf-sha256 unless said otherwise: generated keys need no slow function
list    one line per tenant
show    a tenant's keys, grants and root-key epochs; never a secret
--json  one line of JSON for each result
`;

export interface TenantCommandOptions {
  readonly admin: TenantAdmin;
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

/** The command line is wrong. The message says how. */
class UsageError extends Error {}

const COMMANDS: Readonly<Record<string, (args: readonly string[], o: TenantCommandOptions) => Promise<number>>> = {
  create,
  list,
  show,
};

/** `args`: what follows `tenant`. Returns the exit code. */
export async function tenantCommand(args: readonly string[], o: TenantCommandOptions): Promise<number> {
  const [name = '', ...rest] = args;
  if (args.includes('--help') || args.includes('-h')) {
    o.out(TENANT_USAGE.trimEnd());
    return 0;
  }
  try {
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined) throw new UsageError(name === '' ? 'Say what to do.' : `Unknown command '${name}'.`);
    return await command(rest, o);
  } catch (error) {
    return report(error, o);
  }
}

async function create(args: readonly string[], { admin, out, err }: TenantCommandOptions): Promise<number> {
  const { values } = parse(args, 0, {
    bucket: { type: 'string', multiple: true },
    prefix: { type: 'string' },
    'read-only': { type: 'boolean' },
    label: { type: 'string' },
    kdf: { type: 'string' },
    json: { type: 'boolean' },
  });
  const buckets = values.bucket ?? [];
  if (buckets.length === 0) throw new UsageError("--bucket is missing: name the buckets the key may use, or '*'.");
  const kdf = values.kdf ?? 'hkdf-sha256';
  if (!isKdfName(kdf)) throw new UsageError(`--kdf is one of ${Object.keys(DEFAULT_KDFS).join(', ')}.`);
  const access = values['read-only'] === true ? 'read-only' : 'read-write';
  const grants = [...new Set(buckets)].map((bucket) => parseGrant({ bucket, prefix: values.prefix ?? '', access }));
  const created = await admin.create({ grants, label: values.label ?? '', kdf });
  if (values.json === true) {
    const { tenant, accessKeyId, secretAccessKey } = created;
    out(JSON.stringify({ tenant, accessKeyId, secretAccessKey }));
    return 0;
  }
  out(`tenant             ${created.tenant}`);
  out(`access key id      ${created.accessKeyId}`);
  out(`secret access key  ${created.secretAccessKey}`);
  err('The secret access key is shown this once and stored nowhere. Keep it safe: when every key of a tenant is lost,');
  err('its data is lost with them, and nobody can bring it back.');
  return 0;
}

async function list(args: readonly string[], { admin, out }: TenantCommandOptions): Promise<number> {
  const { values } = parse(args, 0, { json: { type: 'boolean' } });
  let exitCode = 0;
  for await (const summary of admin.list()) {
    out(values.json === true ? JSON.stringify(summary) : describeSummary(summary));
    if (summary.status === 'tampered') exitCode = 1;
  }
  return exitCode;
}

async function show(args: readonly string[], { admin, out }: TenantCommandOptions): Promise<number> {
  const { values, positionals } = parse(args, 1, { json: { type: 'boolean' } });
  const [tenant = ''] = positionals;
  if (!isTenantId(tenant)) throw new UsageError('TENANT is the 24 hex digits that create and list print.');
  const details = await admin.show(tenant);
  if (values.json === true) out(JSON.stringify(details));
  else for (const line of describeDetails(details)) out(line);
  return 0;
}

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>;

function parse<const T extends Options>(args: readonly string[], positionals: number, options: T) {
  const parsed = parseStrictly(args, options);
  const { length } = parsed.positionals;
  if (length < positionals) throw new UsageError('TENANT is missing.');
  if (length > positionals) throw new UsageError(`Unexpected argument '${parsed.positionals[positionals]}'.`);
  return parsed;
}

function parseStrictly<const T extends Options>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : 'Wrong arguments.', { cause });
  }
}

function describeSummary(summary: TenantSummary): string {
  if (summary.status === 'tampered') return `${summary.tenant}  TAMPERED  ${summary.detail}`;
  const { tenant, created, generation, keys } = summary;
  return `${tenant}  created ${created}  keys ${keys}  generation ${generation}`;
}

function describeDetails(details: TenantDetails): readonly string[] {
  return [
    `tenant      ${details.tenant}`,
    `created     ${details.created}`,
    `updated     ${details.updated}`,
    `generation  ${details.generation}`,
    `seal key    ${details.sealKey}`,
    ...details.epochs.map(({ epoch, state, created }) => `epoch       ${epoch}  ${state}  created ${created}`),
    ...describeEscrow(details),
    ...details.keys.flatMap(describeKey),
    ...details.removedKeys.map(({ slot, removed }) => `key         ${slot}  removed ${removed}`),
  ];
}

function describeEscrow({ escrow }: TenantDetails): readonly string[] {
  if (escrow === null) return ['escrow      none'];
  const { publicKey, created, epochs } = escrow;
  return [`escrow      to ${publicKey}`, `  created   ${created}`, `  epochs    ${epochs.join(', ')}`];
}

function describeKey({ slot, status, label, created, expires, kdf, grants }: KeyDetails): readonly string[] {
  const note = label === '' ? '' : `  ${JSON.stringify(label)}`;
  return [
    `key         ${slot}  ${status}${note}`,
    `  created   ${created}`,
    `  expires   ${expires ?? 'never'}`,
    `  kdf       ${describeKdf(kdf)}`,
    ...grants.map((grant) => `  grant     ${describeGrant(grant)}`),
  ];
}

function describeKdf(kdf: Kdf): string {
  const { name, ...parameters } = kdf;
  return [name, ...Object.entries(parameters).map(([parameter, value]) => `${parameter}=${value}`)].join(' ');
}

function describeGrant({ bucket, prefix, access }: Grant): string {
  return `${bucket}/${prefix}*  ${access}`;
}

function report(error: unknown, { err }: TenantCommandOptions): number {
  if (error instanceof UsageError) {
    err(`sealgate tenant: ${error.message}`);
    err(TENANT_USAGE.trimEnd());
    return 2;
  }
  if (error instanceof InvalidGrant) {
    err(`sealgate tenant: ${error.message}`);
    return 2;
  }
  if (error instanceof UnknownTenant || error instanceof KeyringTampered || error instanceof S3Error) {
    err(`sealgate tenant: ${error.message}`);
    return 1;
  }
  if (error instanceof KeyringMalformed) {
    err(`sealgate tenant: a label, prefix or list is too long or has characters that are not accepted.`);
    return 2;
  }
  throw error;
}
