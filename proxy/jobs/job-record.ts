/**
 * The record of a job in the state bucket, `jobs/ID.json`: what the job works on, who holds it, how far it is, and what it found.
 * The truth about each object is the object itself. The record only saves a later run the objects that an earlier run has done, so
 * a lost record costs a listing.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';

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

/** `undefined` for bytes that are no record of this version: the job begins anew. */
export function parseRecord(body: Buffer): JobRecord | undefined {
  try {
    return RecordSchema.parse(JSON.parse(body.toString('utf8')));
  } catch {
    return undefined;
  }
}

export function renderRecord(record: JobRecord): Buffer {
  return Buffer.from(`${JSON.stringify(record)}\n`);
}
