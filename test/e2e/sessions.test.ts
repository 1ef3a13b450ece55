/**
 * Protects: stock clients sign in with what they have and get credentials that end by themselves, by the settings that they read for AWS:
 * a token of an issuer, a profile that assumes a role, a federation token narrowed to a prefix and an address, the container
 * endpoint. Nothing of a token, of a role's ARN or of what they were given is in the log or at the store.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sharedIssuer } from '../helpers/issuer.ts';
import { clientEnvironment } from './support/client-environment.ts';
import { createBucket, expectNothingExposed } from './support/client-suite.ts';
import { runProgram } from './support/program.ts';
import { type Environment, type Issued, SESSION_CLIENTS, type SessionClient } from './support/session-clients.ts';
import { Stage } from './support/stage.ts';

const ISSUER = 'https://issuer.example';
const AUDIENCE = 'sealgate-e2e';
const ROLE_PREFIX = 'arn:aws:iam::000000000000:role/';
const PROFILE_SECONDS = 900;

const directory = mkdtempSync(join(tmpdir(), 'sealgate-sessions-'));
const issuer = sharedIssuer(ISSUER, AUDIENCE);
const tokenFile = join(directory, 'token');
let stage: Stage;
let token = '';
/** Of a role that web tokens take on, and of one that the tenant's key takes on. */
let arn = '';
let assumable = '';

/** Reading and writing below a prefix, from an address; with what rclone asks for besides. */
function policyFor(prefix: string, address?: string): string {
  const Condition = address === undefined ? {} : { Condition: { IpAddress: { 'aws:SourceIp': address } } };
  const Resource = `arn:aws:s3:::${stage.bucket}/${prefix}/*`;
  const Statement = [
    { Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject', 's3:PutObjectAcl'], Resource, ...Condition },
    { Effect: 'Allow', Action: 's3:ListBucket', Resource: `arn:aws:s3:::${stage.bucket}`, ...Condition },
  ];
  return JSON.stringify({ Version: '2012-10-17', Statement });
}

async function makeRole(
  name: string,
  { subject = 'repo:org/app:*', extra = [] }: { subject?: string; extra?: readonly string[] } = {},
): Promise<string> {
  const credentials = stage.path('credentials.json');
  writeFileSync(credentials, JSON.stringify(stage.tenant), { mode: 0o600 });
  const policy = stage.path('policy.json');
  writeFileSync(policy, policyFor('job'));
  const trust = ['--issuer', ISSUER, '--audience', AUDIENCE, '--subject', subject, ...extra];
  const args = ['role', 'create', '--credentials', credentials, '--name', name, '--policy', policy, ...trust, '--json'];
  const { code, stdout, stderr } = await runProgram(args, stage);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return (JSON.parse(stdout) as { arn: string }).arn;
}

beforeAll(async () => {
  const settings = { SEALGATE_OIDC_ISSUERS: JSON.stringify(issuer.settings) };
  stage = await Stage.open({ store: 'embedded store', transport: 'http', settings });
  await createBucket(stage);
  token = await issuer.token({ sub: 'repo:org/app:ref:main', jti: 'one' });
  writeFileSync(tokenFile, token, { mode: 0o600 });
  arn = await makeRole('ci');
  assumable = await makeRole('job', { extra: ['--managed', '--assumable-by', '*'] });
  stage.keepText('web identity token', token);
  stage.keepText('sealed part of an ARN', arn.slice(arn.lastIndexOf('/') + 1));
}, 300_000);
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await stage.close();
});

const location = (): Environment => ({
  AWS_ENDPOINT_URL: stage.endpoint,
  // Go's STS looks here alone.
  AWS_ENDPOINT_URL_STS: stage.endpoint,
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_EC2_METADATA_DISABLED: 'true',
});
const nothing: Environment = { AWS_SHARED_CREDENTIALS_FILE: '/dev/null', AWS_CONFIG_FILE: '/dev/null' };

let numbers = 0;
const names = (prefix: string) => ({ key: `${prefix}/${++numbers}`, other: `elsewhere/${numbers}` });

/** Requests of an operation in the log. */
const logged = (operation: string) => stage.program.output().split(`"operation":"${operation}"`).length - 1;

/** What has STS too says who it is. */
const allowed = (client: SessionClient, role: string) => ({
  ...(client.narrow && { arn: expect.stringMatching(new RegExp(`assumed-role/${role}/|role/${role}`)) }),
  ...{ put: 'ok', get: 'ok', other: 'AccessDenied' },
});

for (const client of SESSION_CLIENTS) {
  if (!client.isInstalled) console.log(`${client.name} is not installed: its sessions are left out`);
}

