/** `sealgate key create | import | rotate | reissue`: what takes one of the tenant's own keys. Usage: key.ts. */
import { readFile } from 'node:fs/promises';
import type { AccessKey } from '../keyring/access-key-id.ts';
import { type ApiKey, apiKeyFromText, MAX_RAW_BYTES, MAX_REGISTERED_RAW_BYTES } from '../keyring/api-key.ts';
import { DEFAULT_KDFS, isKdfName, type Kdf } from '../keyring/kdf.ts';
import {
  type IssuedKey,
  type KeepKey,
  KeyAdmin,
  type NewKey,
  type RotatedKey,
  UncertainKey,
} from '../keyring/key-admin.ts';
import { UnsuitableTerms } from '../keyring/key-errors.ts';
import { refuseWeakKey } from '../keyring/strength.ts';
import { NoCallerSecret } from './caller-secret.ts';
import { durationOf, expiryOf, GRANT_OPTIONS, grantsOf, parseCommand, UsageError } from './command-line.ts';
import { keptMembers, openSink } from './issued-key.ts';
import type { KeyCommandOptions } from './key.ts';
import { type Caller, readCaller } from './key-caller.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const SINK_OPTIONS = { credentials: text, out: text, overwrite: flag, json: flag } as const;
const TERM_OPTIONS = { ...GRANT_OPTIONS, label: text, expires: text, registered: flag, kdf: text } as const;

interface TermValues {
  readonly bucket?: string[] | undefined;
  readonly prefix?: string | undefined;
  readonly 'read-only'?: boolean | undefined;
  readonly label?: string | undefined;
  readonly expires?: string | undefined;
  readonly registered?: boolean | undefined;
  readonly kdf?: string | undefined;
}

export async function createKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, [], { ...SINK_OPTIONS, ...TERM_OPTIONS });
  const terms = newKeyOf(values, o.deps.now());
  return issue(values, o, (admin, caller, keep) => admin.create(caller, { ...terms, keep }, o.signal));
}

export async function importKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, [], { ...SINK_OPTIONS, ...TERM_OPTIONS, 'key-file': text });
  const file = values['key-file'];
  if (file === undefined)
    throw new UsageError('--key-file is missing: the file with the API key, or - for standard input.');
  if (file === '-' && values.credentials === '-') throw new UsageError('Only one of the two can be standard input.');
  const terms = newKeyOf(values, o.deps.now());
  const secret = await readApiKey(file, o.stdin);
  const apiKey = apiKeyOf(secret, { registered: terms.registered === true });
  return issue(
    values,
    o,
    (admin, caller, keep) => admin.create(caller, { ...terms, apiKey, keep }, o.signal),
    () => secret,
  );
}

export async function rotateKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, [], { ...SINK_OPTIONS, slot: text, grace: text, registered: flag, kdf: text });
  const { slot, grace, registered } = values;
  const wishes = {
    ...(slot !== undefined && { slot: slotArgument(slot) }),
    ...(grace !== undefined && { graceSeconds: durationOf(grace, '--grace') }),
    ...(registered !== undefined && { registered }),
    ...(values.kdf !== undefined && { kdf: kdfOf(values.kdf) }),
  };
  let rotated: RotatedKey | undefined;
  const code = await issue(values, o, async (admin, caller, keep) => {
    rotated = await admin.rotate(caller, { ...wishes, keep }, o.signal);
    return rotated;
  });
  if (rotated !== undefined && values.json !== true) {
    const { replaced, replacedUntil } = rotated;
    o.err(replacedUntil === null ? `Key ${replaced} is gone.` : `Key ${replaced} works until ${replacedUntil}.`);
  }
  return code;
}

export async function reissueKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, [], { ...SINK_OPTIONS, registered: flag, sealed: flag, 'drop-old': flag });
  if (values.registered === true && values.sealed === true) throw new UsageError('Choose --registered or --sealed.');
  const kind = values.registered === true ? { registered: true } : values.sealed === true ? { registered: false } : {};
  const wishes = { ...kind, dropOld: values['drop-old'] === true };
  const own = (caller: Caller) => caller.secretAccessKey;
  return issue(values, o, (admin, caller) => admin.reissue(caller, wishes, o.signal), own);
}

/** The file for the key is begun first; what then fails leaves none behind. */
async function issue(
  values: {
    credentials?: string | undefined;
    out?: string | undefined;
    overwrite?: boolean | undefined;
    json?: boolean | undefined;
  },
  o: KeyCommandOptions,
  make: (admin: KeyAdmin, caller: AccessKey, keep: KeepKey) => Promise<IssuedKey>,
  knownSecret: (caller: Caller) => string | undefined = () => undefined,
): Promise<number> {
  const { credentials: file, out: path } = values;
  if (path === undefined && values.overwrite === true) throw new UsageError('--overwrite needs --out.');
  const caller = await readCaller(o.deps, { file, environment: o.environment }, o.signal);
  const kept = await keptMembers(file);
  const sink = await openSink({
    path,
    overwrite: values.overwrite === true,
    json: values.json === true,
    kept,
    output: o,
  });
  let issued: IssuedKey;
  try {
    const keep = (key: IssuedKey) => sink.keep(key, knownSecret(caller));
    issued = await make(new KeyAdmin(o.deps), caller.key, keep);
  } catch (error) {
    if (error instanceof UncertainKey) {
      await sink.deliver(error.issued, knownSecret(caller));
      o.err(`If 'sealgate key list ${error.issued.tenant}' shows key ${error.issued.slot}, it is in force: keep it.`);
    } else {
      await sink.abandon();
    }
    throw error;
  }
  await sink.deliver(issued, knownSecret(caller));
  return 0;
}

function newKeyOf(values: TermValues, now: Date): NewKey {
  const grants = grantsOf(values);
  return {
    ...(grants !== undefined && { grants }),
    ...(values.label !== undefined && { label: values.label }),
    ...(values.expires !== undefined && { expires: expiryOf(values.expires, now) }),
    ...(values.registered !== undefined && { registered: values.registered }),
    ...(values.kdf !== undefined && { kdf: kdfOf(values.kdf) }),
  };
}

function kdfOf(name: string): Kdf {
  if (!isKdfName(name)) throw new UsageError(`--kdf is one of ${Object.keys(DEFAULT_KDFS).join(', ')}.`);
  return DEFAULT_KDFS[name];
}

export function slotArgument(slot: string): string {
  if (/^[0-9a-f]{8}$/.test(slot)) return slot;
  throw new UsageError('A key is named by the 8 hex digits that create and list print.');
}

/** One line; the line end does not belong to it. @throws NoCallerSecret, WeakApiKey */
async function readApiKey(file: string, stdin: AsyncIterable<Buffer>): Promise<string> {
  const content = file === '-' ? await collect(stdin) : await readNamed(file);
  const secret = content.replace(/\r?\n$/, '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what no secret access key has
  if (/[\u0000-\u0020\u007f]/.test(secret))
    throw new NoCallerSecret('The API key holds white space or control characters.');
  await refuseWeakKey(secret);
  return secret;
}

function apiKeyOf(secret: string, o: { registered: boolean }): ApiKey {
  try {
    return apiKeyFromText(secret, { maxRawBytes: o.registered ? MAX_REGISTERED_RAW_BYTES : MAX_RAW_BYTES });
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UnsuitableTerms('An API key of 48 to 60 bytes fits a registered access key id only: say --registered.', {
      cause,
    });
  }
}

async function readNamed(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new NoCallerSecret(`${file} cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown failure'}).`);
  }
}

async function collect(stdin: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
