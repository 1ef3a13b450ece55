/**
 * An XML document is read in one go on the event loop, so what a tenant can make of 8 MiB must stay near what S3's own
 * documents need: more markup than they can have is refused before it is parsed, and the largest legal ones are not.
 */
import { describe, expect, test } from 'vitest';
import { MAX_XML_BODY_BYTES, MAX_XML_TAGS } from '../../proxy/limits.ts';
import { parseXml } from '../../proxy/xml/render-xml.ts';

const filled = (piece: string) => piece.repeat(Math.floor((MAX_XML_BODY_BYTES - 64) / piece.length));

const FLOODS: Readonly<Record<string, string>> = {
  'empty elements': `<Delete>${filled('<b/>')}</Delete>`,
  'text between elements': `<Delete>${filled('x<b/>')}</Delete>`,
  'elements of different names': `<Delete>${Array.from({ length: 400_000 }, (_, i) => `<a${i}/>`).join('')}</Delete>`,
  'nested elements': `<Delete>${'<a>'.repeat(1_000_000)}${'</a>'.repeat(1_000_000)}</Delete>`,
  'different attributes': `<Delete ${Array.from({ length: 400_000 }, (_, i) => `a${i}="b" `).join('')}></Delete>`,
  'processing instructions': `<Delete>${filled('<?a?>')}</Delete>`,
  'tags that never end': filled('<Delete '),
  'open angle brackets': filled('<'),
};

describe('8 MiB of', () => {
  test.each(Object.keys(FLOODS))('%s are refused unparsed', (name) => {
    const document = FLOODS[name] ?? '';
    expect(document.length).toBeGreaterThan(MAX_XML_BODY_BYTES / 3);
    expect(() => parseXml(document, 'Delete')).toThrow(/too (many|long|deeply)/);
  });
});

describe('the largest legal document', () => {
  test('of a Complete is read: 10,000 parts with a checksum each, indented', () => {
    const part = (i: number) =>
      `\n  <Part>\n    <ChecksumSHA256>${'A'.repeat(43)}=</ChecksumSHA256>\n    <ETag>&quot;${'a'.repeat(32)}&quot;</ETag>\n    <PartNumber>${i}</PartNumber>\n  </Part>`;
    const parts = Array.from({ length: 10_000 }, (_, i) => part(i + 1)).join('');
    const root = parseXml(`<CompleteMultipartUpload>${parts}\n</CompleteMultipartUpload>`, 'CompleteMultipartUpload');
    expect(root.children('Part')).toHaveLength(10_000);
  });

  test('of a DeleteObjects is read: 1,000 keys of 1,024 escaped characters', () => {
    const object = `<Object><Key>${'&quot;'.repeat(1024)}</Key><VersionId>v</VersionId><ETag>e</ETag></Object>`;
    const root = parseXml(`<Delete>${object.repeat(1000)}</Delete>`, 'Delete');
    expect(root.children('Object').at(-1)?.value('Key')).toBe('"'.repeat(1024));
  });

  test('with a key in a CDATA section is read', () => {
    const key = '&'.repeat(1024);
    expect(parseXml(`<Delete><Key><![CDATA[${key}]]></Key></Delete>`, 'Delete').value('Key')).toBe(key);
  });

  test('the bound on elements is met exactly', () => {
    const atBound = `<Delete>${'<b/>'.repeat(MAX_XML_TAGS - 2)}</Delete>`;
    expect(parseXml(atBound, 'Delete').children('b')).toHaveLength(MAX_XML_TAGS - 2);
    expect(() => parseXml(atBound.replace('<b/>', '<b/><b/>'), 'Delete')).toThrow(/too many/);
  });
});
