/**
 * Headers that ask the embedded store for something it does not have are refused, never ignored. Headers that ask for what
 * holds anyway are accepted: everything is its one owner's, and the proxy stores ciphertext.
 */
import { S3Error } from '../../errors.ts';
import { settingsOf } from './bucket-settings.ts';
import type { StoreRequest } from './request.ts';
import { OWNER } from './respond.ts';
import type { Store } from './store.ts';

type Headers = StoreRequest['headers'];

const REFUSED = [
  'x-amz-bucket-object-lock-enabled',
  'x-amz-checksum-',
  'x-amz-copy-source-server-side-encryption-',
  'x-amz-grant-',
  'x-amz-if-match-',
  'x-amz-mfa',
  'x-amz-object-lock-',
  'x-amz-object-ownership',
  'x-amz-server-side-encryption',
  'x-amz-trailer',
  'x-amz-write-offset-bytes',
];

/** Values of refused headers that ask for nothing more than what the store does anyway. */
const ACCEPTED: ReadonlyMap<string, RegExp> = new Map([
  ['x-amz-bucket-object-lock-enabled', /^false$/i],
  // The header asks for checksums in the reply where there are some. The store has none.
  ['x-amz-checksum-mode', /^/],
  ['x-amz-server-side-encryption', /^AES256$/],
  ['x-amz-server-side-encryption-bucket-key-enabled', /^false$/i],
]);

/** ACLs that change nothing, since the store has one owner. */
const EMPTY_ACLS: ReadonlySet<string> = new Set(['private', 'bucket-owner-full-control']);

const PUBLIC_ACLS: ReadonlySet<string> = new Set(['public-read', 'public-read-write', 'authenticated-read']);

/** What S3 says of an object under encryption with its own keys (S3 user guide, "SSE-S3"), which is any object since 2023. */
export const ENCRYPTED = { 'x-amz-server-side-encryption': 'AES256' } as const;

/** `honoured`: names of headers that the operation does honour. @throws S3Error NotImplemented */
export function refuseHeaders(headers: Headers, honoured: readonly string[]): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!REFUSED.some((refused) => name.startsWith(refused)) || ACCEPTED.get(name)?.test(value) === true) continue;
    if (honoured.includes(name)) continue;
    throw new S3Error('NotImplemented', undefined, { details: { Header: name } });
  }
}

/** @throws S3Error AccessControlListNotSupported; AccessDenied where the bucket blocks public ACLs; NoSuchBucket */
export function checkAcl(store: Store, { headers, bucket, makes }: Expectation): void {
  const acl = headers['x-amz-acl'];
  if (acl === undefined || EMPTY_ACLS.has(acl)) return;
  const blocks = makes || bucket === '' ? undefined : settingsOf(store.index.bucket(bucket)).accessBlock;
  if (blocks?.BlockPublicAcls === true && PUBLIC_ACLS.has(acl)) throw new S3Error('AccessDenied');
  throw new S3Error('AccessControlListNotSupported');
}

/**
 * A client that names another owner expects another bucket. S3: "Verifying bucket ownership with bucket owner condition".
 * @throws S3Error AccessDenied; NoSuchBucket, which comes first where the bucket has to exist
 */
export function checkExpectedOwner(store: Store, { headers, bucket, makes }: Expectation): void {
  const ofBucket = headers['x-amz-expected-bucket-owner'];
  const ofSource = headers['x-amz-source-expected-bucket-owner'];
  if ([ofBucket, ofSource].every((owner) => owner === undefined || owner === OWNER.ID)) return;
  if (bucket !== '' && !makes) store.index.bucket(bucket);
  throw new S3Error('AccessDenied');
}

interface Expectation {
  readonly headers: Headers;
  /** '' at service level. */
  readonly bucket: string;
  /** The request makes the bucket. */
  readonly makes: boolean;
}
