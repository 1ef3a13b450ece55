/**
 * Compares two replies to one request and names every place in which they differ. Nothing is forgiven here but what is bound
 * by name (names.ts), and each side's own address; what may differ is decided by allowed.ts.
 */
import type { Difference, Exchange } from './difference.ts';
import type { NameKind, Names } from './names.ts';
import { headerOf, type TwinReply } from './send.ts';
import { parseXmlTree, type XmlDocument, type XmlElement } from './xml-tree.ts';

export interface CompareOptions {
  readonly names: Names;
  /** `host:port` of each side, which stands in some documents. */
  readonly hosts: { readonly bare: string; readonly proxy: string };
}

/** In the order of the reply: outcome, headers, body. Replies with another outcome are not compared further. */
export function compareReplies(exchange: Exchange, o: CompareOptions): Difference[] {
  const bare = withoutHost(exchange.bare, o.hosts.bare);
  const proxy = withoutHost(exchange.proxy, o.hosts.proxy);
  const failures = differing('connection', bare.failure, proxy.failure);
  const outcome = differing('outcome', outcomeOf(bare), outcomeOf(proxy));
  if (failures.length + outcome.length > 0) return [...failures, ...outcome];
  if (exchange.request.compare === 'code') return [];
  return [...compareHeaders(bare, proxy, o.names), ...compareBodies({ ...exchange, bare, proxy }, o.names)];
}

/** `206`, `404 NoSuchKey`: the status, and the code where there is a document. */
export function outcomeOf(reply: TwinReply): string {
  const code = codeOf(reply);
  return code === undefined ? String(reply.status) : `${reply.status} ${code}`;
}

/** `<Code>` of an error document; `undefined` for any other reply. */
export function codeOf(reply: TwinReply): string | undefined {
  if (reply.status < 300 && !reply.body.subarray(0, 400).includes('<Error>')) return undefined;
  return /<Code>([^<]*)<\/Code>/.exec(reply.body.toString('utf8'))?.[1];
}

function differing(at: string, bare: string | undefined, proxy: string | undefined): Difference[] {
  return bare === proxy ? [] : [{ at, bare, proxy }];
}

function withoutHost(reply: TwinReply, host: string): TwinReply {
  const headers = reply.headers.map(([name, value]) => [name, value.replaceAll(host, 'HOST')] as const);
  const isText = reply.body.length < 4_000_000 && reply.body.includes(host);
  return {
    ...reply,
    headers,
    body: isText ? Buffer.from(reply.body.toString('utf8').replaceAll(host, 'HOST')) : reply.body,
  };
}

const NAMED_HEADERS: Readonly<Record<string, NameKind>> = {
  'x-amz-version-id': 'version',
  'x-amz-copy-source-version-id': 'version',
};

function compareHeaders(bare: TwinReply, proxy: TwinReply, names: Names): Difference[] {
  const all = new Set([...bare.headers, ...proxy.headers].map(([name]) => name));
  // The length of a document follows from the document, which is compared by itself.
  if (isXml(bare) && isXml(proxy)) all.delete('content-length');
  return [...all].flatMap((name) => {
    const values = { bare: valuesOf(bare, name), proxy: valuesOf(proxy, name) };
    const kind = NAMED_HEADERS[name];
    if (kind !== undefined && values.bare !== undefined && values.proxy !== undefined) {
      if (names.same(kind, values.bare, values.proxy)) return [];
    }
    return differing(`header ${name}`, values.bare, values.proxy);
  });
}

