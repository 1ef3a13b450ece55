/**
 * Protects: the reader of XML understands a document as an independent, general parser does, and accepts nothing that one
 * calls malformed.
 */
import fc from 'fast-check';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { expect, test } from 'vitest';
import { S3Error } from '../../../proxy/errors.ts';
import { readXml, type XmlNode } from '../../../proxy/xml/read-xml.ts';
import { renderXml, type XmlElement } from '../../../proxy/xml/render-xml.ts';

const oracle = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  parseTagValue: false,
  trimValues: false,
  processEntities: false,
  removeNSPrefix: true,
  alwaysCreateTextNode: true,
});

/** `[name, text or children]`, grouped by name as the oracle groups them. */
type Tree = readonly (readonly [name: string, content: string | Tree])[];

function ours(node: XmlNode): Tree {
  return node
    .childNames()
    .flatMap((name) =>
      node.children(name).map((child) => [name, child.childNames().length > 0 ? ours(child) : child.text] as const),
    );
}

function theirs(value: Record<string, unknown>): Tree {
  return Object.entries(value).flatMap(([name, item]): Tree => {
    if (name === '#text') return [];
    return (Array.isArray(item) ? item : [item]).map((one: Record<string, unknown>) => {
      const inner = theirs(one);
      return [name, inner.length > 0 ? inner : String(one['#text'] ?? '')] as const;
    });
  });
}

function read(document: string): XmlNode | undefined {
  try {
    return readXml(document);
  } catch (error) {
    if (error instanceof S3Error && error.code === 'MalformedXML') return undefined;
    throw error;
  }
}

const name = fc.constantFrom('Key', 'Contents', 'ETag', 'a', '_b', 'x-y.z', 'Größe');
/** Without markup characters: the oracle leaves entities as they are. */
const text = fc.string({ unit: fc.constantFrom('a', ' ', '\n', 'é', '"', "'", '=', '/', ';', '#'), maxLength: 12 });

test('any tree is read as the other parser reads it', () => {
  const tree = fc.letrec<{ element: XmlElement }>((tie) => ({
    element: fc.dictionary(name, fc.oneof({ depthSize: 'small' }, text, fc.array(text), tie('element')), {
      maxKeys: 4,
    }),
  })).element;
  let filled = 0;
  fc.assert(
    fc.property(tree, (content) => {
      const document = renderXml('Root', content).replaceAll('&quot;', '"').replaceAll('&#xa;', '\n');
      const node = read(document);
      expect(node).toBeDefined();
      if (node === undefined) return;
      expect(ours(node)).toEqual(theirs(oracle.parse(document)));
      if (node.child('Root')?.childNames().length !== 0) filled++;
    }),
    { numRuns: 400 },
  );
  expect(filled).toBeGreaterThan(100);
});

test('what it accepts is well formed, and means the same', () => {
  const pieces = fc.array(
    fc.oneof(
      fc.constantFrom('<a>', '</a>', '<b>', '</b>', '<a/>', '<b />', '<a x="1">', '<p:a xmlns:p="u">', '</p:a>'),
      fc.constantFrom(
        '<a x=1>',
        '<a x="1" x="2">',
        "<b y='<'>",
        '<a',
        '>',
        '/>',
        '< a>',
        '</ a>',
        '<a x>',
        '<1>',
        '<>',
      ),
      fc.constantFrom('<!-- c -->', '<![CDATA[', ']]>', '<?pi?>', 'text', ' ', '\n', '<!', '<?', '-->'),
    ),
    { maxLength: 14 },
  );
  let accepted = 0;
  fc.assert(
    fc.property(pieces, (inside) => {
      const document = `<Root>${inside.join('')}</Root>`;
      const node = read(document);
      if (node === undefined) return;
      accepted++;
      expect([document, XMLValidator.validate(document)]).toEqual([document, true]);
      if (!document.includes('<![CDATA[')) expect(ours(node)).toEqual(theirs(oracle.parse(document)));
    }),
    { numRuns: 4_000 },
  );
  expect(accepted).toBeGreaterThan(100);
});

test('time and memory stay in proportion to the document', () => {
  const hostile = [
    '<a '.repeat(100_000),
    '<a>'.repeat(200_000),
    '<!--'.repeat(100_000),
    `<a ${'x'.repeat(1_000_000)}>`,
  ];
  for (const document of hostile) expect(read(document)).toBeUndefined();
  expect(read(`<a>${'&amp;'.repeat(200_000)}</a>`)?.value('a')).toHaveLength(200_000);
  expect(hostile).toHaveLength(4);
});
