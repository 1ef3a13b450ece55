/** The suites that run on every backend. A suite gets a running bench and leaves the bucket as it likes. */
import { describe } from 'vitest';
import type { Bench } from '../../helpers/bench.ts';
import { conditions } from './conditions.ts';
import { listings } from './listings.ts';
import { names } from './names.ts';
import { ranges } from './ranges.ts';
import { roundTrips } from './round-trips.ts';

/** What a store itself cannot do, whoever asks. Names are those of AWKWARD_KEYS. */
export interface Quirks {
  readonly unstorableKeys: readonly string[];
  /** Keys that it cannot read from, or write to, a DeleteObjects document. */
  readonly unspellableKeys: readonly string[];
  /** Its pages of listings with a delimiter repeat rows or are too long. */
  readonly wrongPages: boolean;
}

const NO_QUIRKS: Quirks = { unstorableKeys: [], unspellableKeys: [], wrongPages: false };

const SUITES = { 'round trips': roundTrips, ranges, conditions, names, listings } as const;

export type SuiteName = keyof typeof SUITES;

/** All suites, or those that are named. */
export function runSuites(bench: () => Bench, o: { quirks?: Quirks; only?: readonly SuiteName[] } = {}): void {
  for (const name of o.only ?? (Object.keys(SUITES) as SuiteName[])) {
    describe(name, () => SUITES[name](bench, o.quirks ?? NO_QUIRKS));
  }
}
