/**
 * `sealgate role create | list | show | update | reissue | delete`: roles that workloads take on with a token of an OpenID Connect
 * issuer (docs/access.md, docs/oidc.md).
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */

import { checkSubjectPattern, InvalidSubject } from '../access/oidc/subject.ts';
import { ChangeUncertain } from '../keyring/admin/change-keyring.ts';
import { resolveKey } from '../keyring/admin/resolve-key.ts';
import { type KeepRole, RoleAdmin, type RoleChange } from '../keyring/admin/role-admin.ts';
import { resolveTenant } from '../keyring/admin/tenant-names.ts';
import { ROLE_NAME, type RoleTrust } from '../keyring/slots/role-slot.ts';
import { MAX_SESSION_USES } from '../session-limits.ts';
import { type CommandDeps, keyringBasis, requireCommandApproval } from './command-approval.ts';
import {
  expiryOf,
  type HandingOutput,
  parseCommand,
  runNamed,
  type Shape,
  shape,
  tenantArgument,
  UsageError,
} from './command-line.ts';
import { detailsOf, lineOf, linesOf } from './describe-role.ts';
import { readCaller } from './key-caller.ts';
import { keyArgument } from './key-issue.ts';
import { readPolicyFile } from './policy-file.ts';
import { approvalsOf, requireApprovalOfFewer } from './role-approvals.ts';

