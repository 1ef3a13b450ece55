/**
 * Protects: tenants rotate their own keys with the tools they have, aws-cli and boto3, over a server with two workers: each
 * step takes effect on both, the new key opens what the old one stored, and no new secret is in the log or at the store.
 */
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { sendSigned } from '../helpers/raw-client.ts';
import { clientEnvironment } from './support/client-environment.ts';
import { createBucket, expectNothingExposed } from './support/client-suite.ts';
import { runClient, versionOf } from './support/run-client.ts';
import { createTenant, Stage, type Tenant } from './support/stage.ts';
import { findOnPath } from './support/store-under-test.ts';

const SCRIPT = fileURLToPath(new URL('clients/boto3_rotation.py', import.meta.url));
const AWS = findOnPath('aws');
const HAS_BOTO3 = (await versionOf('python3', ['-c', 'import boto3; print(boto3.__version__)'])) !== undefined;
if (AWS === undefined) console.log('aws-cli is not installed: its rotation is left out');
if (!HAS_BOTO3) console.log('boto3 is not installed: its rotation is left out');

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open({ store: 'embedded store', transport: 'http', settings: { SEALGATE_WORKERS: '2' } });
  await createBucket(stage);
});
afterAll(() => stage.close());

async function aws(as: Tenant, ...args: readonly string[]) {
  const env = { ...clientEnvironment(stage, { as }), AWS_ENDPOINT_URL: stage.endpoint };
  return runClient(AWS ?? '', args, { directory: stage.directory, env });
}

async function ok(as: Tenant, ...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await aws(as, ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout === '' ? undefined : JSON.parse(stdout);
}

/** On connections of their own, so that both workers get some. */
async function statuses(as: Tenant, key: string): Promise<readonly number[]> {
  const path = `/${stage.bucket}/${key}`;
  const sent = Array.from({ length: 16 }, () => sendSigned(stage.endpoint, as, { method: 'GET', path }));
  return [...new Set((await Promise.all(sent)).map(({ status }) => status))];
}

/** What one worker changed the other is told: well within the 60 s for which it would believe an older keyring. */
const everywhere = (as: Tenant, key: string, status: number) =>
  vi.waitFor(async () => expect(await statuses(as, key)).toEqual([status]), { timeout: 10_000, interval: 100 });

describe.skipIf(AWS === undefined)('aws-cli', () => {
  test('makes a key, changes over, switches the old one off and removes it', async () => {
    const old = await createTenant(stage);
    stage.keepSecret(old);
    await sendSigned(stage.endpoint, old, {
      method: 'PUT',
      path: `/${stage.bucket}/rotated`,
      body: stage.content(1000),
    });
    await everywhere(old, 'rotated', 200);
    expect(await ok(old, 'sts', 'get-caller-identity')).toMatchObject({ UserId: old.tenant });

    const made = (await ok(old, 'iam', 'create-access-key')) as { AccessKey: Record<string, string> };
    const { AccessKeyId = '', SecretAccessKey = '' } = made.AccessKey;
    const next = { tenant: old.tenant, accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey };
    stage.keepSecret(next);
    await everywhere(next, 'rotated', 200);

    await ok(next, 'iam', 'update-access-key', '--access-key-id', old.accessKeyId, '--status', 'Inactive');
    await everywhere(old, 'rotated', 403);
    const { AccessKeyMetadata } = (await ok(next, 'iam', 'list-access-keys')) as {
      AccessKeyMetadata: { AccessKeyId: string; Status: string }[];
    };
    expect(AccessKeyMetadata.map(({ Status }) => Status).sort()).toEqual(['Active', 'Inactive']);
    const handle = AccessKeyMetadata.find(({ Status }) => Status === 'Inactive')?.AccessKeyId ?? '';
    await ok(next, 'iam', 'delete-access-key', '--access-key-id', handle);
    const last = await aws(next, 'iam', 'delete-access-key', '--access-key-id', AccessKeyId);
    expect(last.code).not.toBe(0);
    expect(last.stderr).toContain('An error occurred (DeleteConflict) when calling the DeleteAccessKey operation');
    await everywhere(old, 'rotated', 403);
    await everywhere(next, 'rotated', 200);
  });
});

describe.skipIf(!HAS_BOTO3)('boto3', () => {
  test('does the same, with the exceptions that it makes of refusals', async () => {
    const own = await createTenant(stage);
    stage.keepSecret(own);
    const { code, stdout, stderr } = await runClient('python3', [SCRIPT, stage.endpoint, stage.bucket], {
      directory: stage.directory,
      env: clientEnvironment(stage, { as: own }),
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const next = { ...(JSON.parse(stdout) as Omit<Tenant, 'tenant'>), tenant: own.tenant };
    stage.keepSecret(next);
    await everywhere(own, 'boto3-rotation', 403);
    await everywhere(next, 'boto3-rotation', 200);
  });
});

test('the store and the log show no content, API key or access key id', () => expectNothingExposed(stage));
