/** Bounds of approvals: who may approve, how long a request for approval stands, how many stand at once, and shares of a key. */
const KiB = 1024;

/** Approvers of a deployment, principals that one of them is, and characters of a principal. */
export const MAX_APPROVERS = 16;
export const MAX_APPROVER_PRINCIPALS = 16;
export const MAX_PRINCIPAL_CHARACTERS = 1_100;
/** Approvals that a change may need: as many approvers must be there who did not ask for it. */
export const MAX_APPROVALS_NEEDED = 8;
/** Seconds that a change may wait after its request, at most. */
export const MAX_APPROVAL_DELAY_SECONDS = 43_200;
/** Seconds for which a request for approval stands: whoever has signed it has approved nothing after that. */
export const APPROVAL_LIFETIME_SECONDS = 86_400;
/** Seconds by which the clock that made a request may be ahead of the one that carries it out. */
export const APPROVAL_SKEW_SECONDS = 900;
/** Open requests of one role, and of the commands about one tenant. */
export const MAX_OPEN_APPROVALS = 64;
/** Characters of the reason for a request. */
export const MAX_APPROVAL_REASON_CHARACTERS = 256;
/** Bytes of the parameters of a request, and of any record about approvals. */
export const MAX_APPROVAL_PARAMETERS_BYTES = 24 * KiB;
export const MAX_APPROVAL_RECORD_BYTES = 320 * KiB;
/** Shares of the escrow private key. */
export const MAX_ESCROW_SHARES = 32;
/** Milliseconds after the end of a request for which its records are kept, for `sealgate approval list`. */
export const APPROVALS_KEPT_MS = 7 * 24 * 3_600_000;
/** Times that the list of open requests is read anew because another request was quicker. */
export const OPEN_APPROVALS_ATTEMPTS = 20;
