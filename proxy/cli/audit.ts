/**
 * `sealgate audit verify | export | tail | prune`: reading the audit log back (docs/audit.md).
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong; of verify 3 tampered with, 4 not known to be whole.
 */
import { readFile } from 'node:fs/promises';
import { EXPORT_FORMATS } from '../audit/export/formats.ts';
import { readEvents } from '../audit/export/read-events.ts';
import { tailEvents } from '../audit/export/tail.ts';
import type { SegmentReader } from '../audit/segment-reader.ts';
import { readCheckpoints, readVerifier } from '../audit/verify/kept-checkpoints.ts';
import { type Verification, verifyLog } from '../audit/verify/verify-log.ts';
import type { StateStore } from '../keyring/state/state.ts';
import { durationOf, type Output, parseCommand, runNamed, shape, tenantArgument, UsageError } from './command-line.ts';

export const AUDIT_USAGE = `Usage:
  sealgate audit verify [--checkpoint FILE ...] [--vkey KEY ...] [--since TIME] [--json]
  sealgate audit export --format cloudtrail|ocsf|csv [--since TIME] [--until TIME] [--tenant TENANT]
  sealgate audit tail [-f] [-n EVENTS] [--tenant TENANT]
  sealgate audit prune [--older-than DAYS] [--json]

verify  whether anything was taken out of the log, put in, or changed; one line for each piece that is not as it should be.
        Needs no seal key. With the seal keys it opens every segment besides
        --checkpoint  checkpoints that you kept: notes, lines of a server's log, or messages of the webhook; - for
                      standard input
        --vkey        the key that checkpoints must be signed by, as verify prints it
        --since       nothing before is looked at
export  events to standard output: a log file of CloudTrail's, OCSF API Activity as JSON lines, or CSV
tail    the newest events as JSON lines, 10 unless -n says otherwise; -f goes on with those that come
prune   removes segments older than SEALGATE_AUDIT_RETENTION, or --older-than such as 30d; their hashes stay

TIME is such as 2027-01-31T00:00:00Z or 2027-01-31, or how long ago: 24h, 30d.

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong; of verify also
3 the log was tampered with; 4 what is there is consistent, but nothing says who signed it, or it is not known to be whole.
`;

/** What the commands read and remove. */
export interface AuditFiles {
  readonly store: StateStore;
  /** Undefined without seal keys. */
  readonly reader: SegmentReader | undefined;
  readonly isOurs: ((signer: { readonly publicKey: Buffer }) => boolean) | undefined;
  resolveTenant(text: string, signal: AbortSignal): Promise<string>;
  prune(days: number | undefined, signal: AbortSignal): Promise<{ before: string; removed: number; kept: number }>;
}

export interface AuditCommandOptions extends Output {
  readonly files: AuditFiles;
  /** Resolves when more may be written. */
  readonly write: (text: string) => Promise<void>;
  readonly stdin: AsyncIterable<Buffer>;
  readonly now: () => Date;
  readonly signal: AbortSignal;
}

