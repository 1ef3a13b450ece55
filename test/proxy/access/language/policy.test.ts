/**
 * Protects: a policy means here what it means on AWS, corner by corner of what IAM's user guide says; and where a policy cannot
 * be understood or decided, it is refused, or its Allow does not apply and its Deny does.
 */
import { describe, expect, test } from 'vitest';
import type { Action } from '../../../../proxy/access/actions.ts';
import type { ContextKey } from '../../../../proxy/access/context.ts';
import { compilePolicy } from '../../../../proxy/access/language/compile.ts';
import { conditionKey } from '../../../../proxy/access/language/condition-keys.ts';
import { MalformedPolicyDocument } from '../../../../proxy/access/language/malformed.ts';

type Json = Record<string, unknown>;

const BUCKET = 'arn:aws:s3:::data';
const statement = (members: Json): Json => ({ Effect: 'Allow', Action: '*', Resource: '*', ...members });
const policyText = (...statements: Json[]) => JSON.stringify({ Version: '2012-10-17', Statement: statements });

function decide(
  statements: readonly Json[],
  o: { action?: string; resource?: string; values?: Record<string, string> } = {},
): boolean {
  const values = new Map<ContextKey, string>(
    Object.entries(o.values ?? {}).map(([name, value]) => [conditionKey(name), value]),
  );
  const { action = 's3:GetObject', resource = `${BUCKET}/a/b.txt` } = o;
  return (
    compilePolicy('key', policyText(...statements)).judge(action as Action, { arn: resource }, values).effect ===
    'allow'
  );
}

describe('effects', () => {
  const deny = (members: Json = {}) => statement({ Effect: 'Deny', ...members });

  test.each<[string, Json[], boolean]>([
    ['one that allows', [statement({})], true],
    ['a Deny wins, whatever its place', [deny(), statement({})], false],
    ['a Deny wins, whatever its place', [statement({}), deny()], false],
    ['a Deny of another action does nothing', [statement({}), deny({ Action: 's3:PutObject' })], true],
    ['a Deny alone allows nothing', [deny({ Action: 's3:PutObject' })], false],
  ])('%s', (_, statements, allowed) => {
    expect(decide(statements)).toBe(allowed);
  });

  test('the statement that decided is named, by its Sid or its number', () => {
    const named = (statements: Json[]) =>
      compilePolicy('key', policyText(...statements)).judge('s3:GetObject', { arn: BUCKET }, new Map()).statement;
    expect(named([statement({ Sid: 'Reads' })])).toBe('key/Reads');
    expect(named([statement({}), deny()])).toBe('key/statement-2');
    expect(named([deny({ Action: 's3:PutObject' })])).toBe('key/none');
  });
});

describe('actions', () => {
  test.each<[Json, string, boolean]>([
    [{ Action: 's3:GetObject' }, 's3:GetObject', true],
    [{ Action: 'S3:getobject' }, 's3:GetObject', true],
    [{ Action: 's3:Get*' }, 's3:GetObjectTagging', true],
    [{ Action: 's3:GetObject' }, 's3:GetObjectVersion', false],
    [{ Action: 's3:?etObject' }, 's3:GetObject', true],
    [{ Action: ['s3:PutObject', 's3:*Object'] }, 's3:DeleteObject', true],
    [{ Action: 'iam:*' }, 's3:GetObject', false],
    [{ NotAction: 's3:Delete*' }, 's3:GetObject', true],
    [{ NotAction: ['s3:Delete*', 's3:Get*'] }, 's3:GetObject', false],
  ])('%j and %s: %s', ({ Action, NotAction }, action, allowed) => {
    const one = NotAction === undefined ? statement({ Action }) : statement({ Action: undefined, NotAction });
    expect(decide([one], { action })).toBe(allowed);
  });
});

