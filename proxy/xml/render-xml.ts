/**
 * S3's XML, both ways: documents are written from plain values, and read by xml-reader.ts. Names and order follow the S3 API
 * reference, which some clients search as text.
 */
import { S3Error } from '../errors.ts';
import { readXml, type XmlNode } from './read-xml.ts';
import { isXmlText } from './xml-characters.ts';

export type { XmlNode } from './read-xml.ts';

export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/';
export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/**
 * Children in order; `undefined` is left out; an array repeats the element; a sequence stands for its own elements, and what is
 * written already for itself.
 */
export type XmlValue =
  | string
  | number
  | boolean
  | XmlElement
  | XmlSequence
  | WrittenXml
  | readonly XmlValue[]
  | undefined;
export type XmlElement = { readonly [name: string]: XmlValue };

/** Elements of different names in one order, where S3 mixes them. The name under which it is given is not written. */
export class XmlSequence {
  readonly items: readonly (readonly [name: string, value: XmlValue])[];

  constructor(items: readonly (readonly [name: string, value: XmlValue])[]) {
    this.items = items;
  }
}

/** Elements that are text already. The name under which they are given is not written. */
export class WrittenXml {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
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
  if (value instanceof WrittenXml) return value.text;
  if (typeof value !== 'object') return `<${name}>${escapeXml(String(value))}</${name}>`;
  return `<${name}>${renderChildren(value as XmlElement)}</${name}>`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what has to be escaped
const NEEDS_ESCAPE = /[&<>"\u0000-\u001f\u007f\ufffe\uffff]/g;
const NAMED: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text as S3 writes it: control characters become numeric references, as S3 does for keys outside XML 1.0's set. */
export function escapeXml(text: string): string {
  if (text.search(NEEDS_ESCAPE) < 0) return text;
  return text.replace(NEEDS_ESCAPE, (c) => NAMED[c] ?? `&#x${c.charCodeAt(0).toString(16)};`);
}

const XSI = 'http://www.w3.org/2001/XMLSchema-instance';

/**
 * Writes a parsed document anew. The next reader finds exactly what was read here, and nothing that was skipped. Elements of one
 * name stand together, where the first of them stood.
 */
export function writeAnew(root: string, node: XmlNode): string {
  return `${XML_DECLARATION}<${root} xmlns="${S3_NAMESPACE}"${typeOf(node)}>${contentOf(node)}</${root}>`;
}

function contentOf(node: XmlNode): string {
  const names = node.childNames();
  if (names.length === 0) return escapeXml(node.text);
  const elements = names.flatMap((name) => node.children(name).map((child) => [name, child] as const));
  return elements.map(([name, child]) => `<${name}${typeOf(child)}>${contentOf(child)}</${name}>`).join('');
}

function typeOf({ type }: XmlNode): string {
  return type === undefined ? '' : ` xmlns:xsi="${XSI}" xsi:type="${escapeXml(type)}"`;
}

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

function onlyRoot(found: XmlNode): XmlNode {
  const root = found.child(found.childNames()[0] ?? '');
  if (root === undefined) throw new S3Error('MalformedXML');
  return root;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

const DECLARED_ENCODING = /^\s*<\?xml\s[^>]*\bencoding\s*=\s*["']?([^"'\s?>]*)/i;

/**
 * The text of a client's document. Characters that XML forbids are refused. A document that is not UTF-8, or declares another
 * encoding, is refused too: it may mean one thing to its writer and another to its reader.
 * @throws S3Error MalformedXML
 */
export function xmlText(document: Buffer): string {
  let text: string;
  try {
    text = decoder.decode(document);
  } catch (cause) {
    throw new S3Error('MalformedXML', 'The document is not UTF-8.', { cause });
  }
  if (!isXmlText(text)) throw new S3Error('MalformedXML');
  const declared = DECLARED_ENCODING.exec(text)?.[1] ?? 'utf-8';
  if (declared.toLowerCase() === 'utf-8') return text;
  throw new S3Error('MalformedXML', 'The document declares an encoding other than UTF-8.');
}

/** Reads a document whatever its root; the result's only child is the root. @throws S3Error MalformedXML */
export function parseAnyXml(document: string): XmlNode {
  return readXml(document);
}
