/**
 * The request headers and query parameters of S3's operations, for those that Sealgate serves: facts of the API's published model
 * (version 2006-03-01). Operations whose only header is x-amz-expected-bucket-owner, and that have no parameter, are left out.
 */
const CONTENT = 'cache-control content-disposition content-encoding content-language content-type expires x-amz-meta-*';
const GRANTS = 'x-amz-acl x-amz-grant-full-control x-amz-grant-read x-amz-grant-read-acp x-amz-grant-write-acp';
const CHECKSUMS =
  'x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-md5 x-amz-checksum-sha1 x-amz-checksum-sha256 x-amz-checksum-sha512 x-amz-checksum-xxhash128 x-amz-checksum-xxhash3 x-amz-checksum-xxhash64';
const LOCK = 'x-amz-object-lock-legal-hold x-amz-object-lock-mode x-amz-object-lock-retain-until-date';
const ENCRYPTION =
  'x-amz-server-side-encryption x-amz-server-side-encryption-aws-kms-key-id x-amz-server-side-encryption-bucket-key-enabled x-amz-server-side-encryption-context';
const CUSTOMER_KEY =
  'x-amz-server-side-encryption-customer-algorithm x-amz-server-side-encryption-customer-key x-amz-server-side-encryption-customer-key-md5';
const SOURCE_KEY =
  'x-amz-copy-source-server-side-encryption-customer-algorithm x-amz-copy-source-server-side-encryption-customer-key x-amz-copy-source-server-side-encryption-customer-key-md5';
const SOURCE =
  'x-amz-copy-source x-amz-copy-source-if-match x-amz-copy-source-if-modified-since x-amz-copy-source-if-none-match x-amz-copy-source-if-unmodified-since x-amz-source-expected-bucket-owner';
const READ = 'if-match if-modified-since if-none-match if-unmodified-since range x-amz-checksum-mode';
const DIGEST = 'content-md5 x-amz-sdk-checksum-algorithm';
const ACCOUNT = 'x-amz-expected-bucket-owner x-amz-request-payer';

