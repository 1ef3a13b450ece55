/**
 * Every action that a policy can name, in the groups that grants are made of. Names are AWS's (Service Authorization
 * Reference, "Actions, resources, and condition keys" for Amazon S3, IAM and STS), so that policies mean here what they
 * mean there. Which operation needs which action is in action-table.ts.
 */
export const ACTION_GROUPS = {
  /** Allowed to every caller: what is shown is limited to what the caller's policies reach. */
  listBuckets: ['s3:ListAllMyBuckets'],
  bucketRead: [
    's3:GetAccelerateConfiguration',
    's3:GetBucketAcl',
    's3:GetBucketCORS',
    's3:GetBucketLocation',
    's3:GetBucketLogging',
    's3:GetBucketNotification',
    's3:GetBucketObjectLockConfiguration',
    's3:GetBucketOwnershipControls',
    's3:GetBucketPolicy',
    's3:GetBucketPolicyStatus',
    's3:GetBucketPublicAccessBlock',
    's3:GetBucketRequestPayment',
    's3:GetBucketTagging',
    's3:GetBucketVersioning',
    's3:GetBucketWebsite',
    's3:GetEncryptionConfiguration',
    's3:GetLifecycleConfiguration',
  ],
  /** They name keys: a grant with a prefix allows them below that prefix. */
  bucketList: ['s3:ListBucket', 's3:ListBucketMultipartUploads', 's3:ListBucketVersions'],
  bucketWrite: [
    's3:CreateBucket',
    's3:DeleteBucket',
    's3:DeleteBucketPolicy',
    's3:DeleteBucketWebsite',
    's3:PutAccelerateConfiguration',
    's3:PutBucketAcl',
    's3:PutBucketCORS',
    's3:PutBucketLogging',
    's3:PutBucketNotification',
    's3:PutBucketObjectLockConfiguration',
    's3:PutBucketOwnershipControls',
    's3:PutBucketPolicy',
    's3:PutBucketPublicAccessBlock',
    's3:PutBucketRequestPayment',
    's3:PutBucketTagging',
    's3:PutBucketVersioning',
    's3:PutBucketWebsite',
    's3:PutEncryptionConfiguration',
    's3:PutLifecycleConfiguration',
  ],
  objectRead: [
    's3:GetObject',
    's3:GetObjectAcl',
    's3:GetObjectAttributes',
    's3:GetObjectLegalHold',
    's3:GetObjectRetention',
    's3:GetObjectTagging',
    's3:GetObjectVersion',
    's3:GetObjectVersionAcl',
    's3:GetObjectVersionAttributes',
    's3:GetObjectVersionTagging',
    's3:ListMultipartUploadParts',
  ],
  objectWrite: [
    's3:AbortMultipartUpload',
    's3:DeleteObject',
    's3:DeleteObjectTagging',
    's3:DeleteObjectVersion',
    's3:DeleteObjectVersionTagging',
    's3:PutObject',
    's3:PutObjectAcl',
    's3:PutObjectLegalHold',
    's3:PutObjectRetention',
    's3:PutObjectTagging',
    's3:PutObjectVersionAcl',
    's3:PutObjectVersionTagging',
    's3:RestoreObject',
  ],
  /** Takes protection off objects: a grant allows it on whole buckets only. */
  lockOverride: ['s3:BypassGovernanceRetention'],
  /** What every caller may learn of its own tenant, and of the tenant's keys. */
  ownUserRead: ['iam:GetAccessKeyLastUsed', 'iam:GetUser', 'iam:ListAccessKeys', 'sts:GetCallerIdentity'],
  /** Credentials for a time, from one of the tenant's keys. */
  ownSessions: ['sts:AssumeRole', 'sts:GetFederationToken', 'sts:GetSessionToken'],
  /** Asked for by a token of an issuer and no key: a role's trust decides. */
  webIdentity: ['sts:AssumeRoleWithWebIdentity'],
  /** Changes of the caller's own tenant's keys, as far as the changed key reaches no further than the caller's. */
  ownUserWrite: ['iam:CreateAccessKey', 'iam:DeleteAccessKey', 'iam:UpdateAccessKey'],
} as const;

export type ActionGroup = keyof typeof ACTION_GROUPS;
export type Action = (typeof ACTION_GROUPS)[ActionGroup][number];

const GROUP_OF: ReadonlyMap<string, ActionGroup> = new Map(
  (Object.keys(ACTION_GROUPS) as ActionGroup[]).flatMap((group) =>
    ACTION_GROUPS[group].map((action) => [action, group] as const),
  ),
);

export const ACTIONS: readonly Action[] = Object.values(ACTION_GROUPS).flat();

export function isAction(name: string): name is Action {
  return GROUP_OF.has(name);
}

const READS: ReadonlySet<string> = new Set<ActionGroup>([
  'listBuckets',
  'bucketRead',
  'bucketList',
  'objectRead',
  'ownUserRead',
  'ownSessions',
  'webIdentity',
]);

/** Whether the action changes nothing. */
export function isReadOnly(action: Action): boolean {
  return READS.has(GROUP_OF.get(action) ?? '');
}
