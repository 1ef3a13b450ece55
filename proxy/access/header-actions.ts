/**
 * What headers of a write ask for beside what the operation does, one row for each permission. A row holds for every
 * operation, because a header that reached the store by an operation that nobody thought of would be a way around it. A
 * form's fields count as headers.
 */
import type { Action } from './actions.ts';

interface HeaderRow {
  readonly headers: readonly string[];
  /** The value `false` asks for nothing. */
  readonly isSwitch?: true;
  readonly onObject?: readonly Action[];
  /** In place of `onObject` where the request names a version. */
  readonly onVersion?: readonly Action[];
  readonly onBucket?: readonly Action[];
}

/** They take protection off an object. */
export const LOCK_OVERRIDES = ['x-amz-bypass-governance-retention', 'x-amz-mfa'] as const;

const GRANTS = ['full-control', 'read', 'read-acp', 'write', 'write-acp'].map((what) => `x-amz-grant-${what}`);

export const HEADER_TABLE: readonly HeaderRow[] = [
  { headers: LOCK_OVERRIDES, isSwitch: true, onObject: ['s3:BypassGovernanceRetention'] },
  { headers: ['x-amz-tagging'], onObject: ['s3:PutObjectTagging'], onVersion: ['s3:PutObjectVersionTagging'] },
  {
    headers: ['x-amz-acl', ...GRANTS],
    onObject: ['s3:PutObjectAcl'],
    onVersion: ['s3:PutObjectVersionAcl'],
    onBucket: ['s3:PutBucketAcl'],
  },
  {
    headers: ['x-amz-object-lock-mode', 'x-amz-object-lock-retain-until-date'],
    onObject: ['s3:PutObjectRetention'],
  },
  { headers: ['x-amz-object-lock-legal-hold'], onObject: ['s3:PutObjectLegalHold'] },
  {
    headers: ['x-amz-bucket-object-lock-enabled'],
    isSwitch: true,
    onBucket: ['s3:PutBucketObjectLockConfiguration', 's3:PutBucketVersioning'],
  },
  { headers: ['x-amz-object-ownership'], onBucket: ['s3:PutBucketOwnershipControls'] },
];

const SWITCHES: ReadonlySet<string> = new Set(
  HEADER_TABLE.filter(({ isSwitch }) => isSwitch === true).flatMap(({ headers }) => headers),
);

/** What the headers ask for at a bucket, an object, or a version of one. */
export function headerActions(
  header: (name: string) => string | undefined,
  what: 'bucket' | 'object' | 'version',
): readonly Action[] {
  return HEADER_TABLE.flatMap((row) => {
    if (!row.headers.some((name) => isAsked(name, header(name)))) return [];
    if (what === 'bucket') return row.onBucket ?? [];
    return (what === 'version' ? row.onVersion : undefined) ?? row.onObject ?? [];
  });
}

/** Whether a header asks for anything. A switch does with every value that a store could take for yes. */
export function isAsked(name: string, value: string | undefined): value is string {
  if (value === undefined) return false;
  return !SWITCHES.has(name) || value.trim().toLowerCase() !== 'false';
}
