/**
 * All kinds of load at Sealgate at once, for as long as wanted, with its memory watched: what grows without end shows here,
 * and not in a measurement of seconds. Slice by slice, since signatures are good for 15 minutes only.
 */
import { Connection } from './client/connection.ts';
import { drive } from './client/drive.ts';
import type { Environment } from './environment.ts';
import { getLarge, putLarge } from './loads/large.ts';
import { list } from './loads/lists.ts';
import type { Load } from './loads/load.ts';
import { multipartUpload, rangedReads } from './loads/multipart.ts';
import { getSmall, headSmall, putSmall } from './loads/small.ts';
import { memoryOf, processTree, resetPeaks } from './measure/process-tree.ts';
import { median } from './measure/statistics.ts';

const MIXED: readonly Load[] = [
  putLarge({ streams: 2, kind: 'unsigned' }),
  putLarge({ streams: 1, kind: 'signed-chunks' }),
  getLarge({ streams: 2 }),
  multipartUpload,
  rangedReads,
  putSmall,
  getSmall,
  headSmall,
  list({ count: 1_000, cold: true }),
];

const SLICES = 20;
/** One for each quarter. */
const LEAST_SLICES = 4;
const MOST_SLICE_MS = 300_000;
/** Of memory, between the second quarter and the last one: a share and bytes, for what allocators keep. */
const MOST_GROWTH = 0.1;
const MOST_GROWTH_BYTES = 16 * 1024 ** 2;

export interface Slice {
  readonly operations: number;
  readonly bytes: number;
  readonly errors: readonly string[];
  /** Bytes: the highest of the slice, and at its end. */
  readonly peak: number;
  readonly resident: number;
}

export interface Growth {
  /** Bytes: medians of the slices' peaks. */
  readonly early: number;
  readonly late: number;
  readonly isBounded: boolean;
}

/** Stores what the loads read. @throws Error when Sealgate is not there, or does not do what is asked. */
export async function soak(
  environment: Environment,
  o: { readonly minutes: number; onSlice(slice: Slice, count: number): void },
): Promise<readonly Slice[]> {
  const target = environment.targets.http.find(({ name }) => name === 'sealgate');
  if (target === undefined) throw new Error('there is no Sealgate to soak');
  for (const seed of new Set(MIXED.flatMap(({ seeds }) => seeds))) await seed.store(target.endpoint);
  for (const load of MIXED) await load.check(target.endpoint);
  const milliseconds = Math.min((o.minutes * 60_000) / SLICES, MOST_SLICE_MS);
  const end = performance.now() + o.minutes * 60_000;
  const slices: Slice[] = [];
  while (performance.now() < end || slices.length < LEAST_SLICES) {
    const pids = processTree(target.pids);
    resetPeaks(pids);
    const driven = await Promise.all(
      MIXED.map((load) => {
        const { address, bucket } = target.endpoint;
        const { cold } = load;
        const connections = Array.from({ length: load.connections }, () => new Connection(address));
        const before = cold === undefined ? undefined : async () => void environment.backend.sink?.touch(bucket, cold);
        const operation = load.operation(target.endpoint);
        const done = drive({ connections, operation, milliseconds, least: 1, before });
        return done.finally(() => connections.forEach((connection) => void connection.close()));
      }),
    );
    const slice = {
      operations: driven.reduce((sum, one) => sum + one.operations, 0),
      bytes: driven.reduce((sum, one) => sum + one.bytes, 0),
      errors: driven.flatMap(({ errors }) => errors),
      ...memoryOf(pids),
    };
    slices.push(slice);
    o.onSlice(slice, slices.length);
  }
  return slices;
}

/** The first quarter is warming up. @param peaks bytes, in the order of time */
export function growthOf(peaks: readonly number[]): Growth {
  const quarter = (n: number) =>
    median(peaks.slice(Math.floor((peaks.length * n) / 4), Math.floor((peaks.length * (n + 1)) / 4)));
  const early = quarter(1) ?? 0;
  const late = quarter(3) ?? 0;
  return { early, late, isBounded: late <= early * (1 + MOST_GROWTH) + MOST_GROWTH_BYTES };
}
