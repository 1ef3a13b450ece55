// Protects: one value has one byte string, the same in every language, so that MACs over keyrings are reproducible.
import { describe, expect, it } from 'vitest';
import { canonicalJson, type JsonValue, NotCanonical } from '../../../../proxy/keyring/state/canonical-json.ts';

const FORMS: readonly (readonly [JsonValue, string])[] = [
  [{ b: 1, a: [{ z: null, y: '' }], aa: 'x' }, '{"a":[{"y":"","z":null}],"aa":"x","b":1}'],
  ['"\\/é🔑\u2028', '"\\"\\\\/é🔑\u2028"'],
  [Number.MAX_SAFE_INTEGER, '9007199254740991'],
  [0, '0'],
  [[], '[]'],
  [{}, '{}'],
];

const REFUSED: readonly (readonly [string, unknown])[] = [
  ['a fraction', 1.5],
  ['a negative number', -1],
  ['minus zero', -0],
  ['an unsafe integer', 2 ** 53],
  ['not a number', Number.NaN],
  ['true', true],
  ['undefined', { a: undefined }],
  ['a line end', 'a\nb'],
  ['DEL', 'a\u007fb'],
  ['a lone surrogate', '\ud800'],
  ['a control character in a name', { 'a\u0000': 1 }],
];

describe('canonical JSON', () => {
  it.each(FORMS)('%j', (value, text) => {
    expect(canonicalJson(value).toString('utf8')).toBe(text);
    expect(canonicalJson(JSON.parse(text)).toString('utf8')).toBe(text);
  });

  it.each(REFUSED)('refuses %s', (_name, value) => {
    expect(() => canonicalJson(value as JsonValue)).toThrow(NotCanonical);
  });
});
