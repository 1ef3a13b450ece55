/**
 * Signs a request with the proxy's own credentials: SigV4, header authentication. Bodies for the store are signed as
 * UNSIGNED-PAYLOAD over http and https alike: a body is ciphertext that carries its own authentication, and hashing it
 * first would need it whole. The target and the names of the headers are canonical as they come (target.ts), so that signing
 * costs one hash and one HMAC. Source: Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header".
 */
import { Buffer } from 'node:buffer';
import type { KeyObject } from 'node:crypto';
import { ALGORITHM, EMPTY_SHA256, SERVICE, UNSIGNED_PAYLOAD } from '../../../sigv4/constants.ts';
import { basicDate } from '../../../sigv4/date.ts';
import { canonicalHeaderValue } from '../../../sigv4/headers.ts';
import { sign, signingKey } from '../../../sigv4/signing-key.ts';
import { type CredentialScope, requestStringToSign, scopeText } from '../../../sigv4/string-to-sign.ts';
import { S3Error } from '../../errors.ts';
import type { Credentials } from './credentials/credential-source.ts';

export interface SignableRequest {
  readonly method: string;
  readonly host: string;
  /** Request target as it will be sent, percent-encoded, the query sorted by name. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly hasBody: boolean;
  /** SHA-256 of the body in hex, for services that take no unsigned one. */
  readonly payload?: string;
}

/** Changed or added on the way by proxies, or repeated with another value: not signed. */
const UNSIGNED_HEADERS: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'range',
  'user-agent',
  'x-amzn-trace-id',
  'traceparent',
]);

/** The headers to send: those given, plus host, x-amz-date, x-amz-content-sha256 and authorization. */
export function signRequest(
  request: SignableRequest,
  o: { credentials: Credentials; region: string; service?: string; now?: Date },
): Record<string, string> {
  const { credentials } = o;
  const payload = request.payload ?? (request.hasBody ? UNSIGNED_PAYLOAD : EMPTY_SHA256);
  const date = basicDate(o.now ?? new Date());
  const headers: Record<string, string> = {
    ...request.headers,
    host: request.host,
    'x-amz-content-sha256': payload,
    'x-amz-date': date,
  };
  if (credentials.sessionToken !== undefined) headers['x-amz-security-token'] = credentials.sessionToken;
  const scope = { date: date.slice(0, 8), region: o.region, service: o.service ?? SERVICE };
  const { signedHeaders, lines } = signedLines(headers);
  const cut = request.path.indexOf('?');
  const path = cut < 0 ? `${request.path}\n` : `${request.path.slice(0, cut)}\n${request.path.slice(cut + 1)}`;
  const canonical = `${request.method}\n${path}\n${lines}\n${signedHeaders}\n${payload}`;
  const signature = sign(keyFor(credentials, scope), requestStringToSign({ date, scope, canonical }));
  const { accessKeyId } = credentials;
  headers['authorization'] =
    `${ALGORITHM} Credential=${accessKeyId}/${scopeText(scope)}, SignedHeaders=${signedHeaders}, Signature=${signature}`;
  return headers;
}

function signedLines(headers: Readonly<Record<string, string>>): { signedHeaders: string; lines: string } {
  const names = Object.keys(headers).filter((name) => !UNSIGNED_HEADERS.has(name));
  names.sort();
  let lines = '';
  for (const name of names) {
    const value = headers[name] ?? '';
    requireUtf8(value);
    lines += `${name}:${canonicalHeaderValue(value)}\n`;
  }
  return { signedHeaders: names.join(';'), lines };
}

/** The key of the day in use: the credentials of one backend. */
const keys = new WeakMap<Credentials, { readonly scope: CredentialScope; readonly key: KeyObject }>();

function keyFor(credentials: Credentials, scope: CredentialScope): KeyObject {
  const kept = keys.get(credentials);
  const isSame = kept?.scope.date === scope.date && kept.scope.region === scope.region;
  if (isSame && kept.scope.service === scope.service) return kept.key;
  const key = signingKey({ signingSecret: Buffer.from(`AWS4${credentials.secretAccessKey}`), scope });
  keys.set(credentials, { scope, key });
  return key;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: whatever is not ASCII
const NOT_ASCII = /[^\u0000-\u007f]/;

/** Header values are byte strings, as node:http has them. Stores read them as UTF-8 and sign what they read. */
function requireUtf8(value: string): void {
  if (!NOT_ASCII.test(value)) return;
  const text = Buffer.from(value, 'latin1').toString('utf8');
  if (Buffer.from(text, 'utf8').toString('latin1') !== value) {
    throw new S3Error('InvalidArgument', 'A header value is not valid UTF-8.');
  }
}
