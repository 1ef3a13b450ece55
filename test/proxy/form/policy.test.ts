/** Protects: a form does what its signer's policy allows, field by field, and nothing besides (S3 API reference, "POST policy"). */
import { describe, expect, it } from 'vitest';
import { S3Error } from '../../../proxy/errors.ts';
import { checkPolicy } from '../../../proxy/form/policy.ts';

const NOW = new Date('2030-01-01T00:00:00Z');
const MAX = 1000;
const FIELDS = { key: 'user/a', 'x-amz-meta-tag': 'one', policy: 'p', 'x-amz-signature': 's', 'x-ignore-me': 'i' };
const BASE = [{ bucket: 'b' }, { key: 'user/a' }, ['starts-with', '$x-amz-meta-tag', '']];

function check(conditions: unknown, o: { expiration?: unknown; fields?: Record<string, string> } = {}) {
  const document = { expiration: o.expiration ?? '2030-01-01T00:00:01Z', conditions };
  const policy = Buffer.from(JSON.stringify(document)).toString('base64');
  return checkRaw(policy, o.fields);
}

function checkRaw(policy: string, fields: Record<string, string> = FIELDS) {
  try {
    return checkPolicy(policy, { fields: new Map(Object.entries(fields)), bucket: 'b', now: NOW, maxBytes: MAX });
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
}

describe('conditions that hold', () => {
  it.each<[string, unknown[]]>([
    ['exact values', [{ bucket: 'b' }, { key: 'user/a' }, { 'x-amz-meta-tag': 'one' }]],
    ['several in one object', [{ bucket: 'b', key: 'user/a', 'x-amz-meta-tag': 'one' }]],
    [
      'eq',
      [
        ['eq', '$bucket', 'b'],
        ['eq', '$key', 'user/a'],
        ['eq', '$x-amz-meta-tag', 'one'],
      ],
    ],
    ['starts-with', [{ bucket: 'b' }, ['starts-with', '$key', 'user/'], ['starts-with', '$x-amz-meta-tag', 'o']]],
    ['anything', [{ bucket: 'b' }, ['starts-with', '$key', ''], ['starts-with', '$x-amz-meta-tag', '']]],
    ['in other case', [{ Bucket: 'b' }, ['EQ', '$Key', 'user/a'], ['Starts-With', '$X-Amz-Meta-Tag', '']]],
  ])('%s', (_name, conditions) => {
    expect(check(conditions)).toEqual({ min: 0, max: MAX });
  });
});

describe('conditions that do not', () => {
  it.each<[string, unknown[]]>([
    ['another key', [{ bucket: 'b' }, { key: 'user/b' }, ['starts-with', '$x-amz-meta-tag', '']]],
    ['the key in other case', [{ bucket: 'b' }, { key: 'User/a' }, ['starts-with', '$x-amz-meta-tag', '']]],
    ['another prefix', [{ bucket: 'b' }, ['starts-with', '$key', 'users/'], ['starts-with', '$x-amz-meta-tag', '']]],
    ['another bucket', [...BASE.slice(1), { bucket: 'c' }]],
    ['no bucket', BASE.slice(1)],
    ['a field that the policy does not name', BASE.slice(0, 2)],
    ['a field that the form lacks', [...BASE, { acl: 'private' }]],
    ['one of two for a field', [...BASE, ['eq', '$key', 'user/b']]],
  ])('%s: AccessDenied', (_name, conditions) => {
    expect(check(conditions)).toBe('AccessDenied');
  });

  it.each<[string, unknown]>([
    ['no list', { key: 'user/a' }],
    ['none', undefined],
    ['an unknown operator', [...BASE, ['ends-with', '$key', 'a']]],
    ['a field without its sign', [...BASE, ['eq', 'key', 'user/a']]],
    ['too few words', [...BASE, ['eq', '$key']]],
    ['too many words', [...BASE, ['eq', '$key', 'user/a', 'x']]],
    ['a word', [...BASE, 'key']],
    ['null', [...BASE, null]],
    ['a nested value', [...BASE, { key: { eq: 'user/a' } }]],
    ['a length that is none', [...BASE, ['content-length-range', 'x', 10]]],
    ['a negative length', [...BASE, ['content-length-range', -1, 10]]],
    ['a broken length', [...BASE, ['content-length-range', 0.5, 10]]],
    ['a length the wrong way round', [...BASE, ['content-length-range', 10, 9]]],
  ])('%s: InvalidPolicyDocument', (_name, conditions) => {
    expect(check(conditions)).toBe('InvalidPolicyDocument');
  });

  it.each(['', 'not base64 JSON', Buffer.from('[]').toString('base64'), Buffer.from('{"a":1').toString('base64')])(
    'the policy %j: InvalidPolicyDocument',
    (policy) => expect(checkRaw(policy)).toBe('InvalidPolicyDocument'),
  );
});

describe('lengths', () => {
  it.each<[unknown[], { min: number; max: number }]>([
    [[], { min: 0, max: MAX }],
    [[['content-length-range', 5, 10]], { min: 5, max: 10 }],
    [[['content-length-range', '5', '10']], { min: 5, max: 10 }],
    [[['content-length-range', 0, 10 * MAX]], { min: 0, max: MAX }],
    [
      [
        ['content-length-range', 5, 20],
        ['content-length-range', 0, 10],
      ],
      { min: 5, max: 10 },
    ],
    [[['Content-Length-Range', 7, 7]], { min: 7, max: 7 }],
  ])('%j allow %j', (conditions, allowed) => {
    expect(check([...BASE, ...conditions])).toEqual(allowed);
  });
});

describe('expiration', () => {
  it.each(['2029-12-31T23:59:59Z', '2030-01-01T00:00:00Z', 'never', '', undefined])('%j: refused', (expiration) => {
    const document = { expiration, conditions: BASE };
    const refusal = checkRaw(Buffer.from(JSON.stringify(document)).toString('base64'));
    expect(refusal).toBe(expiration === undefined ? 'InvalidPolicyDocument' : 'AccessDenied');
  });

  it('a moment later: allowed', () => {
    expect(check(BASE, { expiration: '2030-01-01T00:00:00.001Z' })).toEqual({ min: 0, max: MAX });
  });
});
