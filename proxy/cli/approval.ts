/**
 * `sealgate approval list | show | withdraw` and `sealgate approve`: requests for approval (docs/approvals.md).
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */
import { readSmallFile } from '../config/small-file.ts';
import {
  approve,
  listApprovals,
  type ShownApproval,
  showApproval,
  withdraw,
} from '../keyring/approvals/approval-admin.ts';
import { isApprovalId, signedBytes } from '../keyring/approvals/approval-request.ts';
import { InvalidApproverKey, parseApproverKey, signWith } from '../keyring/approvals/approver-key.ts';
import { isApproverName } from '../keyring/approvals/approvers-record.ts';
import { KEY_COMMAND_TIMEOUT_MS, MAX_SECRET_FILE_BYTES } from '../limits.ts';
import { type CommandDeps, termsOf } from './command-approval.ts';
import {
  type Output,
  parseCommand,
  parsedFirst,
  reporting,
  runNamed,
  type Shape,
  shape,
  UsageError,
} from './command-line.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';

export const APPROVAL_USAGE = `Usage:
  sealgate approval list     [--all] [--json]
  sealgate approval show     ID [--json]
  sealgate approval withdraw ID [--json]

list      the requests for approval that are open or approved. --all: those that were used or have expired too
show      everything that an approver signs. With --json, signedBytes are these bytes in base64, for a signature that is made
          elsewhere: sealgate approve ID --approver NAME --signature FILE
withdraw  nobody can carry the request out any more

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

export const APPROVE_USAGE = `Usage:
  sealgate approve ID --key FILE [--json]
  sealgate approve ID --approver NAME --signature FILE [--json]

Approves a request. Look at the request first: sealgate approval show ID.
--key        the approver's private key, Ed25519 in PEM, as sealgate approver keygen writes it
--approver, --signature
             the name of an approver, and 64 bytes that the approver's key made of signedBytes, such as by
             openssl pkeyutl -sign -rawin: the private key stays where it is

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

export interface ApprovalCommandOptions extends Output {
  readonly deps: CommandDeps;
  readonly signal: AbortSignal;
}

export async function runApprovalCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const help = { command: 'approval', usage: APPROVAL_USAGE };
  const signal = AbortSignal.timeout(KEY_COMMAND_TIMEOUT_MS);
  return parsedFirst(args, APPROVAL_SHAPES, { ...PROCESS_OUTPUT, ...help }, () =>
    openKeyringCommand(environment, (deps) => approvalCommand(args, { ...PROCESS_OUTPUT, deps, signal })),
  );
}

export async function runApproveCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const help = { command: 'approve', usage: APPROVE_USAGE };
  const signal = AbortSignal.timeout(KEY_COMMAND_TIMEOUT_MS);
  return reporting({ ...PROCESS_OUTPUT, ...help }, () => {
    parseCommand(args, APPROVE);
    return openKeyringCommand(environment, (deps) => approveCommand(args, { ...PROCESS_OUTPUT, deps, signal }));
  });
}

/** `args`: what follows `approval`. Returns the exit code. */
export function approvalCommand(args: readonly string[], o: ApprovalCommandOptions): Promise<number> {
  const commands = { list, show, withdraw: withdrawRequest };
  return runNamed(args, commands, o, { command: 'approval', usage: APPROVAL_USAGE });
}

