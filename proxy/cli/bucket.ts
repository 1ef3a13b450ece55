/**
 * `sealgate bucket set | show | list`: which ETags the objects of a bucket show (docs/etags.md).
 *
 * Exit codes: 0 done; 1 it could not be done; 2 the command line was wrong.
 */
import { NO_CAPABILITIES } from '../backend/capabilities.ts';
import type { Config } from '../config/config.ts';
import { type KeyringDeps, openKeyring } from '../keyring/admin/change-keyring.ts';
import {
  type ListedBucket,
  listBucketRecords,
  readBucketRecord,
  setBucketRecord,
} from '../keyring/buckets/bucket-admin.ts';
import { type BucketRecord, isBucketName, isEtagMode } from '../keyring/buckets/bucket-record.ts';
import { openTenantOf } from '../keyring/open-tenant.ts';
import { objectStore, type StoreContext, storeContext } from '../object/context.ts';
import { type CountedBucket, countBucket } from '../object/count-bucket.ts';
import type { EtagMode } from '../object/etags.ts';
import type { Storage } from '../runtime.ts';
import { type Output, parseCommand, parsedFirst, runNamed, shape, UsageError } from './command-line.ts';
import { readCaller } from './key-caller.ts';
import { openKeyringCommand } from './keyring-command.ts';
import { PROCESS_OUTPUT } from './process-output.ts';

export const BUCKET_USAGE = `Usage:
  sealgate bucket set  NAME --etags md5|opaque [--replace-damaged] [--json]
  sealgate bucket show NAME [--count] [--credentials FILE] [--json]
  sealgate bucket list [--json]

set   which ETags the objects of the bucket show to clients. md5: the MD5 of the plaintext, as in S3 without encryption.
      opaque: the store's own, ending in -N, which costs no MD5 on uploads and, with SEALGATE_LEGACY=deny, no look-ups in
      listings; what clients make of it: docs/etags.md. Every server follows within 60 s
      --replace-damaged  writes over a record that does not verify, or that servers refuse: an older one, or none
show  what the bucket's record says, or that the bucket has none and goes by SEALGATE_ETAGS
      --count        looks at every stored version: how many are sealed
      --credentials  with --count, a key of a tenant: JSON with accessKeyId and secretAccessKey, - for standard input. Of this
                     tenant's versions, how many were sealed without an MD5: these show an opaque ETag in md5 mode too.
                     Without --credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, if they are set
list  one line for each bucket that has a record

Exit codes: 0 done; 1 it could not be done, and standard error says why; 2 the command line was wrong.
`;

export interface BucketCommandOptions extends Output {
  readonly deps: KeyringDeps;
  readonly storage: Pick<Storage, 'backend' | 'state'>;
  readonly config: Pick<Config, 'etags' | 'legacy'>;
  readonly environment: NodeJS.ProcessEnv;
  readonly signal: AbortSignal;
}

export async function runBucketCommand(args: readonly string[], environment: NodeJS.ProcessEnv): Promise<number> {
  const { signal } = new AbortController();
  return parsedFirst(args, BUCKET_SHAPES, { ...PROCESS_OUTPUT, command: 'bucket', usage: BUCKET_USAGE }, () =>
    openKeyringCommand(environment, (deps, { storage, config }) =>
      bucketCommand(args, { ...PROCESS_OUTPUT, deps, storage, config, environment, signal }),
    ),
  );
}

/** `args`: what follows `bucket`. Returns the exit code. */
export function bucketCommand(args: readonly string[], o: BucketCommandOptions): Promise<number> {
  return runNamed(args, { set, show, list }, o, { command: 'bucket', usage: BUCKET_USAGE });
}

const flag = { type: 'boolean' } as const;
const text = { type: 'string' } as const;

const SET = shape(['NAME'], { etags: text, 'replace-damaged': flag, json: flag });

async function set(args: readonly string[], o: BucketCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, SET);
  const bucket = bucketArgument(positionals[0], o);
  const etags = values.etags ?? '';
  if (!isEtagMode(etags)) throw new UsageError('--etags is md5 or opaque.');
  const replaceDamaged = values['replace-damaged'] === true;
  const record = await setBucketRecord(o.deps, bucket, { etags, replaceDamaged }, o.signal);
  print(o, values.json, record, [`bucket ${bucket} shows ${described(etags)}; every server follows within 60 s`]);
  if (etags === 'opaque' && o.config.legacy.kind === 'allow') {
    o.err(
      'SEALGATE_LEGACY is allow: listings of the bucket look up every object. deny or before:TIME lets lengths tell sizes.',
    );
  }
  return 0;
}

