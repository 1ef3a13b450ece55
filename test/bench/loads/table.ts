/** Every load, in the order in which they run. */
import { getLarge, putLarge } from './large.ts';
import { list } from './lists.ts';
import type { Load } from './load.ts';
import { mediumLoads } from './medium.ts';
import { multipartUpload, rangedReads } from './multipart.ts';
import { getSmall, getSmallOverTls, headSmall, putSmall } from './small.ts';

/** Milliseconds of the slow backend: about what a store in the same data centre takes. */
const SLOW_BACKEND_MS = 5;

export const LOADS: readonly Load[] = [
  putLarge({ streams: 1, kind: 'unsigned' }),
  putLarge({ streams: 8, kind: 'unsigned' }),
  getLarge({ streams: 1 }),
  getLarge({ streams: 8 }),
  putLarge({ streams: 1, kind: 'sha256' }),
  putLarge({ streams: 1, kind: 'signed-chunks' }),
  putLarge({ streams: 1, kind: 'unsigned-trailer' }),
  multipartUpload,
  rangedReads,
  ...mediumLoads,
  putSmall,
  getSmall,
  headSmall,
  list({ count: 1_000, cold: false }),
  list({ count: 1_000, cold: true }),
  list({ count: 1_000, cold: false, backendDelayMs: SLOW_BACKEND_MS }),
  list({ count: 1_000, cold: true, backendDelayMs: SLOW_BACKEND_MS }),
  list({ count: 10_000, cold: false }),
  list({ count: 10_000, cold: true }),
  putLarge({ streams: 1, kind: 'unsigned', transport: 'tls' }),
  getLarge({ streams: 1, transport: 'tls' }),
  getSmallOverTls,
  putLarge({ streams: 1, kind: 'unsigned', transport: 'tls-store' }),
  getLarge({ streams: 1, transport: 'tls-store' }),
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
  'list-1000-warm',
  'list-1000-cold',
];
