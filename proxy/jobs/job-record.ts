/**
 * The record of a job in the state bucket, `jobs/ID.json`: what the job works on, who holds it, how far it is, and what it found.
 * The truth about each object is the object itself. The record only saves a later run the objects that an earlier run has done, so
 * a lost record costs a listing.
 *
 * A run believes a record about which objects are done and what was found, and its exit code goes by that. So a MAC under a subkey of S
 * keeps anybody without S from making a record up (crypto/FORMAT.md, "Records of jobs"). An older record can be put back.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { SealKey, SealKeys } from '../keyring/access-keys/seal-keys.ts';

/** In front of every record of a job and of every piece of its reports. */
export const JOBS_PREFIX = 'jobs/';

const Count = z.number().int().nonnegative();

/** The last row, in the order of the listing, up to which everything is done and reported. */
const CursorSchema = z.strictObject({ key: z.string(), versionId: z.string().nullable() });
export type Cursor = z.infer<typeof CursorSchema>;

const FindingSchema = z.strictObject({
  key: z.string(),
  versionId: z.string().nullable(),
  state: z.string(),
  message: z.string(),
});
export type Finding = z.infer<typeof FindingSchema>;

/** What a job works on. Two runs with the same scope are the same job. */
export interface JobScope {
  /** `verify`, ... */
  readonly kind: string;
  readonly tenant: string;
  readonly bucket: string;
  readonly prefix: string;
  /** Everything else that decides which objects are looked at, and how. */
  readonly options: Readonly<Record<string, string>>;
}

const RecordSchema = z.strictObject({
  version: z.literal(1),
  id: z.string(),
  kind: z.string(),
  tenant: z.string(),
  bucket: z.string(),
  prefix: z.string(),
  options: z.record(z.string(), z.string()),
  /** Names the run that began at the start of the listing; runs that go on with it keep the name. */
  run: z.string(),
  state: z.enum(['running', 'done']),
  created: z.string(),
  updated: z.string(),
  /** Null when nobody is at work. */
  lease: z.strictObject({ holder: z.string(), until: z.string() }).nullable(),
  after: CursorSchema.nullable(),
  /** Objects by what became of them, and bytes of their plaintext that were read. */
  counts: z.record(z.string(), Count),
  bytes: Count,
  seconds: z.number().nonnegative(),
  /** When those objects were written that the job dates: older versions in plain text. */
  written: z.strictObject({ oldest: z.string(), newest: z.string() }).nullable(),
  /** The first objects that need somebody's attention. */
  findings: z.array(FindingSchema),
  /** The pieces of the report, in order: each holder numbers its own. */
  pieces: z.array(z.strictObject({ holder: z.string(), count: Count })),
});
export type JobRecord = z.infer<typeof RecordSchema>;

/** `kid` and `mac` are null where there are no seal keys: a copy of a whole store takes none. */
const StoredSchema = z.strictObject({ record: z.unknown(), kid: z.string().nullable(), mac: z.string().nullable() });

/** The same scope gives the same id. */
export function jobId(scope: JobScope): string {
  const { kind, tenant, bucket, prefix, options } = scope;
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([kind, tenant, bucket, prefix, sorted]);
  return `${kind}-${createHash('sha256').update(text).digest('hex').slice(0, 16)}`;
}

export function jobName(id: string): string {
  return `${JOBS_PREFIX}${id}.json`;
}

/** In front of every piece of the report of one run. */
export function runPrefix({ id, run }: Pick<JobRecord, 'id' | 'run'>): string {
  return `${JOBS_PREFIX}${id}/${run}/`;
}

/** A run that begins at the start of the listing. */
export function newRecord(scope: JobScope, o: { now: Date; holder: string }): JobRecord {
  const { kind, tenant, bucket, prefix, options } = scope;
  const created = o.now.toISOString();
  return {
    version: 1,
    id: jobId(scope),
    kind,
    tenant,
    bucket,
    prefix,
    options: { ...options },
    run: `${created.replace(/[-:]|\.\d+/g, '')}-${o.holder}`,
    state: 'running',
    created,
    updated: created,
    lease: null,
    after: null,
    counts: {},
    bytes: 0,
    seconds: 0,
    written: null,
    findings: [],
    pieces: [],
  };
}

/** The stored bytes of a record. */
export function sealRecord(record: JobRecord, sealKeys: SealKeys | undefined): Buffer {
  const sealKey = sealKeys?.active;
  const kid = sealKey?.kid ?? null;
  const mac = sealKey === undefined ? null : macOf(record, record.tenant, sealKey).toString('base64');
  return Buffer.from(`${JSON.stringify({ record, kid, mac })}\n`);
}

/** `undefined` for bytes that are no record of this job and version, or that none of the seal keys signed: the job begins anew. */
export function openRecord(
  body: Buffer,
  { id, sealKeys }: { id: string; sealKeys: SealKeys | undefined },
): JobRecord | undefined {
  const stored = parseStored(body);
  if (stored === undefined || stored.parsed.id !== id) return undefined;
  if (sealKeys === undefined) return stored.parsed;
  const { parsed, record, kid, mac } = stored;
  const sealKey = sealKeys.withId(kid ?? '');
  if (sealKey === undefined) return undefined;
  const [given, wanted] = [Buffer.from(mac ?? '', 'base64'), macOf(record, parsed.tenant, sealKey)];
  return given.length === wanted.length && timingSafeEqual(given, wanted) ? parsed : undefined;
}

/** The tenant that a record names. Nobody checked its MAC. */
export function tenantNamedIn(body: Buffer): string | undefined {
  return parseStored(body)?.parsed.tenant;
}

function parseStored(body: Buffer) {
  try {
    const stored = StoredSchema.parse(JSON.parse(body.toString('utf8')));
    return { ...stored, parsed: RecordSchema.parse(stored.record) };
  } catch {
    return undefined;
  }
}

/** Over the record's JSON as it is stored: what was parsed from JSON has one JSON, with its members in the same order. */
function macOf(record: unknown, tenant: string, sealKey: SealKey): Buffer {
  const key = sealKey.jobRecordKey(Buffer.from(tenant, 'hex'));
  return createHmac('sha256', key).update(JSON.stringify(record)).digest();
}
