/**
 * The Resource or NotResource of a statement. What it is matched against is one of ours alone: `arn:aws:s3:::BUCKET`,
 * `arn:aws:s3:::BUCKET/KEY`, and what IAM and STS name. A pattern that could match none of these is refused rather than never
 * applied. A pattern whose variable has no value could mean anything: an Allow does not rest on it, and a Deny does.
 */
import type { Context } from '../context.ts';
import type { ResourcePattern } from '../policy.ts';
import { ACCOUNT, type Resource } from '../resource.ts';
import { globCouldContinue, globMatches } from './glob.ts';
import { MalformedPolicyDocument } from './malformed.ts';
import { parseTemplate, type Template, templateMatches, withAnything } from './template.ts';

const S3 = 'arn:aws:s3:::';
const PREFIXES = [S3, `arn:aws:iam::${ACCOUNT}:`, `arn:aws:sts::${ACCOUNT}:`] as const;

interface ArnTemplate {
  readonly prefix: string;
  readonly rest: Template;
}

/** @throws MalformedPolicyDocument */
function parseArn(text: string): ArnTemplate {
  if (/^\*+$/.test(text)) return { prefix: '', rest: parseTemplate('*', { wildcards: true }) };
  const prefix = PREFIXES.find((one) => text.startsWith(one));
  if (prefix !== undefined) return { prefix, rest: parseTemplate(text.slice(prefix.length), { wildcards: true }) };
  throw new MalformedPolicyDocument(
    `${JSON.stringify(text)} names no resource of this endpoint. A resource is "*", or begins with ${PREFIXES.join(' or ')}.`,
  );
}

export class ResourceElement implements ResourcePattern {
  readonly #templates: readonly ArnTemplate[];
  readonly #excepted: boolean;
  readonly #effect: 'allow' | 'deny';

  /** `excepted`: they are those of a NotResource. @throws MalformedPolicyDocument */
  constructor(texts: readonly string[], o: { excepted: boolean; effect: 'allow' | 'deny' }) {
    this.#templates = texts.map(parseArn);
    this.#excepted = o.excepted;
    this.#effect = o.effect;
  }

  matches({ arn }: Resource, context: Context): boolean {
    let unknown = false;
    let matched = false;
    for (const { prefix, rest } of this.#templates) {
      const one = arn.startsWith(prefix) && templateMatches(rest, arn.slice(prefix.length), context);
      if (one === undefined) unknown = true;
      else if (one) matched = true;
    }
    if (this.#effect === 'deny') return unknown || matched !== this.#excepted;
    return this.#excepted ? !unknown && !matched : matched;
  }

  /** A variable may have any value here. */
  mayReach(bucket: string): boolean {
    const ofBuckets = this.#templates.filter(({ prefix }) => prefix === '' || prefix === S3);
    if (!this.#excepted) return ofBuckets.some(({ rest }) => globCouldContinue(withAnything(rest), bucket, '/'));
    return !ofBuckets.some(({ rest }) => rest.glob?.at(-1)?.length === 0 && globMatches(rest.glob, bucket));
  }

  contains(other: ResourcePattern): boolean {
    return other === this;
  }
}
