// Protects: the proxy gets its credentials from each place where AWS puts them, with the token and its end, and asks the services
// as they must be asked.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { awsCredentials } from '../../../../../proxy/backend/s3/credentials/aws-chain.ts';
import { explainStoreFailure } from '../../../../../proxy/backend/trouble/explain-store-failure.ts';

const ENDS = new Date(Date.now() + 3_600_000);
const JSON_ANSWER = {
  Code: 'Success',
  Type: 'AWS-HMAC',
  AccessKeyId: 'ASIAFROMSERVICE',
  SecretAccessKey: 'secret-of-service',
  Token: 'token-of-service',
  Expiration: ENDS.toISOString(),
  LastUpdated: new Date().toISOString(),
};

let directory: string;

/** Nothing of this machine's own: neither its variables nor its files nor its metadata service. */
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sealgate-aws-'));
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
  vi.stubEnv('HOME', directory);
  vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(directory, 'credentials'));
  vi.stubEnv('AWS_CONFIG_FILE', join(directory, 'config'));
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
  return () => {
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true, force: true });
  };
});

type Answer = (request: IncomingMessage, body: string) => { status: number; text: string };

async function service(answer: Answer): Promise<string> {
  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { status, text } = answer(request, body);
    response.writeHead(status, { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }).end(text);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

function file(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
}

async function found() {
  const source = awsCredentials({ region: 'eu-west-1' });
  return { credentials: await source.current(), expires: source.status.expires };
}

const ofService = {
  credentials: {
    accessKeyId: 'ASIAFROMSERVICE',
    secretAccessKey: 'secret-of-service',
    sessionToken: 'token-of-service',
  },
  expires: ENDS.getTime(),
};

test('the environment, with a session token', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDENV');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret-of-env');
  vi.stubEnv('AWS_SESSION_TOKEN', 'token-of-env');
  expect(await found()).toEqual({
    credentials: { accessKeyId: 'AKIDENV', secretAccessKey: 'secret-of-env', sessionToken: 'token-of-env' },
    expires: undefined,
  });
});

test('a shared profile', async () => {
  file('credentials', '[mine]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = secret-of-profile\n');
  vi.stubEnv('AWS_PROFILE', 'mine');
  expect((await found()).credentials).toEqual({
    accessKeyId: 'AKIDPROFILE',
    secretAccessKey: 'secret-of-profile',
  });
});

test('web identity: the token file is exchanged at the token service of the region', async () => {
  const asked: URLSearchParams[] = [];
  const sts = await service((_, body) => {
    asked.push(new URLSearchParams(body));
    const inner = `<AccessKeyId>ASIAFROMSERVICE</AccessKeyId><SecretAccessKey>secret-of-service</SecretAccessKey><SessionToken>token-of-service</SessionToken><Expiration>${ENDS.toISOString()}</Expiration>`;
    return {
      status: 200,
      text: `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials>${inner}</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
    };
  });
  vi.stubEnv('AWS_ENDPOINT_URL_STS', sts);
  vi.stubEnv('AWS_ROLE_ARN', 'arn:aws:iam::123456789012:role/sealgate');
  vi.stubEnv('AWS_WEB_IDENTITY_TOKEN_FILE', file('token', 'the-pod-s-token'));
  expect(await found()).toEqual(ofService);
  expect(asked[0]?.get('Action')).toBe('AssumeRoleWithWebIdentity');
  expect(asked[0]?.get('WebIdentityToken')).toBe('the-pod-s-token');
  expect(asked[0]?.get('RoleArn')).toBe('arn:aws:iam::123456789012:role/sealgate');
});

test('a container, as EKS Pod Identity gives it, with a token from a file', async () => {
  const seen: (string | undefined)[] = [];
  const agent = await service((request) => {
    seen.push(request.headers.authorization);
    return { status: 200, text: JSON.stringify(JSON_ANSWER) };
  });
  vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${agent}/v1/credentials`);
  vi.stubEnv('AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', file('pod', 'pod-token'));
  expect(await found()).toEqual(ofService);
  expect(seen).toEqual(['pod-token']);
});

test('instance metadata, by its version 2', async () => {
  const seen: string[] = [];
  const imds = await service((request) => {
    seen.push(`${request.method} ${request.url}`);
    if (request.method === 'PUT') return { status: 200, text: 'session' };
    if (request.headers['x-aws-ec2-metadata-token'] !== 'session') return { status: 401, text: '' };
    const isRole = request.url?.endsWith('/sealgate-role') === true;
    return { status: 200, text: isRole ? JSON.stringify(JSON_ANSWER) : 'sealgate-role' };
  });
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined);
  vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', imds);
  expect(await found()).toEqual(ofService);
  expect(seen[0]).toBe('PUT /latest/api/token');
});

test('nowhere: the refusal says so, and what to set', async () => {
  const error = await found().catch((e: unknown) => e);
  expect(explainStoreFailure(error)).toMatchObject({
    kind: 'no-credentials',
    advice: expect.stringContaining('SEALGATE_BACKEND_ACCESS_KEY_ID'),
  });
});