/** `args`: what follows `audit`. Returns the exit code. */
export function auditCommand(args: readonly string[], o: AuditCommandOptions): Promise<number> {
  return runNamed(args, { verify, export: exportEvents, tail, prune }, o, { command: 'audit', usage: AUDIT_USAGE });
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const VERIFY = shape([], {
  checkpoint: { type: 'string', multiple: true },
  vkey: { type: 'string', multiple: true },
  since: text,
  json: flag,
});

async function verify(args: readonly string[], o: AuditCommandOptions): Promise<number> {
  const { values } = parseCommand(args, VERIFY);
  const { files, out, err } = o;
  const kept = [];
  for (const file of values.checkpoint ?? []) {
    const notes = readCheckpoints(await contentOf(file, o));
    if (notes.length === 0) throw new UsageError(`${file} holds no checkpoint.`);
    kept.push(...notes);
  }
  const pinned = (values.vkey ?? []).map((key) => {
    const verifier = readVerifier(key);
    if (verifier === undefined) throw new UsageError('--vkey is a key such as verify prints: NAME+HASH+BASE64.');
    return verifier;
  });
  const json = values.json === true;
  const { store, reader, isOurs } = files;
  const found = await verifyLog(
    {
      ...{ store, reader, isOurs, kept, pinned, now: o.now() },
      since: values.since === undefined ? undefined : timeOf(values.since, '--since', o.now()),
      onFinding: ({ kind, severity, name, detail }) =>
        out(
          json ? JSON.stringify({ finding: kind, severity, name, detail }) : `${severity}  ${kind}  ${name}: ${detail}`,
        ),
    },
    o.signal,
  );
  const verdict = verdictOf(found);
  if (json) out(JSON.stringify({ verdict, ...found }));
  else for (const line of summary(verdict, found)) out(line);
  if (!found.versionsSeen) err('The store lists no versions: a second version of a name was not looked for.');
  return { intact: 0, tampered: 3, incomplete: 4, unauthenticated: 4 }[verdict];
}

type Verdict = 'intact' | 'tampered' | 'incomplete' | 'unauthenticated';

function verdictOf({ tampered, incomplete, authenticatedBy }: Verification): Verdict {
  if (tampered > 0) return 'tampered';
  if (authenticatedBy === undefined) return 'unauthenticated';
  return incomplete > 0 ? 'incomplete' : 'intact';
}

const WORDS: Readonly<Record<Verdict, string>> = {
  intact: 'The log is intact',
  tampered: 'The log was tampered with',
  incomplete: 'The log is consistent, and not known to be whole',
  unauthenticated: 'The log is consistent, but unauthenticated: give --checkpoint, --vkey, or the seal keys',
};

function summary(verdict: Verdict, found: Verification): readonly string[] {
  const { authenticatedBy, tampered, incomplete } = found;
  const by = authenticatedBy === undefined ? '' : `, authenticated by ${authenticatedBy}`;
  return [
    `${WORDS[verdict]}${by}.`,
    `batches ${found.batches}  segments ${found.segments}  events ${found.events}  removed after their time ${found.pruned}`,
    `in no checkpoint yet ${found.pending}  writers still open ${found.writers}  tampered ${tampered}  incomplete ${incomplete}`,
    ...(found.signer === undefined ? [] : [`key  ${found.signer}`]),
    ...(found.checkpoint === undefined ? [] : ['checkpoint', '', found.checkpoint.trimEnd()]),
  ];
}

const EXPORT = shape([], { format: text, since: text, until: text, tenant: text });

async function exportEvents(args: readonly string[], o: AuditCommandOptions): Promise<number> {
  const { values } = parseCommand(args, EXPORT);
  const name = values.format ?? '';
  const format = Object.hasOwn(EXPORT_FORMATS, name) ? EXPORT_FORMATS[name] : undefined;
  if (format === undefined) throw new UsageError(`--format is one of ${Object.keys(EXPORT_FORMATS).join(', ')}.`);
  const reader = readerOf(o);
  const time = (option: 'since' | 'until') => {
    const given = values[option];
    return given === undefined ? {} : { [option]: timeOf(given, `--${option}`, o.now()) };
  };
  const tenant = await tenantOf(values.tenant, o);
  let unreadable = 0;
  const onUnreadable = (segment: string) => {
    unreadable += 1;
    o.err(`${segment} does not open: it was left out.`);
  };
  const { store } = o.files;
  await o.write(format.head);
  let isFirst = true;
  const filter = { ...time('since'), ...time('until'), ...tenant };
  for await (const record of readEvents({ store, reader, onUnreadable, ...filter }, o.signal)) {
    await o.write(format.event(record, isFirst));
    isFirst = false;
  }
  await o.write(format.tail);
  return unreadable === 0 ? 0 : 1;
}

const TAIL = shape([], {
  follow: { type: 'boolean', short: 'f' },
  events: { type: 'string', short: 'n' },
  tenant: text,
});

async function tail(args: readonly string[], o: AuditCommandOptions): Promise<number> {
  const { values } = parseCommand(args, TAIL);
  const events = values.events ?? '10';
  if (!/^\d{1,6}$/.test(events)) throw new UsageError('-n is a number of events.');
  const tenant = await tenantOf(values.tenant, o);
  const { store } = o.files;
  const options = {
    store,
    reader: readerOf(o),
    now: o.now,
    events: Number(events),
    follow: values.follow === true,
    ...tenant,
  };
  for await (const line of tailEvents(options, o.signal)) await o.write(`${line}\n`);
  return 0;
}

const PRUNE = shape([], { 'older-than': text, json: flag });

async function prune(args: readonly string[], o: AuditCommandOptions): Promise<number> {
  const { values } = parseCommand(args, PRUNE);
  const given = values['older-than'];
  const [, days] = /^(\d{1,5})d$/.exec(given ?? '0d') ?? [];
  if (days === undefined) throw new UsageError('--older-than is a number of days, such as 30d.');
  const { before, removed, kept } = await o.files.prune(given === undefined ? undefined : Number(days), o.signal);
  if (values.json === true) o.out(JSON.stringify({ before, removed, kept }));
  else o.out(`removed ${removed} segments from before ${before}${kept === 0 ? '' : `; the store keeps ${kept}`}`);
  return kept === 0 ? 0 : 1;
}

export const AUDIT_SHAPES = { verify: VERIFY, export: EXPORT, tail: TAIL, prune: PRUNE };

async function tenantOf(
  text: string | undefined,
  { files, signal }: AuditCommandOptions,
): Promise<{ tenant?: string }> {
  return text === undefined ? {} : { tenant: await files.resolveTenant(tenantArgument(text), signal) };
}

/** Events are sealed. */
function readerOf({ files }: AuditCommandOptions) {
  if (files.reader !== undefined) return files.reader;
  throw new UsageError('Events are sealed: set SEALGATE_SEAL_KEYS or SEALGATE_SEAL_KEYS_FILE.');
}

async function contentOf(file: string, { stdin }: AuditCommandOptions): Promise<string> {
  if (file !== '-') {
    return readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
      throw new UsageError(`${file} cannot be read (${cause.code ?? 'unknown failure'}).`);
    });
  }
  const pieces: Buffer[] = [];
  for await (const piece of stdin) pieces.push(piece);
  return Buffer.concat(pieces).toString('utf8');
}

/** @throws UsageError */
function timeOf(given: string, option: string, now: Date): Date {
  if (/^\d{1,9}[smhd]$/.test(given)) return new Date(now.getTime() - 1000 * durationOf(given, option));
  const at = /^\d{4}-\d{2}-\d{2}(T|$)/.test(given) ? new Date(given) : new Date(Number.NaN);
  if (Number.isNaN(at.getTime()))
    throw new UsageError(`${option} is a time such as 2027-01-31T00:00:00Z, or such as 24h.`);
  return at;
}
