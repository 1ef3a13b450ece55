/** Resource patterns that are no text with wildcards: a grant's prefix is literal, whatever characters it has. */
import type { Context } from './context.ts';
import type { ResourcePattern } from './policy.ts';
import { keyResource, type Resource, userResource } from './resource.ts';

/** A bucket by name; `*` for every bucket. */
export class BucketPattern implements ResourcePattern {
  readonly bucket: string;

  constructor(bucket: string) {
    this.bucket = bucket;
  }

  matches({ bucket, key }: Resource): boolean {
    return bucket !== undefined && key === undefined && this.mayReach(bucket);
  }

  mayReach(bucket: string): boolean {
    return this.bucket === '*' || this.bucket === bucket;
  }

  contains(other: ResourcePattern): boolean {
    return other instanceof BucketPattern && this.mayReach(other.bucket);
  }
}

/** The objects of a bucket, or of every bucket, whose key starts with a prefix. */
export class ObjectPattern implements ResourcePattern {
  readonly bucket: string;
  readonly prefix: string;

  constructor(bucket: string, prefix: string) {
    this.bucket = bucket;
    this.prefix = prefix;
  }

  matches({ bucket, key }: Resource): boolean {
    return bucket !== undefined && key !== undefined && this.mayReach(bucket) && key.startsWith(this.prefix);
  }

  mayReach(bucket: string): boolean {
    return this.bucket === '*' || this.bucket === bucket;
  }

  contains(other: ResourcePattern): boolean {
    return other instanceof ObjectPattern && this.mayReach(other.bucket) && other.prefix.startsWith(this.prefix);
  }
}

/** A bucket and all that is in it, in whatever case the name is written: some stores do not tell the cases apart. */
export class WholeBucketPattern implements ResourcePattern {
  readonly #bucket: string;

  constructor(bucket: string) {
    this.#bucket = bucket.toLowerCase();
  }

  matches({ bucket }: Resource): boolean {
    return bucket !== undefined && this.mayReach(bucket);
  }

  mayReach(bucket: string): boolean {
    return bucket.toLowerCase() === this.#bucket;
  }

  contains(other: ResourcePattern): boolean {
    return (other instanceof BucketPattern || other instanceof ObjectPattern) && this.mayReach(other.bucket);
  }
}

/** One resource by its ARN, which names neither a bucket nor an object. */
export class ArnPattern implements ResourcePattern {
  readonly arn: string;

  constructor({ arn }: Resource) {
    this.arn = arn;
  }

  matches({ arn }: Resource): boolean {
    return arn === this.arn;
  }

  mayReach(): boolean {
    return false;
  }

  contains(other: ResourcePattern): boolean {
    return other instanceof ArnPattern && other.arn === this.arn;
  }
}

/** The caller's own tenant, and its keys. */
export const OWN_USER: ResourcePattern = {
  matches({ arn }: Resource, context: Context): boolean {
    const tenant = context.get('aws:username');
    if (tenant === undefined) return false;
    return arn === userResource(tenant).arn || arn.startsWith(keyResource(tenant, '').arn);
  },
  mayReach: () => false,
  contains: (other) => other === OWN_USER,
};

export const EVERYTHING: ResourcePattern = {
  matches: () => true,
  mayReach: () => true,
  contains: () => true,
};
