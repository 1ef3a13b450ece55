/**
 * One request of a twin run, as data: it can be printed, kept in a corpus, generated and shrunk. It is signed and framed for
 * each side by itself, since the two sides have other hosts, other credentials and other version ids.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { type FilePart, FORM_TYPE, type FormOptions, formBody, signedFields } from '../helpers/form.ts';
import {
  ChunkChainSigner,
  framed,
  type Header,
  percentEncode,
  presignQuery,
  type SigningCredentials,
  signHeaders,
} from '../helpers/raw-client.ts';

/** How the body travels: with its SHA-256 signed, unsigned, or aws-chunked in one of three ways. */
export type Framing = 'signed' | 'unsigned' | 'chunks' | 'chunks-trailer' | 'unsigned-trailer';

/** One thing wrong with a signature; or its place. */
export interface Signing {
  readonly by?: 'header' | 'query' | 'nobody';
  /** Seconds to add to the time of signing. */
  readonly shift?: number;
  readonly region?: string;
  readonly service?: string;
  /** Presigned: seconds, as text so that it can be wrong. */
  readonly expires?: string;
  /** All headers when left out. */
  readonly signedHeaders?: readonly string[];
  readonly wrong?: 'secret' | 'access key id' | 'signature' | 'scope date';
  /** Sent, not signed. */
  readonly unsignedHeaders?: readonly Header[];
}

export interface TwinForm extends Omit<FormOptions, 'bucket'> {
  readonly file?: FilePart;
}

/**
 * Texts may hold `{{name}}`, which stands for what an earlier request saved under that name, on each side its own value.
 * `{{bucket}}` is the bucket of the sequence.
 */
export interface TwinRequest {
  readonly method: string;
  /** `none` for requests about no bucket; another word for a further bucket of the sequence, which it has to make itself. */
  readonly bucket?: string;
  readonly key?: string;
  /** Raw path, in place of bucket and key. */
  readonly path?: string;
  /** Decoded pairs, or the raw query. A pair without a value is sent as the bare name. */
  readonly query?: string | readonly (readonly [name: string, value?: string])[];
  readonly headers?: readonly Header[];
  readonly body?: Buffer | string;
  readonly framing?: Framing;
  /** `name` alone: the value is computed (CRC32 only). */
  readonly trailer?: readonly [name: string, value?: string];
  readonly chunkBytes?: number;
  /** Adds the Content-MD5 of the body. */
  readonly digest?: 'md5';
  /** HTTP's own chunked transfer coding in place of Content-Length. */
  readonly chunkedTransfer?: true;
  readonly form?: TwinForm;
  readonly sign?: Signing;
  /** name -> `header:NAME` or `xml:PATH`, such as `xml:UploadId` or `xml:Version[2]/VersionId`. */
  readonly save?: Readonly<Record<string, string>>;
  /** `code`: status and error code alone, for refused signatures. */
  readonly compare?: 'code';
}

/** What is needed to put a request to one side. */
export interface Side {
  /** `http://host:port` */
  readonly endpoint: string;
  readonly credentials: SigningCredentials;
}

export interface WireRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly Header[];
  readonly body?: Buffer;
}

/** The text with every `{{name}}` replaced. @throws Error for a name that nothing was saved under */
export function fill(text: string, values: ReadonlyMap<string, string>): string {
  return text.replace(/\{\{([^{}]+)\}\}/g, (_, name: string) => {
    const value = values.get(name);
    if (value === undefined) throw new Error(`nothing was saved under ${name}`);
    return value;
  });
}

export function wireRequest(request: TwinRequest, side: Side, values: ReadonlyMap<string, string>): WireRequest {
  const host = new URL(side.endpoint).host;
  const path = pathOf(request, values);
  const query = queryOf(request, values);
  const plain = bodyOf(request, values);
  const given = (request.headers ?? []).map(([name, value]): Header => [name, fill(value, values)]);
  const headers: Header[] = request.digest === 'md5' ? [...given, ['content-md5', md5Text(plain ?? '')]] : given;
  const filled = { request, side, host, path, query, plain };
  if (request.form !== undefined) return formRequest(request.form, side, { path, values });
  if (request.sign?.by === 'nobody')
    return {
      method: request.method,
      target: targetOf(path, query),
      ...sized(request, [['host', host], ...headers], plain),
    };
  return request.sign?.by === 'query' ? presigned(filled, headers) : signed(filled, headers);
}

