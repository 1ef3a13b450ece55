/** Every command of the program: its words, one line about it, its help, and how it runs. What is not listed here is refused. */

import { suggestion } from '../config/nearest.ts';
import { APPROVAL_USAGE, APPROVE_USAGE, runApprovalCommand, runApproveCommand } from './approval.ts';
import { APPROVER_USAGE, runApproverCommand } from './approver.ts';
import { AUDIT_USAGE } from './audit.ts';
import { runAuditCommand } from './audit-command.ts';
import { BUCKET_USAGE, runBucketCommand } from './bucket.ts';
import { CHECK_USAGE, checkCommand } from './check.ts';
import { parseCommand, reporting, shape, UsageError } from './command-line.ts';
import { COMPLETION_USAGE, completionCommand } from './completion.ts';
import { decryptCommand } from './decrypt.ts';
import { DECRYPT_USAGE } from './decrypt-options.ts';
import { ESCROW_USAGE, escrowCommand } from './escrow.ts';
import { GC_USAGE, gcCommand } from './gc.ts';
import { KEY_USAGE } from './key.ts';
import { keyRotateDeepCommand } from './key-rotate-deep.ts';
import { DEEP_USAGE } from './key-rotate-deep-options.ts';
import { KMS_USAGE } from './kms.ts';
import { MIGRATE_USAGE, migrateCommand } from './migrate.ts';
import { POLICY_USAGE, policyCommand } from './policy.ts';
import { PROCESS_OUTPUT } from './process-output.ts';
import { quickstart } from './quickstart.ts';
import { ROLE_USAGE } from './role.ts';
import { runKeyCommand, runKmsCommand, runRoleCommand, runSealKeyCommand } from './run-key-command.ts';
import { SEAL_KEY_USAGE } from './seal-key.ts';
import { serve } from './serve.ts';
import { TENANT_USAGE } from './tenant.ts';
import { runTenantCommand } from './tenant-command.ts';
import { TENANT_DELETE_USAGE } from './tenant-delete.ts';
import { RECOVER_USAGE } from './tenant-recover.ts';
import { QUICKSTART_USAGE, SERVE_USAGE } from './usage.ts';
import { VERIFY_USAGE, verifyCommand } from './verify.ts';

type Run = (args: readonly string[], environment: NodeJS.ProcessEnv) => Promise<number>;

export interface Command {
  /** `key rotate --deep`: what the command line begins with. */
  readonly words: readonly string[];
  readonly summary: string;
  readonly usage: string;
  /** Given what follows the first word, or for `key rotate --deep` what follows the second. Returns the exit code. */
  readonly run: Run;
}

