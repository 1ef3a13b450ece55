/**
 * Protects: the table of actions. Every operation has its row and every action its use; no write is open to a reader, and no
 * header that asks for more goes by unasked, whichever operation it comes with; what README shows is what the code has.
 */
import { describe, expect, test } from 'vitest';
import { ACTION_TABLE, rowOf, writes } from '../../../proxy/access/action-table.ts';
import { ACTION_GROUPS, ACTIONS, type Action, isReadOnly } from '../../../proxy/access/actions.ts';
import { contextOf } from '../../../proxy/access/context.ts';
import { decide } from '../../../proxy/access/decide.ts';
import { type Asked, demandsOf, demandsOfEach } from '../../../proxy/access/demands.ts';
import { policyOfGrants } from '../../../proxy/access/grants-policy.ts';
import { HEADER_TABLE, isAsked } from '../../../proxy/access/header-actions.ts';
import { permissionOf } from '../../../proxy/iam/action.ts';
import { QUERY_ACTIONS } from '../../../proxy/iam/actions/table.ts';
import type { Operation } from '../../../proxy/operation.ts';
import { OPERATIONS } from '../../../proxy/operations/table.ts';

const named = (name: string): Operation => {
  const found = OPERATIONS.find((operation) => operation.name === name);
  if (found === undefined) throw new Error(`there is no operation ${name}`);
  return found;
};

/** A request of the operation, at the object `k` of the bucket `bbb`. */
function asked(operation: Operation, headers: Readonly<Record<string, string>> = {}, namesVersion = false): Asked {
  const { level, copySource } = operation.selector;
  const all: Record<string, string> = copySource === true ? { 'x-amz-copy-source': '/source/s', ...headers } : headers;
  const isForm = operation.body === 'form';
  return {
    bucket: level === 'service' ? undefined : 'bbb',
    key: level === 'object' || isForm ? 'k' : undefined,
    namesVersion,
    header: (name) => all[name],
  };
}

const shown = (demands: ReturnType<typeof demandsOf>) => demands.map(({ action, resource }) => [action, resource.arn]);
const [BUCKET, OBJECT] = ['arn:aws:s3:::bbb', 'arn:aws:s3:::bbb/k'];

describe('the table of actions', () => {
  test('has a row for every operation and no other', () => {
    expect(Object.keys(ACTION_TABLE).sort()).toEqual(OPERATIONS.map(({ name }) => name).sort());
    expect(() => rowOf('SelectObjectContent')).toThrow('no row');
    expect(() => rowOf('constructor')).toThrow('no row');
  });

  test("has every action of IAM and STS, and every action is some request's", () => {
    const used = new Set<string>([
      ...Object.values(ACTION_TABLE).flatMap((row) => [
        ...row.actions,
        ...(row.ofVersion ?? []),
        ...(row.inDocument?.actions ?? []),
      ]),
      ...HEADER_TABLE.flatMap((row) => [...(row.onObject ?? []), ...(row.onVersion ?? []), ...(row.onBucket ?? [])]),
      ...QUERY_ACTIONS.map(permissionOf),
    ]);
    expect([...used].sort()).toEqual([...ACTIONS].sort());
    expect(new Set(ACTIONS).size).toBe(ACTIONS.length);
  });

  test('asks of each operation what stands where it acts', () => {
    const groups = {
      service: ['listBuckets'],
      bucket: ['bucketRead', 'bucketList', 'bucketWrite'],
      object: ['objectRead', 'objectWrite'],
    } as const;
    for (const { name, selector } of OPERATIONS) {
      const { actions, ofVersion = [], each } = rowOf(name);
      const level = each === true || name === 'PostObject' ? 'object' : selector.level;
      const fitting = new Set<Action>(groups[level].flatMap((group) => [...ACTION_GROUPS[group]]));
      expect([name, [...actions, ...ofVersion].filter((action) => !fitting.has(action))]).toEqual([name, []]);
    }
  });

  test('opens no write to a reader, and no read to nobody', () => {
    const reader = policyOfGrants([{ bucket: '*', prefix: '', access: 'read-only' }]);
    const nobody = policyOfGrants([]);
    const context = contextOf({ 's3:prefix': () => '' });
    let counted = 0;
    for (const operation of OPERATIONS) {
      const { method } = operation.selector;
      const reads = method === 'GET' || method === 'HEAD';
      expect([operation.name, writes(operation.name)]).toEqual([operation.name, !reads]);
      const demands =
        rowOf(operation.name).each === true
          ? demandsOfEach(operation.name, { bucket: 'bbb', key: 'k', versionId: undefined }, () => undefined)
          : demandsOf(operation, asked(operation));
      const may = (policy: typeof reader) =>
        demands.every(
          ({ action, resource }) => decide({ policies: [policy] }, action, resource, context).effect === 'allow',
        );
      expect([operation.name, may(reader)]).toEqual([operation.name, reads]);
      expect([operation.name, may(nobody)]).toEqual([operation.name, operation.name === 'ListBuckets']);
      counted += 1;
    }
    expect(counted).toBeGreaterThan(60);
    expect(ACTIONS.filter((action) => isReadOnly(action) !== /:(Get|List|Assume)/.test(action))).toEqual([]);
  });
});

