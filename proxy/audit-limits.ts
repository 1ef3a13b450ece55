/** Bounds of the audit log: how long and how much may be unwritten, how often it is written, and how far it is looked back. */
const KiB = 1024;
const MiB = 1024 * KiB;

/** Characters of events, and milliseconds, that a process gathers before it compresses them. */
export const AUDIT_BLOCK_CHARACTERS = 128 * KiB;
export const AUDIT_BLOCK_MS = 250;
/** Compressed bytes after which a segment is written, and milliseconds after the first of its events. */
export const AUDIT_SEGMENT_BYTES = 1 * MiB;
export const AUDIT_SEGMENT_MS = 4_500;
/** Compressed bytes, and milliseconds since the oldest, of events that may be unwritten: beyond that requests are refused. */
export const AUDIT_BACKLOG_BYTES = 16 * MiB;
export const AUDIT_BACKLOG_MS = 60_000;
/** Milliseconds for which a strict audit gathers events before it writes them. */
export const AUDIT_GROUP_COMMIT_MS = 20;
/** Milliseconds that a change, or with a strict audit a reply, waits for its event to be written. */
export const AUDIT_WAIT_MS = 10_000;
/** Milliseconds for one write of a segment, and between two attempts, which grow up to the second number. */
export const AUDIT_WRITE_TIMEOUT_MS = 10_000;
export const AUDIT_RETRY_MS = 250;
export const AUDIT_RETRY_MAX_MS = 5_000;
/** Milliseconds for the last segment of a process that stops. */
export const AUDIT_CLOSE_MS = 10_000;
/** Milliseconds after which a writer without events writes an empty segment, and without one counts as ended. */
export const AUDIT_HEARTBEAT_MS = 300_000;
export const AUDIT_SILENT_WRITER_MS = 900_000;
/** Milliseconds between two batches, and segments in one. */
export const AUDIT_BATCH_MS = 60_000;
export const AUDIT_BATCH_SEGMENTS = 4_000;
/** Milliseconds after which a server takes the segments of others into a batch, and for which it looks back for them. */
export const AUDIT_FOREIGN_SEGMENT_MS = 90_000;
export const AUDIT_LOOK_BACK_MS = 3_600_000;
/** Milliseconds after which a segment in no batch is out of order, and a server says so of its own. */
export const AUDIT_UNBATCHED_MS = 900_000;
/** Times that a batch is made anew because another server was quicker. */
export const AUDIT_BATCH_ATTEMPTS = 8;
/**
 * Batches that do not verify, past which no server looks for the newest one that does; and numbers behind the newest one that counts,
 * beyond which a batch belongs to no log.
 */
export const AUDIT_INVALID_BATCHES = 1_000;
/** Days after which segments are removed, unless set, and milliseconds between two looks for them. */
export const AUDIT_RETENTION_DAYS = 90;
export const AUDIT_PRUNE_MS = 3_600_000;
/** Plaintext of one segment, bytes: what a reader unpacks at most. */
export const MAX_AUDIT_SEGMENT_PLAINTEXT_BYTES = 64 * MiB;
/** Milliseconds for a webhook to answer, and checkpoints that wait for one: older ones are contained in newer ones. */
export const AUDIT_WEBHOOK_TIMEOUT_MS = 10_000;
export const AUDIT_WEBHOOK_WAITING = 16;
/** Bytes of what a webhook answers, at most. */
export const AUDIT_WEBHOOK_REPLY_BYTES = 65_536;
/** Milliseconds between two looks of `audit tail -f`. */
export const AUDIT_TAIL_MS = 2_000;
