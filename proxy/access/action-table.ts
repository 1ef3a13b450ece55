/**
 * Which actions each S3 operation needs, and on what, one row for each operation (S3 API reference, "Permissions" of each
 * operation; Service Authorization Reference, Amazon S3). What a header asks for beside is in header-actions.ts: it is the
 * header that needs the permission, whichever operation has it. A request has to be allowed every action that it needs.
 */
import { type Action, isReadOnly } from './actions.ts';

export interface ActionRow {
  readonly actions: readonly [Action, ...Action[]];
  /** In place of `actions` where the request names a version. */
  readonly ofVersion?: readonly Action[];
  /** It names keys: the context has `s3:prefix`. */
  readonly lists?: true;
  /** The actions are asked for each object that the body names, once the body is known. */
  readonly each?: true;
  /** It takes the tags of its source along unless it is told otherwise (TAGS_ROW). */
  readonly copiesTags?: true;
  /** Asked besides, once the document is known: the row says for what. */
  readonly inDocument?: { readonly actions: readonly Action[]; readonly of: string };
}

/** Of the object that x-amz-copy-source names, with every operation that takes the header. */
export const SOURCE_ROW: ActionRow = { actions: ['s3:GetObject'], ofVersion: ['s3:GetObjectVersion'] };

/**
 * Asked besides where a copy takes tags along: of the source, and of the copy. A source without tags needs neither (S3 API
 * reference, CopyObject, "Permissions").
 */
export const TAGS_ROW = {
  source: { actions: ['s3:GetObjectTagging'], ofVersion: ['s3:GetObjectVersionTagging'] },
  copy: { actions: ['s3:PutObjectTagging'] },
} as const satisfies Record<string, ActionRow>;

const needs = (...actions: [Action, ...Action[]]): ActionRow => ({ actions });
const versioned = (action: Action, ofVersion: Action): ActionRow => ({ actions: [action], ofVersion: [ofVersion] });

