/**
 * Protects: the AWS SDK for JavaScript v2 works unchanged. Much that runs was never moved to v3: presigned URLs list headers as
 * signed whose values stand in the URL alone, and bodies come without a trailer.
 */
import { createReadStream, readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { createRequire } from 'node:module';
import { expect } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { type Check, clientSuite, LeftOut, type Tool } from './support/client-suite.ts';
import { installedClient } from './support/installed-clients.ts';
import { digestsOf } from './support/plaintext.ts';
import { LIBRARY_STAGES } from './support/program-checks.ts';
import type { Stage } from './support/stage.ts';

type Parameters = Readonly<Record<string, unknown>>;
interface Reply {
  readonly ETag?: string;
  readonly ContentLength?: number;
  readonly ContentType?: string;
  readonly Body?: Buffer;
  readonly Metadata?: Readonly<Record<string, string>>;
  readonly Contents?: readonly { Key: string; Size: number }[];
  readonly NextMarker?: string;
  readonly IsTruncated?: boolean;
  readonly Deleted?: readonly unknown[];
}
interface Asked {
  promise(): Promise<Reply>;
}
/** The few of its methods that are used here; the package brings types that this project does not install. */
interface S3 {
  putObject(o: Parameters): Asked;
  getObject(o: Parameters): Asked;
  headObject(o: Parameters): Asked;
  deleteObject(o: Parameters): Asked;
  deleteObjects(o: Parameters): Asked;
  copyObject(o: Parameters): Asked;
  listObjects(o: Parameters): Asked;
  listObjectsV2(o: Parameters): Asked;
  upload(o: Parameters, options?: Parameters): Asked;
  getSignedUrl(operation: string, o: Parameters): string;
  createPresignedPost(o: Parameters): { url: string; fields: Readonly<Record<string, string>> };
}

const PLACE = installedClient('javascript', 'node_modules', 'aws-sdk', 'package.json');
const tools: readonly Tool[] =
  PLACE === undefined
    ? []
    : [{ command: '', version: (JSON.parse(readFileSync(PLACE, 'utf8')) as { version: string }).version }];

const using =
  (work: (o: { s3: S3; stage: Stage; Bucket: string }) => Promise<string | undefined>): Check =>
  ({ stage }) => {
    const { S3: Client } = createRequire(PLACE ?? '')('./clients/all') as { S3: new (o: Parameters) => S3 };
    const { accessKeyId, secretAccessKey } = stage.tenant;
    const s3 = new Client({
      endpoint: stage.endpoint,
      region: 'us-east-1',
      accessKeyId,
      secretAccessKey,
      s3ForcePathStyle: true,
      signatureVersion: 'v4',
      maxRetries: 0,
      ...(stage.certificate && {
        httpOptions: { agent: new Agent({ ca: readFileSync(stage.certificate.authority) }) },
      }),
    });
    return work({ s3, stage, Bucket: stage.bucket });
  };

const read = async (s3: S3, o: Parameters) => (await s3.getObject(o).promise()).Body ?? Buffer.alloc(0);

const buffers = using(async ({ s3, stage, Bucket }) => {
  const sizes = [0, 1, 65_536, 65_537, MiB + 1, 5 * MiB + 3];
  for (const bytes of sizes) {
    const body = stage.content(bytes);
    const { ETag } = await s3.putObject({ Bucket, Key: 'buffer', Body: body }).promise();
    const head = await s3.headObject({ Bucket, Key: 'buffer' }).promise();
    expect([ETag, head.ETag, head.ContentLength]).toEqual([`"${digestsOf(body).md5}"`, ETag, bytes]);
    expect((await read(s3, { Bucket, Key: 'buffer' })).equals(body)).toBe(true);
  }
  await s3.deleteObject({ Bucket, Key: 'buffer' }).promise();
  await expect(read(s3, { Bucket, Key: 'buffer' })).rejects.toMatchObject({ code: 'NoSuchKey', statusCode: 404 });
  return `${sizes.length} sizes`;
});

const parts = using(async ({ s3, stage, Bucket }) => {
  const { path } = stage.file({ name: 'parts', bytes: 17 * MiB + 5 });
  const body = readFileSync(path);
  const { ETag } = await s3
    .upload({ Bucket, Key: 'parts', Body: createReadStream(path) }, { partSize: 5 * MiB, queueSize: 3 })
    .promise();
  expect(ETag).toMatch(/-4"$/);
  expect((await read(s3, { Bucket, Key: 'parts' })).equals(body)).toBe(true);
  const Range = `bytes=${5 * MiB - 3}-${5 * MiB + 6}`;
  expect(await read(s3, { Bucket, Key: 'parts', Range })).toEqual(body.subarray(5 * MiB - 3, 5 * MiB + 7));
  return '4 parts of a stream of unknown length';
});

const listings = using(async ({ s3, stage, Bucket }) => {
  const names = ['list/a b+c', 'list/per%20cent', 'list/x=1&y', 'list/ü/😀'];
  for (const Key of names) await s3.putObject({ Bucket, Key, Body: stage.content(300) }).promise();
  const first = await s3.listObjects({ Bucket, Prefix: 'list/', MaxKeys: 2 }).promise();
  const Marker = first.Contents?.at(-1)?.Key;
  const second = await s3.listObjects({ Bucket, Prefix: 'list/', Marker }).promise();
  const found = [...(first.Contents ?? []), ...(second.Contents ?? [])];
  expect(found.map(({ Key, Size }) => [Key, Size])).toEqual(names.map((name) => [name, 300]));
  expect((await s3.listObjectsV2({ Bucket, Prefix: 'list/' }).promise()).Contents?.length).toBe(4);
  await s3.copyObject({ Bucket, Key: 'list/copy', CopySource: encodeURI(`${Bucket}/list/ü/😀`) }).promise();
  const Objects = [...names, 'list/copy'].map((Key) => ({ Key }));
  expect((await s3.deleteObjects({ Bucket, Delete: { Objects } }).promise()).Deleted?.length).toBe(5);
});

const metadata = using(async ({ s3, stage, Bucket }) => {
  const sent = { ContentType: 'text/x-note', Metadata: { owner: stage.marker }, ServerSideEncryption: 'AES256' };
  if (stage.store.name !== 'embedded store') Reflect.deleteProperty(sent, 'ServerSideEncryption');
  await s3.putObject({ Bucket, Key: 'described', Body: stage.content(100), ...sent }).promise();
  expect(await s3.headObject({ Bucket, Key: 'described' }).promise()).toMatchObject(sent);
});

const presigned = using(async ({ s3, stage, Bucket }) => {
  if (stage.transport === 'https') throw new LeftOut('fetched over http only');
  const body = stage.content(2000);
  const Key = 'signed';
  const acl = { ACL: 'private', Metadata: { owner: 'somebody' }, StorageClass: 'STANDARD' };
  const up = s3.getSignedUrl('putObject', { Bucket, Key, ContentType: 'text/x-note', ...acl });
  // The values stand in the URL; a browser sends the type alone.
  const put = await fetch(up, { method: 'PUT', body, headers: { 'content-type': 'text/x-note' } });
  expect([put.status, await put.text()]).toEqual([200, '']);
  const got = await fetch(s3.getSignedUrl('getObject', { Bucket, Key, Expires: 60 }));
  expect(Buffer.from(await got.arrayBuffer()).equals(body)).toBe(true);
  const { ContentType, Metadata } = await s3.headObject({ Bucket, Key }).promise();
  expect([ContentType, Metadata]).toEqual(['text/x-note', { owner: 'somebody' }]);
  return 'ACL, metadata and storage class by the URL alone';
});

const form = using(async ({ s3, stage, Bucket }) => {
  if (stage.transport === 'https') throw new LeftOut('fetched over http only');
  const { url, fields } = s3.createPresignedPost({ Bucket, Fields: { key: 'form' }, Expires: 60 });
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.set(name, value);
  const body = stage.content(5000);
  data.set('file', new Blob([new Uint8Array(body)]), 'file');
  expect((await fetch(url, { method: 'POST', body: data })).status).toBe(204);
  expect((await read(s3, { Bucket, Key: 'form' })).equals(body)).toBe(true);
});

clientSuite({
  client: 'AWS SDK for JavaScript v2',
  tools,
  stages: LIBRARY_STAGES,
  checks: {
    'buffers of sizes around every edge': buffers,
    'upload() of a stream in parts, and ranges': parts,
    'both listings, copies, deleteObjects, odd names': listings,
    'content headers, metadata, SSE-S3': metadata,
    'presigned PUT and GET': presigned,
    'presigned POST': form,
  },
});
