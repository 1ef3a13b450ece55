/**
 * Protects: roles in a deep rotation, by the program's own commands beside a running server: a role whose ARN is given goes on with the same
 * ARN and reads what was stored before, a managed one goes on by itself, and so do their sessions; a role that nobody gave is dropped
 * by name, and its sessions end with those of the keys.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sharedIssuer } from '../helpers/issuer.ts';
import { sendSigned } from '../helpers/raw-client.ts';
import { assumeByToken, credentialsIn, keyOf, sessionOf, type TestSession } from '../helpers/sessions.ts';
import { createBucket } from './support/client-suite.ts';
import { runProgram } from './support/program.ts';
import { Stage } from './support/stage.ts';

const ISSUER = 'https://issuer.example/e2e';
const issuer = sharedIssuer(ISSUER, 'e2e');
let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open({
    store: 'embedded store',
    transport: 'http',
    settings: { SEALGATE_OIDC_ISSUERS: JSON.stringify(issuer.settings) },
  });
  await createBucket(stage);
});
afterAll(() => stage.close());

async function program(...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const { accessKeyId, secretAccessKey } = stage.tenant;
  const own = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, SEALGATE_LOG_LEVEL: 'error' };
  const { code, ...printed } = await runProgram(args, {
    directory: stage.directory,
    settings: { ...stage.settings, ...own },
  });
  if (code !== 0) throw new Error(`${args.slice(0, 3).join(' ')} exited with ${code}: ${printed.stderr}`);
  return printed;
}

async function createRole(name: string, ...more: string[]): Promise<string> {
  const trust = ['--issuer', ISSUER, '--audience', 'e2e', '--subject', 'job:*'];
  return JSON.parse((await program('role', 'create', '--name', name, ...trust, '--json', ...more)).stdout).arn;
}

/** A session, or the code of the refusal. */
async function signIn(arn: string): Promise<TestSession | string> {
  const reply = await assumeByToken(stage.endpoint, { arn, token: await issuer.token({ sub: 'job:1' }) });
  return reply.error === '' ? credentialsIn(reply, 'AssumeRoleWithWebIdentity') : reply.error;
}

async function read(as: TestSession | string): Promise<string> {
  if (typeof as === 'string') return as;
  const headers = [['x-amz-security-token', as.sessionToken]] as const;
  const reply = await sendSigned(stage.endpoint, as, { method: 'GET', path: `/${stage.bucket}/kept`, headers });
  return reply.code || String(reply.status);
}

test('roles go through a deep rotation by their ARN, or by the state, and the others are dropped', async () => {
  const [given, managed, dropped] = [
    await createRole('given'),
    await createRole('managed', '--managed'),
    await createRole('dropped'),
  ];
  const body = stage.content(5_000);
  expect(
    (await sendSigned(stage.endpoint, stage.tenant, { method: 'PUT', path: `/${stage.bucket}/kept`, body })).status,
  ).toBe(200);
  const before = await Promise.all([given, managed, dropped].map(signIn));
  const ofKey = await sessionOf(stage.endpoint, keyOf(stage.tenant));
  for (const session of [ofKey, ...before]) expect(await read(session)).toBe('200');

  const planned = await program(
    'key',
    'rotate',
    '--deep',
    '--keep-key',
    '--drop-slots',
    '--role-arn',
    given,
    '--dry-run',
    '--json',
  );
  expect(JSON.parse(planned.stdout).dropped.map(({ label }: { label: string }) => label)).toEqual([
    expect.stringContaining('dropped'),
  ]);
  const deep = ['key', 'rotate', '--deep', '--keep-key', '--role-arn', given];
  await expect(program(...deep)).rejects.toThrow(/drop-slots/);
  const done = await program(...deep, '--drop-slots', '--servers-restarted', '--longest-request', '0');
  expect(done.stderr).toContain('has begun; 1 keys were dropped');

  // Within a minute the server has the new keyring. Sessions of roles that stay go on; those of the kept key and of the dropped role end.
  const outcomes = () => Promise.all([ofKey, ...before].map(read));
  await expect
    .poll(outcomes, { timeout: 120_000, interval: 2_000 })
    .toEqual(['InvalidToken', '200', '200', 'InvalidToken']);
  expect([await read(await signIn(given)), await read(await signIn(managed)), await signIn(dropped)]).toEqual([
    '200',
    '200',
    'AccessDenied',
  ]);
  const listed = (await program('role', 'list', stage.tenant.tenant)).stdout
    .split('\n')
    .flatMap((line) => line.split(' ')[0] || []);
  expect(listed.toSorted()).toEqual(['given', 'managed']);
});
