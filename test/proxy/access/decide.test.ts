/**
 * Protects: the one place that decides. What grants allow and what they do not, action by action; that a Deny wins, that every
 * policy of a principal must allow, and that nothing is allowed by silence; that the state bucket is out of reach in every
 * spelling; that a decision names what decided; and that it costs next to nothing.
 */
import { describe, expect, test } from 'vitest';
import { ACTION_GROUPS, ACTIONS, type Action } from '../../../proxy/access/actions.ts';
import { type ContextValues, contextOf } from '../../../proxy/access/context.ts';
import { type Decision, decide } from '../../../proxy/access/decide.ts';
import { policyOfGrants } from '../../../proxy/access/grants-policy.ts';
import { BucketPattern, EVERYTHING, ObjectPattern } from '../../../proxy/access/patterns.ts';
import { Policy, type Statement } from '../../../proxy/access/policy.ts';
import {
  ALL_BUCKETS,
  bucketResource,
  keyResource,
  objectResource,
  type Resource,
  userResource,
} from '../../../proxy/access/resource.ts';
import { serverPolicy } from '../../../proxy/access/server-policy.ts';
import type { Grant } from '../../../proxy/keyring/grants.ts';

const STATE = 'state-bucket';
const TENANT = '0123456789abcdef01234567';
const server = serverPolicy({ ownBuckets: [STATE], selfService: true, conditionalWrites: true, sessions: true });
const grant = (o: Partial<Grant> = {}): Grant => ({ bucket: 'bbb', prefix: '', access: 'read-write', ...o });

function ask(grants: readonly Grant[], action: Action, resource: Resource, values: ContextValues = {}): Decision {
  const context = contextOf({ 'aws:username': () => TENANT, ...values });
  return decide({ policies: [server, policyOfGrants(grants)] }, action, resource, context);
}

const bucket = bucketResource('bbb');
const object = objectResource({ bucket: 'bbb', key: 'p/k' });
const listing = (prefix: string): ContextValues => ({ 's3:prefix': () => prefix });

describe('a grant', () => {
  const table: [Action, Partial<Grant>, Resource, 'allow' | 'deny', ContextValues?][] = [
    ['s3:GetObject', {}, object, 'allow'],
    ['s3:GetObject', { access: 'read-only' }, object, 'allow'],
    ['s3:GetObject', { bucket: '*' }, object, 'allow'],
    ['s3:GetObject', { bucket: 'other' }, object, 'deny'],
    ['s3:GetObject', { bucket: 'BBB' }, object, 'deny'],
    ['s3:GetObject', { prefix: 'p/' }, object, 'allow'],
    ['s3:GetObject', { prefix: 'p/k' }, object, 'allow'],
    ['s3:GetObject', { prefix: 'p/k2' }, object, 'deny'],
    ['s3:GetObject', { prefix: '/p' }, object, 'deny'],
    ['s3:GetObject', { prefix: '*' }, object, 'deny'],
    ['s3:GetObject', { prefix: '?' }, object, 'deny'],
    ['s3:GetObject', { bucket: '*' }, bucket, 'deny'],
    ['s3:PutObject', {}, object, 'allow'],
    ['s3:PutObject', { access: 'read-only' }, object, 'deny'],
    ['s3:PutObject', { prefix: 'q/' }, object, 'deny'],
    ['s3:PutObjectRetention', { prefix: 'p/' }, object, 'allow'],
    ['s3:BypassGovernanceRetention', { prefix: 'p/' }, object, 'deny'],
    ['s3:BypassGovernanceRetention', { access: 'read-only' }, object, 'deny'],
    ['s3:BypassGovernanceRetention', {}, object, 'allow'],
    ['s3:ListBucket', {}, bucket, 'allow', listing('')],
    ['s3:ListBucket', { prefix: 'p/' }, bucket, 'deny', listing('')],
    ['s3:ListBucket', { prefix: 'p/' }, bucket, 'deny', listing('p')],
    ['s3:ListBucket', { prefix: 'p/' }, bucket, 'allow', listing('p/q')],
    // HeadBucket lists nothing.
    ['s3:ListBucket', { prefix: 'p/' }, bucket, 'allow'],
    ['s3:ListBucketVersions', { prefix: 'p/' }, bucket, 'deny', listing('q')],
    ['s3:ListBucketMultipartUploads', { prefix: 'p/' }, bucket, 'deny', listing('q')],
    ['s3:GetBucketPolicy', { prefix: 'p/' }, bucket, 'allow'],
    ['s3:GetBucketPolicy', { bucket: 'ccc' }, bucket, 'deny'],
    ['s3:PutBucketPolicy', {}, bucket, 'allow'],
    ['s3:PutBucketPolicy', { prefix: 'p/' }, bucket, 'deny'],
    ['s3:PutBucketPolicy', { access: 'read-only' }, bucket, 'deny'],
    ['s3:ListAllMyBuckets', { bucket: 'ccc' }, ALL_BUCKETS, 'allow'],
    ['iam:CreateAccessKey', { bucket: 'ccc' }, userResource(TENANT), 'allow'],
    ['iam:DeleteAccessKey', {}, keyResource(TENANT, '01234567'), 'allow', { 'sealgate:KeyReach': () => 'within' }],
    ['iam:DeleteAccessKey', {}, keyResource(TENANT, '01234567'), 'deny', { 'sealgate:KeyReach': () => 'beyond' }],
    ['iam:DeleteAccessKey', {}, keyResource('f'.repeat(24), '01234567'), 'deny'],
    ['iam:ListAccessKeys', {}, userResource('f'.repeat(24)), 'deny'],
    ['sts:GetCallerIdentity', {}, userResource(TENANT), 'allow'],
  ];
  test.each(table)('%s with %o on %o: %s', (action, given, resource, effect, values) => {
    expect(ask([grant(given)], action, resource, values).effect).toBe(effect);
  });

  test('none allows the list of buckets, the own keys and sessions of them, and nothing else', () => {
    const things = [bucket, object, ALL_BUCKETS, userResource(TENANT)];
    const allowed = ACTIONS.filter((action) => things.some((one) => ask([], action, one).effect === 'allow'));
    const { listBuckets, ownSessions, ownUserRead, ownUserWrite } = ACTION_GROUPS;
    expect(allowed.sort()).toEqual([...listBuckets, ...ownSessions, ...ownUserRead, ...ownUserWrite].sort());
  });

  test('adds up with others, and one of them has to cover all of a request', () => {
    const grants = [grant({ access: 'read-only' }), grant({ prefix: 'mine/' })];
    const on = (key: string) => objectResource({ bucket: 'bbb', key });
    expect(ask(grants, 's3:PutObject', on('mine/a')).statement).toBe('key/grant-2');
    expect(ask(grants, 's3:PutObject', on('yours/a')).statement).toBe('key/none');
    expect(ask(grants, 's3:GetObject', on('yours/a')).statement).toBe('key/grant-1');
  });

  test('is compiled once for as long as its keyring is in memory', () => {
    const grants = [grant()];
    expect(policyOfGrants(grants)).toBe(policyOfGrants(grants));
    expect(policyOfGrants([...grants])).not.toBe(policyOfGrants(grants));
  });
});

