/**
 * Every operation with the credentials of somebody who may not: another bucket's, another prefix's, a reader's, and those of a
 * tenant that may use the bucket but does not own the object. The answer is AccessDenied and nothing at the backend has
 * changed. The state bucket is out of reach for everybody (seen elsewhere: any valid key could read any object through a path
 * parameter; a lifecycle rule on the data bucket deleted the keyrings).
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowOf as actionsOf, writes } from '../../../proxy/access/action-table.ts';
import type { DecisionEvent } from '../../../proxy/observe/events.ts';
import type { Operation } from '../../../proxy/operation.ts';
import { OPERATIONS } from '../../../proxy/operations/table.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { formRequestOf, PLAIN, ROWS, requestOf, rowOf, type Target } from '../../helpers/every-operation.ts';
import type { TestTenant } from '../../helpers/proxy.ts';
import { type Header, md5Header, objectPath, type RawReply, sendRaw } from '../../helpers/raw-client.ts';
import { fingerprintOf, storedKeys } from '../../helpers/stored.ts';

const bench = sharedBench();
let victim: Target;
let strangers: Record<'otherBucket' | 'otherPrefix' | 'reader' | 'notOwner', TestTenant>;

beforeAll(async () => {
  const { bucket, proxy } = bench;
  const key = 'private/key';
  await bench.send({
    method: 'PUT',
    path: objectPath(bucket, key),
    headers: [['x-amz-tagging', 'a=b']],
    body: 'the private content',
  });
  const created = await bench.send({ method: 'POST', path: objectPath(bucket, key), query: 'uploads' });
  const uploadId = /<UploadId>([^<]+)/.exec(created.body.toString())?.[1] ?? '';
  victim = { bucket, key, uploadId };
  strangers = {
    otherBucket: await proxy.createTenant([
      { bucket: 'scratch-bucket-of-the-stranger', prefix: '', access: 'read-write' },
    ]),
    otherPrefix: await proxy.createTenant([
      { bucket, prefix: 'public/', access: 'read-write' },
      { bucket, prefix: 'private/keys', access: 'read-write' },
    ]),
    reader: await proxy.createTenant([{ bucket, prefix: '', access: 'read-only' }]),
    notOwner: await proxy.createTenant(),
  };
});

function send(operation: Operation, as: TestTenant, target: Target = victim): Promise<RawReply> {
  if (operation.name !== 'PostObject') return bench.send(requestOf(operation, target), as);
  return sendRaw(bench.proxy.endpoint, formRequestOf(target, as, new URL(bench.proxy.endpoint).host));
}

const everything = async (): Promise<string> => {
  const { inner } = bench.backend;
  return `${await fingerprintOf(inner, victim.bucket)}${await fingerprintOf(inner, 'sealgate-state')}`;
};

/** Sends, and checks that no request that could change anything went to the backend. */
async function unchanged(work: () => Promise<RawReply>): Promise<RawReply> {
  const mark = bench.backend.requests.length;
  const reply = await work();
  const sent = bench.backend.requests.slice(mark).filter(({ method }) => method !== 'GET' && method !== 'HEAD');
  expect(sent.map(({ method, bucket, key }) => `${method} ${bucket}/${key}`)).toEqual([]);
  return reply;
}

/** A group of tests after all of which the backend holds what it held before. */
function describeUnchanged(name: string, tests: () => void): void {
  describe(name, () => {
    let before: string;
    beforeAll(async () => {
      before = await everything();
    });
    afterAll(async () => {
      expect(await everything()).toBe(before);
    });
    tests();
  });
}

function expectDenied(operation: Operation, reply: RawReply): void {
  const shown = operation.selector.method === 'HEAD' ? '' : reply.code;
  const wanted = operation.selector.method === 'HEAD' ? '' : 'AccessDenied';
  expect([operation.name, reply.status, shown], reply.body.toString()).toEqual([operation.name, 403, wanted]);
}

/** Decisions of more than one resource, or more than one permission, where the operation asks for that. */
const DECISIONS: Readonly<Record<string, number>> = { CopyObject: 2, UploadPartCopy: 2, GetObjectAttributes: 2 };

/** What was decided while `work` ran. */
async function deciding<T>(work: () => Promise<T>): Promise<{ result: T; decisions: readonly DecisionEvent[] }> {
  const mark = bench.proxy.decisions.length;
  const result = await work();
  return { result, decisions: bench.proxy.decisions.slice(mark) };
}