/** `args`: what follows `approve`. Returns the exit code. */
export function approveCommand(args: readonly string[], o: ApprovalCommandOptions): Promise<number> {
  return reporting({ ...o, command: 'approve', usage: APPROVE_USAGE }, () => approveRequest(args, o));
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;

const LIST = shape([], { all: flag, json: flag });

async function list(args: readonly string[], o: ApprovalCommandOptions): Promise<number> {
  const { values } = parseCommand(args, LIST);
  for await (const shown of listApprovals(o.deps, o.signal)) {
    if (values.all !== true && (shown.status === 'used' || shown.status === 'expired')) continue;
    o.out(values.json === true ? JSON.stringify(detailsOf(shown)) : lineOf(shown));
  }
  return 0;
}

const SHOW = shape(['ID'], { json: flag });

async function show(args: readonly string[], o: ApprovalCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, SHOW);
  const shown = await showApproval(o.deps, idArgument(positionals[0]), o.signal);
  if (values.json === true) {
    o.out(JSON.stringify({ ...detailsOf(shown), signedBytes: signedBytes(shown.request).toString('base64') }));
    return 0;
  }
  const { request, approvedBy } = shown;
  const { id, action, tenant, requester, reason, basis, created, expires, deployment, delaySeconds } = request;
  const rows: readonly (readonly [string, string])[] = [
    ['request', `${id}  ${shown.status}`],
    ['action', action],
    ['tenant', tenant === '' ? 'none' : tenant],
    ['by', requester],
    ['reason', reason === '' ? 'none given' : JSON.stringify(reason)],
    ['basis', basis],
    ['created', created],
    ['from', delaySeconds === 0 ? 'once approved' : `${delaySeconds} s after it was created`],
    ['until', expires],
    ['deployment', deployment],
    [
      'approvals',
      `${approvedBy.length} of ${request.needed}${approvedBy.length === 0 ? '' : `: ${approvedBy.join(', ')}`}`,
    ],
  ];
  for (const [name, value] of rows) o.out(`${name.padEnd(12)}${value}`);
  for (const [name, value] of Object.entries(request.parameters)) {
    o.out(`  ${name.padEnd(16)}${JSON.stringify(value)}`);
  }
  return 0;
}

async function withdrawRequest(args: readonly string[], o: ApprovalCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, SHOW);
  const id = idArgument(positionals[0]);
  await withdraw(o.deps, { id, by: termsOf(o.deps).requester }, o.signal);
  o.out(values.json === true ? JSON.stringify({ id, withdrawn: true }) : `request ${id} is withdrawn`);
  return 0;
}

const APPROVE = shape(['ID'], { key: text, approver: text, signature: text, json: flag });

async function approveRequest(args: readonly string[], o: ApprovalCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, APPROVE);
  const id = idArgument(positionals[0]);
  const approver = await byKeyOrSignature(id, values, o);
  const shown = await showApproval(o.deps, id, o.signal);
  const given = `${shown.approvedBy.length} of ${shown.request.needed} approvals`;
  o.out(
    values.json === true
      ? JSON.stringify({ id, approver, approvedBy: shown.approvedBy, needed: shown.request.needed })
      : `${approver} has approved request ${id} (${shown.request.action}): ${given}`,
  );
  return 0;
}

/** @returns the name of the approver */
async function byKeyOrSignature(
  id: string,
  { key: file, approver: name, signature: signed }: { key?: string; approver?: string; signature?: string },
  { deps, signal }: ApprovalCommandOptions,
): Promise<string> {
  const o = { maxBytes: MAX_SECRET_FILE_BYTES, Failure: InvalidApproverKey };
  if (file !== undefined && name === undefined && signed === undefined) {
    const pem = await readSmallFile(file, o);
    const key = parseApproverKey(pem);
    pem.fill(0);
    return approve(deps, id, key, (bytes) => signWith(key, bytes), signal);
  }
  if (file !== undefined || name === undefined || signed === undefined) {
    throw new UsageError('Say --key, or --approver and --signature.');
  }
  if (!isApproverName(name)) throw new UsageError('--approver is the name of an approver.');
  const signature = await readSmallFile(signed, o);
  return approve(deps, id, { name }, () => signature, signal);
}

/** @throws UsageError */
function idArgument(id: string | undefined): string {
  if (id !== undefined && isApprovalId(id)) return id;
  throw new UsageError('ID is the 24 hex digits of a request.');
}

function lineOf({ request, status, approvedBy }: ShownApproval): string {
  const { id, action, tenant, requester, needed, expires } = request;
  const about = tenant === '' ? action : `${action} ${tenant}`;
  return `${id}  ${status}  ${about}  by ${requester}  ${approvedBy.length} of ${needed}  until ${expires}`;
}

function detailsOf({ request, status, approvedBy }: ShownApproval) {
  return { ...request, status, approvedBy };
}

const APPROVAL_SHAPES: Readonly<Record<string, Shape>> = { list: LIST, show: SHOW, withdraw: SHOW };