describe.each(SESSION_CLIENTS.map((client) => [client.name, client] as const))('%s', (name, client) => {
  test.skipIf(!client.isInstalled || name === 'rclone')(
    'a token of an issuer, by the role that its settings name',
    async () => {
      const env = { ...location(), ...nothing, AWS_ROLE_ARN: arn, AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile };
      const before = logged('AssumeRoleWithWebIdentity');
      expect(await client.use({ stage, env, ...names('job') })).toEqual(allowed(client, 'ci'));
      expect(logged('AssumeRoleWithWebIdentity')).toBeGreaterThan(before);
    },
  );

  test.skipIf(!client.isInstalled || name === 'rclone')(
    'a profile that assumes a role: credentials near their end are fetched anew',
    async () => {
      const config = stage.path('aws-config');
      const { accessKeyId, secretAccessKey } = stage.tenant;
      const base = [
        '[profile base]',
        `aws_access_key_id = ${accessKeyId}`,
        `aws_secret_access_key = ${secretAccessKey}`,
      ];
      const job = [
        '[profile job]',
        `role_arn = ${assumable}`,
        'source_profile = base',
        `duration_seconds = ${PROFILE_SECONDS}`,
      ];
      writeFileSync(config, [...base, ...job, ''].join('\n'), { mode: 0o600 });
      const env = {
        ...location(),
        AWS_CONFIG_FILE: config,
        AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
        AWS_PROFILE: 'job',
      };
      const before = logged('AssumeRole');
      expect(await client.use({ stage, env: { ...env, PROBE_REFRESH: 'yes' }, ...names('job') })).toEqual(
        allowed(client, 'job'),
      );
      // Java fetches anew in the last minutes only.
      expect(logged('AssumeRole') - before).toBeGreaterThanOrEqual(name === 'AWS SDK for Java v2' ? 1 : 2);
    },
  );

  test.skipIf(!client.isInstalled)('the container endpoint', async () => {
    const AWS_CONTAINER_CREDENTIALS_FULL_URI = `${stage.endpoint}/v1/credentials/${arn.slice(ROLE_PREFIX.length)}`;
    // What rclone 1.60 is built on knows no file.
    const authorization: Environment =
      name === 'rclone'
        ? { AWS_CONTAINER_AUTHORIZATION_TOKEN: token }
        : { AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile };
    const env = { ...location(), ...nothing, AWS_CONTAINER_CREDENTIALS_FULL_URI, ...authorization };
    expect(await client.use({ stage, env, ...names('job') })).toEqual(allowed(client, 'ci'));
  });

  test.skipIf(!client.isInstalled)('a federation token narrowed to a prefix and an address', async () => {
    const { narrow } =
      client.narrow === undefined ? (SESSION_CLIENTS.find((one) => one.isInstalled && one.narrow) ?? client) : client;
    if (narrow === undefined) throw new Error('no client with STS is installed');
    const own = { ...clientEnvironment(stage), ...location() };
    const using = async (policy: string) => {
      const issued = await narrow({ stage, env: own, policy });
      keep(issued);
      const env = {
        ...{ ...location(), ...nothing, AWS_ACCESS_KEY_ID: issued.accessKeyId },
        ...{ AWS_SECRET_ACCESS_KEY: issued.secretAccessKey, AWS_SESSION_TOKEN: issued.sessionToken },
      };
      return client.use({ stage, env, ...names('reports') });
    };
    const here = await using(policyFor('reports', '127.0.0.0/8'));
    expect(here).toMatchObject({ put: 'ok', get: 'ok', other: 'AccessDenied' });
    const elsewhere = await using(policyFor('reports', '203.0.113.0/24'));
    expect([elsewhere.put, elsewhere.other]).toEqual(['AccessDenied', 'AccessDenied']);
    // rclone lists first; others read.
    expect(elsewhere.get).toBe('AccessDenied');
  });
});

test.skipIf(SESSION_CLIENTS[0]?.isInstalled !== true)('a SPIFFE JWT-SVID is a token of an issuer', async () => {
  const svid = join(directory, 'svid');
  writeFileSync(svid, await issuer.token({ sub: 'spiffe://example.org/ns/prod/sa/app' }), { mode: 0o600 });
  const role = await makeRole('svid', { subject: 'spiffe://example.org/ns/prod/*' });
  const env = { ...location(), ...nothing, AWS_ROLE_ARN: role, AWS_WEB_IDENTITY_TOKEN_FILE: svid };
  const [boto3] = SESSION_CLIENTS;
  expect(await boto3?.use({ stage, env, ...names('job') })).toMatchObject({
    put: 'ok',
    get: 'ok',
    other: 'AccessDenied',
  });
});

function keep({ secretAccessKey, sessionToken }: Issued): void {
  stage.keepText('secret access key of a session', secretAccessKey);
  stage.keepText('session token', sessionToken);
}

test('the store and the log show no token, ARN, API key or access key id', () => expectNothingExposed(stage));
