/**
 * Protects the borders of copies: no source that the caller may not read, no state bucket, however the source is spelt; and a
 * header that belongs to one name opens under no other.
 */
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import { storeDirectly, storedKeys, storedObject } from '../../helpers/stored.ts';
import { copied, copySourceOf, read } from './copy-suite.ts';

describe('isolation', () => {
  const bench = sharedBench();
  beforeAll(async () => {
    await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: 'mine/secret', Body: 'secret' }));
  });

  it.each([
    ['a tenant without a grant on the source bucket', [{ bucket: 'elsewhere', prefix: '', access: 'read-write' }]],
    ['a tenant with a grant on another prefix', [{ bucket: '*', prefix: 'theirs/', access: 'read-write' }]],
    ['another tenant with every grant', [{ bucket: '*', prefix: '', access: 'read-write' }]],
    ['a tenant that may only read', [{ bucket: '*', prefix: '', access: 'read-only' }]],
  ] as const)('refuses %s', async (_name, grants) => {
    const other = await bench.proxy.createTenant([...grants]);
    const before = await storedKeys(bench.backend, bench.bucket);
    const reply = await bench.send(
      {
        method: 'PUT',
        path: `/${grants[0].bucket === 'elsewhere' ? 'elsewhere' : bench.bucket}/theirs/copy`,
        headers: [['x-amz-copy-source', copySourceOf(bench.bucket, 'mine/secret')]],
      },
      other,
    );
    expect([reply.status, reply.code]).toEqual([403, 'AccessDenied']);
    expect(await storedKeys(bench.backend, bench.bucket)).toEqual(before);
  });

  it.each([
    'sealgate-state/keyrings/x',
    '/sealgate-state/keyrings/x',
    'sealgate%2Dstate%2Fkeyrings%2Fx',
    'SEALGATE-STATE/x',
  ])('never reads the state bucket: %s', async (source) => {
    const headers = [['x-amz-copy-source', source]] as const;
    const reply = await bench.send({ method: 'PUT', path: `/${bench.bucket}/state`, headers });
    expect([reply.status, reply.code]).toEqual([403, 'AccessDenied']);
  });

  it.each(['', 'bucket', 'bucket/', '/bucket/', '//key', 'bucket/%zz', 'bucket/k?versionId=', 'bucket/%ff'])(
    'answers InvalidArgument for the copy source %j',
    async (source) => {
      const headers = [['x-amz-copy-source', source]] as const;
      const reply = await bench.send({ method: 'PUT', path: `/${bench.bucket}/bad`, headers });
      expect([reply.status, reply.code]).toEqual([400, 'InvalidArgument']);
    },
  );

  it.each([
    ['bucket/a+b', 'a b'],
    ['%2Fbucket%2Fa%2Bb', 'a+b'],
    ['/bucket/a%20b', 'a b'],
  ])('decodes the copy source %s as S3 does', async (source, key) => {
    await bench.s3.send(new PutObjectCommand({ Bucket: bench.bucket, Key: key, Body: key }));
    const headers = [['x-amz-copy-source', source.replace('bucket', bench.bucket)]] as const;
    const reply = await bench.send({ method: 'PUT', path: `/${bench.bucket}/decoded`, headers });
    expect(reply.status).toBe(200);
    expect((await read(bench, 'decoded')).bytes.toString()).toBe(key);
  });

  it('binds every header to its own name', async () => {
    const { backend, bucket, s3 } = bench;
    await s3.send(new PutObjectCommand({ Bucket: bucket, Key: 'old', Body: 'body', Metadata: { a: '1' } }));
    await copied(bench, 'old', 'new');
    const [from, to] = [await storedObject(backend, bucket, 'old'), await storedObject(backend, bucket, 'new')];
    const forged = [
      { ...to.metadata, 'enc-attrs': from.metadata['enc-attrs'] ?? '' },
      from.metadata,
      { ...from.metadata, 'enc-attrs': to.metadata['enc-attrs'] ?? '' },
    ];
    for (const metadata of forged) {
      await storeDirectly(backend, { bucket, key: 'new', body: to.body, metadata });
      const reply = await bench.send({ method: 'GET', path: `/${bucket}/new` });
      expect([reply.status, reply.body.includes('body<')]).toEqual([500, false]);
    }
    await storeDirectly(backend, { bucket, key: 'new', body: to.body, metadata: to.metadata });
    expect((await read(bench, 'new')).bytes.toString()).toBe('body');
  });
});
