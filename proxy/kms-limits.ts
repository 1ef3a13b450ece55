/** The bounds of everything that has to do with a key service (KMS), each with its unit and the reason for its value. */

const KiB = 1024;

/** Milliseconds for one call to a KMS: clients wait for it. */
export const KMS_CALL_TIMEOUT_MS = 5_000;
/** Bytes of a reply of a KMS: a wrapped secret takes a few hundred, the description of a key with many versions a few thousand. */
export const MAX_KMS_REPLY_BYTES = 64 * KiB;
/** Attempts at one call when the KMS throttles or fails, all of them within KMS_CALL_TIMEOUT_MS. */
export const KMS_ATTEMPTS = 3;
/** Milliseconds before the second attempt; before the third it is twice that. Up to half as much again is added by chance. */
export const KMS_ATTEMPT_PAUSE_MS = 100;
/** Calls under way at once to each KMS, in each process. */
export const KMS_CALLS_AT_ONCE = 16;
/** Milliseconds after a failed call for which the same secret is not asked for again. */
export const KMS_RETRY_MS = 1_000;
/** Milliseconds between two logins to a KMS, in each process. */
export const KMS_LOGIN_PAUSE_MS = 1_000;
/** Secrets of slots that a process holds between two calls, about 1 KiB each. */
export const KMS_SECRETS_CACHED = 10_000;
/** Milliseconds for which such a secret is used, unless SEALGATE_KMS_CACHE says otherwise; and what it may say. */
export const KMS_CACHE_MS = 300_000;
export const MIN_KMS_CACHE_MS = 1_000;
export const MAX_KMS_CACHE_MS = 3_600_000;
/** Milliseconds that SEALGATE_KMS_GRACE may say. */
export const MAX_KMS_GRACE_MS = 86_400_000;
/** Providers in SEALGATE_KMS. */
export const MAX_KMS_PROVIDERS = 16;
/** Bytes of a wrapped secret in a keyring: AWS KMS makes about 250. */
export const MAX_KMS_BLOB_BYTES = 2 * KiB;
/** Characters of the reference of a key of a KMS: an ARN has up to 2,048 in theory, and 80 in practice. */
export const MAX_KMS_KEY_CHARACTERS = 512;
/** Slots of one tenant that a key of a KMS alone opens: one for each KMS or region. */
export const MAX_KEYRING_KMS_SLOTS = 4;
/** Milliseconds to try out one provider at start. */
export const KMS_PROBE_TIMEOUT_MS = 20_000;
