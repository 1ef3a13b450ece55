/** Protects conditions on dates: the three forms of RFC 9110 count, and everything else is no date at all. */
import { expect, test } from 'vitest';
import { parseHttpDate } from '../../../proxy/http/http-date.ts';

const TIME = Date.UTC(1994, 10, 6, 8, 49, 37);

test.each([
  'Sun, 06 Nov 1994 08:49:37 GMT',
  'Sunday, 06-Nov-94 08:49:37 GMT',
  'Sun Nov  6 08:49:37 1994',
  ' Sun, 06 Nov 1994 08:49:37 GMT ',
])('takes %s', (text) => expect(parseHttpDate(text)).toBe(TIME));

test.each([
  ...[
    '',
    'nonsense',
    'nonsense 1',
    '1994-11-06T08:49:37Z',
    '784111777',
    'Sun, 06 Nov 1994 08:49:37',
    'Sun, 06 Nov 1994 08:49:37 +0100',
  ],
  ...['Xyz, 06 Nov 1994 08:49:37 GMT', 'Sun, 6 Nov 1994 08:49:37 GMT', 'Sun, 06 Nov 1994 25:49:37 GMT'],
])('takes no "%s"', (text) => expect(parseHttpDate(text)).toBeNaN());
