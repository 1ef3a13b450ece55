/**
 * `npm run test:twin`: runs the corpus against each store that is installed, prints what was compared, and ends with 1 when a
 * difference was found that no rule allows.
 *
 *   --backend moto|moto-strict|minio|embedded   one store alone (may be repeated); all but moto by default, which is slow
 *   --etags md5|opaque                          of the proxy's buckets; md5 (default)
 *   --requests N                                stop after N requests on each store
 *   --seed S                                    order of the sequences; 0 (default) is the order of the files
 *   --only TEXT                                 sequences whose name contains it
 *   --list                                      prints the allowed differences as docs/conformance.md has them, and ends
 *   --survey                                    every sequence to its end; differences grouped by place, with counts
 */
import { parseArgs } from 'node:util';
import { isEtagMode } from '../../proxy/keyring/buckets/bucket-record.ts';
import type { EtagMode } from '../../proxy/object/etags.ts';
import { OPAQUE } from './allowed/opaque.ts';
import { allowedTable } from './allowed/table.ts';
import { ALLOWED } from './allowed.ts';
import { CORPUS } from './corpus/all.ts';
import type { StoreName } from './difference.ts';
import { inLanes } from './lanes.ts';
import { printDifference, printSequence } from './print.ts';
import { LAX } from './random/lax.ts';
import { minimal } from './shrink.ts';
import { Survey } from './survey.ts';
import { openTwin, type Sequence, type Twin } from './twin.ts';

const STORES: readonly StoreName[] = ['embedded', 'moto-strict', 'moto', 'minio'];
const USUAL: readonly StoreName[] = ['embedded', 'moto-strict', 'minio'];

/** Each has a bucket of its own; a store mostly waits for its own work. */
const SEQUENCES_AT_ONCE = 4;

interface Options {
  readonly stores: readonly StoreName[];
  readonly etags: EtagMode;
  readonly requests: number;
  readonly seed: number;
  readonly only: string;
  readonly survey: boolean;
  readonly list: boolean;
  readonly all: boolean;
}

const options = readOptions();
if (options.list) {
  console.log(`${allowedTable(ALLOWED)}\n\n${allowedTable(OPAQUE)}\n\n${allowedTable(LAX)}`);
  process.exit(0);
}
const used = new Map<string, number>();
let unexplained = 0;
for (const store of options.stores) unexplained += await runStore(store, options);
if (options.all && options.only === '' && options.requests > 100_000) printUnused();
console.log(unexplained === 0 ? 'no unexplained difference' : `${unexplained} unexplained differences`);
process.exitCode = unexplained === 0 ? 0 : 1;

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      backend: { type: 'string', multiple: true },
      etags: { type: 'string', default: 'md5' },
      requests: { type: 'string', default: '1000000' },
      seed: { type: 'string', default: '0' },
      only: { type: 'string', default: '' },
      survey: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
    },
  });
  const named = values.backend ?? [];
  const stores = named.length === 0 ? USUAL : STORES.filter((store) => named.includes(store));
  if (stores.length < new Set(named).size) throw new Error(`--backend is one of ${STORES.join(', ')}`);
  if (!isEtagMode(values.etags)) throw new Error('--etags is md5 or opaque');
  return {
    stores,
    etags: values.etags,
    requests: Number(values.requests),
    seed: Number(values.seed),
    only: values.only,
    survey: values.survey,
    list: values.list,
    all: named.length === 0,
  };
}

async function runStore(store: StoreName, o: Options): Promise<number> {
  const twin = await openTwin({ store, etags: o.etags });
  if (twin === undefined) return 0;
  const began = Date.now();
  let count = 0;
  let ran = 0;
  const survey = new Survey();
  const work = async (sequence: Sequence): Promise<number> => {
    if (twin.ledger.requests >= o.requests) return 0;
    ran += 1;
    return o.survey ? surveyed(twin, sequence, survey) : runSequence(twin, sequence);
  };
  try {
    count = await inLanes(chosen(store, o), { atOnce: SEQUENCES_AT_ONCE, work });
  } finally {
    await twin.close();
  }
  for (const line of survey.lines()) console.log(line);
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  console.log(
    `${store}: ${twin.ledger.requests} requests in ${ran} sequences compared in ${seconds} s, seed ${o.seed}`,
  );
  for (const [name, times] of [...twin.ledger.allowed].sort()) {
    console.log(`  allowed, ${times} times: ${name}`);
    used.set(name, (used.get(name) ?? 0) + times);
  }
  return count;
}

async function runSequence(twin: Twin, sequence: Sequence): Promise<number> {
  const { unexplained: found } = await twin.run(sequence);
  const [first] = found;
  if (first === undefined) return 0;
  console.log(`\n${twin.store}: ${sequence.name}`);
  for (const one of found) console.log(printDifference(one));
  console.log(printSequence(await minimal(twin, sequence, first)));
  return found.length;
}

async function surveyed(twin: Twin, sequence: Sequence, survey: Survey): Promise<number> {
  const { unexplained: found } = await twin.run(sequence, { toTheEnd: true });
  for (const { request, difference, step } of found) {
    survey.add({ request, difference, example: `${sequence.name}, step ${step + 1}` });
  }
  return found.length;
}

function chosen(store: StoreName, o: Options): readonly Sequence[] {
  const fitting = CORPUS.filter(({ name, stores }) => (stores?.includes(store) ?? true) && name.includes(o.only));
  return o.seed === 0 ? fitting : shuffled(fitting, o.seed);
}

/** The same order for the same seed. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  let state = seed >>> 0;
  const next = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state;
  };
  return items
    .map((item) => ({ item, rank: next() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}

/** Rules for stores that were not run cannot have been seen. */
function printUnused(): void {
  for (const { name, stores } of ALLOWED) {
    const ran = stores?.some((store) => options.stores.includes(store)) ?? true;
    if (ran && !used.has(name)) console.log(`allowed and never seen: ${name}`);
  }
}
