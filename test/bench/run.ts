/**
 * A run: for each load, all targets in turn, round after round, so that whatever else the machine does falls on all of them
 * alike. Each target proves first that it does the work right.
 */
import type { Environment } from './environment.ts';
import type { CryptoFloor } from './floor-child.ts';
import type { FloorPart, Load } from './loads/load.ts';
import { type Result, resultOf, type Sample } from './measure/result.ts';
import { takeSample } from './measure/sample.ts';
import { median } from './measure/statistics.ts';
import type { Target } from './targets/target.ts';

export interface RunOptions {
  readonly rounds: number;
  /** Of each measurement. */
  readonly milliseconds: number;
  /** Of load before the first measurement of each target: what it runs is compiled by then. */
  readonly warmUpMs: number;
  /** Told of each load's results as they come. */
  onResults(load: Load, results: readonly Result[]): void;
}

export interface RunResults {
  readonly results: readonly Result[];
  /** Medians over the loads that have a floor; `undefined` when none has. */
  readonly crypto: CryptoFloor | undefined;
}

export async function runLoads(environment: Environment, loads: readonly Load[], o: RunOptions): Promise<RunResults> {
  const results: Result[] = [];
  const crypto: CryptoFloor[] = [];
  const seeded = new Set<string>();
  for (const load of loads) {
    const targets = environment.targets[load.transport];
    const samples = new Map<Target, Sample[]>(targets.map((target) => [target, []]));
    for (const target of targets) await prepare(environment, { load, target, seeded, warmUpMs: o.warmUpMs });
    for (let round = 0; round < o.rounds; round++) {
      for (const target of targets) samples.get(target)?.push(await measure(environment, load, target, o));
      if (load.floor !== undefined) crypto.push(await environment.measureCrypto());
    }
    const found = targets.map((target) => resultOf(load.name, target.name, samples.get(target) ?? []));
    results.push(...found);
    o.onResults(load, found);
  }
  return { results, crypto: mediansOf(crypto) };
}

/** @throws Error when the target stores or gives back other bytes than it should. */
async function prepare(
  environment: Environment,
  o: { load: Load; target: Target; seeded: Set<string>; warmUpMs: number },
) {
  const { load, target, seeded } = o;
  try {
    for (const seed of load.seeds) {
      const id = `${target.store} ${seed.name}`;
      if (!seeded.has(id)) await seed.store(target.endpoint);
      seeded.add(id);
    }
    await load.check(target.endpoint);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown failure';
    throw new Error(`${load.name} on ${target.name} is not right: ${reason}`, { cause: error });
  }
  await measure(environment, load, target, { milliseconds: o.warmUpMs });
}

function measure(environment: Environment, load: Load, target: Target, o: { milliseconds: number }): Promise<Sample> {
  const { backend } = environment;
  const operation = load.operation(target.endpoint);
  return takeSample({ load, target, backend, operation, milliseconds: o.milliseconds, least: load.least });
}

function mediansOf(all: readonly CryptoFloor[]): CryptoFloor | undefined {
  if (all.length === 0) return undefined;
  const of = (part: FloorPart) => median(all.map((one) => one[part])) ?? 0;
  return { seal: of('seal'), open: of('open'), md5: of('md5'), sha256: of('sha256') };
}
