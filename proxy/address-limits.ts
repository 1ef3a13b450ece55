/** Bounds of what stands in front of requests: where a client comes from, and how often it comes. */

/** Bytes of a PROXY header, TLVs included: senders stay below the 536 that every TCP segment holds, but for certificates in TLVs. */
export const MAX_PROXY_HEADER_BYTES = 4 * 1024;
/** Milliseconds for a PROXY header to arrive: a balancer sends it at once, and one lost packet takes 3 s. */
export const PROXY_HEADER_TIMEOUT_MS = 5_000;
/** Addresses, tenants and keys of which a process remembers the rate, each kind for itself: 10 MiB at most for each kind. */
export const RATE_KEYS = 32_768;
/** Milliseconds between two events about one source of refusals; how many sources have such an event in that time at most. */
export const REPEATED_EVENT_MS = 60_000;
export const REPEATED_EVENT_SOURCES = 1_024;
/** Requests a second that a rate may be set to, and requests of a burst. */
export const MAX_RATE = 100_000;
export const MAX_RATE_BURST = 1_000_000;
