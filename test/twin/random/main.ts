/**
 * `npm run test:twin:random`: random sequences against each store that is installed, with what they reached. It ends with 1
 * when a difference was found that no rule allows, or when an operation was never reached with success and with an error.
 *
 *   --backend moto|moto-strict|minio|embedded   one store alone (may be repeated); moto-strict and minio when left out
 *   --etags md5|opaque                          of the proxy's buckets; md5 when left out
 *   --requests N                                compared on each store; 20,000 when left out
 *   --seed S                                    of the first sequence; the next ones count up. 1 when left out
 *   --one                                       the sequence of this seed alone, printed
 *   --survey                                    differences grouped by place, with the seed of one example
 */
import { parseArgs } from 'node:util';
import { isEtagMode } from '../../../proxy/keyring/buckets/bucket-record.ts';
import { ALLOWED } from '../allowed.ts';
import type { StoreName } from '../difference.ts';
import { printDifference, printPlace, printSequence } from '../print.ts';
import { Survey } from '../survey.ts';
import { openTwin, type SequenceResult, type Twin } from '../twin.ts';
import { Coverage } from './coverage.ts';
import { LAX } from './lax.ts';
import { randomSequence } from './sequence.ts';
import { smallest } from './smallest.ts';

const STORES: readonly StoreName[] = ['embedded', 'moto-strict', 'moto', 'minio'];

const { values } = parseArgs({
  options: {
    backend: { type: 'string', multiple: true, default: ['moto-strict', 'minio'] },
    etags: { type: 'string', default: 'md5' },
    requests: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    one: { type: 'boolean', default: false },
    survey: { type: 'boolean', default: false },
  },
});
if (!isEtagMode(values.etags)) throw new Error('--etags is md5 or opaque');
const { etags } = values;
const stores = STORES.filter((store) => values.backend.includes(store));
if (stores.length < new Set(values.backend).size) throw new Error(`--backend is one of ${STORES.join(', ')}`);

/** Each has a bucket of its own. moto fails when one request changes what another one lists: the state bucket is shared. */
const SEQUENCES_AT_ONCE: Readonly<Record<StoreName, number>> = { embedded: 4, minio: 4, moto: 1, 'moto-strict': 1 };

/** Ctrl-C ends the run after the sequences under way, with its summary. */
let isStopped = false;
process.once('SIGINT', () => {
  isStopped = true;
});

const failures: string[] = [];
for (const store of stores) failures.push(...(await runStore(store)));
for (const line of failures) console.log(line);
console.log(failures.length === 0 ? 'no unexplained difference, everything reached' : `${failures.length} failures`);
process.exitCode = failures.length === 0 ? 0 : 1;

/** What went wrong on it, a line each. */
async function runStore(store: StoreName): Promise<readonly string[]> {
  const twin = await openTwin({ store, etags, allowed: [...ALLOWED, ...LAX] });
  if (twin === undefined) return [];
  const began = Date.now();
  const coverage = new Coverage(store);
  const survey = new Survey();
  const found: string[] = [];
  const first = Number(values.seed);
  let seed = first;
  const last = values.one ? seed : Number.MAX_SAFE_INTEGER;
  const lane = async (): Promise<void> => {
    while (!isStopped && seed <= last && twin.ledger.requests < Number(values.requests)) {
      const mine = seed++;
      const sequence = randomSequence(mine, store);
      if (values.one) console.log(printSequence(sequence));
      const result = await twin.run(sequence, { toTheEnd: values.survey });
      coverage.add(result);
      found.push(...result.unexplained.map((one) => printPlace(`${store}: seed ${mine}`, one)));
      if (values.survey) surveyed(survey, mine, result);
      else await report(twin, mine, result);
    }
  };
  try {
    await Promise.all(Array.from({ length: SEQUENCES_AT_ONCE[store] }, lane));
  } finally {
    await twin.close();
  }
  for (const line of survey.lines()) console.log(line);
  const seconds = ((Date.now() - began) / 1000).toFixed(1);
  console.log(
    `${store}: ${twin.ledger.requests} random requests compared in ${seconds} s, seeds ${first} to ${seed - 1}`,
  );
  for (const [name, times] of [...twin.ledger.allowed].sort()) console.log(`  allowed, ${times} times: ${name}`);
  console.log(coverage.table());
  const missing = values.one ? [] : coverage.missing();
  return [...found, ...missing.map((line) => `${store}: never reached: ${line}`)];
}

async function report(twin: Twin, seed: number, { unexplained }: SequenceResult): Promise<void> {
  const [first] = unexplained;
  if (first === undefined) return;
  console.log(`\n${twin.store}: seed ${seed}, step ${first.step + 1}`);
  for (const one of unexplained) console.log(printDifference(one));
  console.log(printSequence(await smallest(twin, randomSequence(seed, twin.store), first)));
}

function surveyed(survey: Survey, seed: number, { unexplained, exchanges }: SequenceResult): void {
  for (const { request, difference } of unexplained) {
    const status = exchanges.find((exchange) => exchange.request === request)?.bare.status;
    survey.add({ request, difference, example: String(seed), outcome: String(status) });
  }
}
