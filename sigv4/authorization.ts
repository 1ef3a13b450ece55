/**
 * The Authorization header's fields. Other schemes are told apart, so that the refusal says what to change.
 *
 * Source: AWS documentation, "Authenticating Requests: Using the Authorization Header".
 */
import { ALGORITHM, SIGV4A_ALGORITHM } from './constants.ts';
import { malformed } from './credential.ts';
import { SigV4Error } from './errors.ts';
import { sigV4aRefused } from './payload.ts';

const SIGV2_HEADER = /^AWS [^:\s]+:\S+$/;
const AUTHORIZATION_FIELDS = new Set(['Credential', 'SignedHeaders', 'Signature']);

/**
 * Reads `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`, commas with or without spaces.
 * @throws SigV4Error AuthorizationHeaderMalformed; InvalidRequest for SigV2 and SigV4A; InvalidArgument for other schemes.
 */
export function authorizationFields(value: string): { credential: string; signedHeaders: string; signature: string } {
  const space = value.indexOf(' ');
  const scheme = space === -1 ? value : value.slice(0, space);
  if (scheme.startsWith(SIGV4A_ALGORITHM)) throw sigV4aRefused();
  if (SIGV2_HEADER.test(value)) throw sigV2Refused();
  if (scheme !== ALGORITHM) {
    throw new SigV4Error('InvalidArgument', `Unsupported Authorization Type. Please use ${ALGORITHM}.`, {
      ArgumentName: 'Authorization',
    });
  }
  const fields = new Map<string, string>();
  for (const piece of value.slice(scheme.length).split(',')) {
    const equals = piece.indexOf('=');
    const name = piece.slice(0, Math.max(equals, 0)).trim();
    if (!AUTHORIZATION_FIELDS.has(name)) throw malformed('header', 'it has a field that is not part of it.');
    if (fields.has(name)) throw malformed('header', `${name} is given more than once.`);
    fields.set(name, piece.slice(equals + 1).trim());
  }
  const field = (name: string): string => {
    const found = fields.get(name);
    if (!found) throw malformed('header', `missing ${name}.`);
    return found;
  };
  return { credential: field('Credential'), signedHeaders: field('SignedHeaders'), signature: field('Signature') };
}

/** S3's refusal of Signature Version 2, in a header or a URL, with the settings that end it. */
export function sigV2Refused(): SigV4Error {
  return new SigV4Error(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported: this is Signature Version 2. Please use AWS4-HMAC-SHA256. With aws-cli: aws configure set default.s3.signature_version s3v4; with boto3: Config(signature_version="s3v4").',
  );
}