/** Refused with AccessDenied before anything reached the backend, and with exactly one event, which says by what. */
async function expectRefusedOnce(
  operation: Operation,
  o: { as: TestTenant; target?: Target; statement?: string },
): Promise<void> {
  const { as, target = victim, statement = 'key/none' } = o;
  const logged = bench.events('access-denied').length;
  const { result, decisions } = await deciding(() => unchanged(() => send(operation, as, target)));
  expectDenied(operation, result);
  expect(decisions.map(({ eventName, decision, statement: by }) => [eventName, decision, by])).toEqual([
    [operation.name, 'deny', statement],
  ]);
  const [event] = decisions;
  expect([event?.tenant, event?.readOnly]).toEqual([as.tenant, !writes(operation.name)]);
  expect(event?.requestId).toBe(result.headers['x-amz-request-id']);
  expect(event?.resource.startsWith(`arn:aws:s3:::${event.bucket}`)).toBe(true);
  expect(bench.events('access-denied').length - logged).toBe(1);
}

const named = (filter: (operation: Operation) => boolean): [string, Operation][] =>
  OPERATIONS.filter(filter).map((operation) => [operation.name, operation]);

describe('the table', () => {
  test('has a row for every operation, and no row without one', () => {
    expect(OPERATIONS.filter((operation) => rowOf(operation) === undefined).map(({ name }) => name)).toEqual([]);
    const names = OPERATIONS.map(({ name }) => name);
    expect([...Object.keys(ROWS), ...PLAIN].filter((name) => !names.includes(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBeGreaterThan(20);
  });

  test('the owner of the object is not refused by any of them, with one event for each decision and no line in the log', async () => {
    const reads = OPERATIONS.filter(({ selector }) => selector.method === 'GET' || selector.method === 'HEAD');
    let asked = 0;
    const logged = bench.events().length;
    for (const operation of reads) {
      const { result, decisions } = await deciding(() => send(operation, bench.tenant));
      expect([operation.name, result.status]).not.toEqual([operation.name, 403]);
      expect([operation.name, decisions.map(({ decision }) => decision)]).toEqual([
        operation.name,
        Array.from({ length: DECISIONS[operation.name] ?? 1 }, () => 'allow'),
      ]);
      asked++;
    }
    expect(asked).toBeGreaterThan(10);
    expect(bench.events().length - logged).toBe(0);
  });
});

describeUnchanged('a grant on another bucket', () => {
  test.each(named(({ selector }) => selector.level !== 'service'))('%s', async (_, operation) => {
    await expectRefusedOnce(operation, { as: strangers.otherBucket });
  });
});

describeUnchanged('grants on other prefixes of the same bucket', () => {
  const isBeyondPrefix = ({ name, selector, body }: Operation): boolean => {
    const { lists, each } = actionsOf(name);
    if (selector.level === 'object' || body === 'form') return true;
    return selector.level === 'bucket' && (lists === true || (writes(name) && each !== true));
  };
  test.each(named(isBeyondPrefix))('%s', async (_, operation) => {
    await expectRefusedOnce(operation, { as: strangers.otherPrefix });
  });

  test.each(named(({ name }) => actionsOf(name).lists === true))(
    '%s without a prefix, or with one that escapes',
    async (_, operation) => {
      const { subresources = [] } = operation.selector;
      for (const prefix of [
        '',
        'prefix=',
        'prefix=pub',
        'prefix=public%2F..%2Fprivate',
        'prefix=%2Fpublic%2F',
        'PREFIX=public%2F',
      ]) {
        const query = [...subresources.map((name) => (name === 'list-type' ? 'list-type=2' : name)), prefix].filter(
          (part) => part !== '',
        );
        const reply = await bench.send(
          { method: 'GET', path: `/${victim.bucket}`, query: query.join('&') },
          strangers.otherPrefix,
        );
        if (prefix.includes('..')) {
          // A prefix is text: this one starts with the granted one, and no key begins so.
          expect(reply.status).toBe(200);
          expect(reply.body.toString()).not.toContain('private/key');
        } else expectDenied(operation, reply);
      }
    },
  );

  test.each(named(({ name }) => actionsOf(name).lists === true))(
    '%s: a second prefix parameter does not widen the first',
    async (_, operation) => {
      const { subresources = [] } = operation.selector;
      const names = subresources.map((name) => (name === 'list-type' ? 'list-type=2' : name));
      const list = (query: string) =>
        bench.send(
          { method: 'GET', path: `/${victim.bucket}`, query: [...names, query].join('&') },
          strangers.otherPrefix,
        );
      for (const query of ['prefix=private%2F&prefix=public%2F', 'prefix=public%2F&prefix=private%2F']) {
        expect((await list(query)).code).toBe('InvalidArgument');
      }
    },
  );

  test('the granted prefixes themselves work, and a prefix is text, not a path', async () => {
    const { bucket } = victim;
    const put = (key: string) =>
      bench.send({ method: 'PUT', path: objectPath(bucket, key), body: 'x' }, strangers.otherPrefix);
    for (const key of ['public/mine', 'private/keys-too']) expect((await put(key)).status).toBe(200);
    for (const key of ['public', 'private/key', 'public/../private/key'.slice(7), '/public/x', 'PUBLIC/x']) {
      expect([key, (await put(key)).status]).toEqual([key, 403]);
    }
    const list = await bench.send(
      { method: 'GET', path: `/${bucket}`, query: 'list-type=2&prefix=public%2F' },
      strangers.otherPrefix,
    );
    expect(list.body.toString()).toContain('public/mine');
    for (const key of ['public/mine', 'private/keys-too']) {
      expect(
        (await bench.send({ method: 'DELETE', path: objectPath(bucket, key) }, strangers.otherPrefix)).status,
      ).toBe(204);
    }
  });
});

describeUnchanged('a read-only grant', () => {
  test.each(named(({ name }) => writes(name) && actionsOf(name).each !== true))('%s', async (_, operation) => {
    await expectRefusedOnce(operation, { as: strangers.reader });
  });
});

describeUnchanged('a tenant that may use the bucket but does not own the object', () => {
  test.each(named((operation) => rowOf(operation)?.opens === true))('%s', async (_, operation) => {
    const foreign = bench.events('foreign-object').length;
    const { result, decisions } = await deciding(() => unchanged(() => send(operation, strangers.notOwner)));
    expectDenied(operation, result);
    expect(decisions.map(({ decision }) => decision)).toEqual(
      Array.from({ length: DECISIONS[operation.name] ?? 1 }, () => 'allow'),
    );
    expect(bench.events('foreign-object').length - foreign).toBe(1);
  });

  test('sees the name in a listing, under neither the size nor the ETag of the plaintext', async () => {
    const own = await send(operationNamed('HeadObject'), bench.tenant);
    for (const name of ['ListObjects', 'ListObjectsV2']) {
      const document = (await send(operationNamed(name), strangers.notOwner)).body.toString();
      expect(document).toContain(`<Key>${victim.key}</Key>`);
      expect(document).not.toContain(String(own.headers['etag']).replaceAll('"', ''));
      expect(document).not.toContain(`<Size>${own.headers['content-length']}</Size>`);
      expect(document).toMatch(/<ETag>&quot;[0-9a-f]{32}-\d+&quot;<\/ETag>/);
    }
  });
});

function operationNamed(name: string): Operation {
  const found = OPERATIONS.find((operation) => operation.name === name);
  if (found === undefined) throw new Error(`there is no operation ${name}`);
  return found;
}

describeUnchanged('copy sources', () => {
  const sources: readonly (readonly [name: string, source: (t: Target) => string])[] = [
    ['the object', (t) => `/${t.bucket}/${t.key}`],
    ['without the slash', (t) => `${t.bucket}/${t.key}`],
    ['encoded', (t) => `${t.bucket}%2F${encodeURIComponent(t.key)}`],
    ['a version of it', (t) => `/${t.bucket}/${t.key}?versionId=null`],
    ['the state bucket', () => '/sealgate-state/anything'],
    ['the state bucket in capitals', () => '/SEALGATE-STATE/anything'],
  ];

  test.each(sources)('%s, by every stranger', async (_, source) => {
    const own = 'scratch-bucket-of-the-stranger';
    await bench.send({ method: 'PUT', path: `/${own}` });
    for (const as of [strangers.otherBucket, strangers.otherPrefix, strangers.notOwner]) {
      const bucket = as === strangers.otherPrefix ? victim.bucket : own;
      const path = objectPath(bucket, 'public/stolen');
      const headers: Header[] = [['x-amz-copy-source', source(victim)]];
      const copy = () => bench.send({ method: 'PUT', path, headers }, as);
      const { result: reply, decisions } = await deciding(() => unchanged(copy));
      expect([reply.status, reply.code], reply.body.toString()).toEqual([403, 'AccessDenied']);
      const read = source(victim).includes('versionId') ? 's3:GetObjectVersion' : 's3:GetObject';
      const isAllowed = as === strangers.notOwner && !/sealgate/i.test(source(victim));
      expect(decisions.map(({ action, decision }) => [action, decision])).toEqual([
        ['s3:PutObject', 'allow'],
        [read, isAllowed ? 'allow' : 'deny'],
      ]);
      expect(await storedKeys(bench.backend.inner, own)).toEqual([]);
    }
  });
});

describeUnchanged('DeleteObjects', () => {
  const body = (keys: readonly string[]) =>
    `<Delete>${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}</Delete>`;

  test.each(['otherPrefix', 'reader'] as const)(
    '%s: each key it may not delete is an AccessDenied row',
    async (who) => {
      const request = {
        method: 'POST',
        path: `/${victim.bucket}`,
        query: 'delete',
        headers: [md5Header(body([victim.key, 'nothing']))],
        body: body([victim.key, 'nothing']),
      };
      const { result: reply, decisions } = await deciding(() => unchanged(() => bench.send(request, strangers[who])));
      expect(reply.status).toBe(200);
      expect(decisions.map(({ decision, resource }) => [decision, resource])).toEqual(
        [victim.key, 'nothing'].map((key) => ['deny', `arn:aws:s3:::${victim.bucket}/${key}`]),
      );
      expect(reply.body.toString().match(/<Code>AccessDenied<\/Code>/g)).toHaveLength(2);
      expect(reply.body.toString()).not.toContain('<Deleted>');
    },
  );

  test('a mixed list deletes what may be deleted and nothing else', async () => {
    const { bucket } = victim;
    await bench.send({ method: 'PUT', path: objectPath(bucket, 'public/a'), body: 'x' }, strangers.otherPrefix);
    const document = body(['public/a', victim.key]);
    const headers = [md5Header(document)];
    const request = { method: 'POST', path: `/${bucket}`, query: 'delete', headers, body: document };
    const { result, decisions } = await deciding(() => bench.send(request, strangers.otherPrefix));
    expect(decisions.map(({ key, decision, statement }) => [key, decision, statement])).toEqual([
      ['public/a', 'allow', 'key/grant-1'],
      [victim.key, 'deny', 'key/none'],
    ]);
    const reply = result.body.toString();
    expect(reply).toContain('<Deleted><Key>public/a</Key></Deleted>');
    expect(reply).toContain(`<Error><Key>${victim.key}</Key><Code>AccessDenied</Code>`);
    expect(await storedKeys(bench.backend.inner, bucket)).toEqual([victim.key]);
  });
});

describeUnchanged('the state bucket', () => {
  const names = ['sealgate-state', 'Sealgate-State', 'SEALGATE-STATE', 'sealgate%2dstate', '%73ealgate-state'];

  test.each(named(({ selector }) => selector.level !== 'service'))(
    '%s, under every spelling, for a tenant with all grants',
    async (_, operation) => {
      const keys = await storedKeys(bench.backend.inner, 'sealgate-state');
      for (const bucket of names) {
        const target = { bucket, key: keys[0] ?? '', uploadId: victim.uploadId };
        await expectRefusedOnce(operation, { as: bench.tenant, target, statement: 'server/state-bucket' });
      }
    },
  );

  test('is not in ListBuckets, with any parameter', async () => {
    for (const query of ['', 'prefix=sealgate', 'max-buckets=1000', 'prefix=sealgate-state&max-buckets=1']) {
      const reply = await bench.send({ method: 'GET', path: '/', query });
      expect([query, reply.status]).toEqual([query, 200]);
      expect(reply.body.toString()).not.toContain('<Name>sealgate-state');
    }
  });
});

describe('ListBuckets', () => {
  test("names only the buckets of the caller's grants", async () => {
    const own = 'scratch-bucket-of-the-stranger';
    const buckets = async (as: TestTenant) =>
      [...(await bench.send({ method: 'GET', path: '/' }, as)).body.toString().matchAll(/<Name>([^<]*)</g)].map(
        ([, name]) => name,
      );
    expect(await buckets(strangers.otherBucket)).toEqual([own]);
    expect(await buckets(strangers.reader)).toEqual([victim.bucket]);
    expect((await buckets(bench.tenant)).sort()).toEqual([own, victim.bucket].sort());
  });
});
