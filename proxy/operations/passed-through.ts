/**
 * The sub-resources that are passed through as they are, one row each (S3 API reference, operations of the same names). What
 * they say is about names, tags, permissions and storage, never about contents: size filters of lifecycle rules and sizes in
 * event notifications are those of the ciphertext, and a website would serve ciphertext.
 */

import { objectResource } from '../access/resource.ts';
import { type Call, type Operation, objectOf } from '../operation.ts';
import type { XmlNode } from '../xml/render-xml.ts';
import { type PassThrough, passThrough } from './pass-through.ts';

const GRANTS = [
  'x-amz-acl',
  'x-amz-grant-full-control',
  'x-amz-grant-read',
  'x-amz-grant-read-acp',
  'x-amz-grant-write',
  'x-amz-grant-write-acp',
] as const;

type Row = Omit<PassThrough, 'method' | 'level'>;

const VERSION = ['versionId'] as const;
const readObject = (row: Row) => passThrough({ method: 'GET', level: 'object', ...row });
const writeObject = (row: Row) => passThrough({ method: 'PUT', level: 'object', ...row });
const readBucket = (row: Row) => passThrough({ method: 'GET', level: 'bucket', ...row });
const writeBucket = (row: Row) => passThrough({ method: 'PUT', level: 'bucket', ...row });
const clearBucket = (row: Row) => passThrough({ method: 'DELETE', level: 'bucket', ...row });

/** Get and Put, and Delete where S3 has one, of a bucket's configuration under one sub-resource. */
function configuration(what: string, subresource: string, o: Omit<Row, 'name' | 'subresource'> & { clear?: true }) {
  const { clear, document, headers = [], ...shared } = o;
  return [
    readBucket({ name: `Get${what}`, subresource }),
    ...(document === undefined ? [] : [writeBucket({ name: `Put${what}`, subresource, document, headers, ...shared })]),
    ...(clear === undefined ? [] : [clearBucket({ name: `Delete${what}`, subresource })]),
  ];
}

/** A hold that is switched off protects no more: whatever is not `ON` counts as off. */
async function requireRightToLift(call: Call, root: XmlNode): Promise<void> {
  if (root.value('Status') === 'ON' && root.children('Status').length === 1) return;
  await call.gate.require([{ action: 's3:BypassGovernanceRetention', resource: objectResource(objectOf(call)) }]);
}

/** The same as the pipeline does with headers. @throws S3Error AccessDenied */
function checkAcl(call: Call, document: XmlNode): void {
  call.services.publicAcls.checkDocument(document, call.request.id);
}

const OBJECT_OPERATIONS: readonly Operation[] = [
  readObject({ name: 'GetObjectTagging', subresource: 'tagging', parameters: VERSION }),
  writeObject({
    name: 'PutObjectTagging',
    subresource: 'tagging',
    parameters: VERSION,
    document: { root: 'Tagging' },
  }),
  passThrough({
    name: 'DeleteObjectTagging',
    method: 'DELETE',
    level: 'object',
    subresource: 'tagging',
    parameters: VERSION,
  }),
  readObject({ name: 'GetObjectAcl', subresource: 'acl', parameters: VERSION }),
  writeObject({
    name: 'PutObjectAcl',
    subresource: 'acl',
    parameters: VERSION,
    headers: GRANTS,
    document: { root: 'AccessControlPolicy', optional: true },
    check: checkAcl,
  }),
  readObject({ name: 'GetObjectRetention', subresource: 'retention', parameters: VERSION }),
  writeObject({
    name: 'PutObjectRetention',
    subresource: 'retention',
    parameters: VERSION,
    headers: ['x-amz-bypass-governance-retention'],
    document: { root: 'Retention' },
  }),
  readObject({ name: 'GetObjectLegalHold', subresource: 'legal-hold', parameters: VERSION }),
  writeObject({
    name: 'PutObjectLegalHold',
    subresource: 'legal-hold',
    parameters: VERSION,
    document: { root: 'LegalHold' },
    check: requireRightToLift,
  }),
];

const BUCKET_OPERATIONS: readonly Operation[] = [
  ...configuration('BucketAccelerateConfiguration', 'accelerate', { document: { root: 'AccelerateConfiguration' } }),
  ...configuration('BucketAcl', 'acl', {
    headers: GRANTS,
    document: { root: 'AccessControlPolicy', optional: true },
    check: checkAcl,
  }),
  ...configuration('BucketEncryption', 'encryption', {
    document: { root: 'ServerSideEncryptionConfiguration' },
    clear: true,
  }),
  readBucket({ name: 'GetBucketLifecycleConfiguration', subresource: 'lifecycle' }),
  writeBucket({
    name: 'PutBucketLifecycleConfiguration',
    subresource: 'lifecycle',
    headers: ['x-amz-transition-default-minimum-object-size'],
    document: { root: 'LifecycleConfiguration' },
  }),
  clearBucket({ name: 'DeleteBucketLifecycle', subresource: 'lifecycle' }),
  readBucket({ name: 'GetBucketLogging', subresource: 'logging' }),
  ...configuration('BucketNotificationConfiguration', 'notification', {
    headers: ['x-amz-skip-destination-validation'],
    document: { root: 'NotificationConfiguration' },
  }),
  ...configuration('BucketOwnershipControls', 'ownershipControls', {
    document: { root: 'OwnershipControls' },
    clear: true,
  }),
  ...configuration('BucketPolicy', 'policy', {
    headers: ['x-amz-confirm-remove-self-bucket-access'],
    document: 'json',
    clear: true,
  }),
  readBucket({ name: 'GetBucketPolicyStatus', subresource: 'policyStatus' }),
  ...configuration('BucketRequestPayment', 'requestPayment', { document: { root: 'RequestPaymentConfiguration' } }),
  ...configuration('BucketTagging', 'tagging', { document: { root: 'Tagging' }, clear: true }),
  ...configuration('BucketVersioning', 'versioning', {
    headers: ['x-amz-mfa'],
    document: { root: 'VersioningConfiguration' },
  }),
  ...configuration('BucketWebsite', 'website', { document: { root: 'WebsiteConfiguration' }, clear: true }),
  ...configuration('ObjectLockConfiguration', 'object-lock', {
    headers: ['x-amz-bucket-object-lock-token'],
    document: { root: 'ObjectLockConfiguration' },
  }),
  ...configuration('PublicAccessBlock', 'publicAccessBlock', {
    document: { root: 'PublicAccessBlockConfiguration' },
    clear: true,
  }),
];

export const PASSED_THROUGH: readonly Operation[] = [...OBJECT_OPERATIONS, ...BUCKET_OPERATIONS];
