/**
 * A backend that gives two versions of an object the same ETag, date and size must not make the proxy answer with the attributes
 * of the one for the other: what was cached of a footer counts for the data key that opened it, and for no other.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Backend } from '../../proxy/backend/backend.ts';
import { openLocalBackend } from '../../proxy/backend/local/local.ts';
import { startTestProxy, type TestProxy, uniqueBucket } from '../helpers/proxy.ts';

const Bucket = uniqueBucket();
const Key = 'two-versions';
let directory: string;
let store: Backend;
let proxy: TestProxy;
let s3: S3Client;

/** Sees to it that every version of the object looks alike, and that pinned reads find it. */
function lying(inner: Backend): Backend {
  const isOurs = (key: string | undefined) => key === Key;
  return {
    description: 'lying',
    close: () => inner.close(),
    async send(request) {
      const { 'if-match': _pin, ...headers } = request.headers ?? {};
      const response = await inner.send(isOurs(request.key) ? { ...request, headers } : request);
      if (!isOurs(request.key) || response.headers['etag'] === undefined) return response;
      const alike = { etag: '"11111111111111111111111111111111"', 'last-modified': 'Sat, 21 Nov 2026 10:00:00 GMT' };
      return { ...response, headers: { ...response.headers, ...alike } };
    },
  };
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-lying-'));
  store = await openLocalBackend({ directory });
  proxy = await startTestProxy({ backend: lying(store) });
  s3 = proxy.client(await proxy.createTenant());
  await s3.send(new CreateBucketCommand({ Bucket }));
});
afterAll(async () => {
  s3.destroy();
  await proxy.close();
  await store.close();
  await rm(directory, { recursive: true });
});

test('the second version is described by its own footer', async () => {
  const etags: (string | undefined)[] = [];
  for (const fill of ['a', 'b']) {
    const Body = Buffer.alloc(2 * 1024 * 1024, fill);
    const put = await s3.send(new PutObjectCommand({ Bucket, Key, Body }));
    const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
    expect(head.ETag).toBe(put.ETag);
    const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
    expect(Buffer.from((await got.Body?.transformToByteArray()) ?? []).equals(Body)).toBe(true);
    etags.push(head.ETag);
  }
  expect(new Set(etags).size).toBe(2);
});
