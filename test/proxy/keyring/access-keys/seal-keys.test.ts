// Protects: the program does not start with a seal key that is malformed, repeated or somebody's sample, and never shows one.
import { randomBytes } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { SealKey, SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';

const good = (kid: string) => `${kid}:${randomBytes(32).toString('base64')}`;
const same = randomBytes(32).toString('base64');
const of = (bytes: Buffer | string) => `k:${Buffer.from(bytes).toString('base64')}`;

const REFUSED: readonly (readonly [name: string, text: string, message: RegExp])[] = [
  ['nothing', '', /no seal key/],
  ['white space', ' \n ', /no seal key/],
  ['no colon', 'abc', /kid:base64/],
  ['an empty entry', `${good('a')},`, /Seal key 2/],
  ['an empty id', `:${same}`, /id of seal key 1/],
  ['an id in capitals', good('Key'), /id of seal key 1/],
  ['an id of 17 characters', good('a'.repeat(17)), /id of seal key 1/],
  ['31 bytes', of(randomBytes(31)), /31 bytes/],
  ['33 bytes', of(randomBytes(33)), /33 bytes/],
  ['no padding', `k:${randomBytes(32).toString('base64').slice(0, -1)}`, /not base64/],
  ['base64url', `k:${Buffer.alloc(32, 0xfb).toString('base64url')}=`, /not base64/],
  ['hex', `k:${randomBytes(32).toString('hex')}`, /48 bytes/],
  ['one id twice', `${good('a')},${good('a')}`, /same id/],
  ['one secret twice', `a:${same},b:${same}`, /repeats/],
  ['zeros', of(Buffer.alloc(32)), /sample/],
  ['one byte repeated', of(Buffer.alloc(32, 0xa7)), /sample/],
  ['a counting sequence', of(Buffer.from(Array.from({ length: 32 }, (_, index) => index))), /sample/],
  [
    'a counting sequence in steps',
    of(Buffer.from(Array.from({ length: 32 }, (_, index) => (250 - 7 * index) & 255))),
    /sample/,
  ],
  ['8 bytes repeated', of(Buffer.concat(Array<Buffer>(4).fill(Buffer.from('0123456789abcdef', 'hex')))), /sample/],
  ['text', of('change-me-please-this-is-a-sampl'), /sample/],
  ['hex text', of('9f86d081884c7d659a2feaa0c55ad015'), /sample/],
];

describe('parse', () => {
  it.each(REFUSED)('refuses %s', (_name, text, message) => {
    expect(() => SealKeys.parse(text)).toThrow(message);
  });

  it('never shows the secret in an error', () => {
    let checked = 0;
    for (const [, text] of REFUSED) {
      const secrets = text
        .split(',')
        .map((entry) => entry.split(':')[1] ?? '')
        .filter((secret) => secret.length > 8);
      try {
        SealKeys.parse(text);
      } catch (error) {
        for (const secret of secrets) expect(inspect(error)).not.toContain(secret);
        checked += secrets.length;
      }
    }
    expect(checked).toBeGreaterThan(15);
  });

  it('takes commas and line ends, the first key active', () => {
    const keys = SealKeys.parse(`${good('b')},${good('a')}\r\n${good('c')}\n`);
    expect(keys.active.kid).toBe('b');
    expect(['a', 'b', 'c', 'd'].map((kid) => keys.withId(kid)?.kid)).toEqual(['a', 'b', 'c', undefined]);
  });

  it('accepts what it generates, 2,000 times', () => {
    const lines = Array.from({ length: 2000 }, () => SealKeys.generate());
    for (const line of lines) expect(SealKeys.parse(line).active.kid).toBe(line.split(':')[0]);
    expect(new Set(lines).size).toBe(2000);
  });
});

it('shows no key when printed', () => {
  const secret = randomBytes(32);
  const keys = new SealKeys([new SealKey('a', secret)]);
  const shown = inspect(keys, { depth: 9, showHidden: true }) + JSON.stringify(keys);
  for (const encoding of ['hex', 'base64', 'latin1'] as const) expect(shown).not.toContain(secret.toString(encoding));
  expect(shown).not.toContain(secret.toString('hex').match(/../g)?.slice(0, 8).join(' '));
});

it('has a key for each purpose and each tenant', () => {
  const key = new SealKey('a', randomBytes(32));
  const [one, two] = [randomBytes(12), randomBytes(12)];
  const all = [key.akidKey, key.operatorKey(one), key.operatorKey(two)].map((subkey) =>
    subkey.export().toString('hex'),
  );
  expect(new Set(all).size).toBe(3);
  expect(key.operatorKey(one).equals(key.operatorKey(one))).toBe(true);
});
