/**
 * When one key may act on another of its tenant: never on one that could do more than itself, so that neither creating, nor
 * reactivating, nor deleting widens what a restricted key can bring about.
 */

import type { Grant } from '../keyring/grants.ts';
import type { OperatorTerms } from '../keyring/slots/slot-terms.ts';

type Terms = Pick<OperatorTerms, 'grants' | 'expires'>;

/** Whether `own` reaches everything that `other` reaches, for at least as long. */
export function termsCover(own: Terms, other: Terms): boolean {
  return livesAsLong(own, other) && other.grants.every((grant) => own.grants.some((mine) => grantCovers(mine, grant)));
}

/** Whether a key works at least until the other stops working by itself. */
export function livesAsLong(own: Pick<OperatorTerms, 'expires'>, other: Pick<OperatorTerms, 'expires'>): boolean {
  if (own.expires === null) return true;
  return other.expires !== null && Date.parse(other.expires) <= Date.parse(own.expires);
}

function grantCovers(own: Grant, other: Grant): boolean {
  if (own.bucket !== '*' && own.bucket !== other.bucket) return false;
  return other.prefix.startsWith(own.prefix) && (own.access === 'read-write' || other.access === 'read-only');
}
