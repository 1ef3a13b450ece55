/**
 * Protects: in opaque mode conditions hold and fail as with any ETag, cost no look-up, and the store decides them atomically; both
 * forms of an ETag are accepted in both modes; a condition that was guessed wrong is tried once more with the right ETag.
 */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import { MiB } from '../../helpers/bytes.ts';
import { type Header, objectPath, type RawRequest } from '../../helpers/raw-client.ts';
import { storeDirectly, storedObject } from '../../helpers/stored.ts';
import { beginUpload, MIN_PART, outcome } from '../../helpers/uploads.ts';
import { etagOf, ok, put, SOURCE, upload } from './harness.ts';

const bench = sharedBench({ config: { etags: 'opaque' } });
const SMALL = SOURCE.subarray(0, 1000);
const LARGE = SOURCE.subarray(0, 2 * MiB);
const md5 = (data: Buffer) => `"${createHash('md5').update(data).digest('hex')}"`;

/** What a request costs at the store, and how it ends. */
async function cost(request: Omit<RawRequest, 'path'> & { key: string }): Promise<string> {
  const { key, ...rest } = request;
  const path = objectPath(bench.bucket, key);
  const { result, requests } = await bench.watch(() => bench.send({ ...rest, path }));
  return `${outcome(result)}: ${requests.map(({ method }) => method).join(' ')}`;
}

const ifMatch = (etag: string): Header[] => [['if-match', etag]];

