/**
 * S3's XML both ways: what is written is read back the same, entities are the five predefined and numeric ones, and documents
 * that declare types, nest what they should not or are not well formed are MalformedXML, never a crash.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { S3Error } from '../../../proxy/errors.ts';
import { escapeXml, parseXml, renderErrorXml, renderXml } from '../../../proxy/xml/render-xml.ts';

const codeOf = (document: string, root = 'Delete'): string => {
  try {
    parseXml(document, root);
  } catch (error) {
    if (error instanceof S3Error) return error.code;
    throw error;
  }
  return 'accepted';
};

describe('writing', () => {
  test('keeps the order, repeats arrays, leaves out undefined', () => {
    const document = renderXml('R', { A: 1, B: undefined, C: ['x', 'y'], D: { E: true }, F: '' });
    expect(document).toBe(
      '<?xml version="1.0" encoding="UTF-8"?>\n<R xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><A>1</A><C>x</C><C>y</C><D><E>true</E></D><F></F></R>',
    );
    expect(renderErrorXml({ Code: 'X' })).toBe('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>X</Code></Error>');
  });

  test('escapes markup and every control character', () => {
    expect(escapeXml('<a b="c">&\u0000\u001f\r\n\t\u007f\uffff')).toBe(
      '&lt;a b=&quot;c&quot;&gt;&amp;&#x0;&#x1f;&#xd;&#xa;&#x9;&#x7f;&#xffff;',
    );
  });
});

describe('reading', () => {
  test('gives back any text that was written', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (text) => {
        expect(parseXml(renderXml('R', { Key: text, After: 'x' }), 'R').value('Key')).toBe(text);
      }),
      { numRuns: 300 },
    );
  });

  test('keeps white space, takes namespaces, attributes and comments in its stride', () => {
    const document =
      ' \ufeff<?xml version="1.0"?><!-- c --><s:Delete xmlns:s="urn:x" a="b"><s:Key> a  b </s:Key><Key/><Key></Key></s:Delete>\n';
    const root = parseXml(document, 'Delete');
    expect(root.children('Key').map(({ text }) => text)).toEqual([' a  b ', '', '']);
  });

  test('takes entities once, and CDATA as it stands', () => {
    const root = parseXml(
      '<Delete><Key>&amp;lt;&#65;&#x42;&apos;</Key><Key><![CDATA[<a>&amp;&#65;]]></Key><Key>a<![CDATA[&lt;]]>b</Key></Delete>',
      'Delete',
    );
    expect(root.children('Key').map(({ text }) => text)).toEqual([`&lt;AB'`, '<a>&amp;&#65;', 'a&lt;b']);
  });

  test("names of JavaScript's own reach nothing", () => {
    const root = parseXml('<Delete><Key>a</Key></Delete>', 'Delete');
    for (const name of ['constructor', 'toString', '__proto__', 'hasOwnProperty'])
      expect(root.value(name)).toBeUndefined();
    for (const name of ['__proto__', 'constructor', 'prototype', 'hasOwnProperty']) {
      expect(['accepted', 'MalformedXML']).toContain(codeOf(`<Delete><${name}><Key>x</Key></${name}></Delete>`));
      expect(Object.hasOwn(Object.prototype, 'Key')).toBe(false);
    }
  });

  const refused: readonly (readonly [name: string, document: string])[] = [
    ['nothing', ''],
    ['text', 'hello'],
    ['another root', '<Other/>'],
    ['two roots', '<Delete/><Delete/>'],
    ['an unclosed element', '<Delete><Key>'],
    ['crossed elements', '<Delete><a><b></a></b></Delete>'],
    ['a document type', '<!DOCTYPE Delete><Delete/>'],
    ["an entity of one's own", '<!DOCTYPE d [<!ENTITY a "b">]><Delete><Key>&a;</Key></Delete>'],
    ['an external entity', '<!DOCTYPE d [<!ENTITY a SYSTEM "file:///etc/passwd">]><Delete>&a;</Delete>'],
    ['a document type in lower case', '<!doctype Delete><Delete/>'],
    ['an unknown entity', '<Delete><Key>&nbsp;</Key></Delete>'],
    ['no character', '<Delete><Key>&#x110000;</Key></Delete>'],
    ['CDATA without an end', `<Delete><Key>${'<![CDATA['.repeat(200_000)}`],
    ['an instruction to nobody', '<Delete><?><Key><?a?></Delete>'],
    ['JSON', '{"Delete":{}}'],
  ];
  test.each(refused)('%s is MalformedXML', (_, document) => {
    expect(codeOf(document)).toBe('MalformedXML');
  });

  test('any text is a document or MalformedXML', () => {
    const markup = fc.array(
      fc.constantFrom(
        '<',
        '>',
        '/',
        'Delete',
        'Key',
        '&',
        ';',
        '#x',
        '"',
        '=',
        ' ',
        '<!--',
        '-->',
        '<![CDATA[',
        ']]>',
        '<?',
        '?>',
        'a',
        '\u0000',
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(markup, (pieces) => {
        expect(['accepted', 'MalformedXML']).toContain(codeOf(pieces.join('')));
        expect(['accepted', 'MalformedXML']).toContain(codeOf(`<Delete>${pieces.join('')}</Delete>`));
      }),
      { numRuns: 500 },
    );
  });
});
