/** Shared parts of the commands: reading arguments, and telling an operator what went wrong. */
import { parseArgs } from 'node:util';
import { MalformedPolicyDocument } from '../access/language/malformed.ts';
import { explainStoreFailure, failureText } from '../backend/trouble/explain-store-failure.ts';
import { suggestion } from '../config/nearest.ts';
import { S3Error } from '../errors.ts';
import { ActiveRecordRefused } from '../keyring/active-seal-key/active-record.ts';
import { KeyringConflict } from '../keyring/admin/change-keyring.ts';
import { KeyError } from '../keyring/admin/key-errors.ts';
import { BucketRecordConflict } from '../keyring/buckets/bucket-admin.ts';
import { BucketRecordTampered } from '../keyring/buckets/bucket-record.ts';
import { type Grant, InvalidGrant, parseGrant } from '../keyring/grants.ts';
import { isTenantId } from '../keyring/ids.ts';
import { WeakApiKey } from '../keyring/slots/strength.ts';
import { KeyringMalformed } from '../keyring/state/document.ts';
import { isTenantName, timestamp } from '../keyring/state/fields.ts';
import { KeyringTampered, UnknownTenant } from '../keyring/state/records.ts';
import { NoCallerSecret } from './caller-secret.ts';
import { PolicyFileError } from './policy-file.ts';
import { SecretFileError } from './secret-file.ts';

export interface Output {
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
}

export interface HandingOutput extends Output {
  /** Resolves when `text`, which holds a secret, has left the process. @throws SecretFileError */
  readonly handOver: (text: string) => Promise<void>;
}

/** The command line is wrong. The message says how. */
export class UsageError extends Error {}

type Options = NonNullable<NonNullable<Parameters<typeof parseArgs>[0]>['options']>;

/** What a command takes: the names of its positional arguments, all needed, and its options. */
export interface Shape<T extends Options = Options> {
  readonly names: readonly string[];
  readonly options: T;
}

export function shape<const T extends Options>(names: readonly string[], options: T): Shape<T> {
  return { names, options };
}

