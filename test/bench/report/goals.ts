/** What Sealgate sets itself: each goal with its bound, what was measured, and whether it was met. */
import { MiB } from '../../helpers/bytes.ts';
import type { Load } from '../loads/load.ts';
import type { Result } from '../measure/result.ts';
import type { Floor } from './floor.ts';

export interface Goal {
  readonly name: string;
  /** `most`: the value must not exceed the bound; `least`: it must reach it. */
  readonly kind: 'most' | 'least';
  readonly bound: number;
  readonly value: number;
  readonly isMet: boolean;
}

/** Of the processor time that the floor takes. */
const MOST_OF_FLOOR = 1.25;
/** Of nginx's speed as a plain pass-through. */
const LEAST_OF_NGINX: Readonly<Record<string, number>> = {
  'get-64m-1': 0.6,
  'get-64m-8': 0.6,
  'put-64m-1': 0.35,
  'put-64m-8': 0.35,
  'put-4k': 0.35,
  'get-4k': 0.35,
};
/** Times the direct listing. */
const MOST_OF_DIRECT: Readonly<Record<string, number>> = { 'list-1000-warm': 1.3, 'list-1000-cold-5ms': 6 };
/** The same with opaque ETags. */
const OPAQUE_MOST_OF_DIRECT: Readonly<Record<string, number>> = { 'list-1000-cold': 1.5, 'list-1000-cold-5ms': 1.3 };
/** A request for each page, and what is read anew each minute: the bucket's record. */
const STATE_REQUESTS = 1.1;
/** Times the speed of a PUT with MD5 ETags: the goal is for a store that takes as much of the machine as MinIO. */
const OPAQUE_LEAST_OF_MD5 = 2;
/** Seconds of processor time a GiB for PUTs of 1 MiB, with MD5 ETags and with opaque ones. */
const MOST_CPU_OF_1_MIB: Readonly<Record<string, number>> = { '': 5, ', opaque ETags': 3 };
/** Milliseconds of processor time for each key of a cold listing. */
const MOST_CPU_MS_PER_KEY = 0.4;
/** Milliseconds: 99 of 100 requests within three medians and this. */
const P99_SLACK_MS = 20;
const P99_LOADS = ['put-4k', 'get-4k'];
/** Bytes of resident memory: of the process, and for each body under way. */
const MOST_MEMORY = 200 * MiB;
const MEMORY_PER_STREAM = 2 * MiB;

export function goalsOf(o: {
  readonly loads: readonly Load[];
  readonly results: readonly Result[];
  readonly floors: readonly Floor[];
}): readonly Goal[] {
  const find = (load: string, target: string) =>
    o.results.find((result) => result.load === load && result.target === target);
  return [
    ...o.floors.map(({ load, program, ratio }) =>
      most(
        `${load.title}${program === 'opaque' ? ', opaque ETags' : ''}: CPU a GiB, of the floor`,
        MOST_OF_FLOOR,
        ratio,
      ),
    ),
    ...o.loads.flatMap((load) => goalsOfLoad(load, (target) => find(load.name, target))),
    ...o.loads.flatMap((load) => opaqueGoals(load, (target) => find(load.name, target))),
    ...memoryGoal(o.loads, (load) => find(load, 'sealgate')),
  ];
}

function goalsOfLoad(load: Load, find: (target: string) => Result | undefined): Goal[] {
  const [own, nginx, direct] = [find('sealgate'), find('nginx'), find('direct')];
  if (own === undefined) return [];
  const goals: Goal[] = [];
  const share = LEAST_OF_NGINX[load.name];
  if (share !== undefined && nginx !== undefined) {
    const speed = (result: Result) => (load.measure === 'rate' ? result.operationsPerSecond : result.mibPerSecond);
    goals.push(least(`${load.title}: speed, of nginx`, share, speed(own) / speed(nginx)));
  }
  const times = MOST_OF_DIRECT[load.name];
  if (times !== undefined && direct !== undefined)
    goals.push(most(`${load.title}: time, of direct`, times, own.p50 / direct.p50));
  if (P99_LOADS.includes(load.name))
    goals.push(most(`${load.title}: p99 ms, at most 3 p50 + ${P99_SLACK_MS} ms`, 3 * own.p50 + P99_SLACK_MS, own.p99));
  if (load.cold !== undefined && load.rows !== undefined && own.cpuSecondsPer1000 !== undefined)
    goals.push(most(`${load.title}: CPU ms a key`, MOST_CPU_MS_PER_KEY, own.cpuSecondsPer1000 / load.rows));
  return goals;
}

/** With opaque ETags: one request for a cold page, and no MD5 on uploads. */
function opaqueGoals(load: Load, find: (target: string) => Result | undefined): Goal[] {
  const [opaque, own, direct] = [find('opaque'), find('sealgate'), find('direct')];
  if (opaque === undefined) return [];
  const title = `${load.title}, opaque ETags`;
  const goals: Goal[] = [];
  const pages = Math.ceil((load.rows ?? 0) / 1000);
  if (load.cold !== undefined && opaque.backendRequestsPerOperation !== undefined)
    goals.push(most(`${title}: backend requests`, pages * STATE_REQUESTS, opaque.backendRequestsPerOperation));
  const times = OPAQUE_MOST_OF_DIRECT[load.name];
  if (times !== undefined && direct !== undefined)
    goals.push(most(`${title}: time, of direct`, times, opaque.p50 / direct.p50));
  if (load.name === 'put-64m-8' && own !== undefined)
    goals.push(least(`${title}: speed, of MD5 ETags`, OPAQUE_LEAST_OF_MD5, opaque.mibPerSecond / own.mibPerSecond));
  for (const [program, result] of [
    ['', own],
    [', opaque ETags', opaque],
  ] as const) {
    const bound = MOST_CPU_OF_1_MIB[program];
    if (load.name === 'put-1m-8' && result?.cpuSecondsPerGiB !== undefined && bound !== undefined)
      goals.push(most(`${load.title}${program}: CPU s a GiB`, bound, result.cpuSecondsPerGiB));
  }
  return goals;
}

/** The load that comes nearest to its bound, or exceeds it most. */
function memoryGoal(loads: readonly Load[], own: (load: string) => Result | undefined): Goal[] {
  const goals = loads.flatMap((load) => {
    const peak = own(load.name)?.peakMemory;
    const bound = MOST_MEMORY + MEMORY_PER_STREAM * (load.streams ?? load.connections);
    return peak === undefined ? [] : [most(`peak memory, MiB (${load.name})`, bound / MiB, peak / MiB)];
  });
  const worst = goals.sort((a, b) => b.value / b.bound - a.value / a.bound)[0];
  return worst === undefined ? [] : [worst];
}

const most = (name: string, bound: number, value: number): Goal => ({
  name,
  kind: 'most',
  bound,
  value,
  isMet: value <= bound,
});

const least = (name: string, bound: number, value: number): Goal => ({
  name,
  kind: 'least',
  bound,
  value,
  isMet: value >= bound,
});