describe('what a request needs', () => {
  const table: readonly (readonly [string, Readonly<Record<string, string>>, boolean, readonly (readonly string[])[]])[] = [
    ['GetObject', {}, false, [['s3:GetObject', OBJECT]]],
    ['GetObject', {}, true, [['s3:GetObjectVersion', OBJECT]]],
    ['HeadObject', {}, true, [['s3:GetObjectVersion', OBJECT]]],
    ['GetObject', { 'x-amz-acl': 'public-read' }, false, [['s3:GetObject', OBJECT]]],
    ['PutObject', {}, false, [['s3:PutObject', OBJECT]]],
    ['PutObject', { 'x-amz-tagging': '' }, false, [['s3:PutObject', OBJECT], ['s3:PutObjectTagging', OBJECT]]],
    ['PutObject', { 'x-amz-grant-read-acp': 'id=1' }, false, [['s3:PutObject', OBJECT], ['s3:PutObjectAcl', OBJECT]]],
    ['PutObject', { 'x-amz-object-lock-mode': 'GOVERNANCE' }, false, [['s3:PutObject', OBJECT], ['s3:PutObjectRetention', OBJECT]]],
    ['PutObject', { 'x-amz-object-lock-legal-hold': 'ON' }, false, [['s3:PutObject', OBJECT], ['s3:PutObjectLegalHold', OBJECT]]],
    ['DeleteObject', { 'x-amz-bypass-governance-retention': 'true' }, true, [['s3:DeleteObjectVersion', OBJECT], ['s3:BypassGovernanceRetention', OBJECT]]],
    ['DeleteObject', { 'x-amz-bypass-governance-retention': 'false' }, false, [['s3:DeleteObject', OBJECT]]],
    ['PutObjectRetention', { 'x-amz-bypass-governance-retention': 'true' }, false, [['s3:PutObjectRetention', OBJECT], ['s3:BypassGovernanceRetention', OBJECT]]],
    ['PutObjectAcl', { 'x-amz-acl': 'private' }, false, [['s3:PutObjectAcl', OBJECT]]],
    ['PutObjectAcl', { 'x-amz-acl': 'private' }, true, [['s3:PutObjectVersionAcl', OBJECT]]],
    ['CopyObject', {}, false, [['s3:PutObject', OBJECT], ['s3:GetObject', 'arn:aws:s3:::source/s']]],
    ['CopyObject', { 'x-amz-copy-source': 'source/s?versionId=1', 'x-amz-tagging': 'a=b' }, false, [['s3:PutObject', OBJECT], ['s3:PutObjectTagging', OBJECT], ['s3:GetObjectVersion', 'arn:aws:s3:::source/s']]],
    ['UploadPartCopy', {}, false, [['s3:PutObject', OBJECT], ['s3:GetObject', 'arn:aws:s3:::source/s']]],
    ['CreateBucket', { 'x-amz-acl': 'private' }, false, [['s3:CreateBucket', BUCKET], ['s3:PutBucketAcl', BUCKET]]],
    ['CreateBucket', { 'x-amz-bucket-object-lock-enabled': 'true', 'x-amz-object-ownership': 'ObjectWriter' }, false, [['s3:CreateBucket', BUCKET], ['s3:PutBucketObjectLockConfiguration', BUCKET], ['s3:PutBucketVersioning', BUCKET], ['s3:PutBucketOwnershipControls', BUCKET]]],
    ['CreateBucket', { 'x-amz-bucket-object-lock-enabled': 'False' }, false, [['s3:CreateBucket', BUCKET]]],
    ['GetObjectAttributes', {}, true, [['s3:GetObjectVersion', OBJECT], ['s3:GetObjectVersionAttributes', OBJECT]]],
    ['ListBuckets', {}, false, [['s3:ListAllMyBuckets', 'arn:aws:s3:::*']]],
    ['DeleteObjects', {}, false, []],
  ]; // biome-ignore format: one request a row
  test.each(table)('%s with %o, a version: %s', (name, headers, namesVersion, wanted) => {
    const operation = named(name);
    expect(shown(demandsOf(operation, asked(operation, headers, namesVersion)))).toEqual(wanted);
  });

  test('each object of DeleteObjects, with the headers of the request', () => {
    const each = (versionId: string | undefined, headers: Readonly<Record<string, string>> = {}) =>
      demandsOfEach('DeleteObjects', { bucket: 'bbb', key: 'k', versionId }, (name) => headers[name]);
    expect(shown(each(undefined))).toEqual([['s3:DeleteObject', OBJECT]]);
    expect(shown(each('1', { 'x-amz-mfa': '1 2' }))).toEqual([
      ['s3:DeleteObjectVersion', OBJECT],
      ['s3:BypassGovernanceRetention', OBJECT],
    ]);
  });

  test('every header that asks for more is asked for with every write', () => {
    let counted = 0;
    for (const operation of OPERATIONS.filter(({ name }) => writes(name) && rowOf(name).each !== true)) {
      const onBucket = operation.selector.level === 'bucket' && operation.body !== 'form';
      for (const row of HEADER_TABLE) {
        for (const header of row.headers) {
          const actions = demandsOf(operation, asked(operation, { [header]: 'true' })).map(({ action }) => action);
          const wanted = (onBucket ? row.onBucket : row.onObject) ?? [];
          expect([operation.name, header, wanted.filter((one) => !actions.includes(one))]).toEqual([
            operation.name,
            header,
            [],
          ]);
          counted += wanted.length;
        }
      }
    }
    expect(counted).toBeGreaterThan(150);
  });

  test('a switch asks for something unless its value is no', () => {
    for (const off of ['false', 'False', ' FALSE '])
      expect(isAsked('x-amz-bypass-governance-retention', off)).toBe(false);
    for (const on of ['true', 'TRUE', '1', '', 'yes'])
      expect(isAsked('x-amz-bypass-governance-retention', on)).toBe(true);
    expect(isAsked('x-amz-tagging', 'false')).toBe(true);
    expect(isAsked('x-amz-tagging', undefined)).toBe(false);
  });
});
