/** Object keys that break path handling: dots, doubled slashes, escapes, signs, the longest key. */
export const AWKWARD_KEYS: readonly string[] = [
  'plain.txt',
  'a b+ü%.txt',
  '..',
  '../../etc/passwd',
  './a/./b',
  '/leading',
  '//',
  'a//b///c',
  'trailing/',
  "*'()!~",
  'a%2Fb',
  '%252F',
  '%',
  '%zz',
  'a?b=c&d#e',
  'a;b:c@d,e=f$g&h',
  'tab\tand\nnewline\u0001',
  '\u00a0\u2028',
  '😀/𝒳',
  '"<>\\^`{|}[]',
  'é (composed) e\u0301 (decomposed)',
  'x'.repeat(1024),
  'ü'.repeat(512),
];

/** Query values with the same troubles. */
export const AWKWARD_VALUES: readonly string[] = ['', ' ', '+', '%20', 'a&b=c', "*'()!~", 'ü/😀', 'x=', '//..', '#?'];
