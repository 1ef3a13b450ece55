/**
 * Protects: roles in a deep rotation, by the program's own commands beside a running server: a role whose ARN is given goes on with the same
 * ARN and reads what was stored before, a managed one goes on by itself, and so do their sessions; a role that nobody gave is dropped
 * by name, and its sessions end with those of the keys.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { asQueryReply } from '../helpers/query-api.ts';
import { type Header, sendRaw, sendSigned } from '../helpers/raw-client.ts';
import { credentialsIn, keyOf, sessionOf, type TestSession } from '../helpers/sessions.ts';
import { createBucket } from './support/client-suite.ts';
import { runProgram } from './support/program.ts';
import { Stage } from './support/stage.ts';

const ISSUER = 'https://issuer.example/e2e';
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const directory = mkdtempSync(join(tmpdir(), 'sealgate-e2e-jwks-'));
let stage: Stage;

beforeAll(async () => {
  const keys = [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'one' }];
  const jwks = join(directory, 'jwks.json');
  writeFileSync(jwks, JSON.stringify({ keys }));
  const issuers = [{ issuer: ISSUER, jwks: `file:${jwks}`, audiences: ['e2e'] }];
  stage = await Stage.open({
    store: 'embedded store',
    transport: 'http',
    settings: { SEALGATE_OIDC_ISSUERS: JSON.stringify(issuers) },
  });
  await createBucket(stage);
});
afterAll(async () => {
  await stage.close();
  rmSync(directory, { recursive: true });
});

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
async function signIn(RoleArn: string): Promise<TestSession | string> {
  const seconds = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, sub: 'job:1', aud: 'e2e', iat: seconds, exp: seconds + 3_600 };
  const WebIdentityToken = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .sign(pair.privateKey);
  const Action = 'AssumeRoleWithWebIdentity';
  const body = new URLSearchParams({
    Action,
    Version: '2011-06-15',
    RoleSessionName: 'job',
    RoleArn,
    WebIdentityToken,
  }).toString();
  const headers: Header[] = [
    ['host', new URL(stage.endpoint).host],
    ['content-type', 'application/x-www-form-urlencoded'],
    ['content-length', String(body.length)],
  ];
  const reply = asQueryReply(await sendRaw(stage.endpoint, { method: 'POST', target: '/', headers, body }));
  return reply.error === '' ? credentialsIn(reply, Action) : reply.error;
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
