/**
 * Patterns of resources. What they are matched against is one of ours alone: `arn:aws:s3:::BUCKET`, `arn:aws:s3:::BUCKET/KEY`,
 * and what IAM and STS name. A pattern that could match none of these is refused rather than never applied.
 */
import { MalformedPolicyDocument } from './malformed.ts';
import type { ContextValues } from './request-context.ts';
import { parseTemplate, type Template, templateMatches } from './template.ts';

/** `*`, or the text behind one of the prefixes. */
export type ResourcePattern = 'every' | { readonly prefix: string; readonly rest: Template };

/** There are no accounts here: twelve zeros stand where AWS has one. */
const PREFIXES = ['arn:aws:s3:::', 'arn:aws:iam::000000000000:', 'arn:aws:sts::000000000000:'] as const;

/** @throws MalformedPolicyDocument */
export function compileResource(text: string): ResourcePattern {
  if (/^\*+$/.test(text)) return 'every';
  const prefix = PREFIXES.find((one) => text.startsWith(one));
  if (prefix !== undefined) return { prefix, rest: parseTemplate(text.slice(prefix.length), { wildcards: true }) };
  throw new MalformedPolicyDocument(
    `${JSON.stringify(text)} names no resource of this endpoint. A resource is "*", or begins with ${PREFIXES.join(' or ')}.`,
  );
}

/** Undefined: a variable has no value. */
export function resourceMatches(
  pattern: ResourcePattern,
  resource: string,
  values: ContextValues,
): boolean | undefined {
  if (pattern === 'every') return true;
  if (!resource.startsWith(pattern.prefix)) return false;
  return templateMatches(pattern.rest, resource.slice(pattern.prefix.length), values);
}
