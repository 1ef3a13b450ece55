/**
 * S3's XML, both ways: documents are written from plain values, and read by a bounded parser that expands no entities but
 * the five predefined and numeric ones, and refuses a document type. Names and order follow the S3 API reference, which
 * some clients search as text.
 */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { S3Error } from './errors.ts';
import { MAX_XML_MARKUP_CHARACTERS, MAX_XML_TAGS } from './limits.ts';

export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** Children in order; `undefined` is left out; an array repeats the element; a sequence stands for its own elements. */
export type XmlValue = string | number | boolean | XmlElement | XmlSequence | readonly XmlValue[] | undefined;
export type XmlElement = { readonly [name: string]: XmlValue };

/** Elements of different names in one order, where S3 mixes them. The name under which it is given is not written. */
export class XmlSequence {
  readonly items: readonly (readonly [name: string, value: XmlValue])[];

  constructor(items: readonly (readonly [name: string, value: XmlValue])[]) {
    this.items = items;
  }
}

/** A whole document, by default in S3's namespace. */
export function renderXml(root: string, content: XmlElement, namespace: string = S3_NAMESPACE): string {
  return `${XML_DECLARATION}<${root} xmlns="${namespace}">${renderChildren(content)}</${root}>`;
}

/** A whole document in no namespace: errors, and the answer to a form, which pages read by plain paths. */
export function renderPlainXml(root: 'Error' | 'PostResponse', content: XmlElement): string {
  return `${XML_DECLARATION}<${root}>${renderChildren(content)}</${root}>`;
}

export function renderErrorXml(content: XmlElement): string {
  return renderPlainXml('Error', content);
}

function renderChildren(content: XmlElement): string {
  let out = '';
  for (const name in content) out += renderElement(name, content[name]);
  return out;
}

function renderElement(name: string, value: XmlValue): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return value.map((item) => renderElement(name, item)).join('');
  if (value instanceof XmlSequence) return value.items.map(([own, item]) => renderElement(own, item)).join('');
  if (typeof value !== 'object') return `<${name}>${escapeXml(String(value))}</${name}>`;
  return `<${name}>${renderChildren(value as XmlElement)}</${name}>`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what has to be escaped
const NEEDS_ESCAPE = /[&<>"\u0000-\u001f\u007f\ufffe\uffff]/g;
const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text as S3 writes it: control characters become numeric references, as S3 does for keys outside XML 1.0's set. */
export function escapeXml(text: string): string {
  return text.replace(NEEDS_ESCAPE, (c) => NAMED[c] ?? `&#x${c.charCodeAt(0).toString(16)};`);
}

/** A parsed element: text of leaves by `text`, children by name. White space in leaves is kept: keys may be white space. */
export class XmlNode {
  readonly text: string;
  readonly #children: Readonly<Record<string, readonly XmlNode[]>>;

  constructor(value: unknown) {
    this.text = typeof value === 'string' ? value : '';
    this.#children = typeof value === 'object' && value !== null ? childrenOf(value as Record<string, unknown>) : {};
  }

  /** First child of that name. */
  child(name: string): XmlNode | undefined {
    return this.#children[name]?.[0];
  }

  children(name: string): readonly XmlNode[] {
    return this.#children[name] ?? [];
  }

  childNames(): readonly string[] {
    return Object.keys(this.#children);
  }

  /** Text of the first child of that name; `undefined` when there is none. */
  value(name: string): string | undefined {
    return this.child(name)?.text;
  }
}

function childrenOf(value: Record<string, unknown>): Record<string, readonly XmlNode[]> {
  const children: Record<string, readonly XmlNode[]> = Object.create(null);
  for (const [name, item] of Object.entries(value)) {
    if (name === '#text') continue;
    children[name] = (Array.isArray(item) ? item : [item]).map((one) => new XmlNode(one));
  }
  return children;
}

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  removeNSPrefix: true,
  htmlEntities: false,
});

/**
 * Reads one document with the root element `root`.
 * @throws S3Error MalformedXML for anything that is not well formed, has another root, or declares a document type.
 */
export function parseXml(document: string, root: string): XmlNode {
  const found = parseAnyXml(document);
  if (found.childNames()[0] !== root) throw new S3Error('MalformedXML');
  return onlyRoot(found);
}

/** The root element, whatever its name: stores differ in some. @throws S3Error MalformedXML */
export function parseXmlRoot(document: string): XmlNode {
  return onlyRoot(parseAnyXml(document));
}

/** The parser takes several roots; XML has one. */
function onlyRoot(found: XmlNode): XmlNode {
  const names = found.childNames();
  const [root, ...others] = found.children(names[0] ?? '');
  if (root === undefined || others.length > 0 || names.length !== 1) throw new S3Error('MalformedXML');
  return root;
}

/** Reads a document whatever its root; the result's only child is the root. */
export function parseAnyXml(document: string): XmlNode {
  // Stores send white space, or a mark of the byte order, before the declaration.
  const text = withoutCdata(document.trimStart());
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw new S3Error('MalformedXML', 'Document types are not accepted.');
  refuseExcess(text);
  if (XMLValidator.validate(text) !== true) throw new S3Error('MalformedXML');
  let parsed: unknown;
  try {
    parsed = parser.parse(text);
  } catch (cause) {
    throw new S3Error('MalformedXML', undefined, { cause });
  }
  return new XmlNode(decodeEntities(parsed));
}

/** The parser's time and memory grow with markup much more than with text, and it works in one go: more than S3 has is refused. */
function refuseExcess(text: string): void {
  let tags = 0;
  let end = -1;
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1)) {
    tags += 1;
    if (tags > MAX_XML_TAGS) throw new S3Error('MalformedXML', 'The document has too many elements.');
    if (end < at) end = text.indexOf('>', at);
    if (end < 0 || end - at > MAX_XML_MARKUP_CHARACTERS)
      throw new S3Error('MalformedXML', 'The document has a tag that is too long.');
  }
}

/** CDATA as text with entities, which are then decoded in one place, once. */
function withoutCdata(text: string): string {
  let out = '';
  let done = 0;
  for (let open = text.indexOf('<![CDATA['); open >= 0; open = text.indexOf('<![CDATA[', done)) {
    const close = text.indexOf(']]>', open);
    if (close < 0) throw new S3Error('MalformedXML');
    out += text.slice(done, open) + escapeXml(text.slice(open + '<![CDATA['.length, close));
    done = close + ']]>'.length;
  }
  return out + text.slice(done);
}

function decodeEntities(value: unknown): unknown {
  if (typeof value === 'string') return value.includes('&') ? value.replace(ENTITY, decodeEntity) : value;
  if (Array.isArray(value)) return value.map(decodeEntities);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, decodeEntities(item)]));
}

const ENTITY = /&(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[A-Za-z]{1,8});/g;
const PREDEFINED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeEntity(whole: string, name: string): string {
  if (!name.startsWith('#')) {
    const value = PREDEFINED[name];
    if (value === undefined) throw new S3Error('MalformedXML', 'Only the predefined XML entities are accepted.');
    return value;
  }
  const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
  if (code > 0x10ffff) throw new S3Error('MalformedXML', `Not a character: ${whole}`);
  return String.fromCodePoint(code);
}
