// Protects: a grant names a possible bucket and prefix, so that no typing error grants something else.
import { describe, expect, it } from 'vitest';
import { grantSchema, InvalidGrant, parseGrant } from '../../../proxy/keyring/grants.ts';

const ACCEPTED = ['abc', 'a'.repeat(63), 'a.b-c9', '9abc', 'my.bucket.name', '1.2.3', '*'];
const REFUSED = [
  '',
  'ab',
  'a'.repeat(64),
  'Abc',
  'a_b',
  '-abc',
  'abc-',
  '.abc',
  'abc.',
  'a..b',
  '192.168.5.4',
  'xn--abc',
  'sthree-abc',
  'amzn-s3-demo-x',
  'abc-s3alias',
  'abc--ol-s3',
  'abc.mrap',
  'abc--x-s3',
  'abc--table-s3',
  '**',
  'a*c',
  'a/b',
  'a b',
  'bücket',
  'abc\n',
];

describe('buckets', () => {
  it.each(ACCEPTED)('%j', (bucket) => {
    expect(parseGrant({ bucket })).toEqual({ bucket, prefix: '', access: 'read-write' });
  });

  it.each(REFUSED)('refuses %j', (bucket) => {
    expect(() => parseGrant({ bucket })).toThrow(InvalidGrant);
    expect(grantSchema.safeParse({ bucket, prefix: '', access: 'read-write' }).success).toBe(false);
  });
});

describe('prefixes', () => {
  it.each(['a/', 'ü/🔑 b', 'x'.repeat(1024), 'é'.repeat(512)])('accepts %j', (prefix) => {
    expect(parseGrant({ bucket: 'abc', prefix, access: 'read-only' })).toEqual({
      bucket: 'abc',
      prefix,
      access: 'read-only',
    });
  });

  it.each(['x'.repeat(1025), 'é'.repeat(513), 'a\nb', '\u0000', '\ud800'])('refuses %j', (prefix) => {
    expect(() => parseGrant({ bucket: 'abc', prefix })).toThrow(InvalidGrant);
  });
});