test('a decision costs less than 10 us of CPU', () => {
  const grants = Array.from({ length: 16 }, (_, at) => grant({ bucket: `bucket-${at}`, prefix: `p${at}/` }));
  const last = objectResource({ bucket: 'bucket-15', key: 'p15/key' });
  ask(grants, 's3:GetObject', last);
  const before = process.threadCpuUsage();
  let allowed = 0;
  for (let i = 0; i < 50_000; i++) if (ask(grants, 's3:GetObject', last).effect === 'allow') allowed += 1;
  const { user, system } = process.threadCpuUsage(before);
  expect(allowed).toBe(50_000);
  // Microseconds: 100,000 decisions a CPU second at least.
  expect(user + system).toBeLessThan(500_000);
});

describe('the state bucket', () => {
  test.each([STATE, 'State-Bucket', 'STATE-BUCKET'])('%s: no action on it or in it', (name) => {
    for (const given of [grant({ bucket: '*' }), grant({ bucket: STATE }), grant({ bucket: name })]) {
      for (const action of ACTIONS) {
        for (const resource of [bucketResource(name), objectResource({ bucket: name, key: 'k' })]) {
          const decision = ask([given], action, resource, listing(''));
          expect([action, decision]).toEqual([action, { effect: 'deny', statement: 'server/state-bucket' }]);
        }
      }
    }
  });

  test('is not every bucket whose name begins like it', () => {
    const near = objectResource({ bucket: `${STATE}s`, key: 'k' });
    expect(ask([grant({ bucket: '*' })], 's3:GetObject', near).effect).toBe('allow');
  });
});

describe('several policies', () => {
  const statement = (o: Partial<Statement>): Statement => ({
    sid: 'one',
    effect: 'allow',
    actions: new Set<Action>(['s3:GetObject']),
    resources: [EVERYTHING],
    conditions: [],
    ...o,
  });
  const context = contextOf({});
  const judge = (...policies: [Policy, ...Policy[]]) => decide({ policies }, 's3:GetObject', object, context);
  const yes = new Policy('yes', [statement({})]);
  const silent = new Policy('silent', [statement({ resources: [new BucketPattern('bbb')] })]);
  const no = new Policy('no', [statement({}), statement({ sid: 'two', effect: 'deny' })]);

  test('must all allow, in any order, and the last of them is what decided', () => {
    expect(judge(yes)).toEqual({ effect: 'allow', statement: 'yes/one' });
    expect(judge(yes, new Policy('narrow', [statement({ sid: 'n' })]))).toEqual({
      effect: 'allow',
      statement: 'narrow/n',
    });
    const orders: [Policy, Policy][] = [
      [silent, yes],
      [yes, silent],
    ];
    for (const policies of orders) {
      expect(judge(...policies)).toEqual({ effect: 'deny', statement: 'silent/none' });
    }
  });

  test('a Deny decides wherever it stands, in its policy or among them', () => {
    const orders: [Policy, ...Policy[]][] = [[no], [no, silent, yes], [silent, yes, no]];
    for (const policies of orders) {
      expect(judge(...policies)).toEqual({ effect: 'deny', statement: 'no/two' });
    }
  });

  test('a statement applies where a resource matches and every condition holds', () => {
    const when = (prefix: string) => ({
      holds: (one: typeof context) => one.get('s3:prefix') === prefix,
      isImpliedBy: () => false,
    });
    const policy = new Policy('p', [
      statement({
        resources: [new ObjectPattern('ccc', ''), new ObjectPattern('bbb', 'p')],
        conditions: [when('a'), when('a')],
      }),
      statement({ sid: 'never', conditions: [when('a'), when('b')] }),
    ]);
    const under = (prefix: string) =>
      decide({ policies: [policy] }, 's3:GetObject', object, contextOf(listing(prefix)));
    expect(under('a').statement).toBe('p/one');
    expect(under('b').statement).toBe('p/none');
  });

  test('context keys are asked for only by statements that need them', () => {
    const values: ContextValues = {
      's3:prefix': () => {
        throw new Error('nobody needed it');
      },
    };
    expect(ask([grant({ prefix: 'p/' })], 's3:GetObject', object, values).effect).toBe('allow');
  });
});
