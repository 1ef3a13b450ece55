/**
 * What an action is done to. The ARN is what policies and events name; bucket and key stay apart from it, so that a pattern
 * need not take the ARN to pieces. A bucket's name holds no slash (http/request.ts), so no ARN means two resources.
 */

/** Twelve digits where AWS has an account: there are no accounts here. */
export const ACCOUNT = '000000000000';

export interface Resource {
  readonly arn: string;
  /** Of buckets and objects. */
  readonly bucket?: string;
  /** Of objects. */
  readonly key?: string;
}

const S3 = 'arn:aws:s3:::';

/** What ListBuckets asks about. */
export const ALL_BUCKETS: Resource = { arn: `${S3}*` };

export function bucketResource(bucket: string): Resource {
  return { arn: S3 + bucket, bucket };
}

export function objectResource({ bucket, key }: { readonly bucket: string; readonly key: string }): Resource {
  return { arn: `${S3}${bucket}/${key}`, bucket, key };
}

/** A tenant as IAM names users. */
export function userResource(tenant: string): Resource {
  return { arn: `arn:aws:iam::${ACCOUNT}:user/${tenant}` };
}

/** A role by its name; whose it is, its tenant says. */
export function roleResource(name: string): Resource {
  return { arn: `arn:aws:iam::${ACCOUNT}:role/${name}` };
}

/** One key of a tenant. IAM has no ARN for access keys: this form is this program's own. */
export function keyResource(tenant: string, slot: string): Resource {
  return { arn: `arn:aws:iam::${ACCOUNT}:access-key/${tenant}/${slot}` };
}

/** Of a bucket or an object; `undefined` for anything else. */
export function resourceOfArn(arn: string): Resource | undefined {
  const [, bucket, key] = /^arn:aws:s3:::([^/]+)(?:\/(.+))?$/s.exec(arn) ?? [];
  if (bucket === undefined) return undefined;
  return key === undefined ? bucketResource(bucket) : objectResource({ bucket, key });
}
