/**
 * Explains to the operator what an answer of the store means. Sources: Amazon S3 API reference, "Error responses"; answers of
 * MinIO, Ceph, Garage, R2.
 */
import type { StoreRefusal } from './store-refusal.ts';
import type { StoreTrouble, StoreTroubleKind } from './store-trouble.ts';

const BY_CODE: ReadonlyMap<string, StoreTroubleKind> = new Map<string, StoreTroubleKind>([
  ['InvalidAccessKeyId', 'unknown-key-id'],
  ['InvalidClientTokenId', 'unknown-key-id'],
  ['SignatureDoesNotMatch', 'wrong-secret'],
  ['RequestTimeTooSkewed', 'clock-skew'],
  ['RequestExpired', 'clock-skew'],
  ['ExpiredToken', 'expired-credentials'],
  ['InvalidToken', 'expired-credentials'],
  ['TokenRefreshRequired', 'expired-credentials'],
  ['AuthorizationHeaderMalformed', 'wrong-region'],
  ['AuthorizationQueryParametersError', 'wrong-region'],
  ['IllegalLocationConstraintException', 'wrong-region'],
  ['InvalidLocationConstraint', 'wrong-region'],
  ['InvalidRegion', 'wrong-region'],
  ['PermanentRedirect', 'wrong-region'],
  ['TemporaryRedirect', 'wrong-region'],
  ['AccessDenied', 'access-denied'],
  ['AccountProblem', 'access-denied'],
  ['AllAccessDisabled', 'access-denied'],
  ['InvalidSecurity', 'access-denied'],
  ['NotSignedUp', 'access-denied'],
  ['Unauthorized', 'access-denied'],
  ['BucketAlreadyExists', 'bucket-of-another'],
  ['NoSuchBucket', 'no-bucket'],
  ['InsufficientStorage', 'full'],
  ['QuotaExceeded', 'full'],
  ['XMinioStorageFull', 'full'],
]);

const BY_STATUS: ReadonlyMap<number, StoreTroubleKind> = new Map<number, StoreTroubleKind>([
  [301, 'wrong-region'],
  [307, 'wrong-region'],
  [401, 'access-denied'],
  [403, 'access-denied'],
  [507, 'full'],
]);

/** Servers that expect TLS say so in plain text when they get a request in the clear. */
const WANTS_TLS = /HTTP request (was sent )?to (an )?HTTPS (server|port)|speaking plain HTTP to an SSL/i;

export function explainRefusal(refusal: StoreRefusal): StoreTrouble {
  const { status, code, shown = '' } = refusal.answer;
  const words = shown === '' ? '' : `: ${shown}`;
  const operation = refusal.operation === undefined ? '' : ` to ${refusal.operation}`;
  const answer = `${status} ${code || '(no code)'}${operation}${words}`;
  const kind = kindOf(refusal);
  return { kind, ...(TEXTS[kind] ?? failing)(refusal), answer };
}

function kindOf({ answer: { status, code, shown = '' }, isNotListed }: StoreRefusal): StoreTroubleKind {
  if (isNotListed) return 'bucket-of-another';
  const known = BY_CODE.get(code);
  if (known !== undefined) return known;
  if (code === '' && shown !== '') return WANTS_TLS.test(shown) ? 'wrong-scheme' : notS3(status);
  return BY_STATUS.get(status) ?? (status >= 500 || status === 429 ? 'failing' : 'refused');
}

/** An answer with a page in place of S3's document: a proxy in between whose store is down, or something else altogether. */
function notS3(status: number): StoreTroubleKind {
  return status >= 500 || status === 429 ? 'failing' : 'not-s3';
}

type Explain = (refusal: StoreRefusal) => Pick<StoreTrouble, 'what' | 'advice'>;

const failing: Explain = ({ answer }) => ({
  what: `The store answers ${answer.status}.`,
  advice: 'The failure is its own: see its log, and try again.',
});

