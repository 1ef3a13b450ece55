/**
 * `sealgate tenant recover`: a new API key for a tenant whose own are lost, by the escrow private key (docs/escrow.md). The
 * seal keys are needed too: they sign the keyring.
 */
import { recoverTenant } from '../keyring/admin/recover-tenant.ts';
import { resolveTenant } from '../keyring/admin/tenant-names.ts';
import type { Grant } from '../keyring/grants.ts';
import { KEY_COMMAND_TIMEOUT_MS } from '../limits.ts';
import { type CommandDeps, keyringBasis, requireCommandApproval } from './command-approval.ts';
import {
  expiryOf,
  GRANT_OPTIONS,
  grantsOf,
  type HandingOutput,
  parseCommand,
  reporting,
  shape,
  tenantArgument,
  UsageError,
} from './command-line.ts';
import { readEscrowKeyFrom } from './escrow-key-file.ts';
import { handOut } from './issued-key.ts';

export const RECOVER_USAGE = `Usage:
  sealgate tenant recover TENANT --escrow-key FILE --bucket NAME|'*' [--bucket NAME ...] [--prefix P] [--read-only]
                          [--label L] [--expires TIME] [--out FILE] [--reason TEXT] [--json]

Makes a new API key for a tenant that was escrowed, with the private key of \`sealgate escrow keygen\`.
--escrow-key  the private key's file
--escrow-share  in place of it, a file with a share of the private key: several, as many as are needed
--bucket, --prefix, --read-only, --label  as in \`sealgate tenant create\`
--expires     when the new key ends, such as 2027-01-31T00:00:00Z or 30d
--out         writes the credentials there as JSON, for the owner only, instead of printing them
--reason      what approvers are told, where approvals are required (docs/approvals.md)

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

export interface RecoverOptions extends HandingOutput {
  readonly deps: CommandDeps;
}

/** `args`: what follows `tenant recover`. Returns the exit code. */
export function tenantRecover(args: readonly string[], o: RecoverOptions): Promise<number> {
  return reporting({ ...o, command: 'tenant recover', usage: RECOVER_USAGE }, () => recover(args, o));
}

const text = { type: 'string' } as const;
export const RECOVER = shape(['TENANT'], {
  ...GRANT_OPTIONS,
  'escrow-key': text,
  'escrow-share': { type: 'string', multiple: true },
  label: text,
  expires: text,
  out: text,
  reason: text,
  json: { type: 'boolean' },
});

async function recover(args: readonly string[], o: RecoverOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, RECOVER);
  const { 'escrow-key': file, 'escrow-share': shares = [], label = 'recovered', out: path, json = false } = values;
  const named = tenantArgument(positionals[0]);
  if (file === undefined && shares.length === 0) {
    throw new UsageError(
      '--escrow-key is missing: name the file of the private key, or --escrow-share for each share.',
    );
  }
  if (file !== undefined && shares.length > 0) throw new UsageError('Choose --escrow-key or --escrow-share.');
  const grants = grantsOf(values);
  if (grants === undefined) throw new UsageError("--bucket is missing: name the buckets the key may use, or '*'.");
  const expires = values.expires === undefined ? null : expiryOf(values.expires, o.deps.now());
  const key = await readEscrowKeyFrom({ file, shares });
  const signal = AbortSignal.timeout(KEY_COMMAND_TIMEOUT_MS);
  const tenant = await resolveTenant(o.deps, named, signal);
  await approved(o, tenant, { grants, label, expires: values.expires, reason: values.reason }, signal).catch(
    (error) => {
      key.secret.fill(0);
      throw error;
    },
  );
  await handOut({ path, overwrite: false, json, kept: {}, output: o }, (keep) =>
    recoverTenant(o.deps, { tenant, key, grants, label, expires, keep }, signal),
  ).finally(() => key.secret.fill(0));
  if (!json) o.err('The keys that the tenant had are as they were: revoke those that are lost.');
  return 0;
}

/** A time to end that was given as a duration counts from when the key is made. */
async function approved(
  { deps }: RecoverOptions,
  tenant: string,
  o: { grants: readonly Grant[]; label: string; expires: string | undefined; reason: string | undefined },
  signal: AbortSignal,
): Promise<void> {
  const basis = await keyringBasis(deps, tenant, signal);
  if (basis === undefined) return;
  const grants = o.grants.map(({ access, bucket, prefix }) => ({ access, bucket, prefix }));
  const parameters = { expires: o.expires ?? 'never', grants, label: o.label };
  const { reason } = o;
  await requireCommandApproval(deps, { action: 'tenant-recover', tenant, basis, parameters, reason }, signal);
}
