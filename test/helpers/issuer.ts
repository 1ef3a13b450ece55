/** An OpenID Connect issuer as a server knows it: a file with its key, the tokens that it signs, and what a role trusts. */
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll } from 'vitest';
import type { RoleTrust } from '../../proxy/keyring/slots/role-slot.ts';

export interface TestIssuer {
  /** As `SEALGATE_OIDC_ISSUERS` has it. */
  readonly settings: readonly {
    readonly issuer: string;
    readonly jwks: string;
    readonly audiences: readonly string[];
  }[];
  /** For its audience, for an hour; the claims given come last. */
  token(claims: Readonly<Record<string, unknown>>): Promise<string>;
}

/** For one file of tests, at whose end the file with the key goes. */
export function sharedIssuer(issuer: string, audience: string): TestIssuer {
  const directory = mkdtempSync(join(tmpdir(), 'sealgate-issuer-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwks = join(directory, 'jwks.json');
  writeFileSync(jwks, JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one' }] }));
  return {
    settings: [{ issuer, jwks: `file:${jwks}`, audiences: [audience] }],
    token(claims) {
      const iat = Math.floor(Date.now() / 1000);
      return new SignJWT({ iss: issuer, aud: audience, iat, exp: iat + 3_600, ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'one', typ: 'JWT' })
        .sign(privateKey);
    },
  };
}

/** Of a role, without conditions, tags and limits but those given. */
export function roleTrust(o: Partial<RoleTrust> = {}): RoleTrust {
  return {
    audiences: ['a'],
    conditions: [],
    issuer: 'https://issuer.example',
    maxUses: 0,
    outlivesToken: 'no',
    subjects: ['s'],
    tags: [],
    ...o,
  };
}
