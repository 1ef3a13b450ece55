/** `sealgate key list | revoke | update`: what the operator does alone. Usage: key.ts. */

import { KeyAdmin, type KeyChange } from '../keyring/admin/key-admin.ts';
import { resolveKey } from '../keyring/admin/resolve-key.ts';
import { resolveTenant } from '../keyring/admin/tenant-names.ts';
import { DEFAULT_KDFS, type Kdf, kdfSchema } from '../keyring/slots/kdf.ts';
import { keyringBasis, requireCommandApproval } from './command-approval.ts';
import { expiryOf, GRANT_OPTIONS, parseCommand, shape, tenantArgument, UsageError } from './command-line.ts';
import { describeKeyLines } from './describe-tenant.ts';
import { keyArgument } from './key-issue.ts';
import type { KeyCommandOptions } from './key-options.ts';
import { reachOf } from './key-reach.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

export const LIST_KEY = shape(['TENANT'], { json: flag });

export async function listKeys(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, LIST_KEY);
  for (const details of await new KeyAdmin(o.deps).list(await tenantOf(positionals[0], o), o.signal)) {
    if (values.json === true) o.out(JSON.stringify(details));
    else for (const line of describeKeyLines(details)) o.out(line);
  }
  return 0;
}

export const REVOKE_KEY = shape(['TENANT', 'KEY'], { force: flag, reason: text, json: flag });

export async function revokeKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, REVOKE_KEY);
  const key = keyArgument(positionals[1]);
  const tenant = await tenantOf(positionals[0], o);
  const slot = await resolveKey(o.deps, { tenant, key }, o.signal);
  const basis = (await keyringBasis(o.deps, tenant, o.signal)) ?? '';
  const parameters = { force: values.force === true ? 'yes' : 'no', key: slot };
  const about = { action: 'key-revoke', tenant, basis, parameters, reason: values.reason } as const;
  await requireCommandApproval(o.deps, about, o.signal);
  await new KeyAdmin(o.deps).revoke({ tenant, slot, force: values.force === true }, o.signal);
  o.out(
    values.json === true
      ? JSON.stringify({ tenant, slot, revoked: true })
      : `key ${slot} of tenant ${tenant} is revoked`,
  );
  return 0;
}

export const UPDATE_KEY = shape(['TENANT', 'KEY'], {
  ...GRANT_OPTIONS,
  policy: text,
  status: text,
  label: text,
  expires: text,
  kdf: text,
  'kdf-memory': text,
  'kdf-passes': text,
  'kdf-iterations': text,
  'end-sessions': flag,
  json: flag,
});

export async function updateKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, UPDATE_KEY);
  const key = keyArgument(positionals[1]);
  const tenant = await tenantOf(positionals[0], o);
  const slot = await resolveKey(o.deps, { tenant, key }, o.signal);
  const { grants, policy } = await reachOf(values, o.stdin);
  const kdfUpgrade = kdfOf(values);
  const change: KeyChange = {
    ...(grants !== undefined && { grants: [...grants], policy: null }),
    ...(policy !== undefined && { grants: [], policy }),
    ...(values.status !== undefined && { status: statusOf(values.status) }),
    ...(values.label !== undefined && { label: values.label }),
    ...(values.expires !== undefined && {
      expires: values.expires === 'never' ? null : expiryOf(values.expires, o.deps.now()),
    }),
    ...(kdfUpgrade !== undefined && { kdfUpgrade }),
    ...(values['end-sessions'] === true && { endSessions: true }),
  };
  if (Object.keys(change).length === 0) throw new UsageError('Say what to change.');
  const updated = await new KeyAdmin(o.deps).update({ tenant, slot, change }, o.signal);
  const changed = Object.keys(change);
  o.out(
    values.json === true
      ? JSON.stringify({ tenant, slot, changed })
      : `key ${slot} of tenant ${tenant}: ${changed.join(', ')} changed`,
  );
  const after = updated.kdfUpgrade?.after;
  if (change.kdfUpgrade && after !== undefined) {
    o.err(`Sessions of the key may live until ${after}. The key is derived anew when it is used after that.`);
    o.err('--end-sessions ends the sessions, and with them the wait.');
  }
  return 0;
}

function tenantOf(text: string | undefined, { deps, signal }: KeyCommandOptions): Promise<string> {
  return resolveTenant(deps, tenantArgument(text), signal);
}

function statusOf(text: string): 'active' | 'inactive' {
  if (text === 'active' || text === 'inactive') return text;
  throw new UsageError('--status is active or inactive.');
}

function kdfOf(values: {
  kdf?: string | undefined;
  'kdf-memory'?: string | undefined;
  'kdf-passes'?: string | undefined;
  'kdf-iterations'?: string | undefined;
}): Kdf | null | undefined {
  if (values.kdf === undefined) {
    if ((values['kdf-memory'] ?? values['kdf-passes'] ?? values['kdf-iterations']) === undefined) return undefined;
    throw new UsageError('--kdf-memory, --kdf-passes and --kdf-iterations need --kdf.');
  }
  if (values.kdf === 'keep') return null;
  const { argon2id, 'pbkdf2-sha256': pbkdf2 } = DEFAULT_KDFS;
  const wanted =
    values.kdf === 'argon2id'
      ? {
          ...argon2id,
          memory: number(values['kdf-memory'], argon2id.memory),
          passes: number(values['kdf-passes'], argon2id.passes),
        }
      : { name: values.kdf, iterations: number(values['kdf-iterations'], pbkdf2.iterations) };
  const parsed = kdfSchema.safeParse(wanted);
  if (parsed.success) return parsed.data;
  throw new UsageError(
    '--kdf is argon2id (--kdf-memory 19456 to 262144 KiB, --kdf-passes 2 to 10), pbkdf2-sha256 ' +
      '(--kdf-iterations 600000 to 10000000), or keep.',
  );
}

function number(text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback;
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}
