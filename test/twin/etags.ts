/**
 * ETags in opaque mode. The bare store tells the MD5 of what it stored, the proxy another ETag of its own store. Which stands for
 * which is learnt from the replies. A request that names an MD5 which the proxy told otherwise, for that object or part, gets the
 * proxy's own ETag on its way to the proxy: so conditions and part lists are compared, and not forgiven.
 */
import { md5Text, type TwinRequest } from './request.ts';
import type { TwinReply } from './send.ts';

/** Unquoted, as the bare store tells ETags, and as the proxy does in opaque mode. */
const BARE = /^[0-9a-f]{32}(-\d+)?$/;
const OPAQUE = /^[^"\s]+-\d+$/;

const unquoted = (text = '') => text.replace(/^"|"$/g, '').replaceAll('&quot;', '').replaceAll('&#34;', '');

export class TwinEtags {
  readonly #toProxy = new Map<string, string>();
  readonly #toBare = new Map<string, string>();

  /** Whether the proxy's ETag may stand for the bare one: never for another one too. Several of the proxy's stand for one. */
  same(bare: string | undefined, proxy: string | undefined): boolean {
    const [one, other] = [unquoted(bare), unquoted(proxy)];
    if (!BARE.test(one) || !OPAQUE.test(other)) return false;
    // The footer is one part more at the store; equal parts may be several. A single PUT, and a form, have none.
    const [parts, shown] = [one, other].map((etag) => Number(/-(\d+)$/.exec(etag)?.[1] ?? 0)) as [number, number];
    if (shown < Math.max(1, parts)) return false;
    const known = this.#toBare.get(other);
    this.#toBare.set(other, known ?? one);
    return known === undefined || known === one;
  }

  /** What two replies tell of the object, or of the part, that the request names. */
  learn(request: TwinRequest, bare: TwinReply, proxy: TwinReply): void {
    const [one, other] = [bare, proxy].map(etagIn) as [string, string];
    if (bare.status >= 300 || proxy.status >= 300 || !BARE.test(one) || !OPAQUE.test(other)) return;
    // A read of one part: some stores tell the ETag of the part there, which is not one of the object.
    if (request.method !== 'PUT' && partNumberOf(request) !== '') return;
    const part = partOf(request);
    this.#toProxy.set(nameOf(request.key, part, one), other).set(nameOf(undefined, part, one), other);
  }

  /** The request as the proxy is to get it. */
  translated(request: TwinRequest): TwinRequest {
    const { headers, body, key } = request;
    const inHeaders = headers?.map(([name, value]): readonly [string, string] =>
      /^(if-match|if-none-match|if-range|x-amz-copy-source-if-(none-)?match)$/i.test(name)
        ? [name, this.#replaced(value, name.includes('copy-source') ? undefined : key, '')]
        : [name, value],
    );
    const isList = typeof body === 'string' && /<(CompleteMultipartUpload|Delete)[ >]/.test(body);
    const document = isList ? this.#inDocument(body, key) : undefined;
    // A digest that was right stays right.
    const digested = inHeaders?.map(([name, value]): readonly [string, string] =>
      document !== undefined && name === 'content-md5' && value === md5Text(String(body))
        ? [name, md5Text(document)]
        : [name, value],
    );
    return {
      ...request,
      ...(digested === undefined ? {} : { headers: digested }),
      ...(document === undefined ? {} : { body: document }),
    };
  }

  #inDocument(document: string, key: string | undefined): string {
    return document
      .replace(/<Part>.*?<\/Part>/gs, (row) => {
        const number = /<PartNumber>\s*(\d+)/.exec(row)?.[1] ?? '';
        return row.replace(/<ETag>[^<]*/, (etag) => this.#replaced(etag, key, number));
      })
      .replace(/<Object>.*?<\/Object>/gs, (row) => {
        const named = /<Key>([^<]*)/.exec(row)?.[1];
        return row.replace(/<ETag>[^<]*/, (etag) => this.#replaced(etag, named, ''));
      });
  }

  #replaced(text: string, key: string | undefined, part: string): string {
    return text.replace(
      /[0-9a-f]{32}(-\d+)?/g,
      (etag) => this.#toProxy.get(nameOf(key, part, etag)) ?? this.#toProxy.get(nameOf(undefined, part, etag)) ?? etag,
    );
  }
}

const nameOf = (key: string | undefined, part: string, etag: string) => `${key ?? ''}\0${part}\0${etag}`;

function etagIn(reply: TwinReply): string {
  const header = reply.headers.find(([name]) => name === 'etag')?.[1];
  if (header !== undefined) return unquoted(header);
  // Of listings and parts no single one.
  const found = [
    ...reply.body
      .subarray(0, 4000)
      .toString('latin1')
      .matchAll(/<ETag>([^<]*)/g),
  ];
  return found.length === 1 ? unquoted(found[0]?.[1]) : '';
}

/** The part that the request makes. */
function partOf(request: TwinRequest): string {
  return request.method === 'PUT' ? partNumberOf(request) : '';
}

function partNumberOf({ query = '' }: TwinRequest): string {
  const text = typeof query === 'string' ? query : query.map((pair) => pair.join('=')).join('&');
  return /(?:^|&)partNumber=(\d+)/.exec(text)?.[1] ?? '';
}
