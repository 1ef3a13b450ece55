/** What `sealgate decrypt` was asked for, as typed values. */
import { parseCommand, shape, UsageError } from './command-line.ts';
import type { EscrowKeySource } from './escrow-key-file.ts';

export const DECRYPT_USAGE = `Usage: sealgate decrypt KEYS --bucket NAME SOURCE --output PATH [options]

Opens objects without a server. Each is authenticated to its end before it appears under its name.

SOURCE is one of
  --key KEY [--version-id ID]     one object of the bucket
  --prefix PREFIX                 every object under it, into the directory PATH
  --all                           every object of the bucket, into the directory PATH
  --key KEY --input FILE --head FILE
                                  stored bytes in a file, with their metadata as 'aws s3api head-object' prints them or
                                  as header lines; no store is asked
PATH is a file, or - for standard output, with --key; else a directory.

KEYS
  --credentials FILE              JSON with secretAccessKey, or the secret alone; - for standard input.
                                  Without it AWS_SECRET_ACCESS_KEY.
  --escrow-key FILE               in place of them the private key of 'sealgate escrow keygen', for a tenant that is escrowed
  --escrow-share FILE             in place of that key, a share of it: several, as many as are needed
  --keyring FILE                  a copy of keyrings/TENANT.json of the state bucket. Without it SEALGATE_STATE is read:
  --tenant ID                     whose keyring there; needed when there are several and no seal key is configured

Options
  --force                         replace files that exist
  --skip-existing                 pass over objects whose file exists: go on with an interrupted run
  --skip-foreign                  pass over objects of other tenants instead of counting them as failures
  --metadata                      write content headers, user metadata, ETag and checksums beside each file
  --json                          print outcomes and summary as JSON lines

The store is the one of SEALGATE_BACKEND and its settings, as for 'serve'. Seal keys (SEALGATE_SEAL_KEYS) are not needed.
Exit code: 0 all opened, 1 something failed, 2 wrong usage.
`;

export type DecryptSource =
  | { readonly kind: 'object'; readonly key: string; readonly versionId: string | undefined }
  | { readonly kind: 'file'; readonly key: string; readonly input: string; readonly head: string }
  | { readonly kind: 'many'; readonly prefix: string };

export interface DecryptCommand {
  readonly bucket: string;
  readonly source: DecryptSource;
  readonly output: string;
  readonly credentials: string | undefined;
  /** In place of an API key. */
  readonly escrow: EscrowKeySource | undefined;
  readonly keyring: string | undefined;
  readonly tenant: string | undefined;
  readonly force: boolean;
  readonly skipExisting: boolean;
  readonly skipForeign: boolean;
  readonly metadata: boolean;
  readonly json: boolean;
}

const text = { type: 'string' } as const;
const flag = { type: 'boolean', default: false } as const;

const DECRYPT = shape([], {
  bucket: text,
  key: text,
  'version-id': text,
  prefix: text,
  all: flag,
  input: text,
  head: text,
  output: text,
  credentials: text,
  'escrow-key': text,
  'escrow-share': { type: 'string', multiple: true, default: [] },
  keyring: text,
  tenant: text,
  force: flag,
  'skip-existing': flag,
  'skip-foreign': flag,
  metadata: flag,
  json: flag,
});

/** @throws UsageError */
export function parseDecryptOptions(args: readonly string[]): DecryptCommand {
  const { values } = parseCommand(args, DECRYPT);
  const { bucket, output, credentials, keyring, tenant, force, metadata, json } = values;
  if (bucket === undefined)
    throw new UsageError('--bucket is missing. The name that clients use is part of what is authenticated.');
  if (output === undefined) throw new UsageError('--output is missing.');
  const source = sourceOf(values);
  if (source.kind === 'many' && output === '-') throw new UsageError('Several objects need a directory.');
  if (tenant !== undefined && !/^[0-9a-f]{24}$/.test(tenant)) throw new UsageError('--tenant is 24 hex digits.');
  if (force && values['skip-existing']) throw new UsageError('--force and --skip-existing contradict each other.');
  const { 'escrow-key': file, 'escrow-share': shares } = values;
  if ([file, credentials, shares[0]].filter((one) => one !== undefined).length > 1)
    throw new UsageError('Choose --credentials, --escrow-key or --escrow-share.');
  const escrow = file === undefined && shares.length === 0 ? undefined : { file, shares };
  const skipped = { skipExisting: values['skip-existing'], skipForeign: values['skip-foreign'] };
  return { bucket, output, source, credentials, escrow, keyring, tenant, force, metadata, json, ...skipped };
}

interface SourceValues {
  readonly key?: string | undefined;
  readonly 'version-id'?: string | undefined;
  readonly prefix?: string | undefined;
  readonly all: boolean;
  readonly input?: string | undefined;
  readonly head?: string | undefined;
}

function sourceOf(values: SourceValues): DecryptSource {
  const { key, prefix, all, input, head } = values;
  const named = [key !== undefined, prefix !== undefined, all].filter(Boolean).length;
  if (named !== 1) throw new UsageError('Exactly one of --key, --prefix and --all is needed.');
  if ((input === undefined) !== (head === undefined)) throw new UsageError('--input and --head belong together.');
  if (key === undefined && (input !== undefined || values['version-id'] !== undefined)) {
    throw new UsageError('--input, --head and --version-id are for one --key.');
  }
  if (key === undefined) return { kind: 'many', prefix: prefix ?? '' };
  if (key === '') throw new UsageError('--key is empty. For a whole bucket there is --all.');
  if (input === undefined || head === undefined) return { kind: 'object', key, versionId: values['version-id'] };
  if (values['version-id'] !== undefined) throw new UsageError('--version-id is for objects of a store.');
  return { kind: 'file', key, input, head };
}
