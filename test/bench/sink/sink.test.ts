// Protects: the store that the benchmark measures against. It must answer as S3 does where Sealgate and SDKs rely on it, or
// what is measured is not what happens in front of a real store.
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { probeCapabilities } from '../../../proxy/backend/probe.ts';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { createSinkServer } from './http-server.ts';
import { SinkOperations } from './operations.ts';

const operations = new SinkOperations();
const server = createSinkServer(operations);
const Bucket = 'bucket';
const credentials = { accessKeyId: 'id', secretAccessKey: 'not looked at' };
let endpoint: string;
let s3: S3Client;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 });
  await s3.send(new CreateBucketCommand({ Bucket }));
});

afterAll(() => {
  s3.destroy();
  server.close();
});

const put = (Key: string, Body: string, more: object = {}) =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const read = async (Key: string, more: object = {}) => {
  const { Body, ...rest } = await s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
  return { ...rest, body: Body === undefined ? '' : await Body.transformToString() };
};

describe('objects', () => {
  test('come back with their headers, whole and in ranges, under odd names too', async () => {
    const Key = 'a b+ü%/./x';
    await put(Key, 'hello world', { ContentType: 'text/x', Metadata: { one: 'two' } });
    const found = await read(Key);
    expect(found).toMatchObject({ body: 'hello world', ContentType: 'text/x', Metadata: { one: 'two' } });
    expect((await read(Key, { Range: 'bytes=4-6' })).body).toBe('o w');
    expect(await read(Key, { Range: 'bytes=-3' })).toMatchObject({ body: 'rld', ContentRange: 'bytes 8-10/11' });
    expect((await read(Key, { Range: 'bytes=9-999' })).body).toBe('ld');
    await expect(read(Key, { Range: 'bytes=11-12' })).rejects.toMatchObject({ name: 'InvalidRange' });
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
    expect(head).toMatchObject({ ContentLength: 11, ETag: found.ETag });
  });

  test('under drop/ keep their size and nothing else', async () => {
    await put('drop/big', 'x'.repeat(100_000));
    expect(operations.store.bytes).toBeLessThan(100_000);
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'drop/big' }));
    expect(head.ContentLength).toBe(100_000);
    await expect(read('drop/big')).rejects.toMatchObject({ $metadata: { httpStatusCode: 410 } });
  });

  test('change only when their conditions hold', async () => {
    const { ETag } = await put('c', 'old');
    await expect(put('c', 'new', { IfNoneMatch: '*' })).rejects.toMatchObject({ name: 'PreconditionFailed' });
    await expect(put('c', 'new', { IfMatch: '"0"' })).rejects.toMatchObject({ name: 'PreconditionFailed' });
    expect((await read('c')).body).toBe('old');
    await put('c', 'new', { IfMatch: ETag });
    expect((await read('c')).body).toBe('new');
  });

  test('are copied and deleted', async () => {
    await put('from', 'content');
    await s3.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/from` }));
    expect((await read('to')).body).toBe('content');
    await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'from' }, { Key: 'to' }] } }));
    await expect(read('to')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });
});

test('listings go page by page in the order of bytes, with prefixes and delimiters', async () => {
  const keys = ['l/a', 'l/b/1', 'l/b/2', 'l/c&<', 'l/é', 'l/😀'];
  for (const key of keys) await put(key, 'x');
  const seen: string[] = [];
  let ContinuationToken: string | undefined;
  do {
    const page = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'l/', MaxKeys: 2, ContinuationToken }));
    seen.push(...(page.Contents ?? []).map(({ Key = '' }) => Key));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
  expect(seen).toEqual(keys);
  const folded = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'l/', Delimiter: '/' }));
  expect(folded.CommonPrefixes).toEqual([{ Prefix: 'l/b/' }]);
  expect(folded.Contents?.map(({ Key }) => Key)).toEqual(['l/a', 'l/c&<', 'l/é', 'l/😀']);
});

test('touched objects have new ETags and the same content', async () => {
  const { ETag } = await put('touched/1', 'content');
  await put('other/1', 'content');
  expect(operations.store.touch(Bucket, 'touched/')).toBe(1);
  const found = await read('touched/1');
  expect(found.body).toBe('content');
  expect(found.ETag).not.toBe(ETag);
});

test('parts become one object, in the order of their numbers', async () => {
  const Key = 'parts';
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }));
  const part = (PartNumber: number, Body: string) =>
    s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
  const second = await part(2, 'world');
  await part(1, 'replaced');
  const first = await part(1, 'hello ');
  const { Parts = [] } = await s3.send(new ListPartsCommand({ Bucket, Key, UploadId }));
  expect(Parts.map(({ PartNumber, Size }) => [PartNumber, Size])).toEqual([
    [1, 6],
    [2, 5],
  ]);
  const complete = (etags: (string | undefined)[]) =>
    s3.send(
      new CompleteMultipartUploadCommand({
        ...{ Bucket, Key, UploadId },
        MultipartUpload: { Parts: etags.map((ETag, i) => ({ PartNumber: i + 1, ETag })) },
      }),
    );
  await expect(complete([first.ETag, second.ETag, '"0"'])).rejects.toMatchObject({ name: 'InvalidPart' });
  await complete([first.ETag, second.ETag]);
  expect((await read(Key, { Range: 'bytes=3-8' })).body).toBe('lo wor');
  await expect(complete([first.ETag])).rejects.toMatchObject({ name: 'NoSuchUpload' });
});

test('Sealgate finds in it what it needs of a store', async () => {
  const backend = openS3Backend({ endpoint: new URL(endpoint), ...credentials, region: 'us-east-1', pathStyle: true });
  const bounds = { bucket: Bucket, prefix: 'probe/', signal: AbortSignal.timeout(20_000) };
  const capabilities = await probeCapabilities(backend, bounds);
  await backend.close();
  expect(capabilities).toMatchObject({
    conditionalPut: true,
    conditionalPutIfMatch: true,
    conditionalDelete: true,
    conditionalCopySource: true,
    conditionalComplete: true,
    discardsCutBodies: true,
    equalParts: false,
  });
});

test('requests are counted by operation, and each answer can be made to wait', async () => {
  operations.takeCounts();
  await put('counted', 'x');
  await read('counted');
  await read('counted');
  expect(operations.takeCounts()).toEqual({ PutObject: 1, GetObject: 2 });
  expect(operations.takeCounts()).toEqual({});
  const request = { method: 'HEAD', bucket: Bucket, key: 'counted', query: new Map(), headers: new Map() };
  expect(operations.reply(request, { bytes: 0, pieces: [] })).toMatchObject({ status: 200 });
  operations.delayMs = 1;
  const delayed = operations.reply(request, { bytes: 0, pieces: [] });
  operations.delayMs = 0;
  expect(delayed).toBeInstanceOf(Promise);
  await expect(delayed).resolves.toMatchObject({ status: 200 });
});

describe('on the wire', () => {
  async function exchange(...pieces: readonly string[]): Promise<string> {
    const socket = connect(Number(new URL(endpoint).port), '127.0.0.1');
    socket.setNoDelay(true);
    await once(socket, 'connect');
    for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
    socket.end();
    return text(socket);
  }

  test('a body in HTTP chunks, cut anywhere, asked for with 100-continue', async () => {
    const head =
      'PUT /bucket/chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n';
    const reply = await exchange(head, '5\r', '\nhel', 'lo\r', '\n1;a=b\r\n', '!\r\n0\r\n', 'trailer: 1\r\n', '\r\n');
    expect(reply).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    expect((await read('chunked')).body).toBe('hello!');
  });

  test('requests one behind the other in one write', async () => {
    const get = 'GET /bucket/chunked HTTP/1.1\r\nHost: x\r\n\r\n';
    const reply = await exchange(get + get);
    expect(reply.match(/hello!/g)).toHaveLength(2);
  });

  test('what is no HTTP is refused, and hurts nobody else', async () => {
    expect(await exchange('nonsense\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect(await exchange('GET /bucket/x HTTP/1.1\r\nContent-Length: -1\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
    expect((await read('chunked')).body).toBe('hello!');
  });

  test('a body that is cut short is not stored', async () => {
    await exchange('PUT /bucket/cut HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello');
    await expect(read('cut')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });
});
