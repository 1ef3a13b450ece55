/** Protects: MinIO's JavaScript client works unchanged: it signs streams differently from AWS's, and asks for the location first. */

import { createReadStream, readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { createRequire } from 'node:module';
import { Client, CopyConditions } from 'minio';
import { expect } from 'vitest';
import { MiB } from '../helpers/bytes.ts';
import { type Check, clientSuite, EVERY_STAGE } from './support/client-suite.ts';
import { digestsOf, digestsOfFile } from './support/plaintext.ts';
import type { Stage } from './support/stage.ts';

const { version } = createRequire(import.meta.url)('minio/package.json') as { version: string };

function client(stage: Stage): Client {
  const { hostname, port } = new URL(stage.endpoint);
  const { accessKeyId: accessKey, secretAccessKey: secretKey } = stage.tenant;
  const common = { endPoint: hostname, port: Number(port), accessKey, secretKey, partSize: 8 * MiB };
  if (stage.certificate === undefined) return new Client({ ...common, useSSL: false });
  const transportAgent = new Agent({ ca: readFileSync(stage.certificate.authority) });
  return new Client({ ...common, useSSL: true, transportAgent });
}

async function collected(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

const buffers: Check = async ({ stage }) => {
  const minio = client(stage);
  const body = stage.content(700_001);
  const metadata = { 'Content-Type': 'text/x-note', 'X-Amz-Meta-Owner': stage.marker };
  const { etag } = await minio.putObject(stage.bucket, 'a b/ü+%.txt', body, body.length, metadata);
  expect(etag).toBe(digestsOf(body).md5);
  const stat = await minio.statObject(stage.bucket, 'a b/ü+%.txt');
  expect(stat).toMatchObject({
    size: body.length,
    etag,
    metaData: { 'content-type': 'text/x-note', owner: stage.marker },
  });
  expect((await collected(await minio.getObject(stage.bucket, 'a b/ü+%.txt'))).equals(body)).toBe(true);
  const slice = await collected(await minio.getPartialObject(stage.bucket, 'a b/ü+%.txt', 65_530, 20));
  expect(slice.equals(body.subarray(65_530, 65_550))).toBe(true);
};

const parts: Check = async ({ stage }) => {
  const minio = client(stage);
  const bytes = 26 * MiB + 7;
  const sent = stage.file({ name: 'parts', bytes });
  await minio.putObject(stage.bucket, 'parts', createReadStream(sent.path), bytes);
  expect((await minio.statObject(stage.bucket, 'parts')).size).toBe(bytes);
  const received = stage.path('parts-back');
  await minio.fGetObject(stage.bucket, 'parts', received);
  expect((await digestsOfFile(received)).sha256).toBe(sent.sha256);
  return '4 parts';
};

const lists: Check = async ({ stage }) => {
  const minio = client(stage);
  const names = ['list/1', 'list/2 ü', 'list/deep/3&4'];
  for (const [index, name] of names.entries()) await minio.putObject(stage.bucket, name, stage.content(100 + index));
  const rows: [string | undefined, number | undefined][] = [];
  for await (const row of minio.listObjectsV2(stage.bucket, 'list/', true)) rows.push([row.name, row.size]);
  expect(rows).toEqual(names.map((name, index) => [name, 100 + index]));
  await minio.removeObjects(stage.bucket, names);
  let left = 0;
  for await (const _ of minio.listObjectsV2(stage.bucket, 'list/', true)) left++;
  expect(left).toBe(0);
};

const copies: Check = async ({ stage }) => {
  const minio = client(stage);
  const body = stage.content(100_000);
  await minio.putObject(stage.bucket, 'source', body);
  await minio.copyObject(stage.bucket, 'copy', `/${stage.bucket}/source`, new CopyConditions());
  expect((await collected(await minio.getObject(stage.bucket, 'copy'))).equals(body)).toBe(true);
};

clientSuite({
  client: 'minio-js',
  tools: [{ command: '', version }],
  stages: EVERY_STAGE,
  checks: {
    'buffers, metadata, partial reads': buffers,
    'streams in parts': parts,
    'lists and removals': lists,
    copyObject: copies,
  },
});
