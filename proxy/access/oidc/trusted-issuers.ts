/** The issuers of the settings with their keys, as a serving process has them. */
import type { Issuer } from './issuers.ts';
import { KeySet } from './key-set.ts';
import type { TrustedIssuer } from './web-identity.ts';

/** `onFailure` hears of every read of an issuer's keys that failed. */
export function trustedIssuers(
  issuers: readonly Issuer[],
  o: { now: () => Date; onFailure: (issuer: string, error: unknown) => void },
): readonly TrustedIssuer[] {
  return issuers.map((issuer) => ({
    ...issuer,
    keySet: new KeySet({
      location: issuer.jwks,
      now: () => o.now().getTime(),
      onFailure: (error) => o.onFailure(issuer.issuer, error),
    }),
  }));
}
