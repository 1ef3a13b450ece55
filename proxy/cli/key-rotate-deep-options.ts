/** What `sealgate key rotate --deep` was asked for, as typed values. */
import { LONGEST_REQUEST_SECONDS } from '../limits.ts';
import { parseCommand, shape, tenantArgument, UsageError } from './command-line.ts';

export const DEEP_USAGE = `Usage: sealgate key rotate --deep [KEYS] [options]

Makes a new root key, wraps the data key of every object of the tenant under it, and gives up the older root keys when
nothing needs them any more. Bodies stay as they are. A run that ended early is gone on with by the same command.

KEYS
  --credentials FILE     the caller's API key, as JSON with accessKeyId and secretAccessKey; - for standard input. Without
                         it AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Further ones: other keys of the tenant that are
                         to stay
  --keep-key             keep the caller's API key; without it a new one takes its place
  --out FILE             write the new API key there (mode 0600; not over another file), aside before anything is changed,
                         under its name when it counts
  --role-arn ARN         a role's ARN: the role stays, with the same ARN; several times. Managed roles stay by themselves
  --kms TENANT           no API key: go on with a rotation that is under way, by a slot that a key of a KMS opens alone
  --drop-slots           drop the keys and roles of the tenant that were not given

Options
  --dry-run              say what would happen
  --status               count the tenant's objects by epoch; with --tenant TENANT no API key is needed
  --purge-noncurrent     delete older versions that an older root key wraps: they keep it from being given up
  --wait                 wait until older root keys can be given up
  --longest-request SEC  how long a request may last (default ${LONGEST_REQUEST_SECONDS})
  --servers-restarted    no server is running that was started before the new root key was made: do not wait for them
  --reason TEXT          what approvers are told, where approvals are required: the first run asks for them (docs/approvals.md)
  --json                 print a summary as JSON

Exit code: 0 done, or only time is in the way; 1 something keeps an older root key in use, or failed; 2 wrong usage.
`;

export interface DeepCommand {
  readonly credentials: readonly string[];
  readonly roleArns: readonly string[];
  readonly keepKey: boolean;
  readonly dropSlots: boolean;
  readonly out: string | undefined;
  readonly dryRun: boolean;
  readonly status: boolean;
  readonly tenant: string | undefined;
  /** A tenant that a key of a KMS opens alone. */
  readonly kms: string | undefined;
  readonly purgeNoncurrent: boolean;
  readonly wait: boolean;
  readonly longestRequestSeconds: number;
  readonly serversRestarted: boolean;
  readonly reason: string | undefined;
  readonly json: boolean;
}

const flag = { type: 'boolean', default: false } as const;

const DEEP = shape([], {
  deep: flag,
  credentials: { type: 'string', multiple: true, default: [] },
  'role-arn': { type: 'string', multiple: true, default: [] },
  'keep-key': flag,
  'drop-slots': flag,
  out: { type: 'string' },
  'dry-run': flag,
  status: flag,
  tenant: { type: 'string' },
  kms: { type: 'string' },
  'purge-noncurrent': flag,
  wait: flag,
  'longest-request': { type: 'string', default: String(LONGEST_REQUEST_SECONDS) },
  'servers-restarted': flag,
  reason: { type: 'string' },
  json: flag,
});

/** @throws UsageError */
export function parseDeepOptions(args: readonly string[]): DeepCommand {
  const { values } = parseCommand(args, DEEP);
  const { tenant, out, wait, json, status, credentials } = values;
  if (tenant !== undefined && !status) throw new UsageError('--tenant is for --status.');
  if (tenant !== undefined) tenantArgument(tenant);
  const { kms } = values;
  if (kms !== undefined) tenantArgument(kms);
  if (kms !== undefined && credentials.length > 0) throw new UsageError('Choose --credentials or --kms.');
  if (values['keep-key'] && out !== undefined) throw new UsageError('--keep-key makes no key to write to --out.');
  if (!/^\d{1,7}$/.test(values['longest-request'])) throw new UsageError('--longest-request is a number of seconds.');
  return {
    credentials,
    roleArns: values['role-arn'],
    tenant,
    kms,
    out,
    wait,
    json,
    status,
    keepKey: values['keep-key'],
    dropSlots: values['drop-slots'],
    dryRun: values['dry-run'],
    purgeNoncurrent: values['purge-noncurrent'],
    longestRequestSeconds: Number(values['longest-request']),
    serversRestarted: values['servers-restarted'],
    reason: values.reason,
  };
}
