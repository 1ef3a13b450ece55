/** What is configured for a bucket beside versioning and tags: one JSON object in its row of the index. */
import { S3Error } from '../../errors.ts';
import type { DefaultRetention } from './locks.ts';
import type { BucketRow } from './rows.ts';

export const OWNERSHIPS = ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'] as const;
export type Ownership = (typeof OWNERSHIPS)[number];

/** In S3's order of elements. */
export const ACCESS_BLOCKS = [
  'BlockPublicAcls',
  'IgnorePublicAcls',
  'BlockPublicPolicy',
  'RestrictPublicBuckets',
] as const;
export type AccessBlock = Readonly<Record<(typeof ACCESS_BLOCKS)[number], boolean>>;

export interface BucketSettings {
  /** Present where versions can be locked; never taken away again. */
  readonly objectLock?: { readonly retention?: DefaultRetention };
  readonly ownership?: Ownership;
  readonly accessBlock?: AccessBlock;
  /** SSE-S3 was asked for, which holds anyway. */
  readonly encryption?: true;
}

export function settingsOf({ settings }: Pick<BucketRow, 'settings'>): BucketSettings {
  return JSON.parse(settings) as BucketSettings;
}

/** @throws S3Error InvalidRequest where versions cannot be locked */
export function requireObjectLock(bucket: BucketRow): void {
  if (settingsOf(bucket).objectLock === undefined) {
    throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration');
  }
}

export function isOwnership(text: string | undefined): text is Ownership {
  return (OWNERSHIPS as readonly (string | undefined)[]).includes(text);
}
