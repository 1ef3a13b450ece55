/**
 * `sealgate kms status | rewrap | add | remove | require`: what tenants have to do with a key service (docs/kms.md). Works on the same
 * state as the servers and is safe beside running ones.
 *
 * Exit codes: 0 done; 1 it could not be done, or something is older than asked; 2 the command line was wrong.
 */

import { setTimeout } from 'node:timers/promises';
import { type KeyringDeps, kmsOf } from '../keyring/admin/change-keyring.ts';
import { KmsAdmin, type WrapDetails } from '../keyring/admin/kms-admin.ts';
import { kmsKeyName } from '../keyring/admin/kms-key-name.ts';
import { resolveTenant } from '../keyring/admin/tenant-names.ts';
import { KEYRING_NAMES, tenantOfName } from '../keyring/state/records.ts';
import type { KmsKeyState } from '../kms/provider.ts';
import { KMS_RETRY_MS } from '../kms-limits.ts';
import { durationOf, parseCommand, runNamed, type Shape, shape, tenantArgument, UsageError } from './command-line.ts';
import { readCaller } from './key-caller.ts';
import type { KeyCommandOptions } from './key-options.ts';
import { failed, keysBehind } from './kms-lines.ts';

export const KMS_USAGE = `Usage:
  sealgate kms status  TENANT|--all [--older-than TIME] [--json]
  sealgate kms rewrap  TENANT|--all [--to NAME/KEY] [--json]
  sealgate kms add     [CALLER] --kms NAME/KEY [--label L] [--json]
  sealgate kms remove  TENANT SLOT [--json]
  sealgate kms require [CALLER] [--off] [--json]

CALLER  a key of the tenant: --credentials FILE, JSON with accessKeyId and secretAccessKey, - for standard input;
        else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
NAME/KEY  a key of a provider of SEALGATE_KMS; NAME alone means the provider's own key

status   each wrapped secret: when it was wrapped, and under which version of its key. With --all also how far each key's
         oldest version may be raised at the KMS without locking anybody out
         --older-than  exit 1 when a secret was wrapped longer ago, such as 90d
rewrap   wraps each secret again under the present version of its key, or under another key. Two calls to the KMS for each
         slot and one write for each tenant; no object is touched, and no key of the tenant is needed
add      a slot that the key of the KMS opens alone, for work that runs unattended. The tenant is server-managed then
remove   takes such a slot away
require  every way into the tenant must need a KMS from now on; --off takes that back

A key with a KMS is made by sealgate key create --kms, and an existing one gets its KMS by sealgate key attach-kms.

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

const STATUS = shape([], { all: flag, 'older-than': text, json: flag, tenant: text });
const REWRAP = shape([], { all: flag, to: text, json: flag, tenant: text });
const ADD = shape([], { credentials: text, kms: text, label: text, json: flag });
const REMOVE = shape(['TENANT', 'SLOT'], { json: flag });
const REQUIRE = shape([], { credentials: text, off: flag, json: flag });

export const KMS_SHAPES: Readonly<Record<string, Shape>> = {
  status: STATUS,
  rewrap: REWRAP,
  add: ADD,
  remove: REMOVE,
  require: REQUIRE,
};

/** `args`: what follows `kms`. Returns the exit code. */
export function kmsCommand(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const commands = { status, rewrap, add, remove, require };
  return runNamed(withTenant(args), commands, o, { command: 'kms', usage: KMS_USAGE });
}

/** TENANT and --all take each other's place, so the argument is read as an option. */
export function withTenant(args: readonly string[]): readonly string[] {
  const [name = ''] = args;
  if (name !== 'status' && name !== 'rewrap') return args;
  const takesNext = (at: number) => ['--older-than', '--to', '--tenant'].includes(args[at] ?? '');
  const at = args.findIndex((one, index) => index > 0 && !one.startsWith('-') && !takesNext(index - 1));
  return at < 0 ? args : args.with(at, `--tenant=${args[at]}`);
}

async function status(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, STATUS);
  const olderThan = values['older-than'] === undefined ? undefined : durationOf(values['older-than'], '--older-than');
  const now = o.deps.now().getTime();
  const states = new Map<string, KmsKeyState | string>();
  const found: WrapDetails[] = [];
  let isOld = false;
  for await (const tenant of tenantsOf(values, o)) {
    for (const wrap of await new KmsAdmin(o.deps).wraps(tenant, o.signal)) {
      found.push(wrap);
      const state = await stateOf(wrap, states, o);
      const ageSeconds = Math.max(0, Math.floor((now - Date.parse(wrap.wrapped)) / 1000));
      const tooOld = olderThan !== undefined && ageSeconds > olderThan;
      isOld ||= tooOld;
      const isCurrent = typeof state === 'string' || state.current === '' ? null : state.current === wrap.version;
      if (values.json === true) o.out(JSON.stringify({ ...wrap, ageSeconds, isCurrent, tooOld }));
      else o.out(inLine(wrap, { ageSeconds, isCurrent, tooOld }));
    }
  }
  // Only the wraps of every tenant tell what no wrap needs any more.
  if (values.all === true) for (const line of keysBehind(found, states, values.json === true)) o.out(line);
  return isOld || [...states.values()].some((state) => typeof state === 'string') ? 1 : 0;
}

function inLine(wrap: WrapDetails, o: { ageSeconds: number; isCurrent: boolean | null; tooOld: boolean }): string {
  const days = Math.floor(o.ageSeconds / 86_400);
  const version =
    wrap.version === '' ? '' : `  version ${wrap.version}${o.isCurrent === false ? ' (not the present one)' : ''}`;
  const place = `${wrap.provider} ${wrap.key}`;
  return `${wrap.tenant}  ${wrap.slot}  ${wrap.type.padEnd(11)}  ${place}${version}  wrapped ${wrap.wrapped}, ${days} days ago${o.tooOld ? '  TOO OLD' : ''}`;
}

async function stateOf(
  { provider, key }: WrapDetails,
  states: Map<string, KmsKeyState | string>,
  o: KeyCommandOptions,
): Promise<KmsKeyState | string> {
  const name = `${provider} ${key}`;
  const known = states.get(name);
  if (known !== undefined) return known;
  const state = await kmsOf(o.deps)
    .keyState({ provider, key }, o.signal)
    .catch((error: unknown) => failed(error));
  if (typeof state === 'string') o.err(`sealgate kms: ${name}: ${state}`);
  states.set(name, state);
  return state;
}

async function rewrap(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, REWRAP);
  const to = values.to === undefined ? undefined : kmsKeyName(kmsOf(o.deps), values.to);
  let failures = 0;
  let tenants = 0;
  for await (const tenant of tenantsOf(values, o)) {
    try {
      const done = await new KmsAdmin(o.deps).rewrap({ tenant, to }, o.signal);
      if (done.length > 0) tenants += 1;
      for (const wrap of done) {
        const under = `${wrap.provider} ${wrap.key}${wrap.version === '' ? '' : ` version ${wrap.version}`}`;
        o.out(values.json === true ? JSON.stringify(wrap) : `${tenant}  ${wrap.slot}  wrapped under ${under}`);
      }
    } catch (error) {
      // One tenant must not keep the others from being wrapped.
      if (values.all !== true) throw error;
      failures += 1;
      o.err(`sealgate kms rewrap: ${tenant}: ${failed(error)}`);
      // A KMS that is away for a moment must not fail every tenant that follows.
      await setTimeout(KMS_RETRY_MS, undefined, { signal: o.signal });
    }
  }
  if (values.json !== true) o.out(`${tenants} tenants, ${failures} failed`);
  return failures === 0 ? 0 : 1;
}

async function add(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, ADD);
  if (values.kms === undefined) throw new UsageError('--kms is missing: a key of the KMS, as NAME/KEY.');
  const key = kmsKeyName(kmsOf(o.deps), values.kms);
  const caller = await readCaller(o.deps, { file: values.credentials, environment: o.environment }, o.signal);
  const made = await new KmsAdmin(o.deps).add(caller.key, { key, label: values.label ?? '' }, o.signal);
  o.out(
    values.json === true
      ? JSON.stringify(made)
      : `slot ${made.slot} of tenant ${made.tenant}: ${made.provider} ${made.key} opens it alone`,
  );
  if (values.json !== true) o.err('The tenant is server-managed: whoever may use the key of the KMS opens it.');
  return 0;
}

async function remove(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, REMOVE);
  const [, slot = ''] = positionals;
  if (!/^[0-9a-f]{8}$/.test(slot)) throw new UsageError('SLOT is the 8 hex digits that kms add and status print.');
  const tenant = await resolveTenant(o.deps, tenantArgument(positionals[0]), o.signal);
  await new KmsAdmin(o.deps).remove({ tenant, slot }, o.signal);
  o.out(
    values.json === true ? JSON.stringify({ tenant, slot, removed: true }) : `slot ${slot} of tenant ${tenant} is gone`,
  );
  return 0;
}

async function require(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, REQUIRE);
  const caller = await readCaller(o.deps, { file: values.credentials, environment: o.environment }, o.signal);
  const isRequired = values.off !== true;
  const { tenant } = await new KmsAdmin(o.deps).require(caller.key, isRequired, o.signal);
  const words = isRequired ? 'every way in must need a KMS' : 'no KMS is required any more';
  o.out(values.json === true ? JSON.stringify({ tenant, requiresKms: isRequired }) : `tenant ${tenant}: ${words}`);
  return 0;
}

async function* tenantsOf(
  values: { all?: boolean | undefined; tenant?: string | undefined },
  { deps, signal }: { deps: KeyringDeps; signal: AbortSignal },
): AsyncIterable<string> {
  if ((values.all === true) === (values.tenant !== undefined)) throw new UsageError('Name one TENANT, or say --all.');
  if (values.tenant !== undefined) {
    yield await resolveTenant(deps, tenantArgument(values.tenant), signal);
    return;
  }
  for await (const name of deps.state.list(KEYRING_NAMES, signal)) {
    const tenant = tenantOfName(name);
    if (tenant !== undefined) yield tenant;
  }
}
