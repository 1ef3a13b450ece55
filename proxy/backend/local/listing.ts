/** What all listings share: prefix, delimiter, encoding-type, continuation tokens, common prefixes. */
import { S3Error } from '../../errors.ts';
import type { XmlElement } from '../../xml/render-xml.ts';
import type { Entry } from './list-walk.ts';
import type { StoreRequest } from './request.ts';

export interface ListParameters {
  readonly prefix: Buffer;
  readonly delimiter: Buffer;
  /** Writes a key, prefix or marker the way `encoding-type` asks. */
  readonly encode: (text: string | Uint8Array) => string;
  readonly encodingType: 'url' | undefined;
}

/** @throws S3Error InvalidArgument for an encoding-type other than `url` */
export function listParameters({ query }: StoreRequest): ListParameters {
  const encodingType = query.get('encoding-type');
  if (encodingType !== undefined && encodingType !== '' && encodingType !== 'url') {
    throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request', {
      details: { ArgumentName: 'encoding-type', ArgumentValue: encodingType },
    });
  }
  const url = encodingType === 'url';
  return {
    prefix: Buffer.from(query.get('prefix') ?? ''),
    delimiter: Buffer.from(query.get('delimiter') ?? ''),
    encode: url ? (text) => urlEncode(textOf(text)) : textOf,
    encodingType: url ? 'url' : undefined,
  };
}

export function commonPrefixes<Row>(entries: readonly Entry<Row>[], encode: ListParameters['encode']): XmlElement[] {
  return entries.flatMap((entry) => ('commonPrefix' in entry ? { Prefix: encode(entry.commonPrefix) } : []));
}

export function rowsOf<Row>(entries: readonly Entry<Row>[]): Row[] {
  return entries.flatMap((entry) => ('row' in entry ? [entry.row] : []));
}

/** The last entry's key or common prefix. */
export function lastName(entries: readonly Entry<{ readonly key: Uint8Array }>[]): Buffer {
  const last = entries.at(-1);
  if (last === undefined) return Buffer.alloc(0);
  return Buffer.from('row' in last ? last.row.key : last.commonPrefix);
}

function textOf(text: string | Uint8Array): string {
  return typeof text === 'string' ? text : Buffer.from(text.buffer, text.byteOffset, text.byteLength).toString();
}

export function encodeToken(name: Uint8Array): string {
  return `1${Buffer.from(name).toString('base64url')}`;
}

/** @throws S3Error InvalidArgument for a token that this store did not make */
export function decodeToken(token: string): Buffer {
  const name = Buffer.from(token.slice(1), 'base64url');
  if (token !== encodeToken(name)) {
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect', {
      details: { ArgumentName: 'continuation-token' },
    });
  }
  return name;
}

/** Percent-encoding that every client decodes alike: a space is `%20`, `/` stays. */
function urlEncode(text: string): string {
  return encodeURIComponent(text)
    .replaceAll('%2F', '/')
    .replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
