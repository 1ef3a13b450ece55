/**
 * Protects: nobody chooses the address that the log names and policies decide by. X-Forwarded-For counts from trusted forwarders
 * alone, from its right end, and what is no address makes the address unknown.
 */
import { describe, expect, test } from 'vitest';
import { addressBlocks, InvalidBlock, plainAddress } from '../../../proxy/http/addresses.ts';
import { clientAddress } from '../../../proxy/http/client-address.ts';

const isTrusted = addressBlocks(['10.0.0.0/8', '192.0.2.1', '2001:db8:1::/48']);
const of = (connection: string | undefined, ...lists: string[]) =>
  clientAddress(connection, ['Host', 'x', ...lists.flatMap((list) => ['X-Forwarded-For', list])], isTrusted);

describe('X-Forwarded-For', () => {
  test.each([
    ['from a client itself is not read', '203.0.113.9', ['198.51.100.1'], '203.0.113.9'],
    ['from a forwarder names its client', '10.1.1.1', ['198.51.100.1'], '198.51.100.1'],
    [
      'counts from the right: what the client wrote stands further left',
      '10.1.1.1',
      ['127.0.0.1, 198.51.100.1'],
      '198.51.100.1',
    ],
    ['passes over trusted forwarders', '10.1.1.1', ['1.1.1.1, 198.51.100.1, 192.0.2.1,10.2.2.2'], '198.51.100.1'],
    ['goes on over several fields in their order', '10.1.1.1', ['1.1.1.1', '198.51.100.1', '10.2.2.2'], '198.51.100.1'],
    ['may have ports', '10.1.1.1', ['198.51.100.1:4711'], '198.51.100.1'],
    ['may have brackets', '10.1.1.1', ['[2001:db8::7]'], '2001:db8::7'],
    ['may have brackets and ports', '10.1.1.1', ['[2001:db8::7]:443'], '2001:db8::7'],
    ['may be IPv6 without brackets, in any spelling', '10.1.1.1', ['2001:0DB8:0:0::7'], '2001:db8::7'],
    ['has IPv4 as IPv6 sends it', '10.1.1.1', ['::ffff:198.51.100.1'], '198.51.100.1'],
    ['has IPv4 as IPv6 spells it in hex', '10.1.1.1', ['[::FFFF:c633:6401]:80'], '198.51.100.1'],
    ['has trusted forwarders as IPv6 sends them', '::ffff:10.1.1.1', ['198.51.100.1, ::ffff:a02:202'], '198.51.100.1'],
    ['from a forwarder over IPv6', '2001:db8:1::5', ['198.51.100.1'], '198.51.100.1'],
  ])('%s', (_, connection, lists, expected) => {
    expect(of(plainAddress(connection), ...lists)).toBe(expected);
  });

  test.each([
    ['no field', []],
    ['an empty field', ['']],
    ['a list that ends with a comma', ['198.51.100.1,']],
    ['a word', ['198.51.100.1, unknown']],
    ['a name', ['198.51.100.1, client.example.com']],
    ['an identifier that hides the address', ['198.51.100.1, _hidden']],
    ['a zone', ['198.51.100.1, fe80::1%eth0']],
    ['leading zeros, which some read in octal', ['010.1.1.1']],
    ['three numbers', ['10.1.1']],
    ['one number', ['167837953']],
    ['a block', ['198.51.100.0/24']],
    ['a port without an end', ['198.51.100.1:']],
    ['quotes', ['"198.51.100.1"']],
    ['trusted forwarders alone', ['10.3.3.3, 10.2.2.2']],
  ])('of a forwarder with %s: the address is not known', (_, lists) => {
    expect(of('10.1.1.1', ...lists)).toBeUndefined();
  });

  test('garbage behind an address that counts changes nothing', () => {
    expect(of('10.1.1.1', 'unknown, 198.51.100.1')).toBe('198.51.100.1');
  });

  test('of a connection whose address is not known is not read', () => {
    expect(of(undefined, '198.51.100.1')).toBeUndefined();
  });

  test('names of other fields are not taken for it', () => {
    const headers = ['X-Forwarded-For2', '1.1.1.1', 'Forwarded', 'for=1.1.1.1', 'x-forwarded-FOR', '198.51.100.1'];
    expect(clientAddress('10.1.1.1', headers, isTrusted)).toBe('198.51.100.1');
  });
});

describe('addresses', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['0:0:0:0:0:ffff:c000:201', '192.0.2.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:999.0.2.1', undefined],
    ['', undefined],
    ['localhost', undefined],
  ])('%j is %j', (given, expected) => {
    expect(plainAddress(given)).toBe(expected);
  });

  test('a block of IPv4 written as IPv6 is that block of IPv4', () => {
    const isIn = addressBlocks(['::ffff:10.0.0.0/104', '::ffff:192.0.2.7']);
    expect(['10.9.9.9', '::ffff:10.9.9.9', '11.0.0.1', '192.0.2.7', '192.0.2.8'].map(isIn)).toEqual([
      true,
      true,
      false,
      true,
      false,
    ]);
  });

  test.each([
    '10.0.0.0/33',
    '2001:db8::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0/8',
    'fe80::1%eth0',
    'any',
    '10.0.0.0/-1',
    '10.0.0.0/8.5',
  ])('%j is no block', (block) => expect(() => addressBlocks([block])).toThrow(InvalidBlock));
});