/** @throws UsageError */
export function parseCommand<const T extends Options>(args: readonly string[], { names, options }: Shape<T>) {
  const parsed = parseStrictly(args, options);
  const { positionals } = parsed;
  const missing = names[positionals.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing.`);
  const unexpected = positionals[names.length];
  if (unexpected !== undefined)
    throw new UsageError(`Unexpected argument '${unexpected}'.${meant(unexpected, options)}`);
  return parsed;
}

function parseStrictly<const T extends Options>(args: readonly string[], options: T) {
  refuseUnknownOptions(args, options);
  try {
    return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : 'Wrong arguments.', { cause });
  }
}

/** Node's own refusal explains positional arguments; the nearest option is more help. */
function refuseUnknownOptions(args: readonly string[], options: Options): void {
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind !== 'option' || Object.hasOwn(options, token.name)) continue;
    throw new UsageError(`Unknown option '${token.rawName}'.${suggestion(token.rawName, optionNames(options))}`);
  }
}

function optionNames(options: Options): readonly string[] {
  return Object.keys(options).map((name) => `--${name}`);
}

/** An option whose dashes were forgotten. */
function meant(argument: string, options: Options): string {
  return Object.hasOwn(options, argument) ? ` Did you mean '--${argument}'?` : '';
}

/** An id or a name. @throws UsageError for what is neither */
export function tenantArgument(text: string | undefined): string {
  if (text !== undefined && (isTenantId(text) || isTenantName(text))) return text;
  throw new UsageError("TENANT is a tenant's name, or the 24 hex digits that create and list print.");
}

/** @throws UsageError */
export function nameArgument(text: string): string {
  if (isTenantName(text)) return text;
  throw new UsageError(
    "A tenant's name has 1 to 63 characters of a-z, 0-9, '.', '_' and '-', and does not look like an id.",
  );
}

export const GRANT_OPTIONS = {
  bucket: { type: 'string', multiple: true },
  prefix: { type: 'string' },
  'read-only': { type: 'boolean' },
} as const;

/** `undefined` when no bucket is named. @throws UsageError for the other options without one; InvalidGrant */
export function grantsOf(values: {
  bucket?: string[] | undefined;
  prefix?: string | undefined;
  'read-only'?: boolean | undefined;
}): readonly Grant[] | undefined {
  const { bucket: buckets = [], prefix = '' } = values;
  if (buckets.length === 0) {
    if (values.prefix === undefined && values['read-only'] === undefined) return undefined;
    throw new UsageError('--prefix and --read-only need --bucket.');
  }
  const access = values['read-only'] === true ? 'read-only' : 'read-write';
  return [...new Set(buckets)].map((bucket) => parseGrant({ bucket, prefix, access }));
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of `90`, `90s`, `15m`, `24h`, `30d`. @throws UsageError */
export function durationOf(text: string, option: string): number {
  const [, digits = '', unit = 's'] = /^(\d{1,9})([smhd])?$/.exec(text) ?? [];
  const seconds = Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (digits === '' || seconds > MAX_DURATION_SECONDS) {
    throw new UsageError(`${option} is a number of seconds, or such as 15m, 24h, 30d.`);
  }
  return seconds;
}

/** A hundred years. */
const MAX_DURATION_SECONDS = 100 * 366 * 86_400;

/** A time such as 2027-01-31T00:00:00Z or 2027-01-31, or a duration from now. @throws UsageError */
export function expiryOf(text: string, now: Date): string {
  if (/^\d{1,9}[smhd]?$/.test(text)) return timestamp(new Date(now.getTime() + 1000 * durationOf(text, '--expires')));
  const at = /^\d{4}-\d{2}-\d{2}(T|$)/.test(text) ? new Date(text) : new Date(Number.NaN);
  const time = timestamp(at);
  if (time === '' || at <= now) {
    throw new UsageError('--expires is a time to come, such as 2027-01-31T00:00:00Z, or such as 30d.');
  }
  return time;
}

/** The commands of a group: by name, with what follows it. `o` says where to write, and what a wrong command line is answered with. */
export async function runNamed<O extends Output>(
  args: readonly string[],
  commands: Readonly<Record<string, (args: readonly string[], o: O) => Promise<number>>>,
  o: O,
  help: { readonly command: string; readonly usage: string },
): Promise<number> {
  const [name = '', ...rest] = args;
  return reporting({ ...help, ...o }, async () => {
    return named(name, commands)(rest, o);
  });
}

/**
 * For a group of commands: reads the command line before a store is opened, so that a wrong command line is refused whatever the
 * settings are.
 */
export async function parsedFirst(
  args: readonly string[],
  shapes: Readonly<Record<string, Shape>>,
  o: Output & { readonly command: string; readonly usage: string },
  work: () => Promise<number>,
): Promise<number> {
  return reporting(o, () => {
    const [name = '', ...rest] = args;
    parseCommand(rest, named(name, shapes));
    return work();
  });
}

/** @throws UsageError that names the nearest one */
function named<T>(name: string, all: Readonly<Record<string, T>>): T {
  const found = Object.hasOwn(all, name) ? all[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(all);
  throw new UsageError(
    name === '' ? `Say what to do: ${names.join(', ')}.` : `Unknown command '${name}'.${suggestion(name, names)}`,
  );
}

/** Runs a command; what stands in its way is said, and becomes the exit code. @throws own bugs on */
export async function reporting(
  o: Output & { readonly command: string; readonly usage: string },
  work: () => Promise<number>,
): Promise<number> {
  try {
    return await work();
  } catch (error) {
    return reportFailure(error, o);
  }
}

const REFUSALS = [
  ActiveRecordRefused,
  BucketRecordTampered,
  BucketRecordConflict,
  UnknownTenant,
  KeyringTampered,
  KeyringConflict,
  KeyError,
  WeakApiKey,
  NoCallerSecret,
  SecretFileError,
  PolicyFileError,
  MalformedPolicyDocument,
  S3Error,
];

/** Says what went wrong. Returns the exit code: 2 for wrong input, 1 for what could not be done. @throws own bugs on */
function reportFailure(error: unknown, o: Output & { command: string; usage: string }): number {
  if (error instanceof UsageError) {
    o.err(`sealgate ${o.command}: ${error.message}`);
    o.err(o.usage.trimEnd());
    return 2;
  }
  if (error instanceof InvalidGrant) {
    o.err(`sealgate ${o.command}: ${error.message}`);
    return 2;
  }
  if (error instanceof KeyringMalformed) {
    o.err(`sealgate ${o.command}: a label, prefix or list is too long or has characters that are not accepted.`);
    return 2;
  }
  if (!REFUSALS.some((kind) => error instanceof kind)) throw error;
  o.err(`sealgate ${o.command}: ${explain(error as Error)}`);
  return 1;
}

/** For a 503, the operator needs the reason behind it. */
function explain(error: Error): string {
  if (!(error instanceof S3Error) || error.status < 500) return error.message;
  if (explainStoreFailure(error) !== undefined) return failureText(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
