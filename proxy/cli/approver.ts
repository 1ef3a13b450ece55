/**
 * `sealgate approver add | remove | require | list | keygen`: who may approve, and how many of them it takes (docs/approvals.md).
 * `keygen` needs no setting and no network: it runs where the approver's private key is to stay.
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */
import { MAX_APPROVAL_DELAY_SECONDS, MAX_APPROVALS_NEEDED } from '../approval-limits.ts';
import { ApprovalRefused } from '../keyring/approvals/approval-errors.ts';
import {
  type ApproversChange,
  changeApprovers,
  NO_APPROVERS,
  readApprovers,
} from '../keyring/approvals/approver-admin.ts';
import { checkPublicKey, generateApproverKey } from '../keyring/approvals/approver-key.ts';
import {
  type Approver,
  type Approvers,
  isApproverName,
  isPrincipalText,
} from '../keyring/approvals/approvers-record.ts';
import { timestamp } from '../keyring/state/fields.ts';
import { KEY_COMMAND_TIMEOUT_MS } from '../limits.ts';
import { type CommandDeps, requireCommandApproval } from './command-approval.ts';
import {
  durationOf,
  type Output,
  parseCommand,
  parsedFirst,
  runNamed,
  type Shape,
  shape,
  UsageError,
} from './command-line.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { writeSecretFile } from './secret-file.ts';

export const APPROVER_USAGE = `Usage:
  sealgate approver keygen  --out FILE [--json]
  sealgate approver add     NAME --public-key KEY --principal P [--principal P ...] [--reason TEXT] [--json]
  sealgate approver remove  NAME [--reason TEXT] [--json]
  sealgate approver require M [--delay TIME] [--reason TEXT] [--json]
  sealgate approver list    [--json]

keygen   makes an approver's Ed25519 key pair: the private key goes into FILE, for its owner only, the public key is printed
add      a new approver. Once approvals are in force, this takes approvals itself, as do remove and require
         --public-key  base64 of 32 bytes, as keygen prints it
         --principal   who the approver is elsewhere: operator:NAME or operator:NAME@HOST at the command line,
                       key:TENANT/KEY, oidc:ISSUER#SUBJECT. Nobody approves what they asked for
require  how many approvers must agree: to tenant delete, key rotate --deep, tenant recover, to changes of the approvers, to a
         role that needs fewer approvals than before, and to what SEALGATE_APPROVALS names. 0: none, the approvers stay
         --delay       how long after its request a change waits, such as 1h; 0 unless said otherwise
--reason what the approvers are told

Exit codes: 0 done; 1 it could not be done, or is not approved yet, and standard error says why; 2 the command line was wrong.
`;

export interface ApproverCommandOptions extends Output {
  readonly deps: CommandDeps;
  readonly signal: AbortSignal;
}

export async function runApproverCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const help = { command: 'approver', usage: APPROVER_USAGE };
  if (args[0] === 'keygen') return runNamed(args, { keygen }, PROCESS_OUTPUT, help);
  const signal = AbortSignal.timeout(KEY_COMMAND_TIMEOUT_MS);
  return parsedFirst(args, APPROVER_SHAPES, { ...PROCESS_OUTPUT, ...help }, () =>
    openKeyringCommand(environment, (deps) => approverCommand(args, { ...PROCESS_OUTPUT, deps, signal })),
  );
}

/** `args`: what follows `approver`. Returns the exit code. */
export function approverCommand(args: readonly string[], o: ApproverCommandOptions): Promise<number> {
  return runNamed(args, { keygen, add, remove, require, list }, o, { command: 'approver', usage: APPROVER_USAGE });
}

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;
const flag = { type: 'boolean' } as const;

const KEYGEN = shape([], { out: text, json: flag });

async function keygen(args: readonly string[], o: Output): Promise<number> {
  const { out, json } = parseCommand(args, KEYGEN).values;
  if (out === undefined || out === '') throw new UsageError('--out is missing: name the file for the private key.');
  const { pem, publicKey } = generateApproverKey();
  await writeSecretFile(out, pem);
  o.out(json === true ? JSON.stringify({ publicKey }) : publicKey);
  if (json !== true) o.err(`The private key is in ${out}. It approves for its owner: nobody else may read it.`);
  return 0;
}

const ADD = shape(['NAME'], { 'public-key': text, principal: texts, reason: text, json: flag });

async function add(args: readonly string[], o: ApproverCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, ADD);
  const name = nameArgument(positionals[0]);
  const { 'public-key': key, principal: principals = [] } = values;
  if (key === undefined) throw new UsageError('--public-key is missing: what the approver was shown by keygen.');
  if (principals.length === 0 || !principals.every(isPrincipalText)) {
    throw new UsageError('--principal is operator:NAME, operator:NAME@HOST, key:TENANT/KEY or oidc:ISSUER#SUBJECT.');
  }
  const approver: Approver = {
    added: timestamp(o.deps.now()),
    name,
    principals: [...new Set(principals)].sort(),
    publicKey: checkPublicKey(key),
  };
  const { added: _added, ...parameters } = approver;
  const change = (before: ApproversChange) => {
    if (before.approvers.some((one) => one.name === name)) throw new ApprovalRefused(`There is an approver ${name}.`);
    const approvers = [...before.approvers, approver].sort((a, b) => (a.name < b.name ? -1 : 1));
    return { ...before, approvers };
  };
  return make(o, { change, parameters: { ...parameters, change: 'add' }, values, done: `approver ${name} is added` });
}

