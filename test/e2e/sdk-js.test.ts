/**
 * Protects: the AWS SDK for JavaScript works unchanged: buffers, streams (which it sends with a trailer even over http),
 * parallel uploads, presigned URLs both ways, and the errors that programs branch on.
 */

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createRequire } from 'node:module';
import {
  ChecksumAlgorithm,
  CopyObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { expect } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { type Check, clientSuite, EVERY_STAGE } from './support/client-suite.ts';
import { digestsOf, multipartEtag } from './support/plaintext.ts';
import { sdkClient } from './support/sdk-client.ts';
import type { Stage } from './support/stage.ts';

const { version } = createRequire(import.meta.url)('@aws-sdk/client-s3/package.json') as { version: string };

const using =
  (work: (o: { s3: S3Client; stage: Stage; Bucket: string }) => Promise<string | undefined>): Check =>
  async ({ stage }) => {
    const s3 = sdkClient(stage);
    try {
      return await work({ s3, stage, Bucket: stage.bucket });
    } finally {
      s3.destroy();
    }
  };

async function received(s3: S3Client, o: { Bucket: string; Key: string; Range?: string }): Promise<Buffer> {
  const { Body } = await s3.send(new GetObjectCommand(o));
  return Buffer.from((await Body?.transformToByteArray()) ?? []);
}

const buffers = using(async ({ s3, stage, Bucket }) => {
  const sizes = [0, 1, 65_536, 65_537, MiB, MiB + 1, 5 * MiB + 3];
  for (const bytes of sizes) {
    const body = stage.content(bytes);
    const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'buffer', Body: body }));
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'buffer' }));
    expect([ETag, head.ETag, head.ContentLength]).toEqual([`"${digestsOf(body).md5}"`, ETag, bytes]);
    expect((await received(s3, { Bucket, Key: 'buffer' })).equals(body)).toBe(true);
  }
  return `${sizes.length} sizes`;
});

const streams = using(async ({ s3, stage, Bucket }) => {
  const bytes = (stage.store.name === 'moto' ? 10 : 100) * MiB + 1;
  const sent = stage.file({ name: 'stream', bytes });
  const Body = createReadStream(sent.path);
  await s3.send(new PutObjectCommand({ Bucket, Key: 'stream', Body, ContentLength: bytes }));
  const reply = await s3.send(new GetObjectCommand({ Bucket, Key: 'stream' }));
  const hash = createHash('sha256');
  for await (const piece of reply.Body as AsyncIterable<Buffer>) hash.update(piece);
  expect([reply.ContentLength, hash.digest('hex')]).toEqual([bytes, sent.sha256]);
  return `${(bytes - 1) / MiB} MiB`;
});

const uploads = using(async ({ s3, stage, Bucket }) => {
  const bytes = 33 * MiB + 5;
  const sent = stage.file({ name: 'upload', bytes });
  const params = { Bucket, Key: 'upload', Body: createReadStream(sent.path), Metadata: { note: stage.marker } };
  await new Upload({ client: s3, params, partSize: 8 * MiB, queueSize: 4 }).done();
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'upload' }));
  const ETag = `"${await multipartEtag(sent.path, 8 * MiB)}"`;
  expect(head).toMatchObject({ ETag, ContentLength: bytes, Metadata: { note: stage.marker } });
  expect(digestsOf(await received(s3, { Bucket, Key: 'upload' })).sha256).toBe(sent.sha256);
  return '5 parts';
});

const ranges = using(async ({ s3, stage, Bucket }) => {
  const body = stage.content(3 * MiB);
  await s3.send(new PutObjectCommand({ Bucket, Key: 'ranged', Body: body }));
  const cases = [
    ['bytes=0-0', 0, 1],
    ['bytes=65535-65536', 65_535, 65_537],
    [`bytes=${MiB - 1}-${2 * MiB}`, MiB - 1, 2 * MiB + 1],
    ['bytes=-7', body.length - 7, body.length],
  ] as const;
  for (const [Range, from, to] of cases) {
    expect((await received(s3, { Bucket, Key: 'ranged', Range })).equals(body.subarray(from, to))).toBe(true);
  }
});

const checksums = using(async ({ s3, stage, Bucket }) => {
  const body = stage.content(200_000);
  const algorithms = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const;
  for (const name of algorithms) {
    const object = { Bucket, Key: `checked-${name}` };
    const put = await s3.send(
      new PutObjectCommand({ ...object, Body: body, ChecksumAlgorithm: ChecksumAlgorithm[name] }),
    );
    const head = await s3.send(new HeadObjectCommand({ ...object, ChecksumMode: 'ENABLED' }));
    expect(put[`Checksum${name}`]).toMatch(/^[A-Za-z0-9+/]+=*$/);
    expect(head[`Checksum${name}`]).toBe(put[`Checksum${name}`]);
    expect((await received(s3, object)).equals(body)).toBe(true);
  }
  return algorithms.join(', ');
});

