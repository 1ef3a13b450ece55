/**
 * Text that came another way (percent-encoded in a query, or in a field of a form) as a header can hold it. node:http refuses
 * anything else when the header is sent. For the metadata of an object that would be at every later read (RFC 9110, sections 5.1
 * and 5.5).
 */
import { S3Error } from '../errors.ts';

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Visible characters, spaces, tabs and bytes above 127. */
const NOT_IN_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * The UTF-8 bytes of `text`, one character per byte, as node:http has header values.
 * @throws S3Error InvalidArgument for a name or value that no header can have
 */
export function toHeaderValue(name: string, text: string): string {
  const bytes = Buffer.from(text, 'utf8').toString('latin1');
  if (NAME.test(name) && !NOT_IN_A_VALUE.test(bytes)) return bytes;
  throw new S3Error('InvalidArgument', 'Header value cannot be represented.', { details: { ArgumentName: name } });
}
