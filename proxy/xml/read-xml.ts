/**
 * Reads the XML that S3 is made of, in one pass over the text: elements, text, CDATA, comments and processing instructions.
 * No document types, no entities but the five predefined and numeric ones, one root. Attributes are checked and dropped, but
 * for `xsi:type`, which says what an ACL's grantee is; the prefixes of namespaces are dropped. Listings of 1,000 rows pass through here both ways of a proxy, which general parsers
 * spend most of a LIST on.
 */
import { S3Error } from '../errors.ts';
import { MAX_XML_DEPTH, MAX_XML_MARKUP_CHARACTERS, MAX_XML_TAGS } from '../limits.ts';

const NONE: readonly XmlNode[] = [];

/** A parsed element: text of leaves by `text`, children by name. White space in leaves is kept: keys may be white space. */
export class XmlNode {
  #text = '';
  #children: Map<string, XmlNode[]> | undefined;
  /** The value of an attribute `type` in a namespace. */
  readonly type: string | undefined;

  constructor(type?: string) {
    this.type = type;
  }

  /** '' for an element that has elements in it. */
  get text(): string {
    return this.#children === undefined ? this.#text : '';
  }

  /** First child of that name. */
  child(name: string): XmlNode | undefined {
    return this.#children?.get(name)?.[0];
  }

  children(name: string): readonly XmlNode[] {
    return this.#children?.get(name) ?? NONE;
  }