const REMOVE = shape(['NAME'], { reason: text, json: flag });

async function remove(args: readonly string[], o: ApproverCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, REMOVE);
  const name = nameArgument(positionals[0]);
  const change = (before: ApproversChange) => {
    const approvers = before.approvers.filter((one) => one.name !== name);
    if (approvers.length === before.approvers.length) throw new ApprovalRefused(`There is no approver ${name}.`);
    return { ...before, approvers };
  };
  return make(o, { change, parameters: { change: 'remove', name }, values, done: `approver ${name} is removed` });
}

const REQUIRE = shape(['M'], { delay: text, reason: text, json: flag });

async function require(args: readonly string[], o: ApproverCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, REQUIRE);
  const required = /^\d{1,2}$/.test(positionals[0] ?? '') ? Number(positionals[0]) : Number.NaN;
  if (!(required <= MAX_APPROVALS_NEEDED)) throw new UsageError(`M is a number from 0 to ${MAX_APPROVALS_NEEDED}.`);
  const delaySeconds = values.delay === undefined ? 0 : durationOf(values.delay, '--delay');
  if (delaySeconds > MAX_APPROVAL_DELAY_SECONDS) {
    throw new UsageError(`--delay is at most ${MAX_APPROVAL_DELAY_SECONDS / 3600}h.`);
  }
  const change = (before: ApproversChange) => ({ ...before, required, delaySeconds });
  const parameters = { change: 'require', delaySeconds, required };
  const code = await make(o, { change, parameters, values, done: `${required} approvals are required` });
  const spare = ((await readApprovers(o.deps, o.signal))?.approvers.length ?? 0) - required;
  if (required > 0 && spare === 0) {
    o.err('That is every approver: when one key is lost, or an approver asks for something, nothing can be approved.');
  }
  return code;
}

interface Change {
  readonly change: (before: ApproversChange) => ApproversChange;
  readonly parameters: Readonly<Record<string, string | number | readonly string[]>>;
  readonly values: { readonly reason?: string | undefined; readonly json?: boolean | undefined };
  readonly done: string;
}

async function make(o: ApproverCommandOptions, { change, parameters, values, done }: Change): Promise<number> {
  const { deps, signal } = o;
  const before = await readApprovers(deps, signal);
  const generation = before?.generation ?? 0;
  const after = change(partsOf(before));
  if (after.required > after.approvers.length) {
    throw new ApprovalRefused(
      `${after.required} approvals are required, and there would be ${after.approvers.length} approvers.`,
    );
  }
  const about = { action: 'approvers-change', tenant: '', basis: `approvers:${generation}` } as const;
  await requireCommandApproval(deps, { ...about, parameters, reason: values.reason }, signal);
  const detail = `${done}: ${after.approvers.length} approvers, ${after.required} required`;
  const record = await changeApprovers(deps, { generation, change: after, detail }, signal);
  o.out(values.json === true ? JSON.stringify(detailsOf(record)) : detail);
  return 0;
}

function partsOf(record: Approvers | undefined): ApproversChange {
  if (record === undefined) return NO_APPROVERS;
  const { approvers, required, delaySeconds } = record;
  return { approvers, required, delaySeconds };
}

const LIST = shape([], { json: flag });

async function list(args: readonly string[], o: ApproverCommandOptions): Promise<number> {
  const { values } = parseCommand(args, LIST);
  const record = await readApprovers(o.deps, o.signal);
  if (values.json === true) {
    o.out(JSON.stringify(record === undefined ? { ...NO_APPROVERS, deployment: null } : detailsOf(record)));
    return 0;
  }
  if (record === undefined) {
    o.out('no approvers');
    return 0;
  }
  const { approvers, required, delaySeconds, deployment, generation, kid } = record;
  o.out(
    `required    ${required} of ${approvers.length}${delaySeconds === 0 ? '' : `, ${delaySeconds} s after the request`}`,
  );
  o.out(`deployment  ${deployment}  generation ${generation}  seal key ${kid}`);
  for (const { name, publicKey, principals, added } of approvers) {
    o.out(`${name}  ${publicKey}  added ${added}  ${principals.join(' ')}`);
  }
  return 0;
}

function detailsOf({ approvers, required, delaySeconds, deployment, generation, kid }: Approvers) {
  return { approvers, required, delaySeconds, deployment, generation, kid };
}

/** @throws UsageError */
function nameArgument(name: string | undefined): string {
  if (name !== undefined && isApproverName(name)) return name;
  throw new UsageError("NAME has 1 to 32 characters of a-z, 0-9, '.', '_' and '-'.");
}

const APPROVER_SHAPES: Readonly<Record<string, Shape>> = {
  add: ADD,
  remove: REMOVE,
  require: REQUIRE,
  list: LIST,
  keygen: KEYGEN,
};
