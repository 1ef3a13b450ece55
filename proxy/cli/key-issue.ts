/** `sealgate key create | import | rotate | reissue`: what takes one of the tenant's own keys. Usage: key.ts. */
import type { AccessKey } from '../keyring/access-keys/access-key-id.ts';
import { kmsOf } from '../keyring/admin/change-keyring.ts';
import { type IssuedKey, type KeepKey, KeyAdmin, type NewKey } from '../keyring/admin/key-admin.ts';
import { UnsuitableTerms } from '../keyring/admin/key-errors.ts';
import { kmsKeyName } from '../keyring/admin/kms-key-name.ts';
import { resolveKey } from '../keyring/admin/resolve-key.ts';
import { type ApiKey, apiKeyFromText, MAX_RAW_BYTES, MAX_REGISTERED_RAW_BYTES } from '../keyring/slots/api-key.ts';
import { DEFAULT_KDFS, isKdfName, type Kdf } from '../keyring/slots/kdf.ts';
import { refuseWeakKey } from '../keyring/slots/strength.ts';
import { NoCallerSecret, readSecretText } from './caller-secret.ts';
import { durationOf, expiryOf, GRANT_OPTIONS, parseCommand, shape, UsageError } from './command-line.ts';
import { handOut, keptMembers } from './issued-key.ts';
import { type Caller, readCaller } from './key-caller.ts';
import type { KeyCommandOptions } from './key-options.ts';
import { reachOf } from './key-reach.ts';

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const SINK_OPTIONS = { credentials: text, out: text, overwrite: flag, json: flag } as const;
const TERM_OPTIONS = {
  ...GRANT_OPTIONS,
  policy: text,
  label: text,
  expires: text,
  registered: flag,
  kdf: text,
  kms: text,
} as const;

interface TermValues {
  readonly bucket?: string[] | undefined;
  readonly prefix?: string | undefined;
  readonly 'read-only'?: boolean | undefined;
  readonly policy?: string | undefined;
  readonly label?: string | undefined;
  readonly expires?: string | undefined;
  readonly registered?: boolean | undefined;
  readonly kdf?: string | undefined;
  readonly kms?: string | undefined;
}

export const CREATE_KEY = shape([], { ...SINK_OPTIONS, ...TERM_OPTIONS });

export async function createKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, CREATE_KEY);
  const terms = await newKeyOf(values, o);
  await issue(values, o, (admin, caller, keep) => admin.create(caller, { ...terms, keep }, o.signal));
  return 0;
}

export const IMPORT_KEY = shape([], { ...SINK_OPTIONS, ...TERM_OPTIONS, 'key-file': text });

export async function importKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, IMPORT_KEY);
  const file = values['key-file'];
  if (file === undefined)
    throw new UsageError('--key-file is missing: the file with the API key, or - for standard input.');
  if (file === '-' && values.credentials === '-') throw new UsageError('Only one of the two can be standard input.');
  const terms = await newKeyOf(values, o);
  const secret = await readApiKey(file, o.stdin);
  const apiKey = apiKeyOf(secret, { registered: terms.registered === true });
  await issue(
    values,
    o,
    (admin, caller, keep) => admin.create(caller, { ...terms, apiKey, keep }, o.signal),
    () => secret,
  );
  return 0;
}

export const ROTATE_KEY = shape([], { ...SINK_OPTIONS, slot: text, grace: text, registered: flag, kdf: text });

export async function rotateKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, ROTATE_KEY);
  const { slot, grace, registered } = values;
  const wishes = {
    ...(grace !== undefined && { graceSeconds: durationOf(grace, '--grace') }),
    ...(registered !== undefined && { registered }),
    ...(values.kdf !== undefined && { kdf: kdfOf(values.kdf) }),
  };
  if (slot !== undefined) keyArgument(slot);
  const { replaced, replacedUntil } = await issue(values, o, async (admin, caller, keep) => {
    const { tenant } = caller;
    const named = slot === undefined ? {} : { slot: await resolveKey(o.deps, { tenant, key: slot }, o.signal) };
    return admin.rotate(caller, { ...wishes, ...named, keep }, o.signal);
  });
  if (values.json !== true) {
    o.err(replacedUntil === null ? `Key ${replaced} is gone.` : `Key ${replaced} works until ${replacedUntil}.`);
  }
  return 0;
}

export const REISSUE_KEY = shape([], { ...SINK_OPTIONS, registered: flag, sealed: flag, 'drop-old': flag });

export async function reissueKey(args: readonly string[], o: KeyCommandOptions): Promise<number> {
  const { values } = parseCommand(args, REISSUE_KEY);
  if (values.registered === true && values.sealed === true) throw new UsageError('Choose --registered or --sealed.');
  const kind = values.registered === true ? { registered: true } : values.sealed === true ? { registered: false } : {};
  const wishes = { ...kind, dropOld: values['drop-old'] === true };
  const own = (caller: Caller) => caller.secretAccessKey;
  await issue(values, o, (admin, caller, keep) => admin.reissue(caller, { ...wishes, keep }, o.signal), own);
  return 0;
}

async function issue<T extends IssuedKey>(
  values: {
    credentials?: string | undefined;
    out?: string | undefined;
    overwrite?: boolean | undefined;
    json?: boolean | undefined;
  },
  o: KeyCommandOptions,
  make: (admin: KeyAdmin, caller: AccessKey, keep: KeepKey) => Promise<T>,
  knownSecret: (caller: Caller) => string | undefined = () => undefined,
): Promise<T> {
  const { credentials: file, out: path, overwrite = false, json = false } = values;
  if (path === undefined && overwrite) throw new UsageError('--overwrite needs --out.');
  const caller = await readCaller(o.deps, { file, environment: o.environment }, o.signal);
  const kept = await keptMembers(file);
  const sink = { path, overwrite, json, kept, knownSecret: knownSecret(caller), output: o };
  return handOut(sink, (keep) => make(new KeyAdmin(o.deps), caller.key, keep));
}

async function newKeyOf(values: TermValues, o: KeyCommandOptions): Promise<NewKey> {
  const now = o.deps.now();
  return {
    ...(await reachOf(values, o.stdin)),
    ...(values.label !== undefined && { label: values.label }),
    ...(values.expires !== undefined && { expires: expiryOf(values.expires, now) }),
    ...(values.registered !== undefined && { registered: values.registered }),
    ...(values.kdf !== undefined && { kdf: kdfOf(values.kdf) }),
    ...(values.kms !== undefined && { kms: kmsKeyName(kmsOf(o.deps), values.kms) }),
  };
}

function kdfOf(name: string): Kdf {
  if (!isKdfName(name)) throw new UsageError(`--kdf is one of ${Object.keys(DEFAULT_KDFS).join(', ')}.`);
  return DEFAULT_KDFS[name];
}

/** The name of a key as it was given: what it names, only the keyring knows. */
export function keyArgument(key: string | undefined): string {
  if (key !== undefined && key !== '') return key;
  throw new UsageError('A key is named by its label, or by the 8 hex digits that create and list print.');
}

/** One line; the line end does not belong to it. @throws NoCallerSecret, WeakApiKey */
async function readApiKey(file: string, stdin: AsyncIterable<Buffer>): Promise<string> {
  const content = await readSecretText(file, stdin);
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
