/** Requests to IAM and STS as AWS's own clients make them, signed by an independent signer, and their replies taken apart. */
import { sign } from 'aws4';
import { parseXmlRoot, type XmlNode } from '../../proxy/xml/render-xml.ts';
import { type Header, type RawReply, type SigningCredentials, sendRaw } from './raw-client.ts';

export interface QueryReply extends RawReply {
  /** The root of the document: `...Response` or `ErrorResponse`. */
  readonly root: XmlNode;
  /** Of an error document, else ''. */
  readonly error: string;
}

export interface QueryCall {
  readonly service?: 'iam' | 'sts';
  readonly region?: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** Added before the request is signed. */
  readonly headers?: Readonly<Record<string, string>>;
}

export const VERSION = { iam: '2010-05-08', sts: '2011-06-15' } as const;

/** The request as it goes out, for tests that change something afterwards. */
export function signedQuery(
  endpoint: string,
  credentials: SigningCredentials,
  o: QueryCall,
): { method: string; target: string; headers: readonly Header[]; body: string } {
  const service = o.service ?? 'iam';
  const body = new URLSearchParams({ Version: VERSION[service], ...o.parameters }).toString();
  const signed = sign(
    {
      service,
      region: o.region ?? 'us-east-1',
      method: 'POST',
      path: '/',
      host: new URL(endpoint).host,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded; charset=utf-8', ...o.headers },
      body,
    },
    credentials,
  );
  const headers = Object.entries(signed.headers ?? {}).map(([name, value]): Header => [name, String(value)]);
  return { method: 'POST', target: '/', headers, body };
}

export async function sendQuery(endpoint: string, credentials: SigningCredentials, o: QueryCall): Promise<QueryReply> {
  return asQueryReply(await sendRaw(endpoint, signedQuery(endpoint, credentials, o)));
}

export function asQueryReply(reply: RawReply): QueryReply {
  const root = parseXmlRoot(reply.body.toString('utf8'));
  return { ...reply, root, error: root.child('Error')?.value('Code') ?? '' };
}
