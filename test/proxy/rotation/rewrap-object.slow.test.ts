// Protects: one object re-wrapped in place. Somebody else's write always wins, whatever the store can decide atomically; large
// objects go in parts inside the store; and what a copy does not take along by itself is named again.

import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { GetObjectCommand, GetObjectTaggingCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Capabilities } from '../../../proxy/backend/capabilities.ts';
import type { StoreContext } from '../../../proxy/object/context.ts';
import { keptHeaders, ObjectAcls } from '../../../proxy/rotation/kept-headers.ts';
import { chooseMove } from '../../../proxy/rotation/rewrap-object.ts';
import { errorReply } from '../../helpers/backend-reply.ts';
import type { Bench } from '../../helpers/bench.ts';
import { GiB, MiB } from '../../helpers/bytes.ts';
import { storedObject } from '../../helpers/stored.ts';
import { openRotationBench, type Rotation } from './harness.ts';

describe('on a store', () => {
  let bench: Bench;
  let rotation: Rotation;
  beforeAll(async () => {
    ({ bench, rotation } = await openRotationBench());
  });
  afterAll(() => bench.close());
  beforeEach(() => {
    bench.backend.intercept = (request, next) => next(request);
  });
  const put = (Key: string, Body: Buffer | string, more = {}) =>
    bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key, Body, ...more }));
  const get = async (Key: string) => {
    const { Body } = await bench.s3.send(new GetObjectCommand({ Bucket: bench.bucket, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? '');
  };

  test('an object over the limit of one copy goes in parts inside the store, with tags and metadata', async () => {
    const body = randomBytes(13 * MiB);
    await put('large', body, { Tagging: 'a=1', ContentType: 'text/x-test', Metadata: { m: 'v' } });
    const before = await storedObject(bench.backend, bench.bucket, 'large');
    const { opened } = await rotation.begin();
    const { result, requests } = await bench.watch(() =>
      rotation.drain(opened, { copyLimit: 11 * MiB, partBytes: 11 * MiB }),
    );
    expect(result).toMatchObject({ rewrapped: 1, retired: [1] });
    const ranges = requests.flatMap(({ headers }) => headers['x-amz-copy-source-range'] ?? []);
    expect(ranges.length).toBe(2);
    // What is left over of two equal ranges, at most a byte, is all that moves.
    expect(requests.reduce((sum, { bodyBytes, method }) => sum + (method === 'PUT' ? bodyBytes : 0), 0)).toBeLessThan(
      2,
    );
    const after = await storedObject(bench.backend, bench.bucket, 'large');
    expect(after.body.equals(before.body)).toBe(true);
    expect(after.metadata['enc-dek']).not.toBe(before.metadata['enc-dek']);
    const at = { Bucket: bench.bucket, Key: 'large' };
    expect(await bench.s3.send(new HeadObjectCommand(at))).toMatchObject({
      ETag: `"${createHash('md5').update(body).digest('hex')}"`,
      ContentType: 'text/x-test',
      Metadata: { m: 'v' },
    });
    expect((await bench.s3.send(new GetObjectTaggingCommand(at))).TagSet).toEqual([{ Key: 'a', Value: '1' }]);
    expect((await get('large')).equals(body)).toBe(true);
  });

  test('no object becomes one part at the store, whose ETag could be the opaque ETag of another one', async () => {
    const sizes = [5 * MiB, 6 * MiB, 10 * MiB - 1000, 10 * MiB, 12 * MiB];
    for (const size of sizes) await put(`whole-${size}`, randomBytes(size));
    const { opened } = await rotation.begin();
    const capabilities = { ...bench.capabilities, conditionalCopy: false };
    await rotation.drain(opened, { capabilities });
    for (const size of sizes) {
      const { headers } = await storedObject(bench.backend, bench.bucket, `whole-${size}`);
      expect([size, headers['etag']]).toEqual([size, expect.stringMatching(/-[23]"$/)]);
      expect((await get(`whole-${size}`)).length).toBe(size);
    }
  });

  const MOVES: readonly (readonly [how: string, can: Partial<Capabilities>])[] = [
    ['a conditional copy', {}],
    ['a conditional PUT of the same bytes', { conditionalCopy: false }],
    ['a relay, where copies cannot be pinned', { conditionalCopySource: false, conditionalCopy: false }],
    ['a relay, where metadata are not replaced in place', { replaceMetadata: false }],
  ];

  test.each(MOVES)('a PUT between the look and the write wins, with %s', async (how, can) => {
    await put('contested', `before ${how}`);
    const { opened, epoch } = await rotation.begin();
    let raced = 0;
    bench.backend.intercept = async (request, next) => {
      const isWrite = request.method === 'PUT' && request.key === 'contested';
      if (isWrite && raced === 0) {
        raced += 1;
        await put('contested', `newer than ${how}`);
      }
      return next(request);
    };
    const capabilities = { ...bench.capabilities, ...can };
    const result = await rotation.drain(opened, { capabilities });
    expect([raced, result.pass.failures]).toEqual([1, []]);
    expect((await get('contested')).toString()).toBe(`newer than ${how}`);
    expect((await rotation.open()).keyring.epochs.at(-1)?.epoch).toBe(epoch);
  });

  test('an object that is replaced at every attempt is left to the next pass, and nothing is retired', async () => {
    await put('busy', 'busy');
    const { opened } = await rotation.begin();
    let number = 0;
    let inside = false;
    // Other servers still write under the older epoch.
    const old = await storedObject(bench.backend, bench.bucket, 'busy');
    bench.backend.intercept = async (request, next) => {
      if (request.method === 'PUT' && request.key === 'busy' && !inside) {
        inside = true;
        number += 1;
        const { body } = await bench.backend.inner.send({
          method: 'PUT',
          bucket: bench.bucket,
          key: 'busy',
          headers: Object.fromEntries(
            Object.entries(old.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]),
          ),
          body: Buffer.concat([old.body, Buffer.alloc(number)]),
          signal: AbortSignal.timeout(60_000),
        });
        body.resume();
        inside = false;
      }
      return next(request);
    };
    const result = await rotation.drain(opened);
    expect(result.retired).toEqual([]);
    expect(result.pass.failures).toMatchObject([{ key: 'busy', reason: 'it was replaced at every attempt' }]);
    expect(number).toBe(4);
  });
});

describe('a store that fails', () => {
  test('for one object is named and does not stop the pass; for all of them ends it', async () => {
    const { bench, rotation } = await openRotationBench();
    try {
      const at = { Bucket: bench.bucket };
      const Keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
      await Promise.all(Keys.map((Key) => bench.s3.send(new PutObjectCommand({ ...at, Key, Body: Key }))));
      const { opened } = await rotation.begin();
      let broken = /^k7$/;
      bench.backend.intercept = async (request, next) =>
        request.method === 'PUT' && broken.test(request.key ?? '')
          ? errorReply(request, { status: 403, code: 'AccessDenied' })
          : next(request);
      const one = await rotation.drain(opened);
      expect(one).toMatchObject({ rewrapped: 39, retired: [], pass: { failed: 1, failures: [{ key: 'k7' }] } });
      broken = /^k\d+$/;
      const again = await rotation.begin();
      await expect(rotation.drain(again.opened)).rejects.toMatchObject({ code: 'AccessDenied' });
      bench.backend.intercept = (request, next) => next(request);
      expect(await rotation.drain(again.opened)).toMatchObject({ rewrapped: 40, retired: [1, 2] });
    } finally {
      await bench.close();
    }
  });
});

describe('how an object is moved', () => {
  const ALL = {
    conditionalCopy: true,
    conditionalCopySource: true,
    conditionalPutIfMatch: true,
    conditionalComplete: true,
  };
  const CASES: readonly (readonly [size: number, cannot: string, versionId: string | undefined, move: string])[] = [
    [1, '', undefined, 'copy'],
    [5 * GiB, '', undefined, 'copy'],
    [5 * GiB + 1, '', undefined, 'parts'],
    [5 * MiB - 1, 'conditionalCopy', undefined, 'relay'],
    [5 * MiB, 'conditionalCopy', undefined, 'relay'],
    [5 * MiB + 1, 'conditionalCopy', undefined, 'parts'],
    [5 * MiB, 'conditionalCopy conditionalComplete', undefined, 'relay'],
    [5 * MiB + 1, 'conditionalCopy conditionalComplete', undefined, 'copy'],
    [1, 'conditionalCopy conditionalPutIfMatch', undefined, 'copy'],
    [6 * GiB, 'conditionalCopySource', undefined, 'relay'],
    [1, 'conditionalCopySource', 'v1', 'copy'],
    [1, 'replaceMetadata', 'v1', 'relay'],
  ];
  test.each(CASES)('%i bytes without %j, version %s: %s', (size, cannot, versionId, move) => {
    const capabilities: Record<string, boolean> = { ...ALL, replaceMetadata: true };
    for (const name of cannot.split(' ')) capabilities[name] = false;
    const context = { store: { capabilities } } as unknown as StoreContext;
    const facts = { etag: '"e"', lastModified: '', versionId, size, headers: {} };
    expect(chooseMove(context, { address: { bucket: 'b', key: 'k' }, facts }, 5 * GiB)).toBe(move);
  });
});

describe('what is named again', () => {
  const now = new Date('2030-01-01T00:00:00Z');

  test('class, redirect, encryption, locks in force and the entries of others; not ours, nor locks that have ended', () => {
    const kept = {
      'x-amz-storage-class': 'STANDARD_IA',
      'x-amz-website-redirect-location': '/x',
      'x-amz-server-side-encryption': 'aws:kms',
      'x-amz-server-side-encryption-aws-kms-key-id': 'id',
      'x-amz-object-lock-mode': 'COMPLIANCE',
      'x-amz-object-lock-retain-until-date': '2031-01-01T00:00:00.000Z',
      'x-amz-object-lock-legal-hold': 'ON',
      'x-amz-meta-theirs': 'kept',
    };
    const other = { 'x-amz-meta-enc-dek': 'x', etag: '"e"', 'x-amz-version-id': 'v', 'content-type': 'a/b' };
    expect(keptHeaders({ ...kept, ...other }, now)).toEqual(kept);
    const ended = {
      'x-amz-object-lock-mode': 'GOVERNANCE',
      'x-amz-object-lock-retain-until-date': '2029-12-31T23:59:59Z',
      'x-amz-object-lock-legal-hold': 'OFF',
    };
    expect(keptHeaders(ended, now)).toEqual({});
  });

  const policy = (...grants: string[]) =>
    `<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>${grants.join('')}</AccessControlList></AccessControlPolicy>`;
  const grant = (who: string, permission: string) =>
    `<Grant><Grantee>${who}</Grantee><Permission>${permission}</Permission></Grant>`;
  const mine = grant('<ID>me</ID>', 'FULL_CONTROL');
  const everyone = grant('<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>', 'READ');

  test('grants of an ACL, but for what every object has', async () => {
    let asked = 0;
    const answers = [policy(mine), policy(mine, everyone, grant('<ID>you</ID>', 'READ'))];
    const send = async (request: Parameters<Bench['backend']['send']>[0]) => {
      const answer = answers[asked++];
      if (answer === undefined) return errorReply(request, { status: 501, code: 'NotImplemented' });
      return { status: 200, headers: {}, body: Readable.from([Buffer.from(answer)]) };
    };
    const context = { store: { backend: { send } }, signal: AbortSignal.timeout(60_000) } as unknown as StoreContext;
    const acls = new ObjectAcls();
    const at = { bucket: 'b', key: 'k' };
    expect(await acls.headersOf(context, at)).toEqual({});
    expect(await acls.headersOf(context, at)).toEqual({
      'x-amz-grant-full-control': 'id="me"',
      'x-amz-grant-read': 'uri="http://acs.amazonaws.com/groups/global/AllUsers", id="you"',
    });
    // A bucket without ACLs is asked once.
    for (let again = 0; again < 3; again += 1) expect(await acls.headersOf(context, at)).toEqual({});
    expect(asked).toBe(3);
  });
});