describe('a write under If-Match', () => {
  it('costs no look-up where the ETag is the opaque one', async () => {
    const etag = etagOf(await ok(put(bench, 'a', SMALL)));
    expect(await cost({ method: 'PUT', key: 'a', headers: ifMatch(etag), body: SMALL })).toBe('200: PUT');
    const parts = etagOf(await upload(bench, 'p', [MIN_PART, 9]));
    expect(await cost({ method: 'PUT', key: 'p', headers: ifMatch(parts), body: SMALL })).toBe('200: PUT');
  });

  it('that is stale fails at the store, and the object is looked at once', async () => {
    const stale = etagOf(await ok(put(bench, 'b', SMALL)));
    await ok(put(bench, 'b', SMALL));
    expect(await cost({ method: 'PUT', key: 'b', headers: ifMatch(stale), body: SMALL })).toBe(
      '412 PreconditionFailed: PUT HEAD',
    );
    expect(await cost({ method: 'PUT', key: 'missing', headers: ifMatch(stale), body: SMALL })).toMatch(
      /^404 NoSuchKey: PUT/,
    );
  });

  it('with a body that is not kept in memory looks before it sends', async () => {
    const etag = etagOf(await ok(put(bench, 'c', LARGE)));
    expect(await cost({ method: 'PUT', key: 'c', headers: ifMatch(etag), body: LARGE })).toMatch(/^200: HEAD .*PUT$/);
    expect(await cost({ method: 'PUT', key: 'c', headers: ifMatch(etag), body: LARGE })).toMatch(/^412 .*: HEAD/);
  });

  it('on an object that the store has as one part is tried once more by its ETag', async () => {
    const etag = etagOf(await upload(bench, 'one', [100]));
    const { headers } = await storedObject(bench.backend.inner, bench.bucket, 'one');
    expect([etag, headers['etag']]).toEqual([expect.stringMatching(/-1"$/), etag]);
    expect(await cost({ method: 'PUT', key: 'one', headers: ifMatch(etag), body: SMALL })).toMatch(
      /^200: PUT HEAD .*PUT$/,
    );
    const again = etagOf(await upload(bench, 'one', [100]));
    expect(await cost({ method: 'DELETE', key: 'one', headers: ifMatch(again) })).toMatch(
      /^204: DELETE HEAD .*DELETE$/,
    );
  });

  it('takes the MD5 form of objects that have one', async () => {
    const digest = createHash('md5').update(SMALL).digest('base64');
    for (const method of ['PUT', 'DELETE']) {
      await ok(put(bench, 'd', SMALL, [['content-md5', digest]]));
      const body = method === 'PUT' ? { body: SMALL } : {};
      expect(await cost({ method, key: 'd', headers: ifMatch(md5(LARGE)), ...body })).toBe(
        '412 PreconditionFailed: HEAD',
      );
      expect(await cost({ method, key: 'd', headers: ifMatch(md5(SMALL)), ...body })).toBe(
        `${method === 'PUT' ? 200 : 204}: HEAD ${method}`,
      );
    }
  });

  it('DELETE, DeleteObjects, Complete and copies', async () => {
    const etag = etagOf(await ok(put(bench, 'e', SMALL)));
    expect(await cost({ method: 'DELETE', key: 'e', headers: ifMatch('"stale-1"') })).toMatch(/^412 /);
    expect(await cost({ method: 'DELETE', key: 'e', headers: ifMatch(etag) })).toBe('204: DELETE');
    const named = etagOf(await ok(put(bench, 'e', SMALL)));
    const body = (tag: string) =>
      `<Delete><Object><Key>e</Key><ETag>${tag.replaceAll('"', '&quot;')}</ETag></Object></Delete>`;
    const send = (tag: string) => {
      const digest = createHash('md5').update(body(tag)).digest('base64');
      return bench.send({
        method: 'POST',
        path: `/${bench.bucket}`,
        query: 'delete',
        headers: [['content-md5', digest]],
        body: body(tag),
      });
    };
    expect((await send('"stale-1"')).body.toString()).toContain('PreconditionFailed');
    expect((await send(named)).body.toString()).toContain('<Deleted>');

    const target = etagOf(await ok(put(bench, 'f', SMALL)));
    for (const [tag, wanted] of [
      ['"stale-1"', '412 PreconditionFailed'],
      [target, '200'],
    ] as const) {
      const begun = await beginUpload(bench, 'f');
      const rows = [{ number: 1, etag: etagOf(await ok(begun.part(1, SMALL))) }];
      expect(outcome(await begun.complete(rows, ifMatch(tag)))).toBe(wanted);
    }
    const source = etagOf(await ok(put(bench, 'g', SMALL)));
    const copy = (headers: readonly Header[]) =>
      put(bench, 'h', Buffer.alloc(0), [['x-amz-copy-source', `${bench.bucket}/g`], ...headers]);
    expect(outcome(await copy([['x-amz-copy-source-if-match', '"stale-1"']]))).toBe('412 PreconditionFailed');
    expect(outcome(await copy([['x-amz-copy-source-if-match', source]]))).toBe('200');
    expect(outcome(await copy([['x-amz-copy-source-if-none-match', source]]))).toBe('412 PreconditionFailed');
  });

  it('of two that name one ETag, one wins', async () => {
    const etag = etagOf(await ok(put(bench, 'race', SMALL)));
    const replies = await Promise.all(
      Array.from({ length: 6 }, (_, at) => put(bench, 'race', SOURCE.subarray(at, at + 500), ifMatch(etag))),
    );
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(replies.filter(({ status }) => status === 412)).toHaveLength(5);
  });
});

describe('a read', () => {
  it.each([
    ['small', SMALL],
    ['large', LARGE],
  ])('of a %s object goes by its ETag', async (key, body) => {
    const etag = etagOf(await ok(put(bench, key, body)));
    const of = async (method: string, name: string, value: string) =>
      (await bench.send({ method, path: objectPath(bench.bucket, key), headers: [[name, value]] })).status;
    for (const method of ['GET', 'HEAD']) {
      expect(await of(method, 'if-match', etag)).toBe(200);
      expect(await of(method, 'if-match', `"x", ${etag}`)).toBe(200);
      expect(await of(method, 'if-match', '"stale-1"')).toBe(412);
      expect(await of(method, 'if-match', md5(body))).toBe(412);
      expect(await of(method, 'if-none-match', etag)).toBe(304);
      expect(await of(method, 'if-none-match', '"stale-1"')).toBe(200);
    }
    const range = await bench.send({
      method: 'GET',
      path: objectPath(bench.bucket, key),
      headers: [
        ['range', 'bytes=1-2'],
        ['if-range', etag],
      ],
    });
    expect([range.status, range.body]).toEqual([206, body.subarray(1, 3)]);
  });

  it('takes both forms of an object that has both', async () => {
    const digest = createHash('md5').update(SMALL).digest('base64');
    const etag = etagOf(await ok(put(bench, 'both', SMALL, [['content-md5', digest]])));
    for (const form of [etag, md5(SMALL)]) {
      const path = objectPath(bench.bucket, 'both');
      expect((await bench.send({ method: 'GET', path, headers: ifMatch(form) })).status).toBe(200);
      expect((await bench.send({ method: 'HEAD', path, headers: [['if-none-match', form]] })).status).toBe(304);
    }
  });
});

it('a legacy object keeps its own ETag, in replies, listings and conditions', async () => {
  await storeDirectly(bench.backend.inner, { bucket: bench.bucket, key: 'legacy', body: SMALL });
  const path = objectPath(bench.bucket, 'legacy');
  expect(etagOf(await ok(bench.send({ method: 'HEAD', path })))).toBe(md5(SMALL));
  const page = await ok(bench.send({ method: 'GET', path: `/${bench.bucket}`, query: 'list-type=2&prefix=legacy' }));
  expect(etagOf(page)).toBe(md5(SMALL));
  expect(await cost({ method: 'PUT', key: 'legacy', headers: ifMatch(md5(SMALL)), body: SMALL })).toBe('200: HEAD PUT');
});
