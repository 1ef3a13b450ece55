/** Bounds of policies (docs/access.md). Those of requests are in limits.ts. */
/** Characters of one policy, as for IAM's managed policies: white space counts. */
export const MAX_POLICY_CHARACTERS = 6_144;
/** Compiled policies that a process keeps, by their text: a few KiB each. */
export const POLICIES_KEPT = 1_000;
