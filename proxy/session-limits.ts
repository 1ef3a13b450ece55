/** Bounds of temporary credentials: what a caller may ask for, what a token holds, what a process keeps of them. */
const KiB = 1024;

/** A request of the query API (IAM, STS), bytes: a token of 20,000 characters and a policy of 2,048, percent-encoded, and tags. */
export const MAX_QUERY_BODY_BYTES = 48 * KiB;
/** Parameters in one: 50 tags have two each, and the action with the most takes eight beside them. */
export const MAX_QUERY_PARAMETERS = 110;
/** Characters of a policy that the caller of STS gives. */
export const MAX_SESSION_POLICY_CHARACTERS = 2_048;
export const MAX_SESSION_TAGS = 50;
/** Requests that a session may be limited to: each of them costs as many writes as came before it, where they race. */
export const MAX_SESSION_USES = 1_000;
/** Seconds of a session of a key at most: 36 hours. */
export const LONGEST_KEY_SESSION_SECONDS = 129_600;
/** Bytes of what a session token carries besides keys and times: role, tags and policy as JSON. The token rides in a header. */
export const MAX_SESSION_DETAILS_BYTES = 3 * KiB;
/** Session tokens under the key of one seal key and day: their nonces are random. */
export const MAX_SESSIONS_A_DAY = 2 ** 32;
/** Keys of session tokens, by seal key and day, that a process keeps, and milliseconds until it looks for their record again. */
export const SESSION_DAYS_CACHED = 64;
export const SESSION_DAY_TTL_MS = 60_000;
/** Session tokens that a process keeps opened: 1 KiB each, and their own length up to 4 KiB. */
export const SESSION_TOKENS_CACHED = 4096;
/** Sessions with a limited number of uses of which a process remembers how many are taken. */
export const USE_COUNTS_CACHED = 10_000;
/** Milliseconds between two rounds of taking away what sessions left, on average, and for one round. */
export const SESSION_UPKEEP_MS = 3_600_000;
export const SESSION_UPKEEP_TIMEOUT_MS = 10 * 60_000;
/** Characters of a token from an OpenID Connect issuer, as for AWS STS. */
export const MAX_WEB_IDENTITY_TOKEN_CHARACTERS = 20_000;
/** Seconds by which an issuer's clock may differ. */
export const JWT_CLOCK_TOLERANCE_SECONDS = 60;
/** Bytes of an issuer's key set. */
export const MAX_JWKS_BYTES = 256 * KiB;
/** Milliseconds for fetching a document of the control plane, such as a key set. */
export const DOCUMENT_FETCH_TIMEOUT_MS = 5_000;
/** Milliseconds for which an issuer's keys are taken as they were read. */
export const JWKS_FRESH_MS = 10 * 60_000;
/** Milliseconds for which they serve while they cannot be read again. */
export const JWKS_STALE_MS = 24 * 3_600_000;
/** Milliseconds between two reads of a key set, whether they succeed or fail: tokens with made-up key ids cost no more. */
export const JWKS_COOLDOWN_MS = 30_000;
/** Roles of a tenant. */
export const MAX_KEYRING_ROLES = 64;
/** Of a role: audiences and subjects each, conditions and tags each, and characters of one of them. */
export const MAX_ROLE_SUBJECTS = 16;
export const MAX_ROLE_CONDITIONS = 16;
export const MAX_ROLE_CLAIM_CHARACTERS = 512;
/** Seconds of a session that the container-credentials endpoint gives. */
export const CONTAINER_SESSION_SECONDS = 3_600;
/** Seconds of a session of a role at most: 12 hours. */
export const LONGEST_ROLE_SESSION_SECONDS = 43_200;
/** Seconds by which the clocks of servers and commands may differ. */
export const SESSION_SKEW_SECONDS = 900;
/** Attempts at a session whose key is changed while it is issued. */
export const SESSION_ISSUE_ATTEMPTS = 3;
