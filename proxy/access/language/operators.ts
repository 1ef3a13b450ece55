/**
 * The operators of conditions (IAM user guide, "IAM JSON policy elements: Condition operators"). Each compiles the values that
 * stand in the policy into one test of the request's value. A test says undefined when it cannot tell: a variable without a
 * value, or a value of the request that is none of its type.
 */

import type { Context } from '../context.ts';
import { compileBlocks } from './addresses.ts';
import type { KeyType } from './condition-keys.ts';
import { globMatches } from './glob.ts';
import { MalformedPolicyDocument } from './malformed.ts';
import { parseTemplate, resolveTemplate } from './template.ts';

/** Whether the request's value is one of the policy's. */
export type ValueTest = (value: string, values: Context) => boolean | undefined;

export interface Operator {
  readonly types: readonly KeyType[];
  /** Holds when no value matches. */
  readonly negated: boolean;
  compile(texts: readonly string[]): ValueTest;
}

const STRING: readonly KeyType[] = ['string'];
const NUMERIC: readonly KeyType[] = ['numeric', 'epoch'];
const DATE: readonly KeyType[] = ['date', 'epoch'];

const strings = (o: { wildcards: boolean; fold: boolean }) => (texts: readonly string[]) => {
  const fold = (text: string) => (o.fold ? text.toLowerCase() : text);
  const templates = texts.map((text) => parseTemplate(text, o));
  return anyOf(templates, (template, value, values) => {
    const glob = resolveTemplate(template, values);
    if (glob === undefined) return undefined;
    if (!o.fold) return globMatches(glob, value);
    return globMatches(
      glob.map((piece) => piece.map((part) => (part === undefined ? part : fold(part)))),
      fold(value),
    );
  });
};

const compared =
  (read: (text: string) => number | undefined, what: string, compare: (value: number, limit: number) => boolean) =>
  (texts: readonly string[]): ValueTest => {
    const limits = texts.map((text) => {
      const limit = read(text);
      if (limit === undefined) throw new MalformedPolicyDocument(`${JSON.stringify(text)} is no ${what}.`);
      return limit;
    });
    return (text) => {
      const value = read(text);
      return value === undefined ? undefined : limits.some((limit) => compare(value, limit));
    };
  };

const numbers = (compare: (a: number, b: number) => boolean) => compared(readNumber, 'decimal number', compare);
const dates = (compare: (a: number, b: number) => boolean) =>
  compared(readDate, 'time in ISO 8601 or seconds', compare);

function arns(texts: readonly string[]): ValueTest {
  const patterns = texts.map((text) => arnParts(text).map((part) => parseTemplate(part, { wildcards: true })));
  return anyOf(patterns, (parts, value, values) => {
    const given = splitArn(value);
    if (given === undefined) return false;
    let known = true;
    for (const [index, part] of parts.entries()) {
      const glob = resolveTemplate(part, values);
      if (glob === undefined) known = false;
      else if (!globMatches(glob, given[index] ?? '')) return false;
    }
    return known ? true : undefined;
  });
}

const booleans = (texts: readonly string[]): ValueTest => {
  const wanted = texts.map(readBoolean);
  return (text) => wanted.includes(text === 'true');
};

const pair = (name: string, not: string, types: readonly KeyType[], compile: Operator['compile']) =>
  [
    [name, { types, negated: false, compile }],
    [not, { types, negated: true, compile }],
  ] as const;

/** By name, which is not case-sensitive. */
const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ...pair('stringequals', 'stringnotequals', STRING, strings({ wildcards: false, fold: false })),
  ...pair('stringequalsignorecase', 'stringnotequalsignorecase', STRING, strings({ wildcards: false, fold: true })),
  ...pair('stringlike', 'stringnotlike', STRING, strings({ wildcards: true, fold: false })),
  ...pair('arnequals', 'arnnotequals', STRING, arns),
  ...pair('arnlike', 'arnnotlike', STRING, arns),
  ...pair(
    'numericequals',
    'numericnotequals',
    NUMERIC,
    numbers((a, b) => a === b),
  ),
  ['numericlessthan', { types: NUMERIC, negated: false, compile: numbers((a, b) => a < b) }],
  ['numericlessthanequals', { types: NUMERIC, negated: false, compile: numbers((a, b) => a <= b) }],
  ['numericgreaterthan', { types: NUMERIC, negated: false, compile: numbers((a, b) => a > b) }],
  ['numericgreaterthanequals', { types: NUMERIC, negated: false, compile: numbers((a, b) => a >= b) }],
  ...pair(
    'dateequals',
    'datenotequals',
    DATE,
    dates((a, b) => a === b),
  ),
  ['datelessthan', { types: DATE, negated: false, compile: dates((a, b) => a < b) }],
  ['datelessthanequals', { types: DATE, negated: false, compile: dates((a, b) => a <= b) }],
  ['dategreaterthan', { types: DATE, negated: false, compile: dates((a, b) => a > b) }],
  ['dategreaterthanequals', { types: DATE, negated: false, compile: dates((a, b) => a >= b) }],
  ['bool', { types: ['bool'], negated: false, compile: booleans }],
  ...pair('ipaddress', 'notipaddress', ['ip'], compileBlocks),
]);

/** Without set and IfExists. @throws MalformedPolicyDocument */
export function operatorNamed(name: string): Operator {
  const operator = OPERATORS.get(name.toLowerCase());
  if (operator !== undefined) return operator;
  throw new MalformedPolicyDocument(`The condition operator ${JSON.stringify(name)} is not known here.`);
}

/** Any true one counts; else one that cannot tell. */
function anyOf<Pattern>(
  patterns: readonly Pattern[],
  matches: (pattern: Pattern, value: string, values: Context) => boolean | undefined,
): ValueTest {
  return (value, values) => {
    let outcome: boolean | undefined = false;
    for (const pattern of patterns) {
      const one = matches(pattern, value, values);
      if (one === true) return true;
      if (one === undefined) outcome = undefined;
    }
    return outcome;
  };
}

/** @throws MalformedPolicyDocument */
export function readBoolean(text: string): boolean {
  if (/^true$/i.test(text)) return true;
  if (/^false$/i.test(text)) return false;
  throw new MalformedPolicyDocument(`${JSON.stringify(text)} is neither true nor false.`);
}

function readNumber(text: string): number | undefined {
  return /^-?\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : undefined;
}

const ISO_8601 = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** Milliseconds since 1970. */
function readDate(text: string): number | undefined {
  if (/^\d{1,12}$/.test(text)) return 1000 * Number(text);
  const time = ISO_8601.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}

const ARN_PARTS = 6;

/** The parts of a pattern. A colon within a variable does not part. @throws MalformedPolicyDocument */
function arnParts(text: string): string[] {
  const parts = [''];
  for (const piece of text.split(/(\$\{[^}]*\}|:)/)) {
    if (piece === ':' && parts.length < ARN_PARTS) parts.push('');
    else parts[parts.length - 1] += piece;
  }
  if (parts.length === ARN_PARTS && parts[0] === 'arn') return parts;
  throw new MalformedPolicyDocument(
    `${JSON.stringify(text)} is no ARN: it has six parts, arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE.`,
  );
}

function splitArn(text: string): string[] | undefined {
  const parts = text.split(':');
  if (parts.length < ARN_PARTS || parts[0] !== 'arn') return undefined;
  return [...parts.slice(0, ARN_PARTS - 1), parts.slice(ARN_PARTS - 1).join(':')];
}
