/**
 * Protects what side-by-side runs against bare stores had shown to be otherwise: which of bucket and key is missing, empty parts
 * by number, a part's own checksum, what a 304 repeats, names that a store refuses, and the address in an error's document.
 */
import { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend } from '../../../proxy/backend/backend.ts';
import { type Bench, openBench, setVersioning, temporaryStore } from '../../helpers/bench.ts';
import { BOUNDARY, FORM_TYPE, formBody, signedFields } from '../../helpers/form.ts';
import type { Header } from '../../helpers/raw-client.ts';
import { crc32Text } from '../../twin/request.ts';

const REFUSED_NAME = 'n'.repeat(64);

let bench: Bench;
beforeAll(async () => {
  const { backend, close } = await temporaryStore();
  // Some stores answer 400, without a document, to a HEAD of a name that they do not take.
  const strict: Backend = {
    ...backend,
    send: async (request) =>
      request.method === 'HEAD' && request.bucket === REFUSED_NAME
        ? { status: 400, headers: {}, body: Readable.from([]) }
        : backend.send(request),
  };
  bench = await openBench({ store: { backend: strict, close } });
});
afterAll(() => bench.close());

const ask = (method: string, path: string, headers: readonly Header[] = [], query = '') =>
  bench.send({ method, path, query, headers });

describe('a HEAD at the store does not say which is missing', () => {
  const looks: readonly { what: string; header: Header; query: string }[] = [
    { what: 'a range', header: ['range', 'bytes=0-1'], query: '' },
    { what: 'a condition', header: ['if-none-match', '"x"'], query: '' },
    { what: 'attributes', header: ['x-amz-object-attributes', 'ETag'], query: 'attributes' },
  ];

  test.each(looks)('GET with $what', async ({ header, query }) => {
    const headers = [header];
    const missingBucket = await ask('GET', '/not-there-at-all/k', headers, query);
    expect([missingBucket.status, missingBucket.code]).toEqual([404, 'NoSuchBucket']);
    expect(missingBucket.body.toString()).toContain('<BucketName>not-there-at-all</BucketName>');
    const missingKey = await ask('GET', `/${bench.bucket}/k%20k`, headers, query);
    expect([missingKey.status, missingKey.code]).toEqual([404, 'NoSuchKey']);
    expect(missingKey.body.toString()).toContain('<Key>k k</Key>');
  });

  test('the source of a copy', async () => {
    const from = (source: string) => ask('PUT', `/${bench.bucket}/copy`, [['x-amz-copy-source', source]]);
    expect((await from('/not-there-at-all/k')).code).toBe('NoSuchBucket');
    expect((await from(`/${bench.bucket}/gone`)).code).toBe('NoSuchKey');
  });

  test('an object that is there costs no further request', async () => {
    await bench.send({ method: 'PUT', path: `/${bench.bucket}/there`, body: 'content' });
    const { requests } = await bench.watch(() => ask('GET', `/${bench.bucket}/there`, [['range', 'bytes=0-1']]));
    expect(requests.map(({ method }) => method)).toEqual(['HEAD', 'GET']);
  });
});

test('a name that the store refuses is the client’s, not a failure of the server', async () => {
  expect((await ask('HEAD', `/${REFUSED_NAME}`)).status).toBe(400);
});

describe('parts by number', () => {
  async function upload(key: string, parts: readonly Buffer[]): Promise<void> {
    const object = { Bucket: bench.bucket, Key: key };
    const checksum = { ChecksumAlgorithm: 'CRC32', ChecksumType: 'COMPOSITE' } as const;
    const { UploadId } = await bench.s3.send(new CreateMultipartUploadCommand({ ...object, ...checksum }));
    const uploaded = [];
    for (const [i, Body] of parts.entries()) {
      const part = { ...object, UploadId, PartNumber: i + 1, Body, ChecksumAlgorithm: 'CRC32' } as const;
      const { ETag, ChecksumCRC32 } = await bench.s3.send(new UploadPartCommand(part));
      uploaded.push({ PartNumber: i + 1, ETag, ChecksumCRC32 });
    }
    await bench.s3.send(
      new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts: uploaded } }),
    );
  }

  test('an empty object of one part is answered whole', async () => {
    await upload('empty', [Buffer.alloc(0)]);
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, body } = await ask(method, `/${bench.bucket}/empty`, [], 'partNumber=1');
      expect(headers['x-amz-mp-parts-count']).toBe('1');
      expect([status, headers['content-length'], headers['content-range'], body.length]).toEqual([
        200,
        '0',
        undefined,
        0,
      ]);
    }
  });

  test('an empty part behind others has no range', async () => {
    await upload('ends-empty', [Buffer.alloc(5 * 1024 * 1024, 1), Buffer.alloc(0)]);
    for (const [method, code] of [
      ['GET', 'InvalidRange'],
      ['HEAD', ''],
    ] as const) {
      const reply = await ask(method, `/${bench.bucket}/ends-empty`, [], 'partNumber=2');
      expect([reply.status, reply.code, reply.headers['content-range']]).toEqual([416, code, 'bytes */5242880']);
    }
  });

  test('a part comes with its own checksum, which the SDK verifies; a range with none', async () => {
    const parts = [Buffer.alloc(5 * 1024 * 1024, 1), Buffer.from('the end')];
    const checksum = crc32Text(Buffer.from('the end'));
    await upload('checked', parts);
    const object = { Bucket: bench.bucket, Key: 'checked', PartNumber: 2, ChecksumMode: 'ENABLED' } as const;
    const got = await bench.s3.send(new GetObjectCommand(object));
    expect([await got.Body?.transformToString(), got.ChecksumCRC32]).toEqual(['the end', checksum]);
    expect((await bench.s3.send(new HeadObjectCommand(object))).ChecksumCRC32).toBe(checksum);
    const ranged = await ask('GET', `/${bench.bucket}/checked`, [
      ['range', 'bytes=0-1'],
      ['x-amz-checksum-mode', 'ENABLED'],
    ]);
    expect(Object.keys(ranged.headers).filter((name) => name.startsWith('x-amz-checksum'))).toEqual([]);
    const unasked = await ask('GET', `/${bench.bucket}/checked`, [], 'partNumber=2');
    expect(unasked.headers['x-amz-checksum-crc32']).toBeUndefined();
  });
});

