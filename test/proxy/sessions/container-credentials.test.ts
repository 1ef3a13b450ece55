/**
 * Protects: the container-credentials endpoint gives a session for a token that the role trusts, or for a key with its secret, and
 * for nothing else; it never hides an object; and neither the path nor the header gets into a log.
 */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, expect, test } from 'vitest';
import { parseIssuers } from '../../../proxy/access/oidc/issuers.ts';
import { unsealAccessKeyId } from '../../../proxy/keyring/access-keys/access-key-id.ts';
import { RoleAdmin } from '../../../proxy/keyring/admin/role-admin.ts';
import { processKdfRunner } from '../../../proxy/keyring/slots/kdf.ts';
import { sharedBench } from '../../helpers/bench.ts';
import { roleTrust } from '../../helpers/issuer.ts';
import { type Header, type RawReply, sendRaw, sendSigned } from '../../helpers/raw-client.ts';

const ISSUER = 'https://issuer.example';
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const directory = mkdtempSync(join(tmpdir(), 'sealgate-container-'));
writeFileSync(join(directory, 'jwks.json'), JSON.stringify({ keys: [pair.publicKey.export({ format: 'jwk' })] }));
afterAll(() => rmSync(directory, { recursive: true }));

const oidcIssuers = parseIssuers([
  { issuer: ISSUER, jwks: `file:${join(directory, 'jwks.json')}`, audiences: ['here'] },
]);
const bench = sharedBench({ config: { oidcIssuers, hostnames: ['store.example'], logLevel: 'trace' } });

function token(sub = 'pod'): Promise<string> {
  const seconds = Math.floor(Date.now() / 1000);
  const claims = { iss: ISSUER, sub, aud: 'here', iat: seconds, exp: seconds + 600 };
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(pair.privateKey);
}

let roles = 0;
async function role(managed: boolean): Promise<string> {
  const { state, sealKeys } = bench.proxy;
  const deps = { state, sealKeys, record: () => {}, now: () => new Date(), runner: processKdfRunner };
  const trust = roleTrust({ audiences: ['here'], issuer: ISSUER, subjects: ['pod'] });
  const caller = unsealAccessKeyId(bench.tenant.accessKeyId, sealKeys);
  const made = { name: `pod-${roles++}`, trust, managed };
  const { arn } = await new RoleAdmin(deps).create(caller, made, AbortSignal.timeout(60_000));
  return arn.slice('arn:aws:iam::000000000000:role/'.length);
}

function ask(path: string, authorization?: string, o: { method?: string; host?: string } = {}): Promise<RawReply> {
  const host = o.host ?? new URL(bench.proxy.endpoint).host;
  const headers: Header[] = [
    ['host', host],
    ...(authorization === undefined ? [] : [['authorization', authorization] as const]),
  ];
  return sendRaw(bench.proxy.endpoint, { method: o.method ?? 'GET', target: `/v1/credentials/${path}`, headers });
}

const json = (reply: RawReply) => JSON.parse(reply.body.toString()) as Record<string, string>;

async function works(reply: RawReply): Promise<number> {
  expect([reply.status, reply.headers['content-type'], reply.headers['cache-control']]).toEqual([
    200,
    'application/json',
    'no-store',
  ]);
  const { AccessKeyId = '', SecretAccessKey = '', Token = '', Expiration = '' } = json(reply);
  expect(Date.parse(Expiration)).toBeGreaterThan(Date.now());
  const headers = [['x-amz-security-token', Token]] as const;
  const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey };
  return (await sendSigned(bench.proxy.endpoint, credentials, { method: 'GET', path: `/${bench.bucket}`, headers }))
    .status;
}

test('gives a session of a role for a token that it trusts, and of a key for its secret', async () => {
  for (const managed of [false, true]) {
    const path = await role(managed);
    expect(await works(await ask(path, await token()))).toBe(200);
    expect(await works(await ask(encodeURIComponent(path), await token()))).toBe(200);
    expect(json(await ask(path, await token('another')))['code']).toBe('AccessDenied');
    expect(json(await ask(path, `Bearer ${await token()}`))['code']).toBe('InvalidIdentityToken');
  }
  const { accessKeyId, secretAccessKey } = bench.tenant;
  expect(await works(await ask('-', `${accessKeyId}:${secretAccessKey}`))).toBe(200);
});

test('refuses everything else, and says why', async () => {
  const path = await role(false);
  const { accessKeyId, secretAccessKey } = bench.tenant;
  const stranger = await bench.proxy.createTenant();
  const refused: readonly (readonly [string, Promise<RawReply>])[] = [
    ['AccessDenied', ask(path)],
    ['InvalidIdentityToken', ask(path, 'x')],
    ['AccessDenied', ask('nobody', await token())],
    ['AccessDenied', ask('', await token())],
    ['AccessDenied', ask(`${path}x`, await token())],
    ['InvalidQueryParameter', ask(`${path}?x=1`, await token())],
    ['InvalidAction', ask(path, await token(), { method: 'PUT' })],
    ['InvalidClientTokenId', ask('-', `${accessKeyId}:${stranger.secretAccessKey}`)],
    ['InvalidClientTokenId', ask('-', `${accessKeyId}:`)],
    ['InvalidClientTokenId', ask('-', `${accessKeyId}:${secretAccessKey}x`)],
    ['InvalidClientTokenId', ask('-', `${accessKeyId}:${'x'.repeat(55)}`)],
    ['InvalidClientTokenId', ask('-', `:${secretAccessKey}`)],
    ['InvalidClientTokenId', ask('-', `SGSAAAAAAAAAAAAAAAAA:${secretAccessKey}`)],
  ];
  for (const [code, reply] of refused) {
    const answered = await reply;
    expect([code, json(answered)['code'], answered.status >= 400]).toEqual([code, code, true]);
  }
});

test('is an object below the name of a bucket', async () => {
  const host = `${bench.bucket}.store.example`;
  const request = { path: '/v1/credentials/pod', headers: [['host', host]] as const };
  const put = await sendSigned(bench.proxy.endpoint, bench.tenant, { method: 'PUT', body: 'an object', ...request });
  expect(put.status).toBe(200);
  const got = await sendSigned(bench.proxy.endpoint, bench.tenant, { method: 'GET', ...request });
  expect(got.body.toString()).toBe('an object');
  expect((await ask('pod', await token(), { host })).code).not.toBe('');
});

test('leaves nothing of path and header in any log', async () => {
  const path = await role(false);
  const jwt = await token();
  await ask(path, jwt);
  await ask(path, 'x');
  await ask(path, `${bench.tenant.accessKeyId}:${bench.tenant.secretAccessKey}x`);
  // One that cannot be read: the log has the connection's own words for it.
  await sendRaw(bench.proxy.endpoint, { method: 'GET', target: `/v1/credentials/${path}`, headers: [['host', '']] });
  const lines = JSON.stringify([bench.proxy.log, bench.proxy.decisions]);
  expect(lines).toContain('ContainerCredentials');
  const sealed = path.slice(path.indexOf('SGR1'));
  for (const secret of [sealed, jwt.split('.')[1] ?? '', jwt.split('.')[2] ?? '', bench.tenant.secretAccessKey]) {
    expect(lines).not.toContain(secret.slice(0, 30));
  }
});
