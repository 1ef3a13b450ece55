/**
 * Protects the signature of browser forms against the example that AWS publishes ("Examples: browser-based upload using HTTP
 * POST (using AWS Signature Version 4)"), and lists what is refused of a form's claim.
 */
import { describe, expect, it } from 'vitest';
import { SigV4Error } from '../../sigv4/errors.ts';
import { parsePolicyClaim, verifyPolicy } from '../../sigv4/post-policy.ts';

const SECRET = Buffer.from('AWS4wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY');
/** The published policy document, line ends and spaces as they are. */
const POLICY = Buffer.from(
  [
    '{ "expiration": "2015-12-30T12:00:00.000Z",',
    '  "conditions": [',
    '    {"bucket": "sigv4examplebucket"},',
    '    ["starts-with", "$key", "user/user1/"],',
    '    {"acl": "public-read"},',
    '    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},',
    '    ["starts-with", "$Content-Type", "image/"],',
    '    {"x-amz-meta-uuid": "14365123651274"},',
    '    {"x-amz-server-side-encryption": "AES256"},',
    '    ["starts-with", "$x-amz-meta-tag", ""],',
    '',
    '    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},',
    '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
    '    {"x-amz-date": "20151229T000000Z" }',
    '  ]',
    '}',
  ].join('\r\n'),
).toString('base64');

const FORM: Readonly<Record<string, string>> = {
  policy: POLICY,
  'x-amz-algorithm': 'AWS4-HMAC-SHA256',
  'x-amz-credential': 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request',
  'x-amz-date': '20151229T000000Z',
  'x-amz-signature': '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
};

/** `verified`, or the code of the refusal. */
function outcome(
  change: Readonly<Record<string, string | undefined>>,
  o: { secret?: Buffer; region?: string } = {},
): string {
  const fields: Readonly<Record<string, string | undefined>> = { ...FORM, ...change };
  try {
    const claim = parsePolicyClaim((name) => fields[name]);
    verifyPolicy(claim, { signingSecret: o.secret ?? SECRET, region: o.region });
    return `verified ${claim.accessKeyId}`;
  } catch (error) {
    if (error instanceof SigV4Error) return error.code;
    throw error;
  }
}

describe('the published example', () => {
  it('verifies, with and without a region that is demanded', () => {
    expect(outcome({})).toBe('verified AKIAIOSFODNN7EXAMPLE');
    expect(outcome({}, { region: 'us-east-1' })).toBe('verified AKIAIOSFODNN7EXAMPLE');
  });

  const credential = (scope: string) => ({ 'x-amz-credential': `AKIAIOSFODNN7EXAMPLE/${scope}` });
  const refused: [string, Record<string, string | undefined>, string][] = [
    ['another policy', { policy: `${POLICY.slice(0, -4)}AAAA` }, 'SignatureDoesNotMatch'],
    ['the same policy written otherwise', { policy: `${POLICY}=` }, 'SignatureDoesNotMatch'],
    ['another signature', { 'x-amz-signature': '9'.repeat(64) }, 'SignatureDoesNotMatch'],
    ['a cut signature', { 'x-amz-signature': FORM['x-amz-signature']?.slice(0, 32) }, 'SignatureDoesNotMatch'],
    ['a signature in capitals', { 'x-amz-signature': FORM['x-amz-signature']?.toUpperCase() }, 'SignatureDoesNotMatch'],
    ['an empty signature', { 'x-amz-signature': '' }, 'InvalidArgument'],
    ['no signature', { 'x-amz-signature': undefined }, 'InvalidArgument'],
    ['no policy', { policy: undefined }, 'AccessDenied'],
    ['no credential', { 'x-amz-credential': undefined }, 'InvalidArgument'],
    ['no date', { 'x-amz-date': undefined }, 'InvalidArgument'],
    ['a date of another day', { 'x-amz-date': '20151230T000000Z' }, 'AuthorizationQueryParametersError'],
    ['a date that is none', { 'x-amz-date': '20151229' }, 'AuthorizationQueryParametersError'],
    ['no algorithm', { 'x-amz-algorithm': undefined }, 'InvalidArgument'],
    ['another algorithm', { 'x-amz-algorithm': 'AWS4-HMAC-SHA1' }, 'InvalidArgument'],
    ['Signature Version 2', { signature: 'x', awsaccesskeyid: 'AKIAIOSFODNN7EXAMPLE' }, 'InvalidRequest'],
    ['another region', credential('20151229/eu-west-1/s3/aws4_request'), 'SignatureDoesNotMatch'],
    ['another service', credential('20151229/us-east-1/sts/aws4_request'), 'AuthorizationQueryParametersError'],
    ['a scope that is cut', credential('20151229/us-east-1/s3'), 'AuthorizationQueryParametersError'],
  ];
  it.each(refused)('%s: %o is %s', (_name, change, wanted) => {
    expect(outcome(change)).toBe(wanted);
  });

  it('does not verify under another secret, or where another region is demanded', () => {
    expect(outcome({}, { secret: Buffer.from('AWS4other') })).toBe('SignatureDoesNotMatch');
    expect(outcome({}, { region: 'eu-west-1' })).toBe('AuthorizationQueryParametersError');
  });
});
