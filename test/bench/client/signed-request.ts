/** Requests signed and put into bytes beforehand: a signature is good for 15 minutes, and used again until then. */
import {
  type Header,
  headText,
  percentEncode,
  type SigningCredentials,
  signHeaders,
} from '../../helpers/raw-client.ts';
import type { Address } from './connection.ts';

/** Whom to send to, and as whom. */
export interface Endpoint {
  readonly address: Address;
  /** As in the Host header. */
  readonly authority: string;
  readonly credentials: SigningCredentials;
  readonly region: string;
  readonly bucket: string;
}

export interface RequestToSign {
  readonly method: string;
  /** Absent: a request on the bucket. */
  readonly key?: string;
  /** Decoded pairs. */
  readonly query?: readonly (readonly [name: string, value: string])[];
  readonly headers?: readonly Header[];
  /** x-amz-content-sha256; UNSIGNED-PAYLOAD when left out. */
  readonly payload?: string;
  /** Content-Length. */
  readonly bytes?: number;
}

export function signedHead(endpoint: Endpoint, o: RequestToSign): { head: Buffer; headers: readonly Header[] } {
  const path = `/${endpoint.bucket}${o.key === undefined ? '' : `/${percentEncode(o.key, '/')}`}`;
  const query = (o.query ?? []).map(([name, value]) => `${percentEncode(name)}=${percentEncode(value)}`).join('&');
  const signed = signHeaders(
    {
      method: o.method,
      path,
      query,
      headers: o.headers ?? [],
      payload: o.payload ?? 'UNSIGNED-PAYLOAD',
      region: endpoint.region,
    },
    endpoint.credentials,
    endpoint.authority,
  );
  const headers: readonly Header[] =
    o.bytes === undefined ? signed : [...signed, ['content-length', String(o.bytes)] as const];
  const target = query === '' ? path : `${path}?${query}`;
  return { head: headText({ method: o.method, target, headers }), headers };
}
