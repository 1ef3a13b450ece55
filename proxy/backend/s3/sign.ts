/**
 * Signs a request with the proxy's own credentials: SigV4, header authentication. Bodies are signed as
 * UNSIGNED-PAYLOAD over http and https alike: a body is ciphertext that carries its own authentication, and hashing it
 * first would need it whole. Source: Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header".
 */
import { createHash } from 'node:crypto';
import aws4 from 'aws4';
import { S3Error } from '../../errors.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface SignableRequest {
  readonly method: string;
  readonly host: string;
  /** Request target as it will be sent, percent-encoded. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly hasBody: boolean;
}

const EMPTY_SHA256 = createHash('sha256').digest('hex');
const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD';

/** The headers to send: those given, plus host, x-amz-date, x-amz-content-sha256 and authorization. */
export function signRequest(
  request: SignableRequest,
  o: { credentials: Credentials; region: string; now?: Date },
): Record<string, string> {
  const headers: Record<string, string> = { ...request.headers, host: request.host };
  headers['x-amz-content-sha256'] = request.hasBody ? UNSIGNED_PAYLOAD : EMPTY_SHA256;
  if (o.now !== undefined) headers['x-amz-date'] = o.now.toISOString().replace(/[:-]|\.\d{3}/g, '');
  const signed = aws4.sign(
    {
      method: request.method,
      path: request.path,
      host: request.host,
      service: 's3',
      region: o.region,
      headers: asText(headers),
    },
    o.credentials,
  ).headers;
  const out: Record<string, string> = { ...headers };
  for (const [name, value] of Object.entries(signed ?? {})) out[name.toLowerCase()] ??= String(value);
  return out;
}

/** Header values are byte strings, as node:http has them, while the signer hashes text: the same bytes read as UTF-8. */
function asText(headers: Readonly<Record<string, string>>): Record<string, string> {
  const text: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) text[name] = isAscii(value) ? value : decodeUtf8(value);
  return text;
}

function isAscii(value: string): boolean {
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return false;
  return true;
}

function decodeUtf8(value: string): string {
  const text = Buffer.from(value, 'latin1').toString('utf8');
  if (Buffer.from(text, 'utf8').toString('latin1') !== value) {
    throw new S3Error('InvalidArgument', 'A header value is not valid UTF-8.');
  }
  return text;
}
