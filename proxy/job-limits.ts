/**
 * Bounds of jobs that work through a whole bucket (`sealgate verify`, `sealgate migrate`), each with its unit and the reason for
 * its value.
 */
const MiB = 1024 * 1024;

/** Milliseconds between two checkpoints of a job, and between two status lines where nobody watches a terminal. */
export const JOB_SAVE_MS = 10_000;
/** Milliseconds for which a run holds its job after its last checkpoint: three checkpoints may fail before another run takes over. */
export const JOB_LEASE_MS = 40_000;
/** Milliseconds between two looks at a job that another run holds. */
export const JOB_HELD_LOOK_MS = 1_000;
/** Objects that a job works on at once. A large one holds STREAM_MEMORY_BYTES twice, read and written. */
export const JOB_OBJECTS_AT_ONCE = 16;
/** Rows between the oldest object that is still under way and the newest row: how far the others may run ahead of a large object. */
export const JOB_WINDOW_ROWS = 10_000;
/** Bytes of report lines after which a checkpoint is made before its time; a piece of a report stays far below MAX_STATE_RECORD_BYTES. */
export const JOB_REPORT_BYTES = MiB;
/** Objects that a job names in its record; the report names all. */
export const JOB_FINDINGS_NAMED = 100;
/** Attempts at one object, or one page of a listing, for which the store is busy; and milliseconds before the second, four times as many before each next. */
export const JOB_ATTEMPTS = 4;
export const JOB_RETRY_MS = 250;
/** Objects one after the other for which the store failed, before a job is given up. */
export const JOB_OUTAGES = 2 * JOB_OBJECTS_AT_ONCE;
/** Runs of a job whose reports are kept: the last one and the one before it. */
export const JOB_RUNS_KEPT = 2;
/** Milliseconds for the last checkpoint of a job that is being stopped. */
export const JOB_LAST_SAVE_MS = 10_000;
/** Times that a migration tries one object again because it was replaced meanwhile. */
export const MIGRATE_ATTEMPTS = 8;
/** Bytes that a migration holds in memory of one object: a whole sealed object, so that one quick PUT stores it, or a part of a locked one, so that its digest can go in front of it. */
export const MIGRATE_HELD_BYTES = 8 * MiB;
/** Milliseconds for a look at an object while a conditional PUT of it runs: some stores answer only when the PUT has ended. */
export const MIGRATE_LOOK_MS = 10_000;
/** Sealed objects at once that a migration holds in files, of up to 5 GiB each, for a store that gives nothing of an object while it is written. */
export const MIGRATE_SPOOLS_AT_ONCE = 2;
/** Requests at once that ask how long the parts of one object are. */
export const PART_HEADS_AT_ONCE = 8;
/** Most parts that `--sample` divides a bucket into. */
export const JOB_MAX_SAMPLES = 10_000;