export const ROLE_USAGE = `Usage:
  sealgate role create  [CALLER] --name NAME --issuer URL --audience A --subject S [TRUST] [TERMS] [--managed] [--json]
  sealgate role list    TENANT [--json]
  sealgate role show    TENANT NAME [--json]
  sealgate role update  TENANT NAME [TERMS] [--status active|inactive] [--end-sessions] [--reason TEXT] [--json]
  sealgate role update  TENANT NAME [CALLER] [--issuer URL] [--audience A] [--subject S] [TRUST] [--json]
  sealgate role reissue TENANT NAME [--arn ARN] [--json]
  sealgate role delete  TENANT NAME [--reason TEXT] [--json]

CALLER  a key of the tenant: --credentials FILE, JSON with accessKeyId and secretAccessKey, - for standard input;
        else AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
--issuer, --audience, --subject
        whose tokens, for whom, about whom; the last two may be given several times. A subject is literal, or ends in '*'
        behind ':' or '/'. The issuer must be one of SEALGATE_OIDC_ISSUERS
TRUST   --condition CLAIM=VALUE   a claim that the token must have; several times
        --tag NAME=CLAIM          a claim that becomes the tag aws:PrincipalTag/NAME; several times
        --max-uses N              requests that one token of the issuer allows, 0 for no limit
        --outlive-token           sessions may go on past the end of their token
TERMS   --policy FILE             what the role allows, in IAM's language; the caller's grants or policy unless given
        --approvals M             approvals that each session of the role needs (docs/approvals.md); 0: none
        --expires TIME|never      --assumable-by KEY|'*'   keys of the tenant, by id or label, that may take it on
                          (AssumeRole); several times
--managed  keep the role's secret in the state: a short ARN; whoever has the seal keys and the state opens the tenant

create   prints the role's ARN, which goes into the workload's settings. Keep it with them: whoever has it, the seal keys
         and the buckets opens the tenant, and it cannot be shown again. It is printed before the role counts; on failure it is
         said to be void
update   a change of trust takes a key of the tenant and ends the role's sessions; everything else the operator does alone
reissue  another ARN, of the same secret, under the active seal key. --arn: the present one; a managed role needs none
delete   the ARN and the sessions of the role stop within a minute

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

export interface RoleCommandOptions extends HandingOutput {
  readonly deps: CommandDeps;
  readonly environment: NodeJS.ProcessEnv;
  readonly stdin: AsyncIterable<Buffer>;
  readonly signal: AbortSignal;
}

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;
const flag = { type: 'boolean' } as const;

const TRUST = {
  issuer: text,
  audience: texts,
  subject: texts,
  condition: texts,
  tag: texts,
  'max-uses': text,
  'outlive-token': flag,
} as const;
const TERMS = { policy: text, expires: text, 'assumable-by': texts, approvals: text } as const;

const CREATE = shape([], { credentials: text, name: text, managed: flag, json: flag, ...TRUST, ...TERMS });

async function create(args: readonly string[], o: RoleCommandOptions): Promise<number> {
  const { values } = parseCommand(args, CREATE);
  const { name = '', credentials: file, managed = false } = values;
  if (!ROLE_NAME.test(name)) throw new UsageError('--name has 1 to 64 characters of A-Z, a-z, 0-9, _, . and -.');
  const { issuer, audience: audiences = [], subject: subjects = [] } = values;
  if (issuer === undefined || audiences.length === 0 || subjects.length === 0) {
    throw new UsageError('--issuer, --audience and --subject are needed.');
  }
  const empty = { audiences, conditions: [], issuer, maxUses: 0, outlivesToken: 'no', subjects, tags: [] } as const;
  const trust = trustOf({ ...empty, conditions: [], tags: [] }, values);
  const { key } = await readCaller(o.deps, { file, environment: o.environment }, o.signal);
  const { policy, ...others } = await termsOf(values, key.tenant, o);
  const wishes = { name, trust, managed, ...others, ...(typeof policy === 'string' ? { policy } : {}) };
  const handed = handingOut(values.json === true, o);
  try {
    await new RoleAdmin(o.deps).create(key, { ...wishes, keep: handed.keep }, o.signal);
  } catch (error) {
    if (handed.isDone()) o.err(error instanceof ChangeUncertain ? whetherItCounts(key.tenant, name) : VOID);
    throw error;
  }
  return 0;
}

const VOID = 'What was printed is void: no role was made.';

function whetherItCounts(tenant: string, name: string): string {
  return `If 'sealgate role show ${tenant} ${name}' shows the role, it is in force: keep its ARN.`;
}

/** Prints what goes into a workload's settings, and no more. It has left the process before the keyring is changed. */
function handingOut(json: boolean, o: RoleCommandOptions): { keep: KeepRole; isDone(): boolean } {
  let isDone = false;
  return {
    async keep({ role, arn }) {
      await o.handOver(json ? JSON.stringify({ role, arn }) : arn);
      isDone = true;
    },
    isDone: () => isDone,
  };
}

const LIST = shape(['TENANT'], { json: flag });

async function list(args: readonly string[], o: RoleCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, LIST);
  const now = o.deps.now();
  for (const slot of await new RoleAdmin(o.deps).list(await tenantOf(positionals[0], o), o.signal)) {
    if (values.json === true) o.out(JSON.stringify(detailsOf(slot, now)));
    else o.out(lineOf(slot, now));
  }
  return 0;
}

const SHOW = shape(['TENANT', 'NAME'], { json: flag });

async function show(args: readonly string[], o: RoleCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, SHOW);
  const slot = await new RoleAdmin(o.deps).show(await named(positionals, o), o.signal);
  const details = detailsOf(slot, o.deps.now());
  if (values.json === true) o.out(JSON.stringify(details));
  else for (const line of linesOf(slot, o.deps.now())) o.out(line);
  return 0;
}

const UPDATE = shape(['TENANT', 'NAME'], {
  credentials: text,
  status: text,
  reason: text,
  'end-sessions': flag,
  json: flag,
  ...TRUST,
  ...TERMS,
});

async function update(args: readonly string[], o: RoleCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, UPDATE);
  const of = await named(positionals, o);
  const admin = new RoleAdmin(o.deps);
  const change: RoleChange = {
    ...(await termsOf(values, of.tenant, o)),
    ...(values.status !== undefined && { status: statusOf(values.status) }),
    ...(values['end-sessions'] === true && { endSessions: true }),
  };
  const changesTrust = Object.keys(TRUST).some((name) => values[name as keyof typeof TRUST] !== undefined);
  const changed = [...Object.keys(change), ...(changesTrust ? ['trust'] : [])];
  if (changed.length === 0) throw new UsageError('Say what to change.');
  if (changesTrust) {
    const wishes = (trust: RoleTrust) => trustOf(trust, values);
    const { key } = await readCaller(o.deps, { file: values.credentials, environment: o.environment }, o.signal);
    if (key.tenant !== of.tenant) throw new UsageError("The key that was given is another tenant's.");
    await admin.trust(key, { name: of.name, change: wishes }, o.signal);
  }
  await requireApprovalOfFewer(o.deps, { ...of, approvals: change.approvals, reason: values.reason }, o.signal);
  if (Object.keys(change).length > 0) await admin.update({ ...of, change }, o.signal);
  o.out(
    values.json === true
      ? JSON.stringify({ role: of.name, changed })
      : `role ${of.name}: ${changed.join(', ')} changed`,
  );
  return 0;
}

const REISSUE = shape(['TENANT', 'NAME'], { arn: text, json: flag });

async function reissue(args: readonly string[], o: RoleCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, REISSUE);
  const of = await named(positionals, o);
  const { keep } = handingOut(values.json === true, o);
  await new RoleAdmin(o.deps).reissue({ ...of, arn: values.arn, keep }, o.signal);
  return 0;
}

const DELETE = shape(['TENANT', 'NAME'], { reason: text, json: flag });

async function remove(args: readonly string[], o: RoleCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, DELETE);
  const of = await named(positionals, o);
  const basis = (await keyringBasis(o.deps, of.tenant, o.signal)) ?? '';
  const about = { action: 'role-delete', tenant: of.tenant, basis, parameters: { role: of.name } } as const;
  await requireCommandApproval(o.deps, { ...about, reason: values.reason }, o.signal);
  await new RoleAdmin(o.deps).delete(of, o.signal);
  o.out(values.json === true ? JSON.stringify({ role: of.name, deleted: true }) : `role ${of.name} is deleted`);
  return 0;
}

async function named(positionals: readonly string[], o: RoleCommandOptions): Promise<{ tenant: string; name: string }> {
  return { tenant: await tenantOf(positionals[0], o), name: positionals[1] ?? '' };
}

/** By its name or its id. */
function tenantOf(given: string | undefined, o: RoleCommandOptions): Promise<string> {
  return resolveTenant(o.deps, tenantArgument(given), o.signal);
}

type TrustValues = { readonly [name in keyof typeof TRUST]?: string | string[] | boolean | undefined };

/** Replaces the given parts of the trust. The others stay as they are. @throws UsageError */
function trustOf(trust: RoleTrust, values: TrustValues): RoleTrust {
  const all = (name: keyof typeof TRUST) => values[name] as string[] | undefined;
  const subjects = all('subject') ?? trust.subjects;
  for (const subject of subjects) checkSubject(subject);
  const conditions = all('condition')?.map((one) => pairOf(one, '--condition')) ?? undefined;
  const tags = all('tag')?.map((one) => pairOf(one, '--tag')) ?? undefined;
  return {
    audiences: all('audience') ?? trust.audiences,
    conditions: conditions?.map(([claim, value]) => ({ claim, value })) ?? trust.conditions,
    issuer: (values.issuer as string | undefined) ?? trust.issuer,
    maxUses: values['max-uses'] === undefined ? trust.maxUses : usesOf(String(values['max-uses'])),
    outlivesToken: values['outlive-token'] === true ? 'yes' : trust.outlivesToken,
    subjects,
    tags: tags?.map(([name, claim]) => ({ claim, name })) ?? trust.tags,
  };
}

function checkSubject(subject: string): void {
  try {
    checkSubjectPattern(subject);
  } catch (cause) {
    if (!(cause instanceof InvalidSubject)) throw cause;
    throw new UsageError(`--subject: ${cause.message}`);
  }
}

function pairOf(given: string, option: string): readonly [string, string] {
  const cut = given.indexOf('=');
  if (cut > 0 && cut < given.length - 1) return [given.slice(0, cut), given.slice(cut + 1)];
  throw new UsageError(`${option} is NAME=VALUE.`);
}

function usesOf(given: string): number {
  const uses = /^\d{1,4}$/.test(given) ? Number(given) : Number.NaN;
  if (uses <= MAX_SESSION_USES) return uses;
  throw new UsageError(`--max-uses is a number up to ${MAX_SESSION_USES}.`);
}

async function termsOf(
  values: {
    policy?: string | undefined;
    expires?: string | undefined;
    'assumable-by'?: string[] | undefined;
    approvals?: string | undefined;
  },
  tenant: string,
  o: RoleCommandOptions,
): Promise<Pick<RoleChange, 'policy' | 'expires' | 'assumableBy' | 'approvals'>> {
  const { policy, expires, 'assumable-by': assumableBy } = values;
  return {
    ...(policy !== undefined && { policy: (await readPolicyFile(policy, o.stdin)).text }),
    ...(values.approvals !== undefined && { approvals: approvalsOf(values.approvals) }),
    ...(expires !== undefined && { expires: expires === 'never' ? null : expiryOf(expires, o.deps.now()) }),
    ...(assumableBy !== undefined && {
      assumableBy: assumableBy.includes('*') ? ('*' as const) : await slotsNamed(assumableBy, tenant, o),
    }),
  };
}

async function slotsNamed(keys: readonly string[], tenant: string, o: RoleCommandOptions): Promise<string[]> {
  const slots = keys.map((key) => resolveKey(o.deps, { tenant, key: keyArgument(key) }, o.signal));
  return [...new Set(await Promise.all(slots))].sort();
}

function statusOf(given: string): 'active' | 'inactive' {
  if (given === 'active' || given === 'inactive') return given;
  throw new UsageError('--status is active or inactive.');
}

const COMMANDS = { create, list, show, update, reissue, delete: remove };

export const ROLE_SHAPES: Readonly<Record<string, Shape>> = {
  create: CREATE,
  list: LIST,
  show: SHOW,
  update: UPDATE,
  reissue: REISSUE,
  delete: DELETE,
};

/** `args`: what follows `role`. Returns the exit code. */
export function roleCommand(args: readonly string[], o: RoleCommandOptions): Promise<number> {
  return runNamed(args, COMMANDS, o, { command: 'role', usage: ROLE_USAGE });
}