describe('resources', () => {
  test.each<[unknown, string, boolean]>([
    [`${BUCKET}/*`, `${BUCKET}/a/b`, true],
    [`${BUCKET}/*`, BUCKET, false],
    [BUCKET, BUCKET, true],
    [BUCKET, `${BUCKET}/a`, false],
    [`${BUCKET}*`, `${BUCKET}-of-others/a`, true],
    [`${BUCKET}/a/*/c`, `${BUCKET}/a/b/b/c`, true],
    [`${BUCKET}/a?c`, `${BUCKET}/abc`, true],
    [`${BUCKET}/a?c`, `${BUCKET}/a/c`, true],
    [`${BUCKET}/a?c`, `${BUCKET}/ac`, false],
    [`${BUCKET}/a?c`, `${BUCKET}/a😀c`, true],
    [`${BUCKET}/A`, `${BUCKET}/a`, false],
    [`${BUCKET}/a\${*}`, `${BUCKET}/ab`, false],
    [`${BUCKET}/a\${*}`, `${BUCKET}/a*`, true],
    [`${BUCKET}/a\${?}\${$}{x}`, `${BUCKET}/a?\${x}`, true],
    [`${BUCKET}/ab*ba`, `${BUCKET}/aba`, false],
    [`${BUCKET}/ab*ba`, `${BUCKET}/abba`, true],
    [`${BUCKET}/*?`, `${BUCKET}/`, false],
    [['arn:aws:s3:::other', `${BUCKET}/a`], `${BUCKET}/a`, true],
    ['arn:aws:iam::000000000000:user/*', 'arn:aws:iam::000000000000:user/x', true],
    ['arn:aws:iam::000000000000:*', `${BUCKET}/a`, false],
  ])('%s and %s: %s', (Resource, resource, allowed) => {
    expect(decide([statement({ Resource })], { resource })).toBe(allowed);
    // What the same statement excepts is the rest.
    expect(decide([statement({ Resource: undefined, NotResource: Resource })], { resource })).toBe(!allowed);
  });

  test('ten thousand stars and a text that almost matches are decided at once', () => {
    const Resource = `${BUCKET}/${'*a'.repeat(3_000)}b`.slice(0, 5_900);
    expect(decide([statement({ Resource })], { resource: `${BUCKET}/${'a'.repeat(1_000)}` })).toBe(false);
    expect(decide([statement({ Resource: `${BUCKET}/${'*'.repeat(5_000)}` })])).toBe(true);
  });
});

describe('variables', () => {
  const team = (value: string) => ({ values: { 'aws:PrincipalTag/team': value } });
  const ofTeam = `${BUCKET}/\${aws:PrincipalTag/team}/*`;

  test('a value is literal, whatever it holds', () => {
    const at = (key: string, value: string) =>
      decide([statement({ Resource: ofTeam })], { ...team(value), resource: `${BUCKET}/${key}` });
    expect(at('blue/x', 'blue')).toBe(true);
    expect(at('red/x', 'blue')).toBe(false);
    for (const value of ['*', '?', 'b*', '${*}', '${aws:userid}', '', '..', 'a/b']) {
      expect([value, at(`${value}/x`, value)]).toEqual([value, true]);
      expect([value, at('blue/x', value)]).toEqual([value, false]);
    }
  });

  test('a Deny on a variable holds for a key with a star in it', () => {
    const statements = [statement({}), statement({ Effect: 'Deny', Resource: undefined, NotResource: ofTeam })];
    expect(decide(statements, { ...team('blue'), resource: `${BUCKET}/blue/x*` })).toBe(true);
    expect(decide(statements, { ...team('blue'), resource: `${BUCKET}/*/x` })).toBe(false);
  });

  test('names of keys and tags are not case-sensitive', () => {
    const Resource = `${BUCKET}/\${AWS:principaltag/TEAM}/*`;
    expect(decide([statement({ Resource })], { ...team('blue'), resource: `${BUCKET}/blue/x` })).toBe(true);
  });

  test('without a value an Allow does not apply and a Deny does, unless there is a default', () => {
    const resource = `${BUCKET}/blue/x`;
    const bare = { Resource: ofTeam };
    const except = { Resource: undefined, NotResource: ofTeam };
    const defaulted = { Resource: `${BUCKET}/\${aws:PrincipalTag/team, 'blue'}/*` };
    const elsewhere = { Resource: `${BUCKET}/\${aws:PrincipalTag/team, 'red'}/*` };
    const allows = (members: Json) => decide([statement(members)], { resource });
    const denies = (members: Json) => !decide([statement({}), statement({ Effect: 'Deny', ...members })], { resource });
    expect([bare, except, defaulted, elsewhere].map(allows)).toEqual([false, false, true, false]);
    expect([bare, except, defaulted, elsewhere].map(denies)).toEqual([true, true, true, false]);
    const like = (text: string) => ({ Condition: { StringNotLike: { 'aws:UserAgent': text } } });
    const withAgent = (statements: Json[]) => decide(statements, { resource, values: { 'aws:UserAgent': 'curl' } });
    const unknown = '${aws:PrincipalTag/team}';
    expect(withAgent([statement(like(unknown))])).toBe(false);
    expect(withAgent([statement({}), statement({ Effect: 'Deny', ...like(unknown) })])).toBe(false);
    expect(withAgent([statement({}), statement({ Effect: 'Deny', ...like('curl') })])).toBe(true);
  });
});