/** `headers` and `query`: names, separated by spaces; `x-amz-meta-*` is a prefix. */
export const S3_REQUESTS: Readonly<Record<string, { readonly headers: string; readonly query: string }>> = {
  AbortMultipartUpload: { headers: `${ACCOUNT} x-amz-if-match-initiated-time`, query: 'uploadId' },
  CompleteMultipartUpload: {
    headers: `${CHECKSUMS} ${CUSTOMER_KEY} ${ACCOUNT} if-match if-none-match x-amz-checksum-type x-amz-mp-object-size`,
    query: 'uploadId',
  },
  CopyObject: {
    headers: `${CONTENT} ${GRANTS} ${LOCK} ${ENCRYPTION} ${CUSTOMER_KEY} ${SOURCE_KEY} ${SOURCE} ${ACCOUNT} if-match if-none-match x-amz-checksum-algorithm x-amz-metadata-directive x-amz-storage-class x-amz-tagging x-amz-tagging-directive x-amz-website-redirect-location`,
    query: '',
  },
  CreateBucket: {
    headers: `${GRANTS} x-amz-bucket-namespace x-amz-bucket-object-lock-enabled x-amz-grant-write x-amz-object-ownership`,
    query: '',
  },
  CreateMultipartUpload: {
    headers: `${CONTENT} ${GRANTS} ${LOCK} ${ENCRYPTION} ${CUSTOMER_KEY} ${ACCOUNT} x-amz-checksum-algorithm x-amz-checksum-type x-amz-storage-class x-amz-tagging x-amz-website-redirect-location`,
    query: '',
  },
  DeleteObject: {
    headers: `${ACCOUNT} if-match x-amz-bypass-governance-retention x-amz-if-match-last-modified-time x-amz-if-match-size x-amz-mfa`,
    query: 'versionId',
  },
  DeleteObjectTagging: { headers: 'x-amz-expected-bucket-owner', query: 'versionId' },
  DeleteObjects: {
    headers: `${ACCOUNT} x-amz-bypass-governance-retention x-amz-mfa x-amz-sdk-checksum-algorithm`,
    query: '',
  },
  GetBucketAccelerateConfiguration: { headers: ACCOUNT, query: '' },
  GetObject: {
    headers: `${CUSTOMER_KEY} ${READ} ${ACCOUNT}`,
    query:
      'partNumber response-cache-control response-content-disposition response-content-encoding response-content-language response-content-type response-expires versionId',
  },
  GetObjectAcl: { headers: ACCOUNT, query: 'versionId' },
  GetObjectAttributes: {
    headers: `${CUSTOMER_KEY} ${ACCOUNT} x-amz-max-parts x-amz-object-attributes x-amz-part-number-marker`,
    query: 'versionId',
  },
  GetObjectLegalHold: { headers: ACCOUNT, query: 'versionId' },
  GetObjectRetention: { headers: ACCOUNT, query: 'versionId' },
  GetObjectTagging: { headers: ACCOUNT, query: 'versionId' },
  HeadObject: {
    headers: `${CUSTOMER_KEY} ${READ} ${ACCOUNT}`,
    query:
      'partNumber response-cache-control response-content-disposition response-content-encoding response-content-language response-content-type response-expires versionId',
  },
  ListBuckets: { headers: '', query: 'bucket-region continuation-token max-buckets prefix' },
  ListMultipartUploads: {
    headers: ACCOUNT,
    query: 'delimiter encoding-type key-marker max-uploads prefix upload-id-marker',
  },
  ListObjectVersions: {
    headers: `${ACCOUNT} x-amz-optional-object-attributes`,
    query: 'delimiter encoding-type key-marker max-keys prefix version-id-marker',
  },
  ListObjects: {
    headers: `${ACCOUNT} x-amz-optional-object-attributes`,
    query: 'delimiter encoding-type marker max-keys prefix',
  },
  ListObjectsV2: {
    headers: `${ACCOUNT} x-amz-optional-object-attributes`,
    query: 'continuation-token delimiter encoding-type fetch-owner max-keys prefix start-after',
  },
  ListParts: { headers: `${CUSTOMER_KEY} ${ACCOUNT}`, query: 'max-parts part-number-marker uploadId' },
  PutBucketAccelerateConfiguration: { headers: 'x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm', query: '' },
  PutBucketAcl: { headers: `${GRANTS} ${DIGEST} x-amz-expected-bucket-owner x-amz-grant-write`, query: '' },
  PutBucketCors: { headers: `${DIGEST} x-amz-expected-bucket-owner`, query: '' },
  PutBucketEncryption: { headers: `${DIGEST} x-amz-expected-bucket-owner`, query: '' },
  PutBucketLifecycleConfiguration: {
    headers: 'x-amz-expected-bucket-owner x-amz-sdk-checksum-algorithm x-amz-transition-default-minimum-object-size',
    query: '',
  },
  PutBucketLogging: { headers: `${DIGEST} x-amz-expected-bucket-owner`, query: '' },
  PutBucketNotificationConfiguration: {
    headers: 'x-amz-expected-bucket-owner x-amz-skip-destination-validation',
    query: '',
  },
  PutBucketOwnershipControls: { headers: `${DIGEST} x-amz-expected-bucket-owner`, query: '' },
  PutBucketPolicy: {
    headers: `${DIGEST} x-amz-confirm-remove-self-bucket-access x-amz-expected-bucket-owner`,
    query: '',
  },
  PutBucketRequestPayment: { headers: `${DIGEST} x-amz-expected-bucket-owner`, query: '' },
  PutBucketTagging: { headers: `${DIGEST} x-amz-expected-bucket-owner`, query: '' },
  PutBucketVersioning: { headers: `${DIGEST} x-amz-expected-bucket-owner x-amz-mfa`, query: '' },
  PutBucketWebsite: { headers: `${DIGEST} x-amz-expected-bucket-owner`, query: '' },
  PutObject: {
    headers: `${CONTENT} ${GRANTS} ${CHECKSUMS} ${LOCK} ${ENCRYPTION} ${CUSTOMER_KEY} ${DIGEST} ${ACCOUNT} content-length if-match if-none-match x-amz-storage-class x-amz-tagging x-amz-website-redirect-location x-amz-write-offset-bytes`,
    query: '',
  },
  PutObjectAcl: { headers: `${GRANTS} ${DIGEST} ${ACCOUNT} x-amz-grant-write`, query: 'versionId' },
  PutObjectLegalHold: { headers: `${DIGEST} ${ACCOUNT}`, query: 'versionId' },
  PutObjectLockConfiguration: { headers: `${DIGEST} ${ACCOUNT} x-amz-bucket-object-lock-token`, query: '' },
  PutObjectRetention: { headers: `${DIGEST} ${ACCOUNT} x-amz-bypass-governance-retention`, query: 'versionId' },
  PutObjectTagging: { headers: `${DIGEST} ${ACCOUNT}`, query: 'versionId' },
  PutPublicAccessBlock: { headers: `${DIGEST} x-amz-expected-bucket-owner`, query: '' },
  RestoreObject: { headers: `${ACCOUNT} x-amz-sdk-checksum-algorithm`, query: 'versionId' },
  UploadPart: {
    headers: `${CHECKSUMS} ${CUSTOMER_KEY} ${DIGEST} ${ACCOUNT} content-length`,
    query: 'partNumber uploadId',
  },
  UploadPartCopy: {
    headers: `${CUSTOMER_KEY} ${SOURCE_KEY} ${SOURCE} ${ACCOUNT} x-amz-copy-source-range`,
    query: 'partNumber uploadId',
  },
};
