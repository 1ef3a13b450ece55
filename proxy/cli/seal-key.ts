/**
 * `sealgate seal-key status | activate | resign`: rotating seal keys (docs/operations.md, "Rotate the seal key").
 *
 * Exit codes: 0 done; 1 something is in the way; 2 the command line was wrong.
 */

import { resignAll, type SealKeyUsage, sealKeyUsage, type Tampered } from '../keyring/access-keys/seal-key-usage.ts';
import { activateSealKey } from '../keyring/active-seal-key/activate.ts';
import { ActiveRecordRefused } from '../keyring/active-seal-key/active-record.ts';
import { useRecordedSealKey } from '../keyring/active-seal-key/recorded.ts';
import type { OpenedReport, UnreadReport } from '../keyring/active-seal-key/replica-record.ts';
import { listReplicas, nameOf } from '../keyring/active-seal-key/replicas.ts';
import type { KeyringDeps } from '../keyring/admin/change-keyring.ts';
import { type Output, parseCommand, runNamed, shape } from './command-line.ts';

export const SEAL_KEY_USAGE = `Usage:
  sealgate seal-key status [--json]
  sealgate seal-key activate KID [--replace-damaged] [--json]
  sealgate seal-key resign [--json]

status    what each seal key is still needed for: keyrings that it signed, keys in use whose access key id it made, roles whose
          ARN it made, records of keys' last use, records of buckets, the approvers, keys of the audit, sessions that may live;
          which one signs; and the servers that run, with the seal keys that each of them has. Of a sealed access key id only
          the last that was made is known: older ones stop too when their seal key is dropped. Keys that are inactive or have
          expired are not counted
activate  makes the seal key KID the one that signs. Every server follows within a minute, without a restart. Refused while a
          server that runs has not reported that it has KID. The checkpoints of the audit are signed by it from then on
resign    signs every keyring, every record of a bucket and the record of the approvers, and seals every record of a
          registered access key id, of a managed role and of a key's last use, and every key of the audit, under the active
          seal key

--replace-damaged  for a record of the active seal key that does not verify, was rolled back, or names a seal key that is lost:
                   writes it anew, without the signature of the seal key before. Stop the servers first
--json             one line of JSON for each thing

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
  return runNamed(args, { status, activate, resign }, o, { command: 'seal-key', usage: SEAL_KEY_USAGE });
}

const STATUS = shape([], { json: { type: 'boolean' } });

async function status(args: readonly string[], o: SealKeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, STATUS);
  const replicas = await listReplicas(o.deps, o.signal);
  const isFollowed = await followed(o, replicas);
  const { usage, ...rest } = await sealKeyUsage(o.deps, o.signal);
  if (values.json === true) {
    for (const one of [...usage, ...replicas.live, ...replicas.unread]) o.out(JSON.stringify(one));
  } else {
    for (const one of usage) for (const line of describe(one, replicas.live)) o.out(line);
    for (const report of replicas.live) o.out(describeReplica(report));
    for (const report of replicas.unread) o.out(describeUnread(report));
  }
  return reportTampered(rest, o) && isFollowed && usage.every(({ configured }) => configured) ? 0 : 1;
}

/** Whether the record can be followed; what is in the way is said. */
async function followed(
  { deps, err, signal }: SealKeyCommandOptions,
  replicas: Awaited<ReturnType<typeof listReplicas>>,
): Promise<boolean> {
  try {
    const { rolledBack } = await useRecordedSealKey({ ...deps, replicas }, signal);
    if (rolledBack !== undefined) err(rolledBack);
    return rolledBack === undefined;
  } catch (error) {
    if (!(error instanceof ActiveRecordRefused)) throw error;
    err(`sealgate seal-key: ${error.message}`);
    return false;
  }
}

function describe(
  {
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
  }: SealKeyUsage,
  live: readonly OpenedReport[],
): readonly string[] {
  if (!configured)
    return [
      `${kid}  NOT CONFIGURED  keyrings ${keyrings}, buckets ${buckets}, which nothing opens until it is configured again`,
    ];
  const signers = live.filter(({ signs }) => signs === kid);
  const uses = keyrings + ids.length + arns.length + lastUses + buckets + approvers + auditKeys + signers.length;
  const isUnused = uses === 0 && sessionsUntil === null;
  const role = active ? 'active' : isUnused ? 'can be dropped' : 'needed';
  const rest = active
    ? []
    : [
        ...ids.map((id) => `  access key id of ${id}: sealgate key reissue`),
        ...arns.map((name) => `  ARN of role ${name}: sealgate role reissue`),
        ...(sessionsUntil === null ? [] : [`  sessions that were issued under it may live until ${sessionsUntil}`]),
        ...signers.map((report) => `  ${nameOf(report)} signs with it`),
      ];
  return [
    `${kid}  ${role}  keyrings ${keyrings}  access key ids ${ids.length}  ARNs ${arns.length}  last uses ${lastUses}  buckets ${buckets}  approvers ${approvers}  audit keys ${auditKeys}`,
    ...rest,
  ];
}

function describeReplica(report: OpenedReport): string {
  const { started, signs, held, differing } = report;
  const other = differing.length === 0 ? '' : `  another secret under ${differing.join(', ')}`;
  return `server ${nameOf(report)}  since ${started}  signs with ${signs}  has ${held.join(', ')}${other}`;
}

function describeUnread({ boot, kid }: UnreadReport): string {
  if (kid === undefined) return `server boot ${boot}  the report does not verify: it does not count`;
  return `server boot ${boot}  signs with ${kid}, which is not configured here`;
}

const ACTIVATE = shape(['KID'], { 'replace-damaged': { type: 'boolean' }, json: { type: 'boolean' } });

async function activate(args: readonly string[], o: SealKeyCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, ACTIVATE);
  const [kid = ''] = positionals;
  const replaceDamaged = values['replace-damaged'] === true;
  const done = await activateSealKey(o.deps, { kid, replaceDamaged }, o.signal);
  await o.handOverAudit?.(o.signal);
  const { before, generation, changed, replicas, behind } = done;
  const servers = replicas.map(({ boot, host }) => ({ boot, host }));
  if (values.json === true) {
    o.out(JSON.stringify({ kid, before, generation, changed, servers, behind: behind.map(({ boot }) => boot) }));
  } else if (!changed) o.out(`${kid} signs already`);
  else if (replicas.length === 0) o.out(`${kid} signs from now on; no server runs`);
  else o.out(`${kid} signs from now on; ${replicas.length} servers follow within a minute`);
  for (const report of behind)
    o.err(`${nameOf(report)} started meanwhile and does not have ${kid}: give it the seal key.`);
  return 0;
}

const RESIGN = shape([], { json: { type: 'boolean' } });

async function resign(args: readonly string[], o: SealKeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, RESIGN);
  const replicas = await listReplicas(o.deps, o.signal);
  await useRecordedSealKey({ ...o.deps, replicas }, o.signal);
  const { keyrings, records, ...rest } = await resignAll(o.deps, o.signal);
  await o.handOverAudit?.(o.signal);
  const active = o.deps.sealKeys.active.kid;
  if (values.json === true) o.out(JSON.stringify({ keyrings, records, ...rest }));
  else o.out(`signed ${keyrings} keyrings and sealed ${records} records under ${active}`);
  for (const report of replicas.live.filter(({ signs }) => signs !== active)) {
    o.err(`${nameOf(report)} still signs with ${report.signs}: run this again in a minute.`);
  }
  for (const role of rest.tamperedRoles) o.err(`The record of role ${role} does not open: it was left alone.`);
  return reportTampered(rest, o) && rest.tamperedRoles.length === 0 ? 0 : 1;
}

/** Whether there is nothing to report. */
function reportTampered({ tampered, tamperedBuckets }: Tampered, { err }: Output): boolean {
  for (const tenant of tampered) err(`The keyring of tenant ${tenant} does not verify: it was left alone.`);
  for (const bucket of tamperedBuckets) err(`The record of bucket ${bucket} does not verify: it was left alone.`);
  return tampered.length + tamperedBuckets.length === 0;
}

export const SEAL_KEY_SHAPES = { status: STATUS, activate: ACTIVATE, resign: RESIGN };