export const ACTION_TABLE: Readonly<Record<string, ActionRow>> = {
  ListBuckets: needs('s3:ListAllMyBuckets'),
  CreateBucket: needs('s3:CreateBucket'),
  HeadBucket: needs('s3:ListBucket'),
  DeleteBucket: needs('s3:DeleteBucket'),
  GetBucketLocation: needs('s3:GetBucketLocation'),
  ListObjects: { ...needs('s3:ListBucket'), lists: true },
  ListObjectsV2: { ...needs('s3:ListBucket'), lists: true },
  ListObjectVersions: { ...needs('s3:ListBucketVersions'), lists: true },
  ListMultipartUploads: { ...needs('s3:ListBucketMultipartUploads'), lists: true },
  DeleteObjects: { ...versioned('s3:DeleteObject', 's3:DeleteObjectVersion'), each: true },

  PutObject: needs('s3:PutObject'),
  PostObject: needs('s3:PutObject'),
  GetObject: versioned('s3:GetObject', 's3:GetObjectVersion'),
  HeadObject: versioned('s3:GetObject', 's3:GetObjectVersion'),
  GetObjectAttributes: {
    actions: ['s3:GetObject', 's3:GetObjectAttributes'],
    ofVersion: ['s3:GetObjectVersion', 's3:GetObjectVersionAttributes'],
  },
  DeleteObject: versioned('s3:DeleteObject', 's3:DeleteObjectVersion'),
  CopyObject: { ...needs('s3:PutObject'), copiesTags: true },
  RestoreObject: needs('s3:RestoreObject'),

  CreateMultipartUpload: needs('s3:PutObject'),
  UploadPart: needs('s3:PutObject'),
  UploadPartCopy: needs('s3:PutObject'),
  CompleteMultipartUpload: needs('s3:PutObject'),
  AbortMultipartUpload: needs('s3:AbortMultipartUpload'),
  ListParts: needs('s3:ListMultipartUploadParts'),

  GetObjectTagging: versioned('s3:GetObjectTagging', 's3:GetObjectVersionTagging'),
  PutObjectTagging: versioned('s3:PutObjectTagging', 's3:PutObjectVersionTagging'),
  DeleteObjectTagging: versioned('s3:DeleteObjectTagging', 's3:DeleteObjectVersionTagging'),
  GetObjectAcl: versioned('s3:GetObjectAcl', 's3:GetObjectVersionAcl'),
  PutObjectAcl: versioned('s3:PutObjectAcl', 's3:PutObjectVersionAcl'),
  GetObjectRetention: needs('s3:GetObjectRetention'),
  PutObjectRetention: needs('s3:PutObjectRetention'),
  GetObjectLegalHold: needs('s3:GetObjectLegalHold'),
  PutObjectLegalHold: {
    actions: ['s3:PutObjectLegalHold'],
    inDocument: { actions: ['s3:BypassGovernanceRetention'], of: 'a hold switched off' },
  },

  GetBucketAccelerateConfiguration: needs('s3:GetAccelerateConfiguration'),
  PutBucketAccelerateConfiguration: needs('s3:PutAccelerateConfiguration'),
  GetBucketAcl: needs('s3:GetBucketAcl'),
  PutBucketAcl: needs('s3:PutBucketAcl'),
  GetBucketCors: needs('s3:GetBucketCORS'),
  PutBucketCors: needs('s3:PutBucketCORS'),
  DeleteBucketCors: needs('s3:PutBucketCORS'),
  GetBucketEncryption: needs('s3:GetEncryptionConfiguration'),
  PutBucketEncryption: needs('s3:PutEncryptionConfiguration'),
  DeleteBucketEncryption: needs('s3:PutEncryptionConfiguration'),
  GetBucketLifecycleConfiguration: needs('s3:GetLifecycleConfiguration'),
  PutBucketLifecycleConfiguration: needs('s3:PutLifecycleConfiguration'),
  DeleteBucketLifecycle: needs('s3:PutLifecycleConfiguration'),
  GetBucketLogging: needs('s3:GetBucketLogging'),
  PutBucketLogging: {
    actions: ['s3:PutBucketLogging'],
    inDocument: { actions: ['s3:PutBucketLogging'], of: 'the target bucket' },
  },
  GetBucketNotificationConfiguration: needs('s3:GetBucketNotification'),
  PutBucketNotificationConfiguration: needs('s3:PutBucketNotification'),
  GetBucketOwnershipControls: needs('s3:GetBucketOwnershipControls'),
  PutBucketOwnershipControls: needs('s3:PutBucketOwnershipControls'),
  DeleteBucketOwnershipControls: needs('s3:PutBucketOwnershipControls'),
  GetBucketPolicy: needs('s3:GetBucketPolicy'),
  PutBucketPolicy: needs('s3:PutBucketPolicy'),
  DeleteBucketPolicy: needs('s3:DeleteBucketPolicy'),
  GetBucketPolicyStatus: needs('s3:GetBucketPolicyStatus'),
  GetBucketRequestPayment: needs('s3:GetBucketRequestPayment'),
  PutBucketRequestPayment: needs('s3:PutBucketRequestPayment'),
  GetBucketTagging: needs('s3:GetBucketTagging'),
  PutBucketTagging: needs('s3:PutBucketTagging'),
  DeleteBucketTagging: needs('s3:PutBucketTagging'),
  GetBucketVersioning: needs('s3:GetBucketVersioning'),
  PutBucketVersioning: needs('s3:PutBucketVersioning'),
  GetBucketWebsite: needs('s3:GetBucketWebsite'),
  PutBucketWebsite: needs('s3:PutBucketWebsite'),
  DeleteBucketWebsite: needs('s3:DeleteBucketWebsite'),
  GetObjectLockConfiguration: needs('s3:GetBucketObjectLockConfiguration'),
  PutObjectLockConfiguration: needs('s3:PutBucketObjectLockConfiguration'),
  GetPublicAccessBlock: needs('s3:GetBucketPublicAccessBlock'),
  PutPublicAccessBlock: needs('s3:PutBucketPublicAccessBlock'),
  DeletePublicAccessBlock: needs('s3:PutBucketPublicAccessBlock'),
};

/** Every operation has a row, which a test compares with the operations: without one nothing is allowed. */
export function rowOf(operation: string): ActionRow {
  const row = Object.hasOwn(ACTION_TABLE, operation) ? ACTION_TABLE[operation] : undefined;
  if (row === undefined) throw new Error(`${operation} has no row in the table of actions`);
  return row;
}

/** Whether the operation changes something. */
export function writes(operation: string): boolean {
  return !rowOf(operation).actions.every(isReadOnly);
}