const TEXTS: { readonly [kind in StoreTroubleKind]?: Explain } = {
  'unknown-key-id': () => ({
    what: 'The store does not know the access key id of the proxy.',
    advice: 'Check SEALGATE_BACKEND_ACCESS_KEY_ID, and that SEALGATE_BACKEND is the store which issued it.',
  }),
  'wrong-secret': (refusal) => ({
    what: 'The store computes another signature than the proxy.',
    advice: `Check SEALGATE_BACKEND_SECRET_ACCESS_KEY: it is not the secret of SEALGATE_BACKEND_ACCESS_KEY_ID. A proxy between that changes Host or path has the same effect.${clockHint(refusal)}`,
  }),
  'clock-skew': (refusal) => ({
    what: `The clocks of this machine and of the store differ too much${difference(refusal)}.`,
    advice: 'Set the clock of this machine (NTP): S3 accepts 15 minutes.',
  }),
  'expired-credentials': () => ({
    what: "The proxy's session token is not valid (any more).",
    advice: 'Renew the credentials, or let the proxy take them from where they are renewed (docs/configuration.md).',
  }),
  'wrong-region': ({ answer: { region } }) => ({
    what: `The bucket, or the store, is in another region${region === undefined ? '' : `: ${region}`}.`,
    advice:
      region === undefined
        ? "Set SEALGATE_BACKEND_REGION to the bucket's region, and SEALGATE_BACKEND to the endpoint of that region."
        : `Set SEALGATE_BACKEND_REGION=${region}, and SEALGATE_BACKEND to the endpoint of that region.`,
  }),
  'access-denied': ({ operation }) => ({
    what: `The store denies the proxy ${operation ?? 'a request'}.`,
    advice: `Its credentials lack the permission ${permissionFor(operation)}, or a policy denies it, or the bucket belongs to another account (docs/backends.md has the policy).`,
  }),
  'bucket-of-another': ({ isNotListed }) => ({
    what: isNotListed
      ? 'The bucket exists, but is not among those that the store lists for these credentials: it belongs to another account, or they have no right to it.'
      : 'The bucket exists and belongs to somebody else.',
    advice: 'Name another bucket (SEALGATE_STATE for the state), or use credentials of the account that owns it.',
  }),
  'no-bucket': () => ({
    what: 'The bucket does not exist.',
    advice: 'Create it, or check SEALGATE_STATE and that SEALGATE_BACKEND is the right store.',
  }),
  'wrong-scheme': () => ({
    what: 'The store speaks TLS where the proxy spoke plain HTTP.',
    advice: 'Write https:// in SEALGATE_BACKEND.',
  }),
  'not-s3': ({ answer }) => ({
    what: `What answers there (status ${answer.status}) is no S3 API.`,
    advice: "Check host and port of SEALGATE_BACKEND: a console or a web server has another port than the store's API.",
  }),
  full: () => ({ what: 'The store is full.', advice: 'Make room there. Reads and deletes go on.' }),
  refused: ({ operation }) => ({
    what: `The store refuses ${operation ?? 'a request'}.`,
    advice: 'docs/backends.md says what the proxy needs of a store.',
  }),
};

/** Milliseconds by which this machine is ahead of the store. */
function aheadMs({ answer, ownTime }: StoreRefusal): number | undefined {
  return answer.storeTime === undefined ? undefined : ownTime - answer.storeTime;
}

const NOTABLE_SKEW_MS = 5 * 60_000;

function clockHint(refusal: StoreRefusal): string {
  const ms = aheadMs(refusal);
  return ms === undefined || Math.abs(ms) < NOTABLE_SKEW_MS ? '' : ` The clocks differ, too${difference(refusal)}.`;
}

function difference(refusal: StoreRefusal): string {
  const ms = aheadMs(refusal);
  if (ms === undefined || Math.abs(ms) < 1000) return '';
  const seconds = Math.round(Math.abs(ms) / 1000);
  const amount =
    seconds < 120
      ? `${seconds} s`
      : seconds < 7200
        ? `${Math.round(seconds / 60)} minutes`
        : `${Math.round(seconds / 3600)} hours`;
  return `: this one is ${amount} ${ms > 0 ? 'ahead' : 'behind'}`;
}

/** Operations whose permission has another name. Source: Amazon S3 user guide, "Required permissions for S3 API operations". */
const PERMISSIONS: ReadonlyMap<string, string> = new Map([
  ['HeadBucket', 's3:ListBucket'],
  ['ListObjects', 's3:ListBucket'],
  ['ListObjectsV2', 's3:ListBucket'],
  ['ListObjectVersions', 's3:ListBucketVersions'],
  ['ListBuckets', 's3:ListAllMyBuckets'],
  ['ListMultipartUploads', 's3:ListBucketMultipartUploads'],
  ['ListParts', 's3:ListMultipartUploadParts'],
  ['HeadObject', 's3:GetObject'],
  ['CopyObject', 's3:GetObject and s3:PutObject'],
  ['CreateMultipartUpload', 's3:PutObject'],
  ['UploadPart', 's3:PutObject'],
  ['UploadPartCopy', 's3:GetObject and s3:PutObject'],
  ['CompleteMultipartUpload', 's3:PutObject'],
  ['DeleteObjects', 's3:DeleteObject'],
  ['GetBucketCors', 's3:GetBucketCORS'],
]);

function permissionFor(operation: string | undefined): string {
  if (operation === undefined) return 'for it';
  return PERMISSIONS.get(operation) ?? `s3:${operation}`;
}