test('a 304 repeats what caches go by, and nothing else of the object', async () => {
  const path = `/${bench.bucket}/cached`;
  const sent: readonly Header[] = [
    ['cache-control', 'max-age=60'],
    ['expires', 'Thu, 01 Dec 2033 16:00:00 GMT'],
    ['x-amz-meta-a', 'b'],
  ];
  const put = await bench.send({ method: 'PUT', path, body: 'content', headers: sent });
  for (const method of ['GET', 'HEAD']) {
    const { status, headers } = await ask(method, path, [['if-none-match', String(put.headers['etag'])]]);
    expect(status).toBe(304);
    expect(headers).toMatchObject({ 'cache-control': 'max-age=60', expires: 'Thu, 01 Dec 2033 16:00:00 GMT' });
    expect([headers['x-amz-meta-a'], headers['content-type']]).toEqual([undefined, undefined]);
  }
});

test('an error names the target as it came, when that could not be read', async () => {
  const { status, body } = await ask('GET', `/${bench.bucket}/${'k'.repeat(1025)}`);
  expect(status).toBe(400);
  expect(body.toString()).toContain(`<Resource>/${bench.bucket}/${'k'.repeat(1025)}</Resource>`);
});

test('the answer to a form has no namespace: pages find its elements by plain paths', async () => {
  const fields = signedFields(bench.tenant, {
    bucket: bench.bucket,
    fields: { key: 'posted', success_action_status: '201' },
  });
  const body = formBody(Object.entries(fields), { content: 'x', fileName: 'f' });
  expect(body.includes(BOUNDARY)).toBe(true);
  const sent = await fetch(`${bench.proxy.endpoint}/${bench.bucket}`, {
    method: 'POST',
    headers: { 'content-type': FORM_TYPE },
    body: new Uint8Array(body),
  });
  expect(sent.status).toBe(201);
  expect(await sent.text()).toContain('<PostResponse><Location>');
});

describe('an error names what it is about', () => {
  const cases = [
    {
      code: 'NoSuchBucket',
      method: 'GET',
      path: '/not-there-at-all',
      named: '<BucketName>not-there-at-all</BucketName>',
    },
    {
      code: 'NoSuchBucket',
      method: 'GET',
      path: '/not-there-at-all/k',
      named: '<BucketName>not-there-at-all</BucketName>',
    },
    { code: 'NoSuchKey', method: 'GET', path: '/BUCKET/gone', query: 'tagging', named: '<Key>gone</Key>' },
    {
      code: 'NoSuchTagSet',
      method: 'GET',
      path: '/BUCKET',
      query: 'tagging',
      named: '<BucketName>BUCKET</BucketName>',
    },
    {
      code: 'NoSuchUpload',
      method: 'DELETE',
      path: '/BUCKET/k',
      query: 'uploadId=no',
      named: '<UploadId>no</UploadId>',
    },
  ];

  test.each(cases)('$method $path $query', async ({ code, method, path, query, named }) => {
    const own = (text: string) => text.replaceAll('BUCKET', bench.bucket);
    const reply = await ask(method, own(path), [], query ?? '');
    expect(reply.code).toBe(code);
    expect(reply.body.toString()).toContain(own(named));
  });

  test('a delete marker read by its version says what is allowed', async () => {
    const path = `/${bench.bucket}/marked`;
    await setVersioning(bench, 'Enabled');
    const marker = await ask('DELETE', path);
    const reply = await ask('GET', path, [], `versionId=${marker.headers['x-amz-version-id']}`);
    await setVersioning(bench, 'Suspended');
    expect([reply.status, reply.code, reply.headers['allow']]).toEqual([405, 'MethodNotAllowed', 'DELETE']);
  });
});