describe('conditions', () => {
  const NOW = '2026-07-01T12:00:00Z';
  const EPOCH = String(Date.parse(NOW) / 1000);

  // Condition, the request's values, whether it holds.
  test.each<[Json, Record<string, string>, boolean]>([
    [{ StringEquals: { 's3:prefix': 'a/' } }, { 's3:prefix': 'a/' }, true],
    [{ StringEquals: { 's3:prefix': 'a*' } }, { 's3:prefix': 'ab' }, false],
    [{ StringEquals: { 's3:prefix': ['x', 'a/'] } }, { 's3:prefix': 'a/' }, true],
    [{ StringEquals: { 's3:prefix': 'a/' } }, {}, false],
    [{ StringEqualsIfExists: { 's3:prefix': 'a/' } }, {}, true],
    [{ StringNotEquals: { 's3:prefix': ['x', 'y'] } }, { 's3:prefix': 'y' }, false],
    [{ StringNotEquals: { 's3:prefix': ['x', 'y'] } }, { 's3:prefix': 'z' }, true],
    [{ StringNotEquals: { 's3:prefix': 'x' } }, {}, true],
    [{ StringEqualsIgnoreCase: { 'aws:UserAgent': 'CURL' } }, { 'aws:UserAgent': 'curl' }, true],
    [{ StringNotEqualsIgnoreCase: { 'aws:UserAgent': 'CURL' } }, { 'aws:UserAgent': 'curl' }, false],
    [{ StringLike: { 's3:prefix': 'a/*' } }, { 's3:prefix': 'a/b' }, true],
    [{ StringNotLike: { 's3:prefix': 'a/*' } }, { 's3:prefix': 'a/b' }, false],
    [{ stringlike: { 'S3:Prefix': ['', 'a/*'] } }, { 's3:prefix': '' }, true],
    [{ NumericLessThanEquals: { 's3:max-keys': 10 } }, { 's3:max-keys': '10' }, true],
    [{ NumericLessThan: { 's3:max-keys': '10' } }, { 's3:max-keys': '9.5' }, true],
    [{ NumericGreaterThan: { 's3:max-keys': '9' } }, { 's3:max-keys': '10' }, true],
    [{ NumericGreaterThanEquals: { 's3:max-keys': '9' } }, { 's3:max-keys': '8' }, false],
    [{ NumericEquals: { 's3:max-keys': '10' } }, { 's3:max-keys': '10.0' }, true],
    [{ NumericNotEquals: { 's3:max-keys': '10' } }, { 's3:max-keys': '10.0' }, false],
    [{ NumericLessThanEquals: { 's3:max-keys': 10 } }, { 's3:max-keys': 'all' }, false],
    [{ NumericNotEquals: { 's3:max-keys': 10 } }, { 's3:max-keys': 'all' }, false],
    [{ DateLessThan: { 'aws:CurrentTime': '2026-07-01T12:00:01Z' } }, { 'aws:CurrentTime': NOW }, true],
    [{ DateGreaterThan: { 'aws:CurrentTime': '2026-07-01T14:00:01+02:00' } }, { 'aws:CurrentTime': NOW }, false],
    [{ DateEquals: { 'aws:CurrentTime': EPOCH } }, { 'aws:CurrentTime': NOW }, true],
    [{ DateLessThanEquals: { 'aws:EpochTime': NOW } }, { 'aws:EpochTime': EPOCH }, true],
    [{ NumericLessThan: { 'aws:EpochTime': EPOCH } }, { 'aws:EpochTime': EPOCH }, false],
    [{ Bool: { 'aws:SecureTransport': 'true' } }, { 'aws:SecureTransport': 'true' }, true],
    [{ Bool: { 'aws:SecureTransport': false } }, { 'aws:SecureTransport': 'true' }, false],
    [{ Bool: { 'aws:SecureTransport': 'true' } }, {}, false],
    [{ BoolIfExists: { 'aws:SecureTransport': 'true' } }, {}, true],
    [{ IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } }, { 'aws:SourceIp': '203.0.113.9' }, true],
    [{ IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '203.0.113.9'] } }, { 'aws:SourceIp': '::ffff:203.0.113.9' }, true],
    [{ IpAddress: { 'aws:SourceIp': '2001:db8::/32' } }, { 'aws:SourceIp': '2001:db8:1::1' }, true],
    [{ IpAddress: { 'aws:SourceIp': '0.0.0.0/0' } }, { 'aws:SourceIp': '2001:db8:1::1' }, false],
    [{ NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, { 'aws:SourceIp': '10.1.1.1' }, false],
    [{ NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, { 'aws:SourceIp': '11.1.1.1' }, true],
    [{ Null: { 'aws:TokenIssueTime': 'true' } }, {}, true],
    [{ Null: { 'aws:TokenIssueTime': 'true' } }, { 'aws:TokenIssueTime': NOW }, false],
    [{ Null: { 'aws:TokenIssueTime': 'false' } }, { 'aws:TokenIssueTime': NOW }, true],
    [{ Null: { 'aws:TokenIssueTime': false } }, {}, false],
    [{ 'ForAllValues:StringEquals': { 'aws:PrincipalTag/t': ['a', 'b'] } }, {}, true],
    [{ 'ForAllValues:StringEquals': { 'aws:PrincipalTag/t': ['a', 'b'] } }, { 'aws:PrincipalTag/t': 'c' }, false],
    [{ 'ForAnyValue:StringEquals': { 'aws:PrincipalTag/t': ['a', 'b'] } }, {}, false],
    [{ 'ForAnyValue:StringNotEquals': { 'aws:PrincipalTag/t': 'a' } }, {}, false],
    [{ 'ForAnyValue:StringLikeIfExists': { 'aws:PrincipalTag/t': 'a*' } }, {}, true],
    [
      { ArnLike: { 'aws:PrincipalTag/r': 'arn:aws:iam::*:role/a*' } },
      { 'aws:PrincipalTag/r': 'arn:aws:iam::1:role/ab' },
      true,
    ],
    [
      { ArnEquals: { 'aws:PrincipalTag/r': 'arn:aws:*:::role/a' } },
      { 'aws:PrincipalTag/r': 'arn:aws:iam::1:role/a' },
      false,
    ],
    [{ ArnNotLike: { 'aws:PrincipalTag/r': 'arn:aws:iam::*:*' } }, { 'aws:PrincipalTag/r': 'no arn' }, true],
    [
      { StringEquals: { 's3:prefix': 'a', 's3:delimiter': '/' }, Bool: { 'aws:SecureTransport': 'true' } },
      { 's3:prefix': 'a', 's3:delimiter': '/', 'aws:SecureTransport': 'true' },
      true,
    ],
    [
      { StringEquals: { 's3:prefix': 'a', 's3:delimiter': '/' }, Bool: { 'aws:SecureTransport': 'true' } },
      { 's3:prefix': 'a', 's3:delimiter': '/', 'aws:SecureTransport': 'false' },
      false,
    ],
  ])('%j with %j: %s', (Condition, values, holds) => {
    expect(decide([statement({ Condition })], { values })).toBe(holds);
  });

  test('an address that is not known opens nothing, and keeps closed what an address closes', () => {
    for (const operator of ['IpAddress', 'NotIpAddress', 'IpAddressIfExists', 'NotIpAddressIfExists']) {
      const Condition = { [operator]: { 'aws:SourceIp': '10.0.0.0/8' } };
      for (const values of [{}, { 'aws:SourceIp': 'unknown' }]) {
        expect(decide([statement({ Condition })], { values })).toBe(false);
        expect(decide([statement({}), statement({ Effect: 'Deny', Condition })], { values })).toBe(false);
      }
    }
  });
});

