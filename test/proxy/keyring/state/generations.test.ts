// Protects: what is remembered of generations is the highest, and memory is bounded.
import { expect, it } from 'vitest';
import { Generations } from '../../../../proxy/keyring/state/generations.ts';

const [x, y] = [Buffer.from('x'), Buffer.from('y')];

it('accepts what is newer or the same, and never goes back', () => {
  const generations = new Generations();
  const steps: readonly (readonly [number, Buffer, boolean])[] = [
    [3, x, true],
    [3, x, true],
    [3, y, false],
    [2, y, false],
    [2, x, false],
    [5, y, true],
    [4, x, false],
    [5, x, false],
    [5, y, true],
    [3, x, false],
  ];
  expect(steps.map(([generation, body]) => generations.accept('a', generation, body))).toEqual(
    steps.map(([, , accepted]) => accepted),
  );
  expect(generations.accept('b', 1, x)).toBe(true);
});

it('forgets the tenant that was asked for longest ago, and no other', () => {
  const generations = new Generations({ max: 2 });
  generations.accept('a', 9, x);
  generations.accept('b', 9, x);
  expect(generations.accept('a', 8, x)).toBe(false);
  generations.accept('c', 9, x);
  expect(generations.accept('a', 8, x)).toBe(false);
  expect(generations.accept('b', 8, x)).toBe(true);
});
