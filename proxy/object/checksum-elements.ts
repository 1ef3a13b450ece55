/** Checksums as S3's XML documents write them: `<ChecksumCRC32>`, ..., and their type. */
import type { Checksum } from '../../crypto/attributes.ts';
import type { XmlElement } from '../xml/render-xml.ts';

/** @param o.partCount appended as `-N` to composite values; without it they stand alone. */
export function checksumElements(checksums: readonly Checksum[], o: { partCount?: number } = {}): XmlElement {
  const elements: Record<string, string> = {};
  for (const { algorithm, type, value } of checksums) {
    const text = value.toString('base64');
    const isCounted = type === 'COMPOSITE' && o.partCount !== undefined;
    elements[`Checksum${algorithm}`] = isCounted ? `${text}-${o.partCount}` : text;
    elements['ChecksumType'] = type;
  }
  return elements;
}
