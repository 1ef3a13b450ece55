/**
 * The trailer of an aws-chunked body: `name:value` lines after the final chunk, and in signed bodies their signature.
 *
 * Clients end lines in several ways (`\r\n`, `\n`, `\n\r\n`) and some put spaces around the colon, so lines are read loosely;
 * what they say is then checked strictly. The end of the body is an empty line, without which the body was cut short. What is signed is always `name:value\n` for each field. Source: AWS documentation,
 * "Signature Calculations for the Authorization Header: Including Trailing Headers".
 */
import { S3Error } from '../errors.ts';
import { truncatedFraming } from './truncated-framing.ts';

/** Values by lower-case name. */
export type Trailer = ReadonlyMap<string, string>;

export const TRAILER_SIGNATURE = 'x-amz-trailer-signature';

export interface ParsedTrailer {
  /** Without the signature. */
  readonly fields: Trailer;
  /** What the signature covers. */
  readonly canonical: string;
  readonly signature: string | undefined;
}

/**
 * `text` is everything after the final chunk's header line, one character per byte.
 * @throws S3Error IncompleteBody when it does not end with an empty line; MalformedTrailerError for a line that is not
 *   `name:value`, a field given twice, or anything after the signature.
 */
export function parseTrailer(text: string): ParsedTrailer {
  if (!isEnded(text)) throw truncatedFraming();
  const fields = new Map<string, string>();
  let canonical = '';
  let signature: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (line === '') continue;
    const [name, value] = parseLine(line);
    if (signature !== undefined) throw new S3Error('MalformedTrailerError');
    if (name === TRAILER_SIGNATURE) {
      signature = value;
      continue;
    }
    if (fields.has(name)) throw new S3Error('MalformedTrailerError');
    fields.set(name, value);
    canonical += `${name}:${value}\n`;
  }
  return { fields, canonical, signature };
}

/** A body ends with an empty line, alone or behind the fields, and nothing but empty lines follows. */
function isEnded(text: string): boolean {
  const end = text.startsWith('\r\n') ? 0 : text.indexOf('\r\n\r\n');
  return end >= 0 && /^[\r\n]*$/.test(text.slice(end)) && text.endsWith('\n');
}

const NAME = /^[a-z0-9-]+$/;
const VALUE = /^[\x21-\x7e]+$/;
const OUTER_SPACE = /^[ \t]+|[ \t]+$/g;

function parseLine(line: string): readonly [name: string, value: string] {
  const colon = line.indexOf(':');
  const name = line.slice(0, Math.max(colon, 0)).replace(OUTER_SPACE, '').toLowerCase();
  const value = line.slice(colon + 1).replace(OUTER_SPACE, '');
  if (!NAME.test(name) || !VALUE.test(value)) throw new S3Error('MalformedTrailerError');
  return [name, value];
}
