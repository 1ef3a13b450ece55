/**
 * A bucket's CORS rules and how they match (S3 user guide, "Using cross-origin resource sharing"; WHATWG Fetch). The first
 * rule that allows origin, method and, before a preflight, every header decides.
 */
import { parseXml, type XmlNode } from '../xml/render-xml.ts';

export interface CorsRule {
  readonly origins: readonly string[];
  readonly methods: readonly string[];
  readonly headers: readonly string[];
  readonly exposed: readonly string[];
  /** Seconds. */
  readonly maxAge: string | undefined;
}

/** What a browser says of a request that crosses origins. */
export interface CrossOrigin {
  readonly origin: string;
  readonly method: string;
  /** Lower case; those that a preflight announces. */
  readonly headers: readonly string[];
}

/** @throws S3Error MalformedXML */
export function parseCorsRules(document: string): readonly CorsRule[] {
  return parseXml(document.trim(), 'CORSConfiguration')
    .children('CORSRule')
    .map((rule) => ({
      origins: texts(rule, 'AllowedOrigin'),
      methods: texts(rule, 'AllowedMethod'),
      headers: texts(rule, 'AllowedHeader'),
      exposed: texts(rule, 'ExposeHeader'),
      maxAge: /^\s*(\d{1,10})\s*$/.exec(rule.value('MaxAgeSeconds') ?? '')?.[1],
    }));
}

/** Keeps only text that a header can hold: the rules are written by the owner of the bucket. */
function texts(rule: XmlNode, name: string): readonly string[] {
  return rule
    .children(name)
    .map(({ text }) => text.trim())
    .filter((text) => /^[\x21-\x7e]+$/.test(text));
}

/** Response headers of the first rule that allows the request; undefined when none does. */
export function corsHeaders(rules: readonly CorsRule[], o: CrossOrigin): Record<string, string> | undefined {
  for (const rule of rules) {
    const allowed = rule.origins.find((pattern) => matches(pattern, o.origin));
    if (allowed === undefined || !rule.methods.includes(o.method)) continue;
    if (!o.headers.every((name) => rule.headers.some((pattern) => matches(pattern.toLowerCase(), name)))) continue;
    return {
      'Access-Control-Allow-Origin': allowed === '*' ? '*' : o.origin,
      'Access-Control-Allow-Methods': rule.methods.join(', '),
      ...(o.headers.length === 0 ? {} : { 'Access-Control-Allow-Headers': o.headers.join(', ') }),
      ...(rule.exposed.length === 0 ? {} : { 'Access-Control-Expose-Headers': rule.exposed.join(', ') }),
      ...(rule.maxAge === undefined ? {} : { 'Access-Control-Max-Age': rule.maxAge }),
      ...(allowed === '*' ? {} : { 'Access-Control-Allow-Credentials': 'true' }),
    };
  }
  return undefined;
}

/** At most one `*` in a pattern stands for any text, as S3 has it. */
function matches(pattern: string, text: string): boolean {
  const star = pattern.indexOf('*');
  if (star < 0) return pattern === text;
  const [start, end] = [pattern.slice(0, star), pattern.slice(star + 1)];
  return text.length >= start.length + end.length && text.startsWith(start) && text.endsWith(end);
}
