// Protects: events that strangers cause are few, from however many sources they come, and a source that was recorded long ago is again.
import { expect, test } from 'vitest';
import { REPEATED_EVENT_MS, REPEATED_EVENT_SOURCES } from '../../../proxy/address-limits.ts';
import { EventBound } from '../../../proxy/observe/event-bound.ts';

test('each source once in a while', () => {
  let now = 0;
  const bound = new EventBound(() => now);
  expect(['a', 'b', 'a', 'b'].map((source) => bound.isDue(source))).toEqual([true, true, false, false]);
  now += REPEATED_EVENT_MS - 1;
  expect([bound.isDue('a'), bound.isDue('c')]).toEqual([false, true]);
  now += 1;
  expect(['a', 'b', 'c'].map((source) => bound.isDue(source))).toEqual([true, true, false]);
});

test('more sources than that are not recorded again and again', () => {
  let now = 0;
  const bound = new EventBound(() => now);
  const count = () => {
    let recorded = 0;
    for (let i = 0; i < 10 * REPEATED_EVENT_SOURCES; i++) {
      if (bound.isDue(`source ${i % (REPEATED_EVENT_SOURCES + 1)}`)) recorded += 1;
    }
    return recorded;
  };
  expect([count(), count()]).toEqual([REPEATED_EVENT_SOURCES, 0]);
  now += REPEATED_EVENT_MS;
  expect(count()).toBe(REPEATED_EVENT_SOURCES);
});
