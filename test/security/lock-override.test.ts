/**
 * The backend sees the proxy's credentials: whether a caller may override an object lock is decided here, by its grant on the
 * whole bucket, and for single deletes as for DeleteObjects.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, DeleteObjectCommand, DeleteObjectsCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Backend, BackendRequest } from '../../proxy/backend/backend.ts';
import { openLocalBackend } from '../../proxy/backend/local/local.ts';
import type { Grant } from '../../proxy/keyring/grants.ts';
import { startTestProxy, type TestProxy, uniqueBucket } from '../helpers/proxy.ts';

const Bucket = uniqueBucket();
const OVERRIDE = 'x-amz-bypass-governance-retention';
let directory: string;
let store: Backend;
let proxy: TestProxy;
let overrides: BackendRequest[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'sealgate-lock-'));
  store = await openLocalBackend({ directory });
  // The embedded store has no locks: the header is noted and taken off.
  const noting: Backend = {
    description: 'noting',
    close: () => store.close(),
    send(request) {
      const { [OVERRIDE]: value, ...headers } = request.headers ?? {};
      if (value !== undefined) overrides.push(request);
      return store.send({ ...request, headers });
    },
  };
  proxy = await startTestProxy({ backend: noting });
  const owner = proxy.client(await proxy.createTenant());
  await owner.send(new CreateBucketCommand({ Bucket }));
  owner.destroy();
});
afterAll(async () => {
  await proxy.close();
  await store.close();
  await rm(directory, { recursive: true });
});

async function clientWith(grant: Partial<Grant>): Promise<S3Client> {
  overrides = [];
  return proxy.client(await proxy.createTenant([{ bucket: Bucket, prefix: '', access: 'read-write', ...grant }]));
}

const COMMANDS = {
  DeleteObject: () => new DeleteObjectCommand({ Bucket, Key: 'mine/a', BypassGovernanceRetention: true }),
  DeleteObjects: () =>
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'mine/a' }] }, BypassGovernanceRetention: true }),
};

describe.each(Object.entries(COMMANDS))('%s that overrides a lock', (_name, command) => {
  test('passes for a grant on the whole bucket', async () => {
    const s3 = await clientWith({});
    await s3.send(command() as DeleteObjectCommand);
    expect(overrides).toHaveLength(1);
    s3.destroy();
  });

  test('is AccessDenied for a grant on a prefix, and does not reach the backend', async () => {
    const s3 = await clientWith({ prefix: 'mine/' });
    // DeleteObjects refuses each key by itself, as S3 does.
    const refusals = (answer: unknown) => (answer as { Errors?: { Code: string }[] }).Errors?.map(({ Code }) => Code);
    const outcome = await s3.send(command() as DeleteObjectCommand).then(refusals, ({ name }) => [name]);
    expect(outcome).toEqual(['AccessDenied']);
    expect(overrides).toHaveLength(0);
    s3.destroy();
  });
});