interface Filled {
  readonly request: TwinRequest;
  readonly side: Side;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  readonly plain: Buffer | undefined;
}

function signed({ request, side, host, path, query, plain }: Filled, given: readonly Header[]): WireRequest {
  const { sign = {}, framing = 'signed' } = request;
  const credentials = credentialsOf(side, sign);
  const date = dateOf(sign);
  const trailer = trailerOf(request, plain);
  const frameHeaders: Header[] =
    framing === 'signed' || framing === 'unsigned' ? [] : framingHeaders(given, plain, trailer);
  const headers = signHeaders(
    {
      method: request.method,
      path,
      query,
      headers: [...given, ...frameHeaders],
      date,
      ...(plain === undefined ? {} : { body: plain }),
      ...optional('payload', headerIn(given, 'x-amz-content-sha256') ?? PAYLOAD[framing]),
      ...optional('region', sign.region),
      ...optional('service', sign.service),
      ...optional('signedHeaders', sign.signedHeaders),
      ...(sign.wrong === 'scope date' ? { scopeDate: '20200101' } : {}),
    },
    credentials,
    host,
  ).map(
    ([name, value]): Header => [name, sign.wrong === 'signature' && name === 'authorization' ? spoilt(value) : value],
  );
  const signer =
    framing === 'chunks' || framing === 'chunks-trailer' ? new ChunkChainSigner(credentials, headers) : undefined;
  const body =
    plain === undefined || framing === 'signed' || framing === 'unsigned'
      ? plain
      : framed(plain, {
          chunkBytes: request.chunkBytes ?? 65_536,
          ...optional('signer', signer),
          ...optional('trailer', trailer?.join(':')),
        });
  const all = [...headers, ...(sign.unsignedHeaders ?? [])];
  return { method: request.method, target: targetOf(path, query), ...sized(request, all, body) };
}

function presigned({ request, side, host, path, query, plain }: Filled, headers: readonly Header[]): WireRequest {
  const { sign = {} } = request;
  const toSign = {
    method: request.method,
    path,
    query,
    headers: headers.filter(([name]) => sign.signedHeaders?.includes(name.toLowerCase()) ?? true),
    date: dateOf(sign),
    ...optional('region', sign.region),
    ...optional('service', sign.service),
  };
  const made = presignQuery(toSign, credentialsOf(side, sign), host, sign.expires ?? '600');
  const whole = sign.wrong === 'signature' ? spoilt(made) : made;
  const all: Header[] = [['host', host], ...headers, ...(sign.unsignedHeaders ?? [])];
  return { method: request.method, target: targetOf(path, whole), ...sized(request, all, plain) };
}

function formRequest(
  form: TwinForm,
  side: Side,
  o: { path: string; values: ReadonlyMap<string, string> },
): WireRequest {
  const { file, fields, ...rest } = form;
  const filled = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, fill(value, o.values)]));
  const all = signedFields(side.credentials, { ...rest, fields: filled, bucket: o.values.get('bucket') ?? '' });
  const body = formBody(Object.entries(all), file ?? { content: 'content of the file', fileName: 'f' });
  const headers: Header[] = [
    ['host', new URL(side.endpoint).host],
    ['content-type', FORM_TYPE],
    ['content-length', String(body.length)],
  ];
  return { method: 'POST', target: o.path, headers, body };
}

const PAYLOAD: Readonly<Record<Framing, string | undefined>> = {
  signed: undefined,
  unsigned: 'UNSIGNED-PAYLOAD',
  chunks: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  'chunks-trailer': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER',
  'unsigned-trailer': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
};

