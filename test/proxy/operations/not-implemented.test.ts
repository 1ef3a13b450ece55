/**
 * Protects what cannot be right behind an encrypting endpoint: it answers NotImplemented, and neither reads, writes nor
 * forwards anything. An unknown sub-resource never falls through to the plain operation of the same method.
 */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeAll, expect, it } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import type { RawRequest } from '../../helpers/raw-client.ts';
import { fingerprintOf } from '../../helpers/stored.ts';

type Case = readonly [what: string, method: string, target: string, headers?: RawRequest['headers'], body?: string];

const SSE_C = [
  ['x-amz-server-side-encryption-customer-algorithm', 'AES256'],
  ['x-amz-server-side-encryption-customer-key', Buffer.alloc(32, 7).toString('base64')],
  ['x-amz-server-side-encryption-customer-key-md5', 'hRasmdxgYDKV3nvbahU1MA=='],
] as const;

const COPY = [['x-amz-copy-source', 'BUCKET/key']] as const;

const CASES: readonly Case[] = [
  ['SelectObjectContent', 'POST', 'key?select-type=2', [], '<SelectObjectContentRequest/>'],
  ['append by offset', 'PUT', 'key', [['x-amz-write-offset-bytes', '3']], 'more'],
  ['append by parameter', 'PUT', 'key?append=', [], 'more'],
  ['PutObjectAnnotation', 'PUT', 'key?annotation=name', [], 'text'],
  ['GetObjectAnnotation', 'GET', 'key?annotation=name'],
  ['RenameObject', 'PUT', 'key?renameObject=', [['x-amz-rename-source', 'BUCKET/other']]],
  ['torrent', 'GET', 'key?torrent='],
  ['CreateSession', 'GET', '?session='],
  [
    'WriteGetObjectResponse',
    'POST',
    '../WriteGetObjectResponse',
    [
      ['x-amz-request-route', 'r'],
      ['x-amz-request-token', 't'],
    ],
    'x',
  ],
  ['PutObject with SSE-C', 'PUT', 'key', SSE_C, 'more'],
  ['GetObject with SSE-C', 'GET', 'key', SSE_C],
  ['HeadObject with SSE-C', 'HEAD', 'key', SSE_C],
  ['GetObjectAttributes with SSE-C', 'GET', 'key?attributes=', [['x-amz-object-attributes', 'ETag'], ...SSE_C]],
  ['CopyObject with SSE-C', 'PUT', 'copy', [...COPY, ...SSE_C]],
  [
    'CopyObject from SSE-C',
    'PUT',
    'copy',
    [...COPY, ...SSE_C.map(([name, value]) => [name.replace('x-amz-', 'x-amz-copy-source-'), value] as const)],
  ],
  ['CreateMultipartUpload with SSE-C', 'POST', 'key?uploads=', SSE_C],
  ['snowball', 'PUT', 'key', [['x-amz-meta-snowball-auto-extract', 'true']], 'more'],
  ['metadata tables', 'POST', '?metadataTable=', [], '<A/>'],
  ['replication', 'PUT', '?replication=', [], '<ReplicationConfiguration/>'],
  ['GetBucketReplication', 'GET', '?replication='],
  ['inventory', 'PUT', '?inventory=&id=1', [], '<InventoryConfiguration/>'],
  ['analytics', 'PUT', '?analytics=&id=1', [], '<AnalyticsConfiguration/>'],
  ['metrics', 'PUT', '?metrics=&id=1', [], '<MetricsConfiguration/>'],
  ['intelligent tiering', 'PUT', '?intelligent-tiering=&id=1', [], '<IntelligentTieringConfiguration/>'],
  ['two sub-resources', 'GET', 'key?tagging=&acl='],
  ['a sub-resource of another level', 'PUT', 'key?policy=', [], '{}'],
  ['an unknown parameter on a write', 'PUT', 'key?unheard-of=', [], 'more'],
  ['an unknown parameter on a delete', 'DELETE', 'key?unheard-of='],
];

const bench = sharedBench();
beforeAll(async () => {
  await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'key', Body: 'body' }));
});

for (const [what, method, target, headers = [], body] of CASES) {
  it(what, async () => {
    const [path = '', query = ''] = target.split('?');
    const before = await fingerprintOf(bench.backend, bench.bucket);
    const { result: reply, requests } = await bench.watch(() =>
      bench.send({
        method,
        path: path.startsWith('../') ? path.slice(2) : `/${bench.bucket}${path === '' ? '' : `/${path}`}`,
        query,
        headers: headers.map(([name, value]) => [name, value.replace('BUCKET', bench.bucket)] as const),
        ...(body === undefined ? {} : { body }),
      }),
    );
    expect(reply.status).toBe(501);
    if (method !== 'HEAD') expect(reply.code).toBe('NotImplemented');
    expect(requests).toEqual([]);
    expect(await fingerprintOf(bench.backend, bench.bucket)).toBe(before);
  });
}

it('the table is complete', () => {
  expect(CASES.length).toBe(28);
});
