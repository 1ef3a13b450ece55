// Protects: the S3 backend against real stores: MinIO, which checks every signature, and moto. Left out, with a printed
// line, where one is not installed.

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, BackendRequest } from '../../../../proxy/backend/backend.ts';
import { readErrorResponse } from '../../../../proxy/backend/errors.ts';
import {
  LIST_ENCODING,
  parseListBuckets,
  parseListV1,
  parseListV2,
  parseListVersions,
} from '../../../../proxy/backend/list.ts';
import { probeCapabilities } from '../../../../proxy/backend/probe.ts';
import { readBody } from '../../../../proxy/backend/read-body.ts';
import { openS3Backend } from '../../../../proxy/backend/s3/s3.ts';
import { MiB } from '../../../helpers/bytes.ts';
import type { ChildServer } from '../../../helpers/child-server.ts';
import { startMinio } from '../../../helpers/minio.ts';
import { startMoto } from '../../../helpers/moto.ts';
import { AWKWARD_KEYS } from './awkward-keys.ts';
import { never, streamOf } from './open.ts';

interface Store {
  readonly name: string;
  readonly start: () => Promise<ChildServer | undefined>;
  /** Keys that the store itself refuses, by design. */
  readonly refuses: RegExp;
  /** Keys that it stores under another name. */
  readonly renames: RegExp;
  readonly capabilities: Record<string, boolean>;
}

const STORES: readonly Store[] = [
  {
    name: 'MinIO',
    start: startMinio,
    // Keys become file names there: no dot segments, no empty ones, none over 255 bytes.
    refuses: /\/\/|(^|\/)\.{1,2}(\/|$)|x{256}|ü{128}/u,
    // It drops a leading slash without a word.
    renames: /^\//,
    capabilities: {
      conditionalPut: true,
      conditionalPutIfMatch: true,
      conditionalDelete: false,
      conditionalCopy: false,
      conditionalCopySource: true,
      conditionalComplete: true,
      versioning: true,
      equalParts: false,
      replaceMetadata: true,
      contentMd5: true,
      crc32c: true,
      discardsCutBodies: true,
      listsMetadata: true,
    },
  },
  {
    name: 'moto',
    start: startMoto,
    // Its router does not match a line break.
    refuses: /\n/,
    renames: /^$/,
    capabilities: {
      conditionalPut: true,
      conditionalPutIfMatch: true,
      conditionalDelete: true,
      conditionalCopy: false,
      conditionalCopySource: false,
      conditionalComplete: false,
      versioning: true,
      equalParts: false,
      replaceMetadata: true,
      contentMd5: false,
      crc32c: false,
      discardsCutBodies: true,
      listsMetadata: false,
    },
  },
];

const servers = await Promise.all(STORES.map((store) => store.start()));
afterAll(async () => {
  await Promise.all(servers.map((server) => server?.stop()));
});

