/**
 * Bounds of how the proxy deals with its store over time, each with its unit: what it learns of the store, and its own credentials
 * there. The bounds of single requests and answers are in limits.ts.
 */

/** Milliseconds for which a store that did not say it in time is not asked, doubled each time in a row, and at most. */
export const BACKEND_CONTINUE_PAUSE_MS = 5_000;
export const BACKEND_CONTINUE_LONGEST_PAUSE_MS = 600_000;
/** Milliseconds before the end of the store's credentials from which others are asked for; half of a shorter life. */
export const CREDENTIALS_RENEW_MS = 300_000;
/** Milliseconds before their end from which they are used no more, since clocks differ; a tenth of a shorter life. */
export const CREDENTIALS_END_MS = 5_000;
/** Milliseconds between attempts to renew them, doubled each time in a row, and at most; and for one attempt. */
export const CREDENTIALS_RETRY_MS = 1_000;
export const CREDENTIALS_LONGEST_RETRY_MS = 60_000;
export const CREDENTIALS_TIMEOUT_MS = 30_000;
/** Bytes of the record of a bucket in the state, and buckets of which a process remembers what it says. */
export const MAX_BUCKET_RECORD_BYTES = 2 * 1024;
export const BUCKET_RECORDS_CACHED = 10_000;
/** Milliseconds between looks at files with credentials, while there are requests. */
export const CREDENTIAL_FILES_MS = 1_000;
/** Days for which the embedded store locks a version at most, as S3 does: 100 years of 365 days. */
export const LOCAL_MAX_RETENTION_DAYS = 36_500;
/** Bytes of the embedded store's disk that are kept for deletes: some hundred commits until the log can be used again. */
export const LOCAL_RESERVE_BYTES = 4 * 2 ** 20;
/** Bytes of a body of the proxy's own state that are kept inside the index, where other bodies have LOCAL_INLINE_BYTES. */
export const LOCAL_ESSENTIAL_INLINE_BYTES = 2 ** 20;
