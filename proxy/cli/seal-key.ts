/**
 * `sealgate seal-key status | resign`: rotating seal keys (docs/keys.md, rotating the seal key).
 *
 * Exit codes: 0 done; 1 something is in the way; 2 the command line was wrong.
 */

import { resignAll, type SealKeyUsage, sealKeyUsage, type Tampered } from '../keyring/access-keys/seal-key-usage.ts';
import type { KeyringDeps } from '../keyring/admin/change-keyring.ts';
import { type Output, parseCommand, runNamed, shape } from './command-line.ts';

export const SEAL_KEY_USAGE = `Usage:
  sealgate seal-key status [--json]
  sealgate seal-key resign [--json]

status  what each seal key is still needed for: keyrings that it signed, keys in use whose access key id it made, roles whose
        ARN it made, records of keys' last use, records of buckets, the approvers, keys of the audit, sessions that may
        live. Of a sealed access key id only the last that was made is known: older ones stop too when their seal key is
        dropped. Keys that are inactive or have expired are not counted
resign  signs every keyring, every record of a bucket and the record of the approvers, and seals every record of a registered
        access key id, of a managed role and of a key's last use, and every key of the audit, under the active seal key. That
        seal key signs the checkpoints of the audit from then on

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

export interface SealKeyCommandOptions extends Output {
  readonly deps: KeyringDeps;
  /** Makes the active seal key the one that signs the audit's checkpoints, where there are any. */
  readonly handOverAudit?: (signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
}

/** `args`: what follows `seal-key`. Returns the exit code. */
export function sealKeyCommand(args: readonly string[], o: SealKeyCommandOptions): Promise<number> {
  return runNamed(args, { status, resign }, o, { command: 'seal-key', usage: SEAL_KEY_USAGE });
}

const STATUS = shape([], { json: { type: 'boolean' } });

async function status(args: readonly string[], o: SealKeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, STATUS);
  const { usage, ...rest } = await sealKeyUsage(o.deps, o.signal);
  if (values.json === true) for (const one of usage) o.out(JSON.stringify(one));
  else for (const one of usage) for (const line of describe(one)) o.out(line);
  return reportTampered(rest, o) && usage.every(({ configured }) => configured) ? 0 : 1;
}

function describe({
  kid,
  active,
  configured,
  keyrings,
  ids,
  arns,
  lastUses,
  buckets,
  approvers,
  auditKeys,
  sessionsUntil,
}: SealKeyUsage): readonly string[] {
  if (!configured)
    return [
      `${kid}  NOT CONFIGURED  keyrings ${keyrings}, buckets ${buckets}, which nothing opens until it is configured again`,
    ];
  const uses = keyrings + ids.length + arns.length + lastUses + buckets + approvers + auditKeys;
  const isUnused = uses === 0 && sessionsUntil === null;
  const role = active ? 'active' : isUnused ? 'can be dropped' : 'needed';
  const rest = active
    ? []
    : [
        ...ids.map((id) => `  access key id of ${id}: sealgate key reissue`),
        ...arns.map((name) => `  ARN of role ${name}: sealgate role reissue`),
        ...(sessionsUntil === null ? [] : [`  sessions that were issued under it may live until ${sessionsUntil}`]),
      ];
  return [
    `${kid}  ${role}  keyrings ${keyrings}  access key ids ${ids.length}  ARNs ${arns.length}  last uses ${lastUses}  buckets ${buckets}  approvers ${approvers}  audit keys ${auditKeys}`,
    ...rest,
  ];
}

const RESIGN = shape([], { json: { type: 'boolean' } });

async function resign(args: readonly string[], o: SealKeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, RESIGN);
  const { keyrings, records, ...rest } = await resignAll(o.deps, o.signal);
  await o.handOverAudit?.(o.signal);
  if (values.json === true) o.out(JSON.stringify({ keyrings, records, ...rest }));
  else o.out(`signed ${keyrings} keyrings and sealed ${records} records under ${o.deps.sealKeys.active.kid}`);
  for (const role of rest.tamperedRoles) o.err(`The record of role ${role} does not open: it was left alone.`);
  return reportTampered(rest, o) && rest.tamperedRoles.length === 0 ? 0 : 1;
}

/** Whether there is nothing to report. */
function reportTampered({ tampered, tamperedBuckets }: Tampered, { err }: Output): boolean {
  for (const tenant of tampered) err(`The keyring of tenant ${tenant} does not verify: it was left alone.`);
  for (const bucket of tamperedBuckets) err(`The record of bucket ${bucket} does not verify: it was left alone.`);
  return tampered.length + tamperedBuckets.length === 0;
}

export const SEAL_KEY_SHAPES = { status: STATUS, resign: RESIGN };
