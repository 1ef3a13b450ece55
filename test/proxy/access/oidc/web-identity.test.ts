/**
 * Protects: a token counts only when the issuer of the settings signed it, for this deployment, and its times hold; whatever its
 * own header offers, and however often it is tried. An issuer that cannot be reached is no outage for a day.
 */
import { createHmac, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { type Dispatcher, MockAgent } from 'undici';
import { afterAll, describe, expect, test } from 'vitest';
import { parseIssuers } from '../../../../proxy/access/oidc/issuers.ts';
import { KeySet } from '../../../../proxy/access/oidc/key-set.ts';
import { type TrustedIssuer, verifyWebIdentity } from '../../../../proxy/access/oidc/web-identity.ts';

const ISSUER = 'https://token.example.test/org';
const AUDIENCE = 'sealgate-production';
const NOW = new Date('2026-07-01T12:00:00Z');
const seconds = (offset = 0) => Math.floor(NOW.getTime() / 1000) + offset;
const HOUR_MS = 3_600_000;

const directory = mkdtempSync(join(tmpdir(), 'sealgate-oidc-'));
afterAll(() => rmSync(directory, { recursive: true }));

interface Pair {
  readonly kid: string | undefined;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const ecPair = (kid?: string): Pair => ({ kid, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) });
const rsaPair = (kid?: string): Pair => ({ kid, ...generateKeyPairSync('rsa', { modulusLength: 2048 }) });
const jwks = (...pairs: Pair[]) =>
  JSON.stringify({
    keys: pairs.map(({ kid, publicKey }) => ({
      ...publicKey.export({ format: 'jwk' }),
      ...(kid === undefined ? {} : { kid }),
    })),
  });

let files = 0;
function trusted(keySetText: string, o: { algorithms?: string[] } = {}): TrustedIssuer {
  const path = join(directory, `${files++}.json`);
  writeFileSync(path, keySetText);
  const [issuer] = parseIssuers([{ issuer: ISSUER, jwks: `file:${path}`, audiences: [AUDIENCE, 'second'], ...o }]);
  if (issuer === undefined) throw new Error('no issuer');
  return { ...issuer, keySet: new KeySet({ location: issuer.jwks, now: () => NOW.getTime(), onFailure: () => {} }) };
}

interface TokenOptions {
  readonly claims?: Record<string, unknown>;
  readonly header?: Record<string, unknown>;
  readonly alg?: string;
}

const CLAIMS = {
  iss: ISSUER,
  sub: 'repo:org/app:ref:main',
  aud: AUDIENCE,
  iat: seconds(),
  exp: seconds(300),
  jti: 'one',
};

function sign(pair: Pair, o: TokenOptions = {}): Promise<string> {
  const alg = o.alg ?? (pair.privateKey.asymmetricKeyType === 'rsa' ? 'RS256' : 'ES256');
  const header = { alg, ...(pair.kid === undefined ? {} : { kid: pair.kid }), ...o.header };
  return new SignJWT({ ...CLAIMS, ...o.claims }).setProtectedHeader(header).sign(pair.privateKey);
}

const encode = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');

/** The code of the refusal, the same twice in a row; undefined when the token counts. */
async function refusal(token: string, issuer: TrustedIssuer, now = NOW): Promise<string | undefined> {
  const once = () =>
    verifyWebIdentity(token, [issuer], now).then(
      () => undefined,
      (error: { code: string; message: string }) => {
        if (token.length > 40) expect(error.message).not.toContain(token.slice(-40));
        return error.code;
      },
    );
  const first = await once();
  expect(await once()).toBe(first);
  return first;
}

describe('a token that counts', () => {
  test.each([
    ['ES256', ecPair('a')],
    ['RS256', rsaPair('b')],
  ])('signed with %s', async (_, pair) => {
    const identity = await verifyWebIdentity(await sign(pair), [trusted(jwks(pair))], NOW);
    expect(identity).toMatchObject({
      issuer: ISSUER,
      subject: CLAIMS.sub,
      audience: AUDIENCE,
      issuedAt: CLAIMS.iat,
      expiresAt: CLAIMS.exp,
      tokenId: 'one',
    });
  });

  test('of several keys, named or not', async () => {
    const pairs = [ecPair('a'), ecPair('b')] as const;
    expect(await refusal(await sign(pairs[1]), trusted(jwks(...pairs)))).toBeUndefined();
    const unnamed = [ecPair(), ecPair(), rsaPair()] as const;
    for (const pair of unnamed) expect(await refusal(await sign(pair), trusted(jwks(...unnamed)))).toBeUndefined();
    expect(await refusal(await sign(ecPair()), trusted(jwks(...unnamed)))).toBe('InvalidIdentityToken');
  });
});

describe('claims', () => {
  const pair = ecPair('a');
  const issuer = trusted(jwks(pair));
  const of = async (claims: Record<string, unknown>) => refusal(await sign(pair, { claims }), issuer);

  test.each<[string, Record<string, unknown>, string | undefined]>([
    ['an audience in a list', { aud: ['other', 'second'] }, undefined],
    ['another audience', { aud: 'sts.amazonaws.com' }, 'IDPRejectedClaim'],
    ['other audiences', { aud: ['a', 'b'] }, 'IDPRejectedClaim'],
    ['an audience that only begins the same', { aud: `${AUDIENCE}-2` }, 'IDPRejectedClaim'],
    ['audiences as one text', { aud: `${AUDIENCE},other` }, 'IDPRejectedClaim'],
    ['no audience', { aud: undefined }, 'InvalidIdentityToken'],
    ['an empty list', { aud: [] }, 'IDPRejectedClaim'],
    ['an audience that is an object', { aud: { 0: AUDIENCE } }, 'IDPRejectedClaim'],
    ['another issuer', { iss: 'https://token.example.test/other' }, 'InvalidIdentityToken'],
    ['an issuer with a slash more', { iss: `${ISSUER}/` }, 'InvalidIdentityToken'],
    ['no issuer', { iss: undefined }, 'InvalidIdentityToken'],
    ['no subject', { sub: undefined }, 'InvalidIdentityToken'],
    ['an empty subject', { sub: '' }, 'InvalidIdentityToken'],
    ['no time of issue', { iat: undefined }, 'InvalidIdentityToken'],
    ['no end', { exp: undefined }, 'InvalidIdentityToken'],
    ['ended', { exp: seconds(-61) }, 'ExpiredTokenException'],
    ['ended within the tolerance', { exp: seconds(-59) }, undefined],
    ['not yet', { nbf: seconds(61) }, 'InvalidIdentityToken'],
    ['issued in the future', { iat: seconds(120) }, 'InvalidIdentityToken'],
    ['an end that is text', { exp: 'never' }, 'InvalidIdentityToken'],
    ['no id', { jti: undefined }, undefined],
  ])('%s', async (_, claims, code) => {
    expect(await of(claims)).toBe(code);
  });
});

describe('signatures that prove nothing', () => {
  const pair = rsaPair('a');
  const issuer = trusted(jwks(pair));

  test('none', async () => {
    expect(await refusal(`${encode({ alg: 'none', kid: 'a' })}.${encode(CLAIMS)}.`, issuer)).toBe(
      'InvalidIdentityToken',
    );
  });

  test('HS256 with the public key as its secret', async () => {
    const text = `${encode({ alg: 'HS256', kid: 'a' })}.${encode(CLAIMS)}`;
    for (const format of ['pem', 'jwk'] as const) {
      const secret =
        format === 'pem'
          ? pair.publicKey.export({ format, type: 'spki' })
          : JSON.stringify(pair.publicKey.export({ format }));
      const signature = createHmac('sha256', secret).update(text).digest('base64url');
      expect(await refusal(`${text}.${signature}`, issuer)).toBe('InvalidIdentityToken');
    }
  });

  test('by a key that the token brings along', async () => {
    const own = rsaPair('a');
    const jwk = own.publicKey.export({ format: 'jwk' });
    expect(await refusal(await sign(own, { header: { jwk } }), issuer)).toBe('InvalidIdentityToken');
    expect(await refusal(await sign(own, { header: { jku: 'https://evil.example.test/keys' } }), issuer)).toBe(
      'InvalidIdentityToken',
    );
  });

  test('with a critical header that is not understood', async () => {
    const header = encode({ alg: 'RS256', kid: 'a', crit: ['exotic'], exotic: true });
    const [, payload, signature] = (await sign(pair)).split('.');
    expect(await refusal(`${header}.${payload}.${signature}`, issuer)).toBe('InvalidIdentityToken');
  });

  test('with an algorithm that the issuer is not agreed to use', async () => {
    const token = await sign(pair, { alg: 'PS256' });
    expect(await refusal(token, issuer)).toBe('InvalidIdentityToken');
    expect(await refusal(token, trusted(jwks(pair), { algorithms: ['PS256'] }))).toBeUndefined();
  });

  test('of another text', async () => {
    const [header, , signature] = (await sign(pair)).split('.');
    const altered = encode({ ...CLAIMS, sub: 'repo:org/evil' });
    expect(await refusal(`${header}.${altered}.${signature}`, issuer)).toBe('InvalidIdentityToken');
  });

  test.each(['', 'x', 'a.b.c', `${'a'.repeat(20_001)}`, '..', `${encode({ alg: 'RS256' })}.${encode([])}.x`])(
    '%.20s',
    async (token) => {
      expect(await refusal(token, issuer)).toBe('InvalidIdentityToken');
    },
  );
});

describe('the keys of an issuer', () => {
  /** An issuer whose key set is whatever `answer` says, and a clock. */
  function remote(answer: () => { status: number; body: string }) {
    const clock = { ms: NOW.getTime() };
    const asked = { times: 0, failures: 0 };
    const agent = new MockAgent();
    agent.disableNetConnect();
    agent
      .get('https://token.example.test')
      .intercept({ path: '/keys', method: 'GET' })
      .reply(() => {
        asked.times += 1;
        const { status, body } = answer();
        return {
          statusCode: status,
          data: body,
          responseOptions: { headers: { location: 'https://evil.example.test/' } },
        };
      })
      .persist();
    const [issuer] = parseIssuers([{ issuer: ISSUER, jwks: 'https://token.example.test/keys', audiences: [AUDIENCE] }]);
    if (issuer === undefined) throw new Error('no issuer');
    const keySet = new KeySet({
      location: issuer.jwks,
      now: () => clock.ms,
      onFailure: () => {
        asked.failures += 1;
      },
      dispatcher: agent as Dispatcher,
    });
    return { issuer: { ...issuer, keySet }, clock, asked };
  }

  test('are read once for many tokens, and again for a new key, though not for every made-up one', async () => {
    const [old, next] = [ecPair('old'), ecPair('next')];
    let body = jwks(old);
    const { issuer, clock, asked } = remote(() => ({ status: 200, body }));
    const tokens = await Promise.all([sign(old), sign(old), sign(old)]);
    await Promise.all(tokens.map((token) => verifyWebIdentity(token, [issuer], NOW)));
    expect(asked.times).toBe(1);
    body = jwks(old, next);
    clock.ms += 31_000;
    await verifyWebIdentity(await sign(next), [issuer], NOW);
    expect(asked.times).toBe(2);
    for (let i = 0; i < 20; i++)
      expect(await refusal(await sign(ecPair(`made-up-${i}`)), issuer)).toBe('InvalidIdentityToken');
    expect(asked.times).toBe(2);
  });

  test('go on for a day when it cannot be reached, and no longer', async () => {
    const pair = ecPair('a');
    let status = 200;
    const { issuer, clock, asked } = remote(() => ({ status, body: jwks(pair) }));
    const token = await sign(pair, { claims: { exp: seconds(30 * 3_600) } });
    expect(await refusal(token, issuer)).toBeUndefined();
    status = 503;
    clock.ms += 23 * HOUR_MS;
    expect(await refusal(token, issuer)).toBeUndefined();
    expect(asked.failures).toBe(1);
    clock.ms += 2 * HOUR_MS;
    expect(await refusal(token, issuer)).toBe('IDPCommunicationError');
    // Within the cooldown nobody is asked, and after it the keys are back.
    status = 200;
    expect(await refusal(token, issuer)).toBe('IDPCommunicationError');
    clock.ms += 31_000;
    expect(await refusal(token, issuer)).toBeUndefined();
  });

  test.each<[string, { status: number; body: string }]>([
    ['are too many', { status: 200, body: `{"keys":[${'{"kty":"EC"},'.repeat(300)}{"kty":"EC"}]}` }],
    ['do not end', { status: 200, body: `{"keys":[],"x":"${'x'.repeat(300_000)}"}` }],
    ['are none', { status: 200, body: '{"keys":[]}' }],
    ['are no JSON', { status: 200, body: '<html>' }],
    ['are elsewhere', { status: 302, body: jwks(ecPair('a')) }],
  ])('that %s are no keys', async (_, answer) => {
    const { issuer, asked } = remote(() => answer);
    expect(await refusal(await sign(ecPair('a')), issuer)).toBe('IDPCommunicationError');
    expect(asked).toEqual({ times: 1, failures: 1 });
  });

  test('are read anew from a file that was replaced', async () => {
    const [old, next] = [ecPair('old'), ecPair('next')];
    const path = join(directory, 'replaced.json');
    writeFileSync(path, jwks(old));
    const [issuer] = parseIssuers(JSON.stringify([{ issuer: ISSUER, jwks: `file:${path}`, audiences: [AUDIENCE] }]));
    if (issuer === undefined) throw new Error('no issuer');
    const clock = { ms: NOW.getTime() };
    const its = { ...issuer, keySet: new KeySet({ location: issuer.jwks, now: () => clock.ms, onFailure: () => {} }) };
    expect(await refusal(await sign(old), its)).toBeUndefined();
    writeFileSync(path, jwks(next));
    clock.ms += 31_000;
    expect(await refusal(await sign(next), its)).toBeUndefined();
    expect(await refusal(await sign(old), its)).toBe('InvalidIdentityToken');
  });
});