const SHOW = shape(['NAME'], { count: flag, credentials: text, json: flag });

async function show(args: readonly string[], o: BucketCommandOptions): Promise<number> {
  const { values, positionals } = parseCommand(args, SHOW);
  const bucket = bucketArgument(positionals[0], o);
  if (values.credentials !== undefined && values.count !== true) throw new UsageError('--credentials needs --count.');
  const record = await readBucketRecord(o.deps, bucket, o.signal);
  const counted = values.count === true ? await count(o, bucket, values.credentials) : undefined;
  const etags = record?.etags ?? o.config.etags;
  print(o, values.json, { bucket, etags, record: record ?? null, ...(counted === undefined ? {} : { counted }) }, [
    `bucket      ${bucket}`,
    `etags       ${described(etags)}${record === undefined ? ', by SEALGATE_ETAGS: the bucket has no record' : ''}`,
    ...(record === undefined ? [] : recordLines(record)),
    ...(counted === undefined ? [] : countedLines(counted)),
  ]);
  return 0;
}

const LIST = shape([], { json: flag });

async function list(args: readonly string[], o: BucketCommandOptions): Promise<number> {
  const { values } = parseCommand(args, LIST);
  let exitCode = 0;
  for await (const listed of listBucketRecords(o.deps, o.signal)) {
    print(o, values.json, listed, [lineOf(listed)]);
    if (listed.status !== 'ok') exitCode = 1;
  }
  return exitCode;
}

function print(o: Output, json: boolean | undefined, value: unknown, lines: readonly string[]): void {
  if (json === true) o.out(JSON.stringify(value));
  else for (const line of lines) o.out(line);
}

/** @throws UsageError */
function bucketArgument(name: string | undefined, { storage }: BucketCommandOptions): string {
  if (name === undefined || !isBucketName(name)) throw new UsageError('NAME is the name of a bucket.');
  if (name === storage.state.bucket) throw new UsageError('The state bucket has no objects of clients.');
  return name;
}

function described(etags: EtagMode): string {
  return etags === 'md5' ? 'md5' : "opaque: the store's own ETags";
}

function recordLines({ generation, updated, kid }: BucketRecord): readonly string[] {
  return [`updated     ${updated}`, `generation  ${generation}`, `seal key    ${kid}`];
}

function lineOf(listed: ListedBucket): string {
  if (listed.status !== 'ok')
    return `${listed.bucket}  ${listed.status === 'tampered' ? 'TAMPERED  ' : ''}${listed.detail}`;
  const { etags, updated, generation, kid } = listed.record;
  return `${listed.bucket}  ${etags}  updated ${updated}  generation ${generation}  seal key ${kid}`;
}

function countedLines({ sealed, legacy, ofTenant }: CountedBucket): readonly string[] {
  return [
    `versions    ${sealed} sealed, ${legacy} not sealed`,
    ...(ofTenant === undefined
      ? ['MD5s        not told without a key of the tenant: --credentials']
      : [
          `MD5s        of the tenant's, ${ofTenant.withMd5} have one, ${ofTenant.withoutMd5} were sealed without, ${ofTenant.unreadable} do not open`,
        ]),
  ];
}

async function count(o: BucketCommandOptions, bucket: string, file: string | undefined): Promise<CountedBucket> {
  const { storage, signal } = o;
  const source = { backend: storage.backend, signal, stateBucket: storage.state.bucket };
  return countBucket(source, bucket, await tenantContext(o, file));
}

/** `undefined` where no key is given. */
async function tenantContext(o: BucketCommandOptions, file: string | undefined): Promise<StoreContext | undefined> {
  const { deps, storage, environment, signal } = o;
  if (file === undefined && (environment['AWS_SECRET_ACCESS_KEY'] ?? '') === '') return undefined;
  const { key } = await readCaller(deps, { file, environment }, signal);
  const tenant = openTenantOf(await openKeyring(deps, key, signal));
  const store = objectStore({
    backend: storage.backend,
    capabilities: NO_CAPABILITIES,
    legacy: { kind: 'allow' },
    bestEffortConditions: false,
    record: () => {},
    now: deps.now,
  });
  return storeContext(store, { tenant, signal });
}

const BUCKET_SHAPES = { set: SET, show: SHOW, list: LIST };
