// Protects: that a long rotation says how far it is, without flooding a log, and how long it will take once that is known.
import { expect, test } from 'vitest';
import { parseDeepOptions } from '../../../proxy/cli/key-rotate-deep-options.ts';
import { rotationProgress } from '../../../proxy/cli/rotation-progress.ts';
import type { PassResult } from '../../../proxy/rotation/rewrap-pass.ts';

const pass = (seen: number) => ({ seen, rewrapped: seen }) as PassResult;

function shown(isTerminal: boolean, total: number | undefined): string {
  let text = '';
  let now = 0;
  const progress = rotationProgress({ write: (more) => (text += more), isTerminal, now: () => now });
  progress.total = total;
  progress.begin();
  for (let second = 1; second <= 25; second += 1) {
    now = second * 1000;
    progress.show(pass(second * 10));
  }
  progress.end(pass(250));
  return text;
}

test('a plain line every ten seconds, and one at the end', () => {
  expect(shown(false, 500).split('\n')).toEqual([
    '100 of 500 looked at, 100 re-wrapped, 10/s, 40 s to go',
    '200 of 500 looked at, 200 re-wrapped, 10/s, 30 s to go',
    '250 of 500 looked at, 250 re-wrapped, 10/s, 25 s to go',
    '',
  ]);
});

test('on a terminal one line written over; without a total no time that is left', () => {
  const text = shown(true, undefined);
  expect(text.split('\r').length).toBe(27);
  expect(text.match(/\n/g)?.length).toBe(1);
  expect(text).not.toContain('to go');
});

test('options contradict each other or are refused by name', () => {
  const refused: readonly (readonly [args: readonly string[], why: RegExp])[] = [
    [['--keep-key', '--out', 'f'], /--keep-key/],
    [['--tenant', 'ab'.repeat(12)], /--status/],
    [['--status', '--tenant', 'No Name'], /24 hex/],
    [['--longest-request', '-1'], /argument|seconds/],
    [['--longest-request', 'soon'], /seconds/],
    [['--no-such'], /no-such/],
  ];
  for (const [args, why] of refused) expect(() => parseDeepOptions(['--deep', ...args])).toThrow(why);
  expect(refused.length).toBe(6);
  const parsed = parseDeepOptions(['--deep', '--credentials', 'a', '--credentials', 'b', '--longest-request', '0']);
  expect(parsed).toMatchObject({ credentials: ['a', 'b'], longestRequestSeconds: 0, keepKey: false, dropSlots: false });
});
