// Protects: canonical form at the byte: paths decoded and encoded exactly once and never normalised, raw bytes of UTF-8, queries
// sorted by encoded name before value, `+` read as a space, and the signing-key cache, which must neither grow nor mix keys up.
import { describe, expect, it } from 'vitest';
import { basicDate, parseBasicDate, parseDateHeader } from '../../sigv4/date.ts';
import { canonicalHeaderValues } from '../../sigv4/headers.ts';
import { percentDecode, percentEncode, percentEncodePath } from '../../sigv4/percent.ts';
import { canonicalQuery, parseQuery } from '../../sigv4/query.ts';
import {
  SIGNING_KEY_CACHE_ENTRIES,
  sameSignature,
  sign,
  signingKey,
  signingKeysKept,
} from '../../sigv4/signing-key.ts';
import { signingSecret } from '../helpers/sign-request.ts';

describe('paths', () => {
  const PATHS = {
    '/a//b/./../c': '/a//b/./../c',
    '/a%2Fb': '/a/b',
    '/a%252Fb': '/a%252Fb',
    '/a+b c': '/a%2Bb%20c',
    '/a%2bb%20c': '/a%2Bb%20c',
    '/%e1%88%b4': '/%E1%88%B4',
    '/\u00e1\u0088\u00b4': '/%E1%88%B4',
    '/%7Euser~': '/~user~',
    "/!'()*": '/%21%27%28%29%2A',
    '/%00': '/%00',
  };

  it('are ten', () => expect(Object.keys(PATHS)).toHaveLength(10));

  for (const [raw, canonical] of Object.entries(PATHS)) {
    it(`${JSON.stringify(raw)} is ${canonical}`, () => expect(percentEncodePath(percentDecode(raw))).toBe(canonical));
  }

  it('every byte survives encoding and decoding', () => {
    const all = String.fromCharCode(...Array.from({ length: 256 }, (_, byte) => byte));
    expect(percentDecode(percentEncode(all))).toBe(all);
    expect(percentEncode(all).replace(/%[0-9A-F]{2}/g, '')).toHaveLength(66);
  });
});

describe('queries', () => {
  const QUERIES = {
    '': '',
    acl: 'acl=',
    '&&a=1&': 'a=1',
    'b=2&a=1': 'a=1&b=2',
    'a=2&a=1&a': 'a=&a=1&a=2',
    'a-b=1&a=2': 'a=2&a-b=1',
    'Z=1&a=1&_=1': 'Z=1&_=1&a=1',
    'p=a+b%2Bc': 'p=a%20b%2Bc',
    'p=a/b=c': 'p=a%2Fb%3Dc',
    'X-Amz-Signature=f&X-Amz-Date=d': 'X-Amz-Date=d',
    'x-amz-signature=f': 'x-amz-signature=f',
  };

  it('are eleven', () => expect(Object.keys(QUERIES)).toHaveLength(11));

  for (const [raw, canonical] of Object.entries(QUERIES)) {
    it(`${JSON.stringify(raw)} is ${canonical}`, () => expect(canonicalQuery(parseQuery(raw))).toBe(canonical));
  }
});

describe('headers', () => {
  it('are trimmed, collapsed and joined, without touching bytes above ASCII', () => {
    const values = canonicalHeaderValues([
      ['A', '  x \t y  '],
      ['b', '\u00a0x\u00a0\u00a0'],
      ['a', 'z'],
      ['C', ''],
      ['d', ' \t '],
      ['e', `x${' '.repeat(20_000)}y`],
    ]);
    expect([...values]).toEqual([
      ['a', 'x y,z'],
      ['b', '\u00a0x\u00a0\u00a0'],
      ['c', ''],
      ['d', ''],
      ['e', 'x y'],
    ]);
  });
});

describe('dates', () => {
  it('are read strictly', () => {
    expect(parseBasicDate('20240229T235959Z')?.toISOString()).toBe('2024-02-29T23:59:59.000Z');
    const wrong = ['20230229T000000Z', '20240101T240000Z', '20240101T006000Z', '20240101', '2024-01-01T00:00:00Z', ''];
    for (const text of [...wrong, ' 20240101T000000Z', '20240101T000000z'])
      expect(parseBasicDate(text)).toBeUndefined();
    expect(parseDateHeader('Fri, 24 May 2013 00:00:00 GMT')?.toISOString()).toBe('2013-05-24T00:00:00.000Z');
    for (const text of ['24 May 2013', 'yesterday', '1369353600', '']) expect(parseDateHeader(text)).toBeUndefined();
    expect(basicDate(new Date('2013-05-24T01:02:03.999Z'))).toBe('20130524T010203Z');
  });

  it('reads and writes each time as its own, in whatever order they come', () => {
    const times = [
      '2013-05-24T01:02:03.999Z',
      '2013-05-24T01:02:04.000Z',
      '2013-05-24T01:02:03.000Z',
      '1969-12-31T23:59:59.500Z',
    ];
    for (const [i, text] of [...times, ...times.toReversed(), ...times].entries()) {
      const written = basicDate(new Date(text));
      expect(written).toBe(text.replace(/[-:]|\.\d{3}/g, ''));
      const read = parseBasicDate(written);
      expect(read?.toISOString()).toBe(text.replace(/\.\d{3}/, '.000'));
      // What one caller does with its date is nothing to the next.
      read?.setTime(i);
      expect(() => basicDate(new Date(Number.NaN))).toThrow(RangeError);
    }
  });
});

describe('signing keys', () => {
  const scope = { date: '20130524', region: 'us-east-1', service: 's3' };

  it('differ by secret, date, region and service, cached or not', () => {
    const variants = [
      { signingSecret: signingSecret(), scope },
      { signingSecret: signingSecret('other'), scope },
      { signingSecret: signingSecret(), scope: { ...scope, date: '20130525' } },
      { signingSecret: signingSecret(), scope: { ...scope, region: 'us-east-2' } },
      { signingSecret: signingSecret(), scope: { ...scope, service: 'sts' } },
    ];
    const once = variants.map((variant) => sign(signingKey(variant), 'x'));
    const again = variants.map((variant) => sign(signingKey(variant), 'x'));
    expect(new Set(once).size).toBe(variants.length);
    expect(again).toEqual(once);
  });

  it('are kept up to a bound, the least used going first', () => {
    const kept = signingKey({ signingSecret: signingSecret(), scope });
    for (let i = 0; i < SIGNING_KEY_CACHE_ENTRIES; i++) {
      signingKey({ signingSecret: signingSecret(`s${i}`), scope });
      if (i % 1000 === 0) expect(signingKey({ signingSecret: signingSecret(), scope })).toBe(kept);
    }
    expect(signingKeysKept()).toBe(SIGNING_KEY_CACHE_ENTRIES);
    expect(signingKey({ signingSecret: signingSecret(), scope })).toBe(kept);
  });

  it('leave the secret untouched', () => {
    const secret = signingSecret('untouched');
    signingKey({ signingSecret: secret, scope });
    expect(secret).toEqual(signingSecret('untouched'));
  });

  it('compare signatures of any length', () => {
    expect(sameSignature('ab', 'ab')).toBe(true);
    expect(sameSignature('ab', 'ac')).toBe(false);
    expect(sameSignature('ab', 'abc')).toBe(false);
    expect(sameSignature('ab', '')).toBe(false);
  });
});
