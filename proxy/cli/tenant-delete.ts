/**
 * `sealgate tenant delete`: destroys a tenant's keyring, so that what it stored is unreadable for ever (docs/keys.md). It names
 * what that is first, and has to be told the tenant's id a second time.
 */
import type { Backend } from '../backend/backend.ts';
import { readKeyring } from '../keyring/admin/change-keyring.ts';
import { deleteTenant } from '../keyring/admin/delete-tenant.ts';
import { resolveTenant } from '../keyring/admin/tenant-names.ts';
import type { Grant } from '../keyring/grants.ts';
import { typeOf } from '../keyring/slots/slot-types.ts';
import { KeyringTampered, UnknownTenant } from '../keyring/state/records.ts';
import { type CountedObjects, countObjects } from '../object/count-objects.ts';
import { type CommandDeps, keyringBasis, requireCommandApproval } from './command-approval.ts';
import { type Output, parseCommand, reporting, shape, tenantArgument, UsageError } from './command-line.ts';
import { describeGrant } from './describe-tenant.ts';

export const TENANT_DELETE_USAGE = `Usage:
  sealgate tenant delete TENANT [--count] [--yes TENANT] [--reason TEXT] [--json]

Destroys the tenant's keyring with its escrow, its registered access key ids and its uploads in progress. Everything that the
tenant stored is unreadable from then on, on every copy of the ciphertext. The objects themselves stay, and can be deleted.
Copies of the keyring elsewhere (a backup, an older version kept by the store) still open it: destroy those too.

--count  says first how many objects, and how many bytes, are the tenant's: one request for each object of every bucket
--yes    the tenant's id again; without it you are asked
--reason what approvers are told, where approvals are required: the first run asks for them, and the same command, once approved,
         deletes (docs/approvals.md)

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

export interface DeleteOptions extends Output {
  readonly deps: CommandDeps;
  readonly backend: Backend;
  /** Asks a person; undefined where nobody can be asked. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  readonly signal: AbortSignal;
}

/** `args`: what follows `tenant delete`. Returns the exit code. */
export function tenantDelete(args: readonly string[], o: DeleteOptions): Promise<number> {
  return reporting({ ...o, command: 'tenant delete', usage: TENANT_DELETE_USAGE }, () => run(args, o));
}

export const TENANT_DELETE = shape(['TENANT'], {
  count: { type: 'boolean' },
  yes: { type: 'string' },
  reason: { type: 'string' },
  json: { type: 'boolean' },
});

async function run(args: readonly string[], o: DeleteOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, TENANT_DELETE);
  const named = tenantArgument(positionals[0]);
  if (values.yes === undefined && o.ask === undefined) throw new UsageError(`Nobody to ask: say --yes ${named}.`);
  const tenant = await resolveTenant(o.deps, named, o.signal);
  if (values.yes !== undefined && values.yes !== tenant && values.yes !== named) {
    throw new UsageError('--yes names another tenant.');
  }
  const grants = await grantsOf(o, tenant);
  const counted = values.count === true ? await count(o, tenant) : undefined;
  if (values.yes === undefined) {
    for (const line of warning(tenant, grants, counted)) o.err(line);
    if ((await o.ask?.('Type the tenant id to go on: '))?.trim() !== tenant) {
      o.err('Nothing was changed.');
      return 1;
    }
  }
  await approved(o, tenant, values.reason);
  const deleted = await deleteTenant(o.deps, o.backend, tenant, o.signal);
  if (values.json === true) o.out(JSON.stringify({ tenant, ...deleted, ...counted }));
  else
    o.out(
      `tenant ${tenant} is deleted: ${deleted.keys} keys, ${deleted.uploads} uploads in progress${inWords(counted)}`,
    );
  o.err('Its data is unreadable here. Copies of its keyring elsewhere, such as backups of the state, must go too.');
  return 0;
}

/** Where the keyring is gone, the data is: what is left to remove needs nobody's approval. */
async function approved({ deps, signal }: DeleteOptions, tenant: string, reason: string | undefined): Promise<void> {
  const basis = await keyringBasis(deps, tenant, signal);
  if (basis === undefined) return;
  await requireCommandApproval(deps, { action: 'tenant-delete', tenant, basis, parameters: {}, reason }, signal);
}

/**
 * A keyring that does not verify says nothing reliable, and one that is gone says nothing. A deletion that ended early is
 * continued.
 */
async function grantsOf(o: DeleteOptions, tenant: string): Promise<readonly Grant[] | undefined> {
  try {
    const { keyring } = await readKeyring(o.deps, tenant, o.signal);
    return keyring.slots.flatMap((slot) => typeOf(slot).grants(slot));
  } catch (error) {
    if (error instanceof KeyringTampered || error instanceof UnknownTenant) return undefined;
    throw error;
  }
}

function count(o: DeleteOptions, tenant: string): Promise<CountedObjects> {
  const { backend, signal } = o;
  return countObjects({ backend, signal, stateBucket: o.deps.state.bucket }, tenant);
}

function warning(
  tenant: string,
  grants: readonly Grant[] | undefined,
  counted: CountedObjects | undefined,
): readonly string[] {
  const places =
    grants === undefined ? ['(the keyring is gone, or does not verify)'] : [...new Set(grants.map(describeGrant))];
  return [
    `Everything that tenant ${tenant} stored will be unreadable for ever. Its keys reach:`,
    ...places.map((place) => `  ${place}`),
    ...(counted === undefined ? [] : [`That is${inWords(counted).replace(',', '')}.`]),
  ];
}

function inWords(counted: CountedObjects | undefined): string {
  return counted === undefined ? '' : `, ${counted.objects} objects with ${counted.bytes} stored bytes`;
}