/** The SDK sends values that its caller computed. Those of XXHASH* are as xxhsum prints them. */
const newerChecksums = using(async ({ s3, Bucket }) => {
  const body = Buffer.from('123456789');
  const digests = {
    SHA512: createHash('sha512').update(body).digest(),
    MD5: createHash('md5').update(body).digest(),
    XXHASH64: Buffer.from('8cb841db40e6ae83', 'hex'),
    XXHASH3: Buffer.from('72dcb18b67a17dff', 'hex'),
    XXHASH128: Buffer.from('33119477ede5dcd5e9716427681d5860', 'hex'),
  };
  const names = Object.keys(digests) as (keyof typeof digests)[];
  for (const name of names) {
    const object = { Bucket, Key: `checked-${name}` };
    const value = digests[name].toString('base64');
    const put = await s3.send(new PutObjectCommand({ ...object, Body: body, [`Checksum${name}`]: value }));
    const head = await s3.send(new HeadObjectCommand({ ...object, ChecksumMode: 'ENABLED' }));
    expect([put[`Checksum${name}`], head[`Checksum${name}`], head.ChecksumType]).toEqual([value, value, 'FULL_OBJECT']);
    const wrong = Buffer.alloc(digests[name].length).toString('base64');
    const refused = s3.send(new PutObjectCommand({ Bucket, Key: 'wrong', Body: body, [`Checksum${name}`]: wrong }));
    await expect(refused).rejects.toMatchObject({ name: 'BadDigest' });
  }
  return names.join(', ');
});

const presigned = using(async ({ s3, stage, Bucket }) => {
  const body = stage.content(80_000);
  const object = { Bucket, Key: 'shared file.bin' };
  const put = await fetchWith(stage, await getSignedUrl(s3, new PutObjectCommand(object), { expiresIn: 60 }), body);
  expect(put.status).toBe(200);
  const url = await getSignedUrl(s3, new GetObjectCommand(object), { expiresIn: 60 });
  const got = await fetchWith(stage, url);
  expect([got.status, got.body.equals(body)]).toEqual([200, true]);
  const other = url.replace('shared%20file.bin', 'ranged');
  expect(other).not.toBe(url);
  expect((await fetchWith(stage, other)).status).toBe(403);
});

const copying = using(async ({ s3, stage, Bucket }) => {
  const body = stage.content(MiB + 9);
  await s3.send(new PutObjectCommand({ Bucket, Key: 'kept', Body: body, Metadata: { a: stage.marker } }));
  await s3.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/kept` }));
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'copied' }));
  expect(head).toMatchObject({ Metadata: { a: stage.marker }, ETag: `"${digestsOf(body).md5}"` });
  expect((await received(s3, { Bucket, Key: 'copied' })).equals(body)).toBe(true);
});

const errors = using(async ({ s3, stage, Bucket }) => {
  await expect(s3.send(new GetObjectCommand({ Bucket, Key: 'nothing here' }))).rejects.toBeInstanceOf(NoSuchKey);
  const Body = stage.content(100);
  await s3.send(new PutObjectCommand({ Bucket, Key: 'lock', Body, IfNoneMatch: '*' }));
  const taken = s3.send(new PutObjectCommand({ Bucket, Key: 'lock', Body: 'late', IfNoneMatch: '*' }));
  await expect(taken).rejects.toMatchObject({ name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } });
  expect((await received(s3, { Bucket, Key: 'lock' })).equals(Body)).toBe(true);
  const stranger = sdkClient(stage, { as: stage.stranger });
  const read = stranger.send(new GetObjectCommand({ Bucket, Key: 'lock' }));
  await expect(read).rejects.toMatchObject({ name: 'AccessDenied', $metadata: { httpStatusCode: 403 } });
  stranger.destroy();
});

const deleting = using(async ({ s3, Bucket }) => {
  const keys = Array.from({ length: 20 }, (_, index) => `many/${index} & more`);
  for (const Key of keys) await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
  const Objects = keys.map((Key) => ({ Key }));
  const { Deleted = [], Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  expect([Deleted.length, Errors]).toEqual([keys.length, undefined]);
  const { KeyCount } = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'many/' }));
  expect(KeyCount).toBe(0);
});

/** With a body it is a PUT. Over https it trusts only the stage's authority. */
async function fetchWith(stage: Stage, url: string, body?: Buffer): Promise<{ status: number; body: Buffer }> {
  const ca = stage.certificate && readFileSync(stage.certificate.authority);
  const method = body === undefined ? 'GET' : 'PUT';
  const request = ca === undefined ? httpRequest(url, { method }) : httpsRequest(url, { method, ca });
  request.end(body);
  const [response] = await once(request, 'response');
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece);
  return { status: response.statusCode, body: Buffer.concat(pieces) };
}

clientSuite({
  client: 'AWS SDK for JavaScript v3',
  tools: [{ command: '', version }],
  stages: [...EVERY_STAGE, { store: 'MinIO', transport: 'https' }],
  checks: {
    'buffers of sizes around every edge': buffers,
    'streams, up and down': streams,
    'lib-storage Upload in parallel parts': uploads,
    ranges,
    checksums,
    'newer checksums': newerChecksums,
    'presigned PUT and GET': presigned,
    CopyObject: copying,
    DeleteObjects: deleting,
    'NoSuchKey, If-None-Match, another tenant': errors,
  },
});
