/**
 * `sealgate tenant create | list | show`: tenants from the command line (README.md, tenants). Works on the same state as
 * the servers and is safe beside running ones. `delete` and `recover` have files of their own.
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */
import type { TenantAdmin } from '../keyring/admin/tenant-admin.ts';
import { DEFAULT_KDFS, isKdfName } from '../keyring/slots/kdf.ts';
import {
  GRANT_OPTIONS,
  grantsOf,
  nameArgument,
  type Output,
  parseCommand,
  runNamed,
  shape,
  tenantArgument,
  UsageError,
} from './command-line.ts';
import { describeSummary, describeTenantLines } from './describe-tenant.ts';
import { TENANT_DELETE } from './tenant-delete.ts';
import { RECOVER } from './tenant-recover.ts';

export const TENANT_USAGE = `Usage:
  sealgate tenant create --bucket NAME|'*' [--bucket NAME ...] [--prefix P] [--read-only] [--name NAME] [--label L]
                         [--kdf ${Object.keys(DEFAULT_KDFS).join('|')}] [--registered]
                         [--kms NAME/KEY [--require-kms]] [--json]
  sealgate tenant list [--json]
  sealgate tenant show TENANT [--json]
  sealgate tenant rename TENANT NAME|- [--json]
  sealgate tenant delete TENANT ... (see sealgate tenant delete --help)
  sealgate tenant recover TENANT --escrow-key FILE ... (see sealgate tenant recover --help)

create  makes a tenant and its first API key, and prints the key once
        --bucket     a bucket that the key may use; repeat for more; '*' for every bucket
        --prefix     only keys that start with this
        --read-only  no writes
        --name       for people: every command takes it in place of the id; unique
        --label      a note, up to 64 characters
        --kdf        hkdf-sha256 unless said otherwise: generated keys need no slow function
        --registered an access key id of 20 characters; the key is then kept, sealed, in the state: server-managed
        --kms        a key of a KMS of SEALGATE_KMS that must agree whenever the key is used
        --require-kms every further way in must need a KMS too: no escrow and no roles
list    one line per tenant
rename  another name, or none: -
show    a tenant's keys, grants and root-key epochs; never a secret
--json  one line of JSON for each result

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

export interface TenantCommandOptions extends Output {
  readonly admin: TenantAdmin;
}

/** `args`: what follows `tenant`. Returns the exit code. */
export function tenantCommand(args: readonly string[], o: TenantCommandOptions): Promise<number> {
  return runNamed(args, { create, list, show, rename }, o, { command: 'tenant', usage: TENANT_USAGE });
}

const CREATE = shape([], {
  ...GRANT_OPTIONS,
  label: { type: 'string' },
  name: { type: 'string' },
  kdf: { type: 'string' },
  registered: { type: 'boolean' },
  kms: { type: 'string' },
  'require-kms': { type: 'boolean' },
  json: { type: 'boolean' },
});

async function create(args: readonly string[], { admin, out, err }: TenantCommandOptions): Promise<number> {
  const { values } = parseCommand(args, CREATE);
  const grants = grantsOf(values);
  if (grants === undefined) throw new UsageError("--bucket is missing: name the buckets the key may use, or '*'.");
  const kdf = values.kdf ?? 'hkdf-sha256';
  if (!isKdfName(kdf)) throw new UsageError(`--kdf is one of ${Object.keys(DEFAULT_KDFS).join(', ')}.`);
  const registered = values.registered === true;
  const name = values.name === undefined ? '' : nameArgument(values.name);
  const requireKms = values['require-kms'] === true;
  if (requireKms && values.kms === undefined) throw new UsageError('--require-kms needs --kms.');
  const kms = values.kms === undefined ? undefined : admin.kmsKey(values.kms);
  const wishes = { grants, label: values.label ?? '', name, kdf, registered, kms, requireKms };
  const created = await admin.create(wishes);
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
  if (registered) err('The tenant is server-managed: the state and the seal keys together open it.');
  return 0;
}

const LIST = shape([], { json: { type: 'boolean' } });

async function list(args: readonly string[], { admin, out }: TenantCommandOptions): Promise<number> {
  const { values } = parseCommand(args, LIST);
  let exitCode = 0;
  for await (const summary of admin.list()) {
    out(values.json === true ? JSON.stringify(summary) : describeSummary(summary));
    if (summary.status !== 'ok') exitCode = 1;
  }
  return exitCode;
}

const SHOW = shape(['TENANT'], { json: { type: 'boolean' } });

async function show(args: readonly string[], { admin, out }: TenantCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, SHOW);
  const details = await admin.show(await admin.resolve(tenantArgument(positionals[0])));
  if (values.json === true) out(JSON.stringify(details));
  else for (const line of describeTenantLines(details)) out(line);
  return 0;
}

const RENAME = shape(['TENANT', 'NAME'], { json: { type: 'boolean' } });

/** `-` takes the name away. */
async function rename(args: readonly string[], { admin, out }: TenantCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, RENAME);
  const [text, wanted = ''] = positionals;
  const name = wanted === '-' ? '' : nameArgument(wanted);
  const tenant = await admin.resolve(tenantArgument(text));
  await admin.rename(tenant, name);
  out(
    values.json === true
      ? JSON.stringify({ tenant, name })
      : `tenant ${tenant} ${name === '' ? 'has no name' : `is '${name}'`} now`,
  );
  return 0;
}

export const TENANT_SHAPES = {
  create: CREATE,
  list: LIST,
  show: SHOW,
  rename: RENAME,
  delete: TENANT_DELETE,
  recover: RECOVER,
};