/** When several commands fit a command line, the first one counts. */
export const COMMANDS: readonly Command[] = [
  {
    words: ['quickstart'],
    summary: 'start with an embedded store under ./sealgate-data; the first run makes a tenant and a bucket',
    usage: QUICKSTART_USAGE,
    run: withoutArguments('quickstart', QUICKSTART_USAGE, quickstart),
  },
  {
    words: ['serve'],
    summary: 'start, configured by SEALGATE_* variables',
    usage: SERVE_USAGE,
    run: withoutArguments('serve', SERVE_USAGE, serve),
  },
  {
    words: ['check'],
    summary: 'say whether serve would start: settings, files, store, state, seal keys',
    usage: CHECK_USAGE,
    run: checkCommand,
  },
  {
    words: ['tenant', 'delete'],
    summary: 'make all data of a tenant unreadable',
    usage: TENANT_DELETE_USAGE,
    run: runTenantCommand,
  },
  {
    words: ['tenant', 'recover'],
    summary: 'a new key for a tenant that is escrowed',
    usage: RECOVER_USAGE,
    run: runTenantCommand,
  },
  { words: ['tenant'], summary: 'create, list, show tenants', usage: TENANT_USAGE, run: runTenantCommand },
  {
    words: ['key', 'rotate', '--deep'],
    summary: 'a new root key, and every object wrapped under it',
    usage: DEEP_USAGE,
    run: (args, environment) => keyRotateDeepCommand(args.slice(1), environment),
  },
  {
    words: ['key'],
    summary: 'create, import, attach-kms, rotate, reissue, list, revoke, update keys of a tenant',
    usage: KEY_USAGE,
    run: runKeyCommand,
  },
  {
    words: ['bucket'],
    summary: 'set, show, list: which ETags the objects of a bucket show',
    usage: BUCKET_USAGE,
    run: runBucketCommand,
  },
  {
    words: ['kms'],
    summary: 'status, rewrap, add, remove, require: what tenants have to do with a key service',
    usage: KMS_USAGE,
    run: runKmsCommand,
  },
  {
    words: ['policy'],
    summary: 'check, simulate: what an IAM policy means here',
    usage: POLICY_USAGE,
    run: policyCommand,
  },
  {
    words: ['role'],
    summary: 'create, list, show, update, reissue, delete roles for workloads that sign in with a token',
    usage: ROLE_USAGE,
    run: runRoleCommand,
  },
  {
    words: ['seal-key'],
    summary: "status, activate, resign: rotating the server's seal keys",
    usage: SEAL_KEY_USAGE,
    run: runSealKeyCommand,
  },
  {
    words: ['escrow'],
    summary: 'keygen, split, remove: a key pair for escrow, its shares, and taking the escrow off a tenant',
    usage: ESCROW_USAGE,
    run: escrowCommand,
  },
  {
    words: ['approver'],
    summary: 'keygen, add, remove, require, list: who may approve, and how many it takes',
    usage: APPROVER_USAGE,
    run: runApproverCommand,
  },
  {
    words: ['approval'],
    summary: 'list, show, withdraw: requests for approval',
    usage: APPROVAL_USAGE,
    run: runApprovalCommand,
  },
  { words: ['approve'], summary: 'approve a request', usage: APPROVE_USAGE, run: runApproveCommand },
  {
    words: ['audit'],
    summary: 'verify, export, tail, prune: the log of who did what',
    usage: AUDIT_USAGE,
    run: runAuditCommand,
  },
  { words: ['gc'], summary: 'remove what abandoned uploads left', usage: GC_USAGE, run: gcCommand },
  {
    words: ['verify'],
    summary: 'open every object of a bucket, and say which are damaged',
    usage: VERIFY_USAGE,
    run: verifyCommand,
  },
  {
    words: ['migrate'],
    summary: 'encrypt, decrypt, copy, status: a bucket sealed where it is beside live clients, and back',
    usage: MIGRATE_USAGE,
    run: migrateCommand,
  },
  { words: ['decrypt'], summary: 'open objects without a server', usage: DECRYPT_USAGE, run: decryptCommand },
  {
    words: ['completion'],
    summary: 'a script that completes commands in bash, zsh or fish',
    usage: COMPLETION_USAGE,
    run: (args) => completionCommand(args, COMMANDS),
  },
];

/** A command that takes settings alone. */
function withoutArguments(
  command: string,
  usage: string,
  run: (environment: NodeJS.ProcessEnv) => Promise<number>,
): Run {
  return (args, environment) =>
    reporting({ ...PROCESS_OUTPUT, command, usage }, () => {
      parseCommand(args, shape([], {}));
      return run(environment);
    });
}

/** The command that a command line begins with. `key --json rotate --deep` finds `key rotate --deep` as well. */
export function findCommand(args: readonly string[]): Command | undefined {
  return COMMANDS.find(({ words }) => {
    const [name, ...rest] = words;
    return (
      args[0] === name && rest.every((word, at) => (word.startsWith('-') ? args.includes(word) : args[at + 1] === word))
    );
  });
}

/** @throws UsageError that names the nearest command */
export function requireCommand(args: readonly string[]): Command {
  const found = findCommand(args);
  if (found !== undefined) return found;
  const [name = ''] = args;
  const names = [...new Set(COMMANDS.map(({ words }) => words[0] ?? '')), 'help', 'version'];
  throw new UsageError(`There is no command '${name}'.${suggestion(name, names)}`);
}

/** The help of the program. */
export function overview(): string {
  const rows = COMMANDS.map(({ words, summary }) => `  ${words.join(' ').padEnd(18)} ${summary}`);
  return `Usage: sealgate COMMAND [options]

${rows.join('\n')}
  help [COMMAND]     this text, or the options of a command; COMMAND --help does the same
  version            the versions of Sealgate and of Node.js; --version does the same

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong. A job (verify,
migrate) has further ones: 3 something is damaged; 4 incomplete.
Settings and their meaning: README.md, "Configuration".
`;
}
