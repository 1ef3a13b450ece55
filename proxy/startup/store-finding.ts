/** A failure of the store as a finding: what is wrong, what the store said, and what to do. */
import { BackendUnavailable } from '../backend/backend.ts';
import { explainStoreFailure } from '../backend/trouble/explain-store-failure.ts';
import { S3Error } from '../errors.ts';
import { type Finding, fault } from './finding.ts';
import { toldApart } from './told-apart.ts';

/** @throws whatever is no failure of the store */
export async function findingOf(
  error: unknown,
  o: { readonly subject: string; readonly store: string },
): Promise<Finding> {
  const trouble = explainStoreFailure(await toldApart(error, o.store));
  if (trouble !== undefined) {
    const { what, advice, answer } = trouble;
    const said = answer === '' ? '' : ` (${answer})`;
    return fault(o.subject, `${o.store}: ${withoutStop(what)}${said}`, withoutStop(advice));
  }
  const cause = error instanceof S3Error ? (error.cause ?? error) : error;
  const isOfStore = error instanceof S3Error || error instanceof BackendUnavailable || isTimeout(error);
  if (!isOfStore || !(cause instanceof Error)) throw error;
  const todo = 'Look at SEALGATE_BACKEND and its credentials';
  return fault(o.subject, `${o.store}: ${withoutStop(cause.message)}`, todo);
}

function withoutStop(text: string): string {
  return text.replace(/\.$/, '');
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}