  childNames(): readonly string[] {
    return [...(this.#children?.keys() ?? [])];
  }

  /** Text of the first child of that name; `undefined` when there is none. */
  value(name: string): string | undefined {
    return this.child(name)?.text;
  }

  /** For the reader. */
  add(name: string, child: XmlNode): void {
    this.#children ??= new Map();
    const same = this.#children.get(name);
    if (same === undefined) this.#children.set(name, [child]);
    else same.push(child);
  }

  /** For the reader. */
  addText(text: string): void {
    this.#text = this.#text === '' ? text : this.#text + text;
  }
}

/** A document as a node whose only child is the root element. @throws S3Error MalformedXML */
export function readXml(document: string): XmlNode {
  // Stores send white space, or a mark of the byte order, before the declaration.
  return new Reader(document.trimStart()).read();
}

interface Open {
  /** As written, prefix included. */
  readonly tag: string;
  readonly node: XmlNode;
}

/** Attributes behind an element's name: well formed, each name once. */
const ATTRIBUTES = /^(?:\s+[^\s=/<>"'&]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*$/;
const ATTRIBUTE_NAME = /([^\s=/<>"'&]+)\s*=\s*(?:"[^"<]*"|'[^'<]*')/g;
const NAME = /^[A-Za-z_\u0080-\uffff][\w.\-\u0080-\uffff]*(?::[A-Za-z_\u0080-\uffff][\w.\-\u0080-\uffff]*)?$/;

class Reader {
  readonly #text: string;
  readonly #document = new XmlNode();
  readonly #open: Open[] = [];
  /** Tags are few and repeat: each is checked once. */
  readonly #names = new Map<string, string>();
  #current: XmlNode = this.#document;
  #hasRoot = false;
  #markups = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): XmlNode {
    let at = 0;
    for (let open = this.#text.indexOf('<'); open >= 0; open = this.#text.indexOf('<', at)) {
      if (open > at) this.#takeText(at, open);
      if (++this.#markups > MAX_XML_TAGS) throw malformed('The document has too many elements.');
      at = this.#takeMarkup(open);
    }
    if (at < this.#text.length) this.#takeText(at, this.#text.length);
    if (this.#open.length > 0 || !this.#hasRoot) throw malformed();
    return this.#document;
  }

  #takeText(start: number, end: number): void {
    const text = this.#text.slice(start, end);
    if (this.#open.length > 0) this.#current.addText(text.includes('&') ? decodeEntities(text) : text);
    else if (text.trim() !== '') throw malformed();
  }

  /** @returns where it ends */
  #takeMarkup(open: number): number {
    switch (this.#text[open + 1]) {
      case '/':
        return this.#takeEndTag(open);
      case '?':
        return this.#takeInstruction(open);
      case '!':
        return this.#takeDeclaration(open);
      default:
        return this.#takeStartTag(open);
    }
  }

  #takeStartTag(open: number): number {
    const end = this.#end(open, '>', 1);
    const isEmpty = this.#text[end - 2] === '/';
    const inside = this.#text.slice(open + 1, end - (isEmpty ? 2 : 1));
    const tag = this.#tagName(inside);
    if (this.#open.length === 0) {
      if (this.#hasRoot) throw malformed();
      this.#hasRoot = true;
    }
    // Readers of the tree walk through it by recursion.
    if (this.#open.length >= MAX_XML_DEPTH) throw malformed('The document is nested too deeply.');
    const node = new XmlNode(inside.length === tag.length ? undefined : typeAmong(inside.slice(tag.length)));
    this.#current.add(this.#localName(tag), node);
    if (isEmpty) return end;
    this.#open.push({ tag, node });
    this.#current = node;
    return end;
  }

  #takeEndTag(open: number): number {
    const end = this.#end(open, '>', 2);
    const tag = this.#text.slice(open + 2, end - 1).trimEnd();
    if (this.#open.pop()?.tag !== tag) throw malformed();
    this.#current = this.#open.at(-1)?.node ?? this.#document;
    return end;
  }

  /** The XML declaration, or an instruction to somebody else: passed over, if it says to whom. */
  #takeInstruction(open: number): number {
    const end = this.#end(open, '?>', 2);
    const [target = ''] = this.#text.slice(open + 2, end - 2).split(/\s/, 1);
    if (!NAME.test(target)) throw malformed();
    return end;
  }

  #takeDeclaration(open: number): number {
    if (this.#text.startsWith('<!--', open)) return this.#end(open, '-->', 4);
    if (!this.#text.startsWith('<![CDATA[', open)) throw malformed('Document types are not accepted.');
    if (this.#open.length === 0) throw malformed();
    const start = open + '<![CDATA['.length;
    const close = this.#text.indexOf(']]>', start);
    if (close < 0) throw malformed();
    this.#current.addText(this.#text.slice(start, close));
    return close + ']]>'.length;
  }

  /** Behind the next `mark`. Bounded: else many unfinished tags would each look through the whole document. */
  #end(open: number, mark: string, skip: number): number {
    const found = this.#text.indexOf(mark, open + skip);
    const end = found < 0 ? this.#text.length : found;
    if (end - open > MAX_XML_MARKUP_CHARACTERS) throw malformed('The document has a tag that is too long.');
    if (found < 0) throw malformed();
    return end + mark.length;
  }

  #tagName(inside: string): string {
    if (this.#names.has(inside)) return inside;
    const cut = inside.search(/\s/);
    if (cut < 0) {
      this.#localName(inside);
      return inside;
    }
    checkAttributes(inside.slice(cut));
    return inside.slice(0, cut);
  }

  #localName(tag: string): string {
    const known = this.#names.get(tag);
    if (known !== undefined) return known;
    if (!NAME.test(tag)) throw malformed();
    const name = tag.slice(tag.indexOf(':') + 1);
    this.#names.set(tag, name);
    return name;
  }
}

function checkAttributes(text: string): void {
  if (!ATTRIBUTES.test(text)) throw malformed();
  const names = [...text.matchAll(ATTRIBUTE_NAME)].map(([, name]) => name);
  if (new Set(names).size !== names.length) throw malformed();
}

const TYPE = /\s[^\s=:]+:type\s*=\s*(?:"([^"]*)"|'([^']*)')/;

function typeAmong(attributes: string): string | undefined {
  const found = TYPE.exec(attributes);
  return found === null ? undefined : decodeEntities(found[1] ?? found[2] ?? '');
}

/** The whole entity, or an ampersand that begins none. */
const ENTITY = /&(?:(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[A-Za-z]{1,8});)?/g;
const PREDEFINED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

function decodeEntities(text: string): string {
  return text.replace(ENTITY, (whole, name: string | undefined) => {
    if (name === undefined) throw malformed();
    if (!name.startsWith('#')) {
      const value = PREDEFINED.get(name);
      if (value === undefined) throw malformed('Only the predefined XML entities are accepted.');
      return value;
    }
    const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
    // Half of a surrogate pair has no UTF-8 form: the name that is sent on would differ from the name that was checked.
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw malformed(`Not a character: ${whole}`);
    return String.fromCodePoint(code);
  });
}

function malformed(message?: string): S3Error {
  return new S3Error('MalformedXML', message);
}