function headerIn(headers: readonly Header[], name: string): string | undefined {
  return headers.find(([found]) => found.toLowerCase() === name)?.[1];
}

function framingHeaders(
  given: readonly Header[],
  plain: Buffer | undefined,
  trailer: readonly [string, string] | undefined,
): Header[] {
  const has = (name: string) => given.some(([found]) => found.toLowerCase() === name);
  return [
    ...(has('content-encoding') ? [] : ([['content-encoding', 'aws-chunked']] as const)),
    ...(has('x-amz-decoded-content-length')
      ? []
      : ([['x-amz-decoded-content-length', String(plain?.length ?? 0)]] as const)),
    ...(trailer === undefined || has('x-amz-trailer') ? [] : ([['x-amz-trailer', trailer[0]]] as const)),
  ];
}

function trailerOf(request: TwinRequest, plain: Buffer | undefined): readonly [string, string] | undefined {
  if (request.trailer === undefined) return undefined;
  const [name, value] = request.trailer;
  return [name, value ?? crc32Text(plain ?? Buffer.alloc(0))];
}

export function crc32Text(data: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(data) >>> 0);
  return bytes.toString('base64');
}

export function md5Text(data: Buffer | string): string {
  return createHash('md5').update(data).digest('base64');
}

export function md5Hex(data: Buffer | string): string {
  return createHash('md5').update(data).digest('hex');
}

function credentialsOf(side: Side, sign: Signing): SigningCredentials {
  const { accessKeyId, secretAccessKey } = side.credentials;
  return {
    accessKeyId: sign.wrong === 'access key id' ? 'AKIAUNKNOWNTOBOTHXXX' : accessKeyId,
    secretAccessKey: sign.wrong === 'secret' ? 'a secret that neither side knows' : secretAccessKey,
  };
}

function dateOf(sign: Signing): Date {
  return new Date(Date.now() + (sign.shift ?? 0) * 1000);
}

/** The last digit of the signature changed. */
function spoilt(text: string): string {
  return `${text.slice(0, -1)}${text.endsWith('0') ? '1' : '0'}`;
}

function pathOf(request: TwinRequest, values: ReadonlyMap<string, string>): string {
  if (request.path !== undefined) return fill(request.path, values);
  if (request.bucket === 'none') return '/';
  const own = values.get('bucket') ?? '';
  const bucket = request.bucket === undefined ? own : `${own}-${request.bucket}`;
  return request.key === undefined ? `/${bucket}` : `/${bucket}/${percentEncode(fill(request.key, values), '/')}`;
}

function queryOf(request: TwinRequest, values: ReadonlyMap<string, string>): string {
  const { query = '' } = request;
  if (typeof query === 'string') return fill(query, values);
  return query
    .map(([name, value]) => (value === undefined ? name : `${name}=${percentEncode(fill(value, values))}`))
    .join('&');
}

function bodyOf(request: TwinRequest, values: ReadonlyMap<string, string>): Buffer | undefined {
  const { body } = request;
  if (body === undefined || Buffer.isBuffer(body)) return body;
  return Buffer.from(fill(body, values));
}

const targetOf = (path: string, query: string): string => (query === '' ? path : `${path}?${query}`);

/** Content-Length where it belongs and was not given, or the transfer coding in its place. */
function sized(request: TwinRequest, headers: readonly Header[], body: Buffer | undefined) {
  const wanted = body !== undefined || request.method === 'PUT' || request.method === 'POST';
  const given = headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  const added: readonly Header[] =
    !wanted || given
      ? []
      : request.chunkedTransfer === true
        ? [['transfer-encoding', 'chunked']]
        : [['content-length', String(body?.length ?? 0)]];
  return { headers: [...headers, ...added], ...(body === undefined ? {} : { body }) };
}

function optional<Name extends string, Value>(name: Name, value: Value | undefined): Partial<Record<Name, Value>> {
  return value === undefined ? {} : ({ [name]: value } as Record<Name, Value>);
}