describe('refused', () => {
  const of = (members: Json) => policyText(statement(members));
  const where = (Condition: Json) => of({ Condition });

  test.each<[string, string, RegExp]>([
    ['no JSON', '{', /well-formed JSON/],
    ['nothing', '', /well-formed JSON/],
    ['another version', '{"Version":"2008-10-17","Statement":[]}', /Version/],
    ['no version', JSON.stringify({ Statement: [statement({})] }), /Version/],
    ['no statement', '{"Version":"2012-10-17","Statement":[]}', /Statement/],
    [
      'a member twice',
      '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}',
      /twice/,
    ],
    [
      'a condition twice',
      `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"},"Bool":{"aws:SecureTransport":"false"}}}}`,
      /twice/,
    ],
    [
      'a member that vanishes',
      '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"__proto__":{"s3:prefix":"a"}}}}',
      /__proto__/,
    ],
    ['two Sids', policyText(statement({ Sid: 'a' }), statement({ Sid: 'a' })), /Sid/],
    ['a Principal', of({ Principal: '*' }), /Principal/],
    ['an effect in lower case', of({ Effect: 'allow' }), /Effect/],
    ['Action and NotAction', of({ NotAction: 's3:*' }), /Action/],
    ['no resource', of({ Resource: undefined }), /Resource/],
    ['Resource and NotResource', of({ NotResource: '*' }), /Resource/],
    ['an empty list', of({ Action: [] }), /Action/],
    ['an action without a service', of({ Action: 'GetObject' }), /service:Name/],
    ['an action of another service', of({ Action: 'ec2:*' }), /ec2/],
    ['an action with a variable', of({ Action: 's3:${aws:userid}' }), /action/],
    ['a bucket by its name', of({ Resource: 'data/*' }), /data/],
    ['another partition', of({ Resource: 'arn:aws-cn:s3:::data' }), /aws-cn/],
    ['an account in a bucket', of({ Resource: 'arn:aws:s3::123456789012:data' }), /123456789012/],
    ['a variable without an end', of({ Resource: `${BUCKET}/\${aws:userid` }), /closing brace/],
    ['an unknown variable', of({ Resource: `${BUCKET}/\${aws:PrincipalOrgID}` }), /PrincipalOrgID/],
    ['an unknown operator', where({ StringMatches: { 's3:prefix': 'a' } }), /StringMatches/],
    ['an unknown set', where({ 'ForSomeValues:StringEquals': { 's3:prefix': 'a' } }), /ForSomeValues/],
    ['an unknown key', where({ StringEquals: { 's3:ExistingObjectTag/a': 'b' } }), /ExistingObjectTag/],
    ['a tag without a name', where({ StringEquals: { 'aws:PrincipalTag/': 'b' } }), /PrincipalTag/],
    ['text of an address', where({ StringEquals: { 'aws:SourceIp': '10.0.0.1' } }), /SourceIp/],
    ['a number of text', where({ NumericEquals: { 's3:prefix': '1' } }), /s3:prefix/],
    ['no number', where({ NumericEquals: { 's3:max-keys': 'ten' } }), /ten/],
    ['no date', where({ DateLessThan: { 'aws:CurrentTime': 'tomorrow' } }), /tomorrow/],
    ['no boolean', where({ Bool: { 'aws:SecureTransport': 'yes' } }), /yes/],
    ['no block', where({ IpAddress: { 'aws:SourceIp': '10.0.0.0/33' } }), /10\.0\.0\.0\/33/],
    ['a host name', where({ IpAddress: { 'aws:SourceIp': 'localhost' } }), /localhost/],
    ['Null of something else', where({ Null: { 's3:prefix': 'maybe' } }), /maybe/],
    ['Null if it exists', where({ NullIfExists: { 's3:prefix': 'true' } }), /Null/],
    ['no ARN', where({ ArnLike: { 'aws:PrincipalTag/r': 'role/*' } }), /ARN/],
    ['too long', of({ Resource: `${BUCKET}/${'a'.repeat(7_000)}` }), /6144/],
  ])('%s', (_, text, message) => {
    expect(() => compilePolicy('key', text)).toThrow(MalformedPolicyDocument);
    expect(() => compilePolicy('key', text)).toThrow(message);
  });
});
