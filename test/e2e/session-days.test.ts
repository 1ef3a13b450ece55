/**
 * Protects: replicas share nothing but the store and the seal key, so a session issued by one serves on the others; and once the secret of the
 * day is deleted, the token, the seal key and the whole state open nothing, for a live server and for an independent reader.
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sessionClient, sessionOf, type TestSession } from '../helpers/sessions.ts';
import { createBucket, expectNothingExposed } from './support/client-suite.ts';
import { PROJECT, type RunningProgram, startServe } from './support/program.ts';
import { pathOfProgram } from './support/program-checks.ts';
import { runClient, versionOf } from './support/run-client.ts';
import { Stage } from './support/stage.ts';
import { isInstalled } from './support/store-under-test.ts';

const STATE = 'sealgate-state';
const HAS_READER =
  (await versionOf('python3', ['-c', 'import cryptography; print(cryptography.__version__)'])) !== undefined;
const IS_LEFT_OUT = !isInstalled('MinIO');
if (IS_LEFT_OUT) console.log('MinIO is not installed: sessions over two replicas are left out');
if (!HAS_READER) console.log("Python has no cryptography: what a token opens without its day's secret is left out");

describe.skipIf(IS_LEFT_OUT)('on MinIO', () => {
  let stage: Stage;
  let second: RunningProgram;
  let session: TestSession;
  const body = 'read on the other replica';

  beforeAll(async () => {
    stage = await Stage.open({ store: 'MinIO', transport: 'http' });
    await createBucket(stage);
    second = await startServe({ directory: stage.directory, settings: stage.settings });
    session = await sessionOf(stage.endpoint, stage.tenant);
    stage.keepText('session token', session.sessionToken);
    stage.keepText('secret access key of a session', session.secretAccessKey);
  });
  afterAll(async () => {
    await second.stop();
    await stage.close();
  });

  const store = (): S3Client => {
    if (stage.store.client === undefined) throw new Error('MinIO has a client');
    return stage.store.client;
  };

  async function stateUnder(Prefix: string): Promise<Readonly<Record<string, string>>> {
    const { Contents = [] } = await store().send(new ListObjectsV2Command({ Bucket: STATE, Prefix }));
    const read = async (Key = '') => {
      const { Body } = await store().send(new GetObjectCommand({ Bucket: STATE, Key }));
      return [Key, (await Body?.transformToString()) ?? ''] as const;
    };
    return Object.fromEntries(await Promise.all(Contents.map(({ Key }) => read(Key))));
  }

  /** What the independent reader makes of token, seal key and state. */
  async function opened(): Promise<unknown> {
    const [kid = '', key = ''] = (stage.settings['SEALGATE_SEAL_KEYS'] ?? '').split(':');
    const keyrings = await stateUnder('keyrings/');
    const [keyring] = Object.entries(keyrings).filter(([name]) => name.includes(stage.tenant.tenant));
    const vector = {
      sealKeys: [{ kid, key: Buffer.from(key, 'base64').toString('hex') }],
      records: await stateUnder('sessions/'),
      keyring: keyring?.[1] ?? '',
      sessionToken: session.sessionToken,
    };
    const { code, stdout, stderr } = await runClient(
      'python3',
      [pathOfProgram('open_session.py'), `${PROJECT}/test/vectors`],
      { directory: stage.directory, stdin: JSON.stringify(vector) },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return JSON.parse(stdout);
  }

  test('a session issued on one replica serves on another', async () => {
    const one = sessionClient(stage.endpoint, session);
    const other = sessionClient(second.endpoint, session);
    await one.send(new PutObjectCommand({ Bucket: stage.bucket, Key: 'shared', Body: body }));
    const { Body } = await other.send(new GetObjectCommand({ Bucket: stage.bucket, Key: 'shared' }));
    expect(await Body?.transformToString()).toBe(body);
    for (const client of [one, other]) client.destroy();
  });

  test.skipIf(!HAS_READER)("with the day's secret gone, seal key, state and token open nothing", async () => {
    expect(await opened()).toEqual({ opened: ['1'] });
    const days = Object.keys(await stateUnder('sessions/'));
    expect(days.length).toBeGreaterThan(0);
    for (const Key of days) await store().send(new DeleteObjectCommand({ Bucket: STATE, Key }));
    expect(await opened()).toEqual({ refused: 'token' });
    const third = await startServe({ directory: stage.directory, settings: stage.settings });
    const client = sessionClient(third.endpoint, session);
    try {
      await expect(client.send(new GetObjectCommand({ Bucket: stage.bucket, Key: 'shared' }))).rejects.toMatchObject({
        name: 'InvalidToken',
      });
    } finally {
      client.destroy();
      await third.stop();
    }
  });

  test('the store and the log show no token, API key or access key id', () => expectNothingExposed(stage));
});
