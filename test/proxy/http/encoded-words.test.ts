// Protects: clients that read headers as ASCII can read every object, and nobody's metadata change their meaning.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toAsciiValue } from '../../../proxy/http/encoded-words.ts';

const bytesOf = (text: string) => Buffer.from(text, 'utf8').toString('latin1');

/** RFC 2047 section 2 and 6.2: words apart by white space are one text. */
function decode(value: string): string {
  const words = [...value.matchAll(/=\?UTF-8\?([BQ])\?([^?]*)\?=/g)];
  return Buffer.concat(
    words.map(([, encoding, text = '']) =>
      encoding === 'B'
        ? Buffer.from(text, 'base64')
        : Buffer.from(
            text
              .replaceAll('_', ' ')
              .replace(/=([0-9A-F]{2})/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
            'latin1',
          ),
    ),
  ).toString('utf8');
}

describe('what is ASCII comes back as it was sent', () => {
  test.each(['', 'value', 'a b\tc', '=?UTF-8?B?w7Y=?=', '=?UTF-8?Q?no end', '%C3%B6', 'a=b?c_d', '\x20 \x7e'])(
    '%j',
    (value) => {
      expect(toAsciiValue(value)).toBe(value);
    },
  );
});

describe('the encoding that S3 chooses', () => {
  // The example of the S3 user guide: S3 reads the header as ISO 8859-1, and more than half of it is outside ASCII.
  const ofTheGuide = bytesOf('\u00c4M\u00c4Z\u00d5\u00d1 S3');
  test.each([
    ['half and more outside ASCII: B', bytesOf(ofTheGuide), '=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?='],
    ['half of it outside ASCII: B', bytesOf('a\u00f6'), '=?UTF-8?B?YcO2?='],
    ['one letter, as UTF-8', bytesOf('\u00f6'), '=?UTF-8?B?w7Y=?='],
    ['one letter, as ISO 8859-1', '\u00f6', '=?UTF-8?B?w7Y=?='],
    ['mostly ASCII: Q', bytesOf('ab\u00f6'), '=?UTF-8?Q?ab=C3=B6?='],
    ['what means something in Q is written in hex', bytesOf('\u00f6 _=?a'), '=?UTF-8?Q?=C3=B6_=5F=3D=3Fa?='],
    ['a control character', 'ab\x01', '=?UTF-8?Q?ab=01?='],
  ])('%s', (_, bytes, expected) => {
    expect(toAsciiValue(bytes)).toBe(expected);
  });
});

describe('any text', () => {
  test('is ASCII, in words of at most 75 characters, and decodes to the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 400 }), (text) => {
        const value = toAsciiValue(bytesOf(text));
        if (/^[\t\x20-\x7e]*$/.test(text)) return value === text;
        const words = value.split(' ');
        return (
          words.every((word) => /^=\?UTF-8\?[BQ]\?[!->@-~]*\?=$/.test(word) && word.length <= 75) &&
          decode(value) === text
        );
      }),
      { numRuns: 500 },
    );
  });

  test('no character is cut in two, so that each word can be read by itself', () => {
    for (const text of [
      '\u{1f600}'.repeat(101),
      `a${'\u{1f600}'.repeat(101)}`,
      '\u2603'.repeat(333),
      `${'ab'.repeat(200)}\u{1f600}`,
    ]) {
      for (const word of toAsciiValue(bytesOf(text)).split(' ')) expect(decode(word)).not.toContain('\ufffd');
    }
  });
});
