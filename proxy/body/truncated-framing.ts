/** The error of S3 for aws-chunked framing that does not add up or ends early. S3 has one error for both. */
import { S3Error } from '../errors.ts';

/** @param what for people: what does not add up */
export function truncatedFraming(what?: string): S3Error {
  const text = 'The request body terminated unexpectedly';
  return new S3Error('IncompleteBody', what === undefined ? text : `${text}: ${what}.`);
}
