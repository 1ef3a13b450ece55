/** Every load, in the order in which they run. */
import { getLarge, putLarge } from './large.ts';
import type { Load } from './load.ts';
import { getSmall, headSmall, putSmall } from './small.ts';

export const LOADS: readonly Load[] = [
  putLarge({ streams: 1, kind: 'unsigned' }),
  putLarge({ streams: 8, kind: 'unsigned' }),
  getLarge({ streams: 1 }),
  getLarge({ streams: 8 }),
  putSmall,
  getSmall,
  headSmall,
];

/** Those of a quick run. */
export const QUICK: readonly string[] = [
  'put-64m-1',
  'put-64m-8',
  'get-64m-1',
  'get-64m-8',
  'put-4k',
  'get-4k',
  'head-4k',
];
