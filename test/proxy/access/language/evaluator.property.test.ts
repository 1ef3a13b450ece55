/**
 * Protects: the compiled evaluator decides as a second one that was written by other means, for random policies and requests that
 * are made of few words, so that they meet often.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ContextKey } from '../../../../proxy/access/context.ts';
import { compilePolicy } from '../../../../proxy/access/language/compile.ts';
import { conditionKey } from '../../../../proxy/access/language/condition-keys.ts';
import { referenceDecision } from './reference-evaluator.ts';

const piece = fc.constantFrom(
  'a',
  'b',
  'B',
  '/',
  '*',
  '?',
  '😀',
  '${*}',
  '${aws:userid}',
  "${aws:PrincipalTag/team, 'b'}",
  '${aws:PrincipalTag/team}',
);
const pattern = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(''));
const plain = fc
  .array(fc.constantFrom('a', 'b', 'B', '/', '*', '?', '😀'), { maxLength: 5 })
  .map((pieces) => pieces.join(''));
const oneOrMore = <T>(one: fc.Arbitrary<T>) => fc.oneof(one, fc.array(one, { minLength: 1, maxLength: 3 }));

const action = oneOrMore(
  fc.constantFrom('*', 's3:*', 's3:GetObject', 's3:get*', 's3:?utObject', 'iam:*', 'sts:*Identity'),
);
const resource = oneOrMore(
  fc.oneof(
    fc.constant('*'),
    pattern.map((text) => `arn:aws:s3:::${text}`),
  ),
);

const address = fc.constantFrom('10.0.0.1', '10.0.0.200', '192.0.2.1', 'unknown');
const time = fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z');
const number = fc.constantFrom('1', '2', '10', 'many');

const strings = fc.tuple(
  fc.constantFrom('', 'ForAllValues:', 'ForAnyValue:'),
  fc.constantFrom(
    'StringEquals',
    'StringNotEquals',
    'StringEqualsIgnoreCase',
    'StringNotEqualsIgnoreCase',
    'StringLike',
    'StringNotLike',
  ),
  fc.constantFrom('', 'IfExists'),
  fc.constantFrom('s3:prefix', 'aws:userid', 'aws:PrincipalTag/team'),
  oneOrMore(pattern),
);
const others = fc.oneof(
  fc.tuple(
    fc.constant(''),
    fc.constantFrom('IpAddress', 'NotIpAddress'),
    fc.constant(''),
    fc.constant('aws:SourceIp'),
    oneOrMore(fc.constantFrom('10.0.0.0/25', '10.0.0.1', '0.0.0.0/1')),
  ),
  fc.tuple(
    fc.constant(''),
    fc.constantFrom('NumericEquals', 'NumericNotEquals', 'NumericLessThan', 'NumericGreaterThanEquals'),
    fc.constantFrom('', 'IfExists'),
    fc.constant('s3:max-keys'),
    oneOrMore(fc.constantFrom('1', '2', '10')),
  ),
  fc.tuple(
    fc.constant(''),
    fc.constantFrom('DateEquals', 'DateNotEquals', 'DateLessThanEquals', 'DateGreaterThan'),
    fc.constantFrom('', 'IfExists'),
    fc.constant('aws:CurrentTime'),
    oneOrMore(time),
  ),
  fc.tuple(
    fc.constant(''),
    fc.constant('Bool'),
    fc.constantFrom('', 'IfExists'),
    fc.constant('aws:SecureTransport'),
    fc.constantFrom('true', 'false'),
  ),
  fc.tuple(
    fc.constant(''),
    fc.constant('Null'),
    fc.constant(''),
    fc.constantFrom('s3:prefix', 'aws:SourceIp', 'aws:PrincipalTag/team'),
    fc.constantFrom('true', 'false'),
  ),
);
const conditions = fc.array(fc.oneof(strings, others), { maxLength: 3 }).map((lines) => {
  const block: Record<string, Record<string, unknown>> = {};
  for (const [set, operator, ifExists, key, texts] of lines)
    block[set + operator + ifExists] = { ...block[set + operator + ifExists], [key]: texts };
  return block;
});

const statement = fc
  .record({
    Effect: fc.constantFrom('Allow', 'Allow', 'Deny'),
    notAction: fc.boolean(),
    action,
    notResource: fc.boolean(),
    resource,
    Condition: conditions,
  })
  .map(({ Effect, notAction, action, notResource, resource, Condition }) => ({
    Effect,
    [notAction ? 'NotAction' : 'Action']: action,
    [notResource ? 'NotResource' : 'Resource']: resource,
    Condition,
  }));

const request = fc.record({
  action: fc.constantFrom(
    's3:GetObject',
    's3:PutObject',
    's3:ListBucket',
    'iam:CreateAccessKey',
    'sts:GetCallerIdentity',
  ),
  resource: plain.map((text) => `arn:aws:s3:::${text}`),
  values: fc.record(
    {
      's3:prefix': plain,
      'aws:userid': plain,
      'aws:PrincipalTag/team': plain,
      'aws:SourceIp': address,
      's3:max-keys': number,
      'aws:CurrentTime': time,
      'aws:SecureTransport': fc.constantFrom('true', 'false'),
    },
    { requiredKeys: [] },
  ),
});

test('decides as the second evaluator', () => {
  const seen = { allowed: 0, refused: 0 };
  fc.assert(
    fc.property(
      fc.array(statement, { minLength: 1, maxLength: 4 }),
      fc.array(request, { minLength: 4, maxLength: 4 }),
      (Statement, requests) => {
        const compiled = compilePolicy('key', JSON.stringify({ Version: '2012-10-17', Statement }));
        for (const { action, resource, values } of requests) {
          const given = Object.entries(values);
          const context = new Map<ContextKey, string>(given.map(([name, value]) => [conditionKey(name), value]));
          const { effect } = compiled.judge(action, { arn: resource }, context);
          const there = referenceDecision(
            { Statement },
            { action, resource, values: new Map(given.map(([name, value]) => [name.toLowerCase(), value])) },
          );
          seen[effect === 'allow' ? 'allowed' : 'refused'] += 1;
          expect(effect === 'allow').toBe(there);
        }
      },
    ),
    { numRuns: 600 },
  );
  // Both answers are met often, or the words do not meet.
  expect(seen.allowed).toBeGreaterThan(150);
  expect(seen.refused).toBeGreaterThan(150);
});
