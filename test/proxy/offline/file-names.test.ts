// Protects: that no object key can name a path outside the directory it is restored to, that no two keys share a path, and
// that a path tells its key.
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isRenamed, keyOfPath, pathOfKey } from '../../../proxy/offline/file-names.ts';

const ODD: readonly (readonly [key: string, path: string])[] = [
  ['a/b.txt', 'a/b.txt'],
  ['a b+ü:€.txt', 'a b+ü:€.txt'],
  ['..', '%2E%2E'],
  ['../../etc/passwd', '%2E%2E/%2E%2E/etc/passwd'],
  ['/etc/passwd', '%/etc/passwd'],
  ['a//b', 'a/%/b'],
  ['a/./b', 'a/%2E/b'],
  ['folder/', 'folder/%'],
  ['100%.txt', '100%25.txt'],
  ['%2E%2E/x', '%252E%252E/x'],
  ['a\\..\\b', 'a%5C..%5Cb'],
  ['line\nfeed\u0000', 'line%0Afeed%00'],
  ['\u0085', '%C2%85'],
  ['...', '...'],
  ['x%d', 'x%25d'],
];

describe('paths of keys', () => {
  test.each(ODD)('%j is %j', (key, path) => {
    expect(pathOfKey(key).join('/')).toBe(path);
    expect(keyOfPath(path.split('/'))).toBe(key);
    expect(isRenamed(key)).toBe(key !== path);
  });

  test('of names that no file system takes are cut, between characters', () => {
    const key = `${'ü'.repeat(400)}/end`;
    const pieces = pathOfKey(key);
    expect(pieces.length).toBe(5);
    for (const piece of pieces) expect(Buffer.byteLength(piece)).toBeLessThanOrEqual(201);
    expect(keyOfPath(pieces)).toBe(key);
  });

  test('with the mark of a directory or file beside one of the same name', () => {
    expect(keyOfPath(['a%d', 'b'])).toBe('a/b');
    expect(keyOfPath(['a%f'])).toBe('a');
    expect(keyOfPath(['%%d', 'b'])).toBe('/b');
    expect(keyOfPath([`${'x'.repeat(200)}%%d`, 'y'])).toBe(`${'x'.repeat(200)}y`);
  });

  test('never leave the directory, and give the key back', () => {
    const piece = fc.oneof(
      fc.constantFrom('', '.', '..', '%', '%d', '%2E', '\\', '\u0000', 'a', 'é', '~', '%%', 'CON'),
      fc.string({ unit: 'grapheme', maxLength: 300 }).map((text) => text.toWellFormed()),
    );
    const keys = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join('/'));
    const root = resolve('/restore/here');
    fc.assert(
      fc.property(keys, (key) => {
        const pieces = pathOfKey(key);
        const path = resolve(join(root, ...pieces));
        expect(path.startsWith(`${root}/`)).toBe(true);
        expect(path).toBe(`${root}/${pieces.join('/')}`);
        for (const name of pieces) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(201);
        expect(keyOfPath(pieces)).toBe(key);
      }),
      { numRuns: 2000 },
    );
  });
});
