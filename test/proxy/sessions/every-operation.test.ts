/**
 * Protects: isolation by a tag, over every operation. One role for all wallets, its policy with `${aws:PrincipalTag/wallet}`: the session
 * of one wallet is allowed each operation on what is its own, and refused it on another's, before anything reaches the store.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import { rowOf as actionsOf } from '../../../proxy/access/action-table.ts';
import { parseIssuers } from '../../../proxy/access/oidc/issuers.ts';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import type { Operation } from '../../../proxy/operation.ts';
import { OPERATIONS } from '../../../proxy/operations/table.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { formRequestOf, requestOf, type Target } from '../../helpers/every-operation.ts';
import { roleTrust, sharedIssuer } from '../../helpers/issuer.ts';
import { type Header, objectPath, type RawReply, sendRaw } from '../../helpers/raw-client.ts';
import { assumeByToken, credentialsIn, type TestSession } from '../../helpers/sessions.ts';

const ISSUER = 'https://issuer.example/wallets';
const issuer = sharedIssuer(ISSUER, 'here');
const bench = sharedBench({ config: { oidcIssuers: parseIssuers(issuer.settings) } });
const WALLETS = ['blue', 'red'] as const;
type Wallet = (typeof WALLETS)[number];
const sessions: Partial<Record<Wallet, TestSession>> = {};

beforeAll(async () => {
  const { state, sealKeys } = bench.proxy;
  const roles = new RoleAdmin({ state, sealKeys, record: () => {}, now: () => new Date(), runner: processKdfRunner });
  // biome-ignore-start lint/suspicious/noTemplateCurlyInString: variables of the policy language
  const policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      { Effect: 'Allow', Action: 's3:*', Resource: `arn:aws:s3:::${bench.bucket}/\${aws:PrincipalTag/wallet}/*` },
      {
        Effect: 'Allow',
        Action: ['s3:ListBucket', 's3:ListBucketVersions', 's3:ListBucketMultipartUploads'],
        Resource: `arn:aws:s3:::${bench.bucket}`,
        Condition: { StringLike: { 's3:prefix': '${aws:PrincipalTag/wallet}/*' } },
      },
    ],
  });
  // biome-ignore-end lint/suspicious/noTemplateCurlyInString: variables of the policy language
  const trust = roleTrust({
    audiences: ['here'],
    issuer: ISSUER,
    subjects: ['wallet:*'],
    tags: [{ claim: 'wallet', name: 'wallet' }],
  });
  const caller = unsealAccessKeyId(bench.tenant.accessKeyId, sealKeys);
  const { arn } = await roles.create(
    caller,
    { name: 'wallets', trust, policy, managed: false },
    AbortSignal.timeout(60_000),
  );
  for (const wallet of WALLETS) sessions[wallet] = await signIn(arn, wallet);
});

async function signIn(arn: string, wallet: Wallet): Promise<TestSession> {
  const token = await issuer.token({ sub: `wallet:${wallet}`, wallet });
  return credentialsIn(await assumeByToken(bench.proxy.endpoint, { arn, token }), 'AssumeRoleWithWebIdentity');
}

/** An object with tags, and an upload under the same name. */
async function targetOf(wallet: Wallet, name: string): Promise<Target> {
  const { bucket } = bench;
  const key = `${wallet}/${name}`;
  await bench.send({ method: 'PUT', path: objectPath(bucket, key), headers: [['x-amz-tagging', 'a=b']], body: 'x' });
  const created = await bench.send({ method: 'POST', path: objectPath(bucket, key), query: 'uploads' });
  return { bucket, key, uploadId: /<UploadId>([^<]+)/.exec(created.body.toString())?.[1] ?? '' };
}

/** What was answered, what was decided, and what of it reached the store. */
async function attempt(as: Wallet, operation: Operation, target: Target, source: string = target.key) {
  const session = sessions[as];
  if (session === undefined) throw new Error('there is no session');
  const token: Header = ['x-amz-security-token', session.sessionToken];
  const marks = [bench.proxy.decisions.length, bench.backend.requests.length] as const;
  let reply: RawReply;
  if (operation.name === 'PostObject') {
    reply = await sendRaw(bench.proxy.endpoint, formRequestOf(target, session, new URL(bench.proxy.endpoint).host));
  } else {
    const request = requestOf(operation, target);
    const { copySource } = operation.selector;
    const others = (request.headers ?? []).filter(([name]) => name !== 'x-amz-copy-source');
    const from: Header[] = copySource === true ? [['x-amz-copy-source', `/${target.bucket}/${source}`]] : [];
    // A copy onto itself has to change something.
    const changed: Header[] = operation.name === 'CopyObject' ? [['x-amz-metadata-directive', 'REPLACE']] : [];
    const headers = [...others, ...from, ...changed, token];
    reply = await bench.send({ ...request, headers }, { ...bench.tenant, ...session });
  }
  const decisions = bench.proxy.decisions.slice(marks[0]).map(({ decision }) => decision);
  const writes = bench.backend.requests.slice(marks[1]).filter(({ method }) => method !== 'GET' && method !== 'HEAD');
  return {
    denied: reply.status === 403 || /<Code>AccessDenied</.test(reply.body.toString()),
    decisions,
    writes: writes.length,
  };
}

const named = (filter: (operation: Operation) => boolean): [string, Operation][] =>
  OPERATIONS.filter(filter).map((operation) => [operation.name, operation]);

const ofObjects = ({ name, selector, body }: Operation): boolean => {
  const { lists, each } = actionsOf(name);
  return selector.level === 'object' || body === 'form' || lists === true || each === true;
};

test('the operations are all there', () => {
  expect(named(ofObjects).length + named((operation) => !ofObjects(operation)).length).toBe(OPERATIONS.length);
  expect(named(ofObjects).length).toBeGreaterThan(25);
});

describe('with a session of one wallet', () => {
  test.each(named(ofObjects))(
    '%s is allowed on its own objects, and refused on those of another wallet',
    async (name, operation) => {
      const own = await attempt('blue', operation, await targetOf('blue', name));
      expect([own.denied, new Set(own.decisions)]).toEqual([false, new Set(['allow'])]);
      const theirs = await attempt('blue', operation, await targetOf('red', name));
      expect(theirs).toEqual({ denied: true, decisions: ['deny'], writes: 0 });
      // The other wallet's own session may.
      expect((await attempt('red', operation, await targetOf('red', name))).denied).toBe(false);
    },
  );

  test.each(named(({ selector }) => selector.copySource === true))(
    '%s from another wallet is refused',
    async (name, operation) => {
      const [own, theirs] = [await targetOf('blue', name), await targetOf('red', `${name}-source`)];
      expect(await attempt('blue', operation, own, theirs.key)).toMatchObject({ denied: true, writes: 0 });
    },
  );

  test.each(named((operation) => !ofObjects(operation) && operation.selector.level === 'bucket'))(
    '%s, which is about the whole bucket, is refused',
    async (name, operation) => {
      expect(await attempt('blue', operation, await targetOf('blue', name))).toEqual({
        denied: true,
        decisions: ['deny'],
        writes: 0,
      });
    },
  );

  test('ListBuckets shows the bucket that it can reach something in', async () => {
    const [, list] = named(({ name }) => name === 'ListBuckets')[0] ?? [];
    if (list === undefined) throw new Error('there is no such operation');
    // Its policy does not name the action for all buckets.
    expect(await attempt('blue', list, await targetOf('blue', 'list'))).toMatchObject({ denied: true });
  });
});
