/**
 * The credential of a claim: `access key id / date / region / service / aws4_request`.
 *
 * Refusals are worded as S3 words them, with its code for where the credential stood: header or query. Source: AWS
 * documentation, "Authorization header" and "Authenticating Requests: Using Query Parameters".
 */
import { MAX_ACCESS_KEY_ID_CHARS, SERVICE, TERMINATOR } from './constants.ts';
import { SigV4Error } from './errors.ts';
import type { CredentialScope } from './string-to-sign.ts';

export type CredentialPlace = 'header' | 'presigned';

const ACCESS_KEY_ID = /^[A-Za-z0-9._~+=:@-]+$/;
const DATE = /^\d{8}$/;
const REGION = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * `expected`: the service that the scope must name, so that a signature for one is never one for another.
 * @throws SigV4Error AuthorizationHeaderMalformed or AuthorizationQueryParametersError.
 */
export function parseCredential(
  text: string,
  place: CredentialPlace,
  expected: string = SERVICE,
): { accessKeyId: string; scope: CredentialScope } {
  const parts = text.split('/');
  const [accessKeyId = '', date = '', region = '', service = '', terminator = ''] = parts;
  const idFits = ACCESS_KEY_ID.test(accessKeyId) && accessKeyId.length <= MAX_ACCESS_KEY_ID_CHARS;
  if (parts.length !== 5 || !idFits) {
    throw malformed(
      place,
      'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
    );
  }
  if (!DATE.test(date)) {
    throw malformed(place, 'incorrect date format. This date in the credential must be in the format "yyyyMMdd".');
  }
  if (!REGION.test(region)) throw malformed(place, 'the region is not a region name.');
  if (service !== expected) throw malformed(place, `incorrect service. This endpoint belongs to "${expected}".`);
  if (terminator !== TERMINATOR) throw malformed(place, `incorrect terminal. This endpoint uses "${TERMINATOR}".`);
  return { accessKeyId, scope: { date, region, service } };
}

/** S3's refusal of an authorization that cannot be read, by where it stood. */
export function malformed(place: CredentialPlace, reason: string, details?: Record<string, string>): SigV4Error {
  return place === 'header'
    ? new SigV4Error('AuthorizationHeaderMalformed', `The authorization header is malformed; ${reason}`, details)
    : new SigV4Error(
        'AuthorizationQueryParametersError',
        `Error parsing the X-Amz-Credential parameter; ${reason}`,
        details,
      );
}

/** S3's refusal of any other parameter of a presigned URL. */
export function queryRefused(reason: string): SigV4Error {
  return new SigV4Error('AuthorizationQueryParametersError', reason);
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

/**
 * The names in SignedHeaders: lower case, none twice, `host` checked later with the others.
 * @throws SigV4Error as `parseCredential`.
 */
export function parseSignedHeaders(text: string, place: CredentialPlace): readonly string[] {
  const names = text.split(';');
  if (!names.every((name) => HEADER_NAME.test(name)) || new Set(names).size !== names.length) {
    const reason = 'SignedHeaders must be lower-case header names, separated by ";", none of them twice.';
    throw place === 'header' ? malformed(place, reason) : queryRefused(`X-Amz-${reason}`);
  }
  return names;
}
