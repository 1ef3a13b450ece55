/** A failure of the store as a finding: what it said, and what to do. */
import { BackendUnavailable } from '../backend/backend.ts';
import { S3Error } from '../errors.ts';
import { type Finding, fault } from './finding.ts';

/** @throws whatever is no failure of the store */
export function findingOf(error: unknown, o: { readonly subject: string; readonly store: string }): Finding {
  const cause = error instanceof S3Error ? (error.cause ?? error) : error;
  const isOfStore = error instanceof S3Error || error instanceof BackendUnavailable || isTimeout(error);
  if (!isOfStore || !(cause instanceof Error)) throw error;
  return fault(
    o.subject,
    `${o.store}: ${cause.message.replace(/\.$/, '')}`,
    'Look at SEALGATE_BACKEND and its credentials',
  );
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}
