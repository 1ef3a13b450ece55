/**
 * Text of a policy that holds wildcards and variables: `${key}`, `${key, 'default'}`, and `${*}`, `${?}`, `${$}` for the
 * characters themselves (IAM user guide, "IAM policy elements: Variables and tags"). A variable's value is literal: an object
 * key or a tag that holds `*` is no wildcard.
 */

import type { Context, PolicyKey } from '../context.ts';
import { conditionKey } from './condition-keys.ts';
import { type Glob, type GlobToken, globMatches, globOf } from './glob.ts';
import { MalformedPolicyDocument } from './malformed.ts';

interface Variable {
  readonly key: PolicyKey;
  readonly otherwise: string | undefined;
}

/** Compiled text. Without variables the pattern is made once. */
export interface Template {
  readonly tokens: readonly (GlobToken | Variable)[];
  readonly glob: Glob | undefined;
}

/** `wildcards`: whether `*` and `?` stand for others, or for themselves. @throws MalformedPolicyDocument */
export function parseTemplate(text: string, o: { wildcards: boolean }): Template {
  const tokens: (GlobToken | Variable)[] = [];
  let at = 0;
  while (at < text.length) {
    const next = indexOfSpecial(text, at, o.wildcards);
    if (next > at) tokens.push({ literal: text.slice(at, next) });
    if (next === text.length) break;
    if (text[next] === '*') {
      if (tokens[tokens.length - 1] !== 'any') tokens.push('any');
      at = next + 1;
    } else if (text[next] === '?') {
      tokens.push('one');
      at = next + 1;
    } else {
      const end = text.indexOf('}', next);
      if (end < 0) throw new MalformedPolicyDocument('A variable has no closing brace: ${key} is its form.');
      tokens.push(variable(text.slice(next + 2, end)));
      at = end + 1;
    }
  }
  return { tokens, glob: tokens.every(isGlobToken) ? globOf(tokens) : undefined };
}

function indexOfSpecial(text: string, from: number, wildcards: boolean): number {
  for (let i = from; i < text.length; i++) {
    const character = text[i];
    if (wildcards && (character === '*' || character === '?')) return i;
    if (character === '$' && text[i + 1] === '{') return i;
  }
  return text.length;
}

const isGlobToken = (token: GlobToken | Variable): token is GlobToken =>
  typeof token === 'string' || 'literal' in token;

const WITH_DEFAULT = /^\s*([^,\s]+)\s*(?:,\s*'([^']*)'\s*)?$/;

function variable(content: string): GlobToken | Variable {
  if (content === '*' || content === '?' || content === '$') return { literal: content };
  const [, name, otherwise] = WITH_DEFAULT.exec(content) ?? [];
  if (name === undefined) {
    throw new MalformedPolicyDocument("A variable is written ${key} or ${key, 'default'}.");
  }
  return { key: conditionKey(name), otherwise };
}

/** The pattern for one request; undefined when a variable has no value and no default. */
export function resolveTemplate(template: Template, values: Context): Glob | undefined {
  if (template.glob !== undefined) return template.glob;
  const tokens: GlobToken[] = [];
  for (const token of template.tokens) {
    if (isGlobToken(token)) {
      tokens.push(token);
      continue;
    }
    const value = values.get(token.key) ?? token.otherwise;
    if (value === undefined) return undefined;
    tokens.push({ literal: value });
  }
  return globOf(tokens);
}

/** Whether the text matches; undefined when a variable has no value. */
export function templateMatches(template: Template, text: string, values: Context): boolean | undefined {
  const glob = resolveTemplate(template, values);
  return glob === undefined ? undefined : globMatches(glob, text);
}

/** The pattern with any text for its variables. */
export function withAnything(template: Template): Glob {
  return template.glob ?? globOf(template.tokens.map((token) => (isGlobToken(token) ? token : 'any')));
}
