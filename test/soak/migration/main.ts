/**
 * `npm run soak:migration -- [--objects N] [--store local|minio] [--largest BYTES] [--rate BYTES] [--seed TEXT]`: by default 10,000
 * objects up to 200 MB, on the embedded store.
 */
import { parseArgs } from 'node:util';
import { soakMigration } from './run.ts';

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '10000' },
    store: { type: 'string', default: 'local' },
    largest: { type: 'string', default: '200000000' },
    rate: { type: 'string' },
    seed: { type: 'string', default: 'sealgate' },
  },
});
const { store, rate, seed } = values;
if (store !== 'local' && store !== 'minio') throw new Error('--store is local or minio');
const { directions, ...about } = await soakMigration({
  store,
  seed,
  rate,
  objects: Number(values.objects),
  largestBytes: Number(values.largest),
  kills: 3,
  writers: 2,
  readers: 2,
  tell: (line) => console.error(`${new Date().toISOString()} ${line}`),
});
console.log(JSON.stringify(about));
for (const one of directions) {
  const { counts, bytes, seconds, lost, faults } = one;
  const objects = Object.values(counts).reduce((sum, count) => sum + count, 0);
  console.log(JSON.stringify({ ...one, lost: lost.slice(0, 20), faults: faults.slice(0, 20) }));
  const [perSecond, megabytes] = [objects / seconds, bytes / 1e6 / seconds];
  console.log(`${one.direction}: ${perSecond.toFixed(0)} objects/s, ${megabytes.toFixed(1)} MB/s`);
  console.log(`  ${lost.length} lost, ${faults.length} faults seen by clients`);
  if (lost.length + faults.length > 0) process.exitCode = 1;
}
