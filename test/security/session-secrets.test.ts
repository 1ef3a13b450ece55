/**
 * Protects: nothing of a token of an issuer, of a session token, of a role's ARN behind its name, of a secret or of a signature stands in the
 * log at its finest level, in any event, or in the metrics; whatever came of the request that brought it.
 */
import { expect, test } from 'vitest';
import { parseIssuers } from '../../proxy/access/oidc/issuers.ts';
import { unsealAccessKeyId } from '../../proxy/keyring/access-keys/access-key-id.ts';
import { RoleAdmin } from '../../proxy/keyring/admin/role-admin.ts';
import { processKdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import { sharedBench } from '../helpers/bench.ts';
import { roleTrust, sharedIssuer } from '../helpers/issuer.ts';
import {
  type Header,
  presignQuery,
  type RawRequest,
  sendRaw,
  signedForm,
  signHeaders,
  targetOf,
  withLength,
} from '../helpers/raw-client.ts';
import { assumeByToken, below, credentialsIn, keyOf, sessionOf, type TestSession } from '../helpers/sessions.ts';

const ISSUER = 'https://issuer.example/secrets';
const issuer = sharedIssuer(ISSUER, 'here');

const events: unknown[] = [];
const bench = sharedBench({
  config: {
    oidcIssuers: parseIssuers(issuer.settings),
    logLevel: 'trace',
  },
  audit: (event) => void events.push(event),
  ops: true,
});

/** What must be nowhere, by what it is. */
const secrets = new Map<string, string>();
const keep = (what: string, text: string) => void secrets.set(`${what} ${secrets.size}`, text);
const keepSession = ({ sessionToken, secretAccessKey, accessKeyId }: TestSession) => {
  keep('session token', sessionToken);
  keep('secret of a session', secretAccessKey);
  keep('access key id of a session', accessKeyId);
};

async function tokenOf(claims: Record<string, unknown> = {}): Promise<string> {
  const token = await issuer.token({ sub: 'job:1', jti: 'j', ...claims });
  for (const part of token.split('.').slice(1)) keep('token of the issuer', part);
  return token;
}

/** Signed, sent and its signature kept. */
async function send(as: TestSession, request: RawRequest, o: { spoil?: boolean } = {}): Promise<number> {
  const { endpoint } = bench.proxy;
  const headers = [...(request.headers ?? []), ['x-amz-security-token', as.sessionToken] as const];
  const signed = signHeaders({ ...request, headers }, as, new URL(endpoint).host).map(([name, value]): Header => {
    if (name !== 'authorization') return [name, value];
    keep('signature', /Signature=(\w+)/.exec(value)?.[1] ?? '');
    return [name, o.spoil === true ? value.replace(/Signature=../, 'Signature=00') : value];
  });
  const { body } = request;
  const reply = await sendRaw(endpoint, {
    method: request.method,
    target: targetOf(request),
    headers: withLength(request, signed),
    ...(body === undefined ? {} : { body }),
  });
  return reply.status;
}

const assume = (arn: string, token: string) => assumeByToken(bench.proxy.endpoint, { arn, token });

test('nothing of them is in logs, events and metrics', async () => {
  const { proxy, tenant, bucket } = bench;
  const { state, sealKeys, endpoint } = proxy;
  const host = new URL(endpoint).host;
  keep('API key', tenant.secretAccessKey);
  keep('access key id', tenant.accessKeyId);
  const roles = new RoleAdmin({ state, sealKeys, record: () => {}, now: () => new Date(), runner: processKdfRunner });
  const trust = roleTrust({ audiences: ['here'], issuer: ISSUER, subjects: ['job:*'] });
  const caller = unsealAccessKeyId(tenant.accessKeyId, sealKeys);
  const { arn } = await roles.create(
    caller,
    { name: 'secrets', trust, assumableBy: '*', managed: false },
    AbortSignal.timeout(60_000),
  );
  keep('sealed part of an ARN', arn.slice(arn.indexOf('SGR1')));

  // What works.
  const ofKey = await sessionOf(endpoint, keyOf(tenant));
  const federated = await sessionOf(endpoint, keyOf(tenant), {
    Action: 'GetFederationToken',
    Name: 'fed',
    Policy: below(bucket, 'a/'),
  });
  const token = await tokenOf();
  const ofRole = credentialsIn(await assume(arn, token), 'AssumeRoleWithWebIdentity');
  const ask = (target: string, authorization: string) =>
    sendRaw(endpoint, {
      method: 'GET',
      target,
      headers: [
        ['host', host],
        ['authorization', authorization],
      ],
    });
  const target = `/v1/credentials/${encodeURIComponent(arn.slice(arn.indexOf('secrets/')))}`;
  const container = JSON.parse((await ask(target, await tokenOf())).body.toString());
  const ofContainer = {
    accessKeyId: container.AccessKeyId,
    secretAccessKey: container.SecretAccessKey,
    sessionToken: container.Token,
    expiration: new Date(),
  };
  const byKey = JSON.parse(
    (await ask('/v1/credentials/x', `${tenant.accessKeyId}:${tenant.secretAccessKey}`)).body.toString(),
  );
  keep('session token', byKey.Token);
  for (const session of [ofKey, federated, ofRole, ofContainer]) {
    keepSession(session);
    expect(await send(session, { method: 'PUT', path: `/${bucket}/a/x`, body: 'x' })).toBe(200);
    // And what does not.
    expect(await send(session, { method: 'PUT', path: `/${bucket}/a/x`, body: 'x' }, { spoil: true })).toBe(403);
    expect(await send(session, { method: 'GET', path: '/sealgate-state/keyrings' })).toBe(403);
    expect(
      await send(
        { ...session, sessionToken: `${session.sessionToken.slice(0, -2)}xx` },
        { method: 'GET', path: `/${bucket}/a/x` },
      ),
    ).toBe(400);
    expect(
      await send({ ...ofKey, sessionToken: session.sessionToken }, { method: 'GET', path: `/${bucket}/a/x` }),
    ).toBe(session === ofKey ? 200 : 400);
    const query = presignQuery(
      {
        method: 'GET',
        path: `/${bucket}/a/x`,
        query: `X-Amz-Security-Token=${encodeURIComponent(session.sessionToken)}`,
      },
      session,
      host,
    );
    keep('signature', /X-Amz-Signature=(\w+)/.exec(query)?.[1] ?? '');
    const url = (path: string) =>
      sendRaw(endpoint, { method: 'GET', target: `${path}?${query}`, headers: [['host', host]] });
    expect([(await url(`/${bucket}/a/x`)).status, (await url(`/${bucket}/a/y`)).status]).toEqual([200, 403]);
    const form = signedForm(
      { bucket, key: 'a/form', content: 'x', fields: { 'x-amz-security-token': session.sessionToken } },
      session,
    );
    keep('signature', /x-amz-signature"\r\n\r\n(\w+)/.exec(form.body.toString('latin1'))?.[1] ?? '');
    const posted = await sendRaw(endpoint, {
      method: 'POST',
      target: form.path,
      headers: [['host', host], ...form.headers],
      body: form.body,
    });
    expect(posted.status).toBe(204);
  }
  for (const wrong of [
    await tokenOf({ aud: 'elsewhere' }),
    await tokenOf({ sub: 'x' }),
    await tokenOf({ exp: 1 }),
    `${token.slice(0, -4)}AAAA`,
    'no token',
  ]) {
    expect((await assume(arn, wrong)).error).not.toBe('');
    expect((await ask(target, wrong)).status).toBeGreaterThanOrEqual(400);
  }
  expect((await assume(arn.replace('role/secrets', 'role/other'), token)).error).not.toBe('');
  // A careless client puts them where they do not belong.
  for (const query of [
    `WebIdentityToken=${token}`,
    `RoleArn=${encodeURIComponent(arn)}`,
    `X-Amz-Security-Token=${encodeURIComponent(ofKey.sessionToken)}`,
  ]) {
    await sendRaw(endpoint, { method: 'GET', target: `/?${query}`, headers: [['host', host]] });
    await sendRaw(endpoint, { method: 'GET', target: `/${bucket}/a/x?${query}`, headers: [['host', host]] });
  }

  const metrics = await (await fetch(`${proxy.opsEndpoint}/metrics`)).text();
  await expect.poll(() => proxy.log.filter(({ msg }) => msg === 'request').length).toBeGreaterThan(50);
  expect(metrics).toContain('sealgate_requests_total');
  expect(events.length).toBeGreaterThan(40);
  expect(secrets.size).toBeGreaterThan(50);
  const seen = { log: JSON.stringify(proxy.log), events: JSON.stringify(events), metrics };
  const found = [...secrets].flatMap(([what, secret]) => {
    // A short piece would do for somebody who has the rest.
    expect([what, secret.length >= 20]).toEqual([what, true]);
    const pieces = [secret.slice(0, 24), secret.slice(-20)];
    return Object.entries(seen).flatMap(([where, text]) =>
      pieces.some((piece) => text.includes(piece)) ? [`${what} in ${where}`] : [],
    );
  });
  expect(found).toEqual([]);
  for (const text of Object.values(seen)) expect(text).not.toMatch(/SGR1|SGS1|eyJ[A-Za-z0-9_-]{10}/);
});
