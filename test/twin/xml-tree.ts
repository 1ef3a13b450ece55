/**
 * XML as an ordered tree, with how it was spelt: clients that search strings depend on declaration, namespace and order, which
 * parsers that give objects forget.
 */
export interface XmlElement {
  /** As written, prefix included. */
  readonly name: string;
  readonly attributes: string;
  readonly children: readonly XmlElement[];
  /** Decoded; '' with children. */
  readonly text: string;
}

export interface XmlDocument {
  /** `<?xml ...?>` as written; '' without one. */
  readonly declaration: string;
  readonly root: XmlElement;
}

const TOKEN = /<!\[CDATA\[([\s\S]*?)\]\]>|<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<(\/?)([^\s>/]+)([^>]*?)(\/?)>|([^<]+)/g;

interface Open {
  readonly name: string;
  readonly attributes: string;
  readonly children: XmlElement[];
  text: string;
}

/** `undefined` for what is not one well-formed document. */
export function parseXmlTree(source: string): XmlDocument | undefined {
  const text = source.trim();
  const declaration = /^<\?xml[^>]*\?>/.exec(text)?.[0] ?? '';
  const stack: Open[] = [{ name: '', attributes: '', children: [], text: '' }];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index !== at) return undefined;
    at += match[0].length;
    const [whole, cdata, closing, name, attributes = '', empty, characters] = match;
    const top = stack.at(-1);
    if (top === undefined) return undefined;
    if (cdata !== undefined) top.text += cdata;
    else if (characters !== undefined) top.text += decodeText(characters);
    else if (name === undefined || whole.startsWith('<!')) continue;
    else if (closing === '/') {
      const parent = stack.at(-2);
      if (parent === undefined || top.name !== name) return undefined;
      parent.children.push(closed(top));
      stack.pop();
    } else if (empty === '/') top.children.push({ name, attributes: attributes.trim(), children: [], text: '' });
    else stack.push({ name, attributes: attributes.trim(), children: [], text: '' });
  }
  const [outer] = stack;
  const [root, ...others] = outer?.children ?? [];
  if (stack.length !== 1 || at !== text.length || root === undefined || others.length > 0) return undefined;
  return outer?.text.trim() === '' ? { declaration, root } : undefined;
}

function closed(open: Open): XmlElement {
  const { name, attributes, children, text } = open;
  return { name, attributes, children, text: children.length > 0 ? '' : text };
}

const NAMED: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function decodeText(text: string): string {
  return text.replace(/&(#x[0-9a-fA-F]+|#\d+|[a-z]+);/g, (whole, name: string) => {
    if (!name.startsWith('#')) return NAMED[name] ?? whole;
    const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** Text at `UploadId`, `Version[2]/VersionId`, counted from 1, below the root. */
export function textAt(document: XmlDocument, path: string): string | undefined {
  let at: XmlElement | undefined = document.root;
  for (const step of path.split('/')) {
    const [, name, index = '1'] = /^([^[]+)(?:\[(\d+)\])?$/.exec(step) ?? [];
    at = at?.children.filter((child) => child.name === name)[Number(index) - 1];
  }
  return at?.text;
}
