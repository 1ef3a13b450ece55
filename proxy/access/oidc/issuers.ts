/**
 * The OpenID Connect issuers whose tokens count, from SEALGATE_OIDC_ISSUERS. They come from the operator's settings alone: a
 * token says who issued it, and never where that issuer's keys are (OpenID Connect Core 1.0, section 3.1.3.7).
 */
import { z } from 'zod';

/** Where an issuer's public keys are read from. */
export type JwksLocation =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'https'; readonly url: URL };

export interface Issuer {
  /** As the tokens say it, exactly. */
  readonly issuer: string;
  readonly jwks: JwksLocation;
  /** The deployment's own; a token must name one of them. */
  readonly audiences: readonly string[];
  readonly algorithms: readonly string[];
}

/** A setting that cannot be used. The message says why. */
export class InvalidIssuers extends Error {
  readonly code = 'INVALID_ISSUERS';
  constructor(message: string) {
    super(message);
    this.name = 'InvalidIssuers';
  }
}

/** What issuers sign with today; others must be named. */
const DEFAULT_ALGORITHMS = ['RS256', 'ES256'] as const;
/** Signatures by a private key. A shared secret (HS256) and `none` prove nothing about the issuer. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

const text = z.string().min(1).max(1_024);
const schema = z
  .array(
    z.strictObject({
      issuer: text,
      jwks: text,
      audiences: z.array(text).min(1).max(16),
      algorithms: z.array(z.enum(ALGORITHMS)).min(1).optional(),
    }),
  )
  .max(64);

/** `json`: as in the environment, or what a YAML file holds. @throws InvalidIssuers */
export function parseIssuers(json: unknown): readonly Issuer[] {
  const parsed = schema.safeParse(typeof json === 'string' ? parseJson(json) : json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new InvalidIssuers(`${issue?.path.join('.') || 'the list'}: ${issue?.message}`);
  }
  const issuers = parsed.data.map(({ issuer, jwks, audiences, algorithms }) => ({
    issuer: issuerUrl(issuer),
    jwks: locationOf(jwks),
    audiences,
    algorithms: algorithms ?? DEFAULT_ALGORITHMS,
  }));
  const names = issuers.map(({ issuer }) => issuer);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new InvalidIssuers(`the issuer ${twice} is there twice`);
  return issuers;
}

/** Audiences that other relying parties accept as well: whoever receives such a token there could use it here. */
export function sharedAudiences(issuers: readonly Issuer[]): readonly string[] {
  const shared = /^(sts\.amazonaws\.com|https:\/\/kubernetes\.default\.svc(\.cluster\.local)?)$/;
  return issuers.flatMap(({ audiences }) => audiences.filter((audience) => shared.test(audience)));
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new InvalidIssuers('is not well-formed JSON');
  }
}

function issuerUrl(issuer: string): string {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  if (url?.protocol === 'https:' && url.search === '' && url.hash === '') return issuer;
  throw new InvalidIssuers('an issuer is an https:// URL without query, exactly as its tokens say it');
}

function locationOf(jwks: string): JwksLocation {
  if (jwks.startsWith('file:')) {
    const path = jwks.slice('file:'.length).replace(/^\/\/(?=\/)/, '');
    if (path !== '') return { kind: 'file', path };
  }
  const url = URL.canParse(jwks) ? new URL(jwks) : undefined;
  if (url?.protocol === 'https:' && url.username === '') return { kind: 'https', url };
  throw new InvalidIssuers('jwks is file:PATH or an https:// URL');
}
