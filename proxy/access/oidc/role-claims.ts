/** What a verified token means to a role: whether the role trusts its subject, and which tags its claims become. */
import type { RoleTrust } from '../../keyring/slots/role-slot.ts';
import { subjectMatches } from './subject.ts';
import { type WebIdentity, WebIdentityError } from './web-identity.ts';

/** Whether the role takes such a token. What exactly did not fit is not told: its holder may be anybody. */
export function isTrusted(trust: RoleTrust, identity: WebIdentity): boolean {
  return (
    identity.issuer === trust.issuer &&
    trust.audiences.includes(identity.audience) &&
    trust.subjects.some((pattern) => subjectMatches(pattern, identity.subject)) &&
    trust.conditions.every(({ claim, value }) => textOf(identity.claims[claim]) === value)
  );
}

/** By the role's own list. @throws WebIdentityError for a claim that is missing, a list, or too long for a tag */
export function tagsOf(trust: RoleTrust, { claims }: WebIdentity): Readonly<Record<string, string>> {
  return Object.fromEntries(
    trust.tags.map(({ claim, name }) => {
      const text = textOf(claims[claim]);
      if (text !== undefined && text !== '' && text.length <= 256) return [name, text] as const;
      throw new WebIdentityError(
        'IDPRejectedClaim',
        'The token lacks a claim that the role makes a tag of, or has no single value for it.',
      );
    }),
  );
}

/** Of a claim with one value. */
function textOf(claim: unknown): string | undefined {
  if (typeof claim === 'string') return claim;
  return typeof claim === 'number' || typeof claim === 'boolean' ? String(claim) : undefined;
}
