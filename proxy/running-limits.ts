/**
 * Bounds of the process: starting, its workers, stopping, its log, and the commands beside it. Those of requests are in limits.ts, and of the stored format in
 * crypto/layout.ts.
 */
/** Milliseconds for which a start waits for a store that does not answer yet, and after which it asks again. */
export const STORE_WAIT_MS = 30_000;
export const STORE_WAIT_STEP_MS = 1_000;
/** Milliseconds for the probe of what the store can do, at start. */
export const PROBE_TIMEOUT_MS = 60_000;
/** Milliseconds to remove what the probe wrote, even when the probe itself was given up. */
export const PROBE_CLEAN_UP_MS = 30_000;
/** Milliseconds for the store to answer when readiness is asked for. */
export const READINESS_TIMEOUT_MS = 5_000;
/** Keyrings that are read at start to see whether the seal keys fit, and of them at once. */
export const START_KEYRINGS_READ = 200;
export const START_KEYRINGS_AT_ONCE = 16;
/** Records of buckets that are read at start. */
export const START_BUCKETS_READ = 200;
/** Objects in the state bucket that are not Sealgate's which a refusal to start names. */
export const FOREIGN_OBJECTS_NAMED = 3;
/** Milliseconds by which clock and store may differ without a word at start; stores refuse at 900 s. */
export const CLOCK_WARNING_MS = 60_000;
/** Days before its certificate ends at which a start says so. */
export const CERTIFICATE_WARNING_DAYS = 14;
/** Connections that the kernel keeps for a listener until they are accepted. Linux takes net.core.somaxconn (4,096) at most. */
export const LISTEN_BACKLOG = 4_096;
/** Milliseconds before a worker process that ended is replaced: one that cannot start must not be started in a tight loop. */
export const WORKER_RESTART_MS = 1_000;
/** Milliseconds for a worker to tell its metrics, before it is shown as it was. */
export const WORKER_METRICS_MS = 5_000;
/** Worker processes; as many at most where their number is not set, and bytes of memory that each of those must find. */
export const MAX_WORKERS = 256;
export const AUTO_WORKERS = 4;
export const WORKER_MEMORY_BYTES = 256 * 2 ** 20;
/** Milliseconds for which connections are still taken after a stop was asked for, and then to finish requests under way. */
export const DRAIN_DELAY_MS = 5_000;
export const DRAIN_TIMEOUT_MS = 25_000;
/** Milliseconds for which connections that came just before the end are waited for: to be accepted, and for a first request. */
export const LAST_CONNECTIONS_MS = 1_000;
/** Milliseconds that DRAIN_DELAY_MS and DRAIN_TIMEOUT_MS may be set to. */
export const MAX_DRAIN_MS = 3_600_000;
/** Milliseconds between two looks at the files that settings name. */
export const FILES_CHECK_MS = 10_000;
/** Milliseconds for which a name that a new tenant was promised is kept for it, though no keyring has it yet. */
export const TENANT_NAME_CLAIM_MS = 60_000;
/** Characters of a user agent, a path and the like that a log line shows; hosts that the log explains SEALGATE_HOSTNAMES for. */
export const MAX_LOGGED_CHARACTERS = 512;
export const HINTED_HOSTS = 16;
/** Milliseconds between two looks of a server at the record of the active seal key, at most; and for one look and one report. */
export const SEAL_KEY_CHECK_MS = 60_000;
export const SEAL_KEY_TIMEOUT_MS = 20_000;
/** Milliseconds for which a reload waits for such a look. */
export const RELOAD_LOOK_MS = 2_000;
/** Milliseconds between two reports of a server about its seal keys, at most; and for which a report counts. */
export const REPLICA_REPORT_MS = 300_000;
export const REPLICA_LIFE_MS = 900_000;
/** Milliseconds after which the report of a server that was killed is removed; and to remove one's own at a clean end. */
export const REPLICA_KEPT_MS = 3_600_000;
export const REPLICA_CLOSE_MS = 3_000;
/** Reports that are read, at a start, and of them at once; seal keys that a report names; bytes of a report. */
export const MAX_REPLICAS = 10_000;
export const START_REPLICAS_READ = 100;
export const REPLICA_READS_AT_ONCE = 16;
export const MAX_REPLICA_KEYS = 64;
export const MAX_REPLICA_BYTES = 16_384;
/** Bytes of the record of the active seal key. */
export const MAX_ACTIVE_RECORD_BYTES = 2_048;