/** A header that is sent twice shows as two values. */
function valuesOf(reply: TwinReply, name: string): string | undefined {
  const values = reply.headers.filter(([found]) => found === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values.join(' | ');
}

function isXml(reply: TwinReply): boolean {
  return /xml/.test(headerOf(reply, 'content-type') ?? '') && reply.body.length > 0;
}

function compareBodies(exchange: Exchange, names: Names): Difference[] {
  const { bare, proxy, operation } = exchange;
  const isObject = operation === 'GET object' && bare.status < 300;
  const documents = isObject ? undefined : documentsOf(bare, proxy);
  if (documents !== undefined) return compareDocuments(documents.bare, documents.proxy, names);
  return bare.body.equals(proxy.body) ? [] : [{ at: 'body', bare: excerpt(bare.body), proxy: excerpt(proxy.body) }];
}

function documentsOf(bare: TwinReply, proxy: TwinReply): { bare: XmlDocument; proxy: XmlDocument } | undefined {
  const trees = { bare: parseXmlTree(bare.body.toString('utf8')), proxy: parseXmlTree(proxy.body.toString('utf8')) };
  return trees.bare === undefined || trees.proxy === undefined ? undefined : { bare: trees.bare, proxy: trees.proxy };
}

function excerpt(body: Buffer): string {
  const text = body.subarray(0, 300).toString('utf8');
  return `${body.length} bytes: ${JSON.stringify(text)}${body.length > 300 ? '...' : ''}`;
}

function compareDocuments(bare: XmlDocument, proxy: XmlDocument, names: Names): Difference[] {
  return [
    ...differing('xml-declaration', bare.declaration, proxy.declaration),
    ...differing('xml-namespace', bare.root.attributes, proxy.root.attributes),
    ...compareElements(bare.root, proxy.root, `/${bare.root.name}`, names),
  ];
}

/** Rows of different names in one order, which clients read as one list. */
const MIXED: ReadonlySet<string> = new Set(['Version', 'DeleteMarker']);

function compareElements(bare: XmlElement, proxy: XmlElement, path: string, names: Names): Difference[] {
  if (bare.name !== proxy.name) return [{ at: `xml ${path}`, bare: `<${bare.name}>`, proxy: `<${proxy.name}>` }];
  if (bare.children.length === 0 && proxy.children.length === 0) return compareText(bare, proxy, path, names);
  const mixed = bare.name === 'ListVersionsResult';
  const groups = { bare: grouped(bare, { mixed }), proxy: grouped(proxy, { mixed }) };
  const common = (children: ReadonlyMap<string, unknown>, others: ReadonlyMap<string, unknown>) =>
    [...children.keys()].filter((name) => others.has(name)).join(' ');
  return [
    ...differing(`xml-order ${path}`, common(groups.bare, groups.proxy), common(groups.proxy, groups.bare)),
    ...[...new Set([...groups.bare.keys(), ...groups.proxy.keys()])].flatMap((name) =>
      compareRows(groups.bare.get(name) ?? [], groups.proxy.get(name) ?? [], `${path}/${name}`, names),
    ),
  ];
}

function grouped(element: XmlElement, o: { mixed: boolean }): Map<string, XmlElement[]> {
  const groups = new Map<string, XmlElement[]>();
  for (const child of element.children) {
    const name = o.mixed && MIXED.has(child.name) ? 'Version|DeleteMarker' : child.name;
    const rows = groups.get(name);
    if (rows === undefined) groups.set(name, [child]);
    else rows.push(child);
  }
  return groups;
}

function compareRows(
  bare: readonly XmlElement[],
  proxy: readonly XmlElement[],
  path: string,
  names: Names,
): Difference[] {
  const found: Difference[] = [];
  for (let i = 0; i < Math.max(bare.length, proxy.length); i++) {
    const [one, other] = [bare[i], proxy[i]];
    const at = i === 0 ? path : `${path}[${i + 1}]`;
    if (one !== undefined && other !== undefined) found.push(...compareElements(one, other, at, names));
    else found.push({ at: `xml ${at}`, bare: textOf(one), proxy: textOf(other) });
  }
  return found;
}

const textOf = (element: XmlElement | undefined): string | undefined =>
  element === undefined
    ? undefined
    : element.children.length === 0
      ? element.text
      : element.children.map((child) => `<${child.name}>${textOf(child)}</${child.name}>`).join('');

const NAMED_ELEMENTS: Readonly<Record<string, NameKind>> = {
  VersionId: 'version',
  DeleteMarkerVersionId: 'version',
  VersionIdMarker: 'version',
  NextVersionIdMarker: 'version',
  UploadId: 'upload',
  UploadIdMarker: 'upload',
  NextUploadIdMarker: 'upload',
  ContinuationToken: 'token',
  NextContinuationToken: 'token',
  ID: 'account',
  DisplayName: 'account',
};

function compareText(bare: XmlElement, proxy: XmlElement, path: string, names: Names): Difference[] {
  const kind = NAMED_ELEMENTS[bare.name];
  if (bare.text === proxy.text || (kind !== undefined && names.same(kind, bare.text, proxy.text))) return [];
  return [{ at: `xml ${path}`, bare: bare.text, proxy: proxy.text }];
}
