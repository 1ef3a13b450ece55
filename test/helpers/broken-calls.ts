/**
 * Every single backend call of an operation made to fail in turn: before the store acted or after it, once or for good from
 * there on, which is what a process killed at that point looks like to everybody else.
 */
import type { FaultyBackend } from './faulty-backend.ts';

export interface BrokenCall {
  /** Which call of the operation, from 0. */
  readonly index: number;
  readonly when: 'before' | 'after';
  /** All later calls fail too: nobody is left to clean up. */
  readonly dead: boolean;
}

/** How many backend calls `act` makes when nothing fails. */
export async function callsOf(backend: FaultyBackend, act: () => Promise<unknown>): Promise<number> {
  const before = backend.requests.length;
  await act();
  return backend.requests.length - before;
}

export function brokenCalls(count: number): readonly BrokenCall[] {
  return Array.from({ length: count }, (_, index) =>
    (['before', 'after'] as const).flatMap((when) => [false, true].map((dead) => ({ index, when, dead }))),
  ).flat();
}

/** Runs `act` with that call failing. @returns what it gave, and whether the call came to pass */
export async function withBroken<T>(
  backend: FaultyBackend,
  { index, when, dead }: BrokenCall,
  act: () => Promise<T>,
): Promise<{ result: T; failed: boolean }> {
  const before = backend.faults();
  const unavailable = (one: 'before' | 'after') => ({ kind: 'unavailable', when: one }) as const;
  const hasFailed = () => backend.faults() > before;
  const rules = [
    backend.inject({ when: () => !hasFailed(), fault: unavailable(when), skip: index, times: 1 }),
    ...(dead ? [backend.inject({ when: hasFailed, fault: unavailable('before') })] : []),
  ];
  try {
    return { result: await act(), failed: hasFailed() };
  } finally {
    for (const remove of rules) remove();
  }
}