for (const [index, store] of STORES.entries()) {
  const server = servers[index];
  describe.skipIf(server === undefined)(store.name, () => {
    let backend: Backend;
    const open = (secretAccessKey = server?.secretAccessKey ?? '') =>
      openS3Backend({
        endpoint: server?.endpoint ?? new URL('http://127.0.0.1'),
        accessKeyId: server?.accessKeyId ?? '',
        secretAccessKey,
        region: 'us-east-1',
        pathStyle: true,
      });

    beforeAll(async () => {
      backend = open();
      expect(await status({ method: 'PUT', bucket: 'data' })).toBe(200);
      expect(await status({ method: 'PUT', bucket: 'state' })).toBe(200);
    });
    afterAll(() => backend.close());

    async function ask(request: Omit<BackendRequest, 'signal'>) {
      const response = await backend.send({ ...request, signal: never() });
      return { ...response, body: await readBody(response, { maxBytes: 64 * MiB }) };
    }

    async function status(request: Omit<BackendRequest, 'signal'>): Promise<number> {
      return (await ask(request)).status;
    }

    test('awkward keys are stored, read and listed under exactly their name', async () => {
      const keys = AWKWARD_KEYS.filter((key) => !store.refuses.test(key) && !store.renames.test(key));
      for (const key of keys) {
        const body = Buffer.from(`content of ${key}`);
        expect(await status({ method: 'PUT', bucket: 'data', key, body }), JSON.stringify(key)).toBe(200);
        expect((await ask({ method: 'GET', bucket: 'data', key })).body.toString()).toBe(`content of ${key}`);
      }
      const query = [['list-type', '2'], LIST_ENCODING] as const;
      const v2 = parseListV2((await ask({ method: 'GET', bucket: 'data', query })).body);
      expect(v2.objects.map((row) => row.key).toSorted()).toEqual(keys.toSorted());
      const v1 = parseListV1((await ask({ method: 'GET', bucket: 'data', query: [LIST_ENCODING] })).body);
      expect(v1.objects).toHaveLength(keys.length);
      for (const key of keys) expect(await status({ method: 'DELETE', bucket: 'data', key })).toBe(204);
      const { body } = await ask({ method: 'GET', bucket: 'data', query: [['versions', ''], LIST_ENCODING] });
      expect(parseListVersions(body).versions).toEqual([]);
      expect(keys).toHaveLength(store.name === 'moto' ? 22 : 15);
    });

    test('keys that the store refuses are not taken for wrong signatures', async () => {
      const keys = AWKWARD_KEYS.filter((key) => store.refuses.test(key));
      for (const key of keys) {
        const response = await backend.send({
          method: 'PUT',
          bucket: 'data',
          key,
          body: Buffer.from('x'),
          signal: never(),
        });
        expect({ key, ...(await readErrorResponse(response)) }).toMatchObject({
          status: store.name === 'moto' ? 404 : 400,
        });
      }
      expect(keys).toHaveLength(store.name === 'moto' ? 1 : 7);
    });

    test('a page of a listing continues where it ended', async () => {
      for (const key of ['p/a', 'p/b+c', 'p/d e/1', 'p/ü']) {
        expect(await status({ method: 'PUT', bucket: 'data', key, body: Buffer.from(key) })).toBe(200);
      }
      const found: string[] = [];
      let token: string | undefined;
      do {
        const more = token === undefined ? [] : ([['continuation-token', token]] as const);
        const query = [
          ['list-type', '2'],
          ['max-keys', '1'],
          ['prefix', 'p/'],
          ['delimiter', '/'],
          LIST_ENCODING,
          ...more,
        ] as const;
        const page = parseListV2((await ask({ method: 'GET', bucket: 'data', query })).body);
        found.push(...page.objects.map((row) => row.key), ...page.commonPrefixes);
        token = page.nextToken;
      } while (token !== undefined);
      expect(found).toEqual(['p/a', 'p/b+c', 'p/d e/', 'p/ü']);
      const buckets = parseListBuckets((await ask({ method: 'GET' })).body);
      expect(buckets.buckets.map((one) => one.name)).toEqual(['data', 'state']);
    });

    test('streams and buffers, ranges and conditions', async () => {
      const content = randomBytes(3 * MiB);
      const pieces = [content.subarray(0, MiB), content.subarray(MiB, MiB + 1), content.subarray(MiB + 1)];
      const stored = await ask({ method: 'PUT', bucket: 'data', key: 'big', body: streamOf(pieces) });
      const { etag = '' } = stored.headers;
      const get = { method: 'GET', bucket: 'data', key: 'big' } as const;
      expect((await ask(get)).body.equals(content)).toBe(true);
      const ranged = await ask({ ...get, headers: { range: 'bytes=1048570-1048580', 'if-match': etag } });
      expect(ranged.status).toBe(206);
      expect(ranged.headers['content-range']).toBe(`bytes 1048570-1048580/${content.length}`);
      expect(ranged.body.equals(content.subarray(1048570, 1048581))).toBe(true);
      expect(await status({ ...get, headers: { range: `bytes=${content.length}-` } })).toBe(416);
      expect(await status({ ...get, headers: { 'if-match': '"other"' } })).toBe(412);
      expect(
        await status({ ...get, method: 'PUT', headers: { 'if-none-match': '*' }, body: streamOf([content]) }),
      ).toBe(412);
      expect(await status({ ...get, method: 'PUT', headers: { 'if-match': etag }, body: Buffer.from('new') })).toBe(
        200,
      );
      expect((await ask(get)).body.toString()).toBe('new');
    });

    test('metadata comes back as it went', async () => {
      const headers = { 'content-type': 'application/octet-stream', 'x-amz-meta-enc-attrs': 'AbC-_=/+ 09' };
      const key = 'with metadata';
      expect(await status({ method: 'PUT', bucket: 'data', key, headers, body: Buffer.from('x') })).toBe(200);
      const head = await ask({ method: 'HEAD', bucket: 'data', key });
      expect(head.headers).toMatchObject({ ...headers, 'content-length': '1' });
      expect(head.body).toHaveLength(0);
    });

    test('a body that fails, at any point, leaves what was there', async () => {
      const failure = new Error('verification');
      const key = 'kept';
      expect(await status({ method: 'PUT', bucket: 'data', key, body: Buffer.from('old') })).toBe(200);
      const piece = Buffer.alloc(MiB);
      for (const chunks of [[failure], [piece, failure], [piece, piece, failure], [Buffer.alloc(10), failure]]) {
        const length = chunks.reduce((sum, one) => sum + (Buffer.isBuffer(one) ? one.length : 0), 0) || 1;
        const body = streamOf(chunks, { length });
        const sending = backend.send({ method: 'PUT', bucket: 'data', key, body, signal: never() });
        await expect(sending).rejects.toBe(failure);
        expect((await ask({ method: 'GET', bucket: 'data', key })).body.toString()).toBe('old');
      }
    });

    test('an empty body, streamed and not', async () => {
      for (const body of [streamOf([]), Buffer.alloc(0)]) {
        expect(await status({ method: 'PUT', bucket: 'data', key: 'empty', body })).toBe(200);
        expect((await ask({ method: 'GET', bucket: 'data', key: 'empty' })).body).toHaveLength(0);
      }
    });

    test.skipIf(store.name === 'moto')('a wrong secret is refused, as an answer', async () => {
      const wrong = open('wrong-secret');
      const response = await wrong.send({
        method: 'PUT',
        bucket: 'data',
        key: 'k',
        body: streamOf([Buffer.alloc(2 * MiB)]),
        signal: never(),
      });
      expect(await readErrorResponse(response)).toMatchObject({ status: 403, code: 'SignatureDoesNotMatch' });
      await wrong.close();
    });

    test('the probe finds what the store does', async () => {
      const found = await probeCapabilities(backend, { bucket: 'state', prefix: 'sealgate/', signal: never() });
      expect(found).toEqual(store.capabilities);
      const { body } = await ask({ method: 'GET', bucket: 'state', query: [['versions', '']] });
      expect(parseListVersions(body).versions).toEqual([]);
    });

    test.skipIf(store.name === 'moto')('the probe removes versions from a versioned bucket', async () => {
      const enabled = '<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>';
      const set = { method: 'PUT', bucket: 'state', query: [['versioning', '']], body: Buffer.from(enabled) } as const;
      expect(await status(set)).toBe(200);
      await probeCapabilities(backend, { bucket: 'state', prefix: '', signal: never() });
      const { body } = await ask({ method: 'GET', bucket: 'state', query: [['versions', '']] });
      expect(parseListVersions(body).versions).toEqual([]);
    });
  });
}
