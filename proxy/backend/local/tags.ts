/** Tag sets: from the `x-amz-tagging` header, from and to XML. S3: "Object tagging", limits included. */
import { S3Error } from '../../errors.ts';
import { LOCAL_OBJECT_TAGS, LOCAL_TAG_KEY_CHARACTERS, LOCAL_TAG_VALUE_CHARACTERS } from '../../limits.ts';
import { parseXml, type XmlElement } from '../../xml/render-xml.ts';

type Tag = readonly [name: string, value: string];

/** The tags of a request's `x-amz-tagging` (a query string), as JSON. @throws S3Error InvalidArgument, InvalidTag */
export function tagsFromHeader(header: string | undefined): string {
  if (header === undefined || header === '') return '[]';
  const tags = header.split('&').map((pair): Tag => {
    const at = pair.indexOf('=');
    return at < 0 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))];
  });
  return checkedTags(tags, LOCAL_OBJECT_TAGS);
}

/** A Tagging document, as JSON. @throws S3Error MalformedXML, InvalidTag */
export function tagsFromXml(document: Buffer, max: number): string {
  const set = parseXml(document.toString(), 'Tagging').child('TagSet');
  if (set === undefined) throw new S3Error('MalformedXML');
  const tags = set.children('Tag').map((tag): Tag => {
    const name = tag.value('Key');
    const value = tag.value('Value');
    if (name === undefined || value === undefined) throw new S3Error('MalformedXML');
    return [name, value];
  });
  return checkedTags(tags, max);
}

export function tagsToXml(json: string): XmlElement {
  const tags = JSON.parse(json) as readonly Tag[];
  return { TagSet: { Tag: tags.map(([Key, Value]) => ({ Key, Value })) } };
}

export function tagCount(json: string): number {
  return (JSON.parse(json) as readonly Tag[]).length;
}

function checkedTags(tags: readonly Tag[], max: number): string {
  if (tags.length > max) throw new S3Error('InvalidTag', `There cannot be more than ${max} tags.`);
  const names = new Set<string>();
  for (const [name, value] of tags) {
    if (name === '' || [...name].length > LOCAL_TAG_KEY_CHARACTERS)
      throw new S3Error('InvalidTag', 'The tag key is not valid.');
    if ([...value].length > LOCAL_TAG_VALUE_CHARACTERS) throw new S3Error('InvalidTag', 'The tag value is not valid.');
    if (names.has(name)) throw new S3Error('InvalidTag', 'Cannot provide multiple tags with the same key.');
    names.add(name);
  }
  return JSON.stringify(tags);
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new S3Error('InvalidArgument', 'The header x-amz-tagging must be encoded as a query string.', {
      details: { ArgumentName: 'x-amz-tagging' },
    });
  }
}
