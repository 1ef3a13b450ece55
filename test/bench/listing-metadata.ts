/**
 * What it is worth that MinIO shows metadata in listings: the first listing of 1,000 objects by a process that knows none of
 * them, with and without making use of it, in turn, and MinIO's own listing beside it. Starts a MinIO of its own, and ends it.
 *
 *   node test/bench/listing-metadata.ts [ROUNDS]
 */
import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { readBody } from '../../proxy/backend/read-body.ts';
import { openS3Backend } from '../../proxy/backend/s3/s3.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import { startMinio } from '../helpers/minio.ts';
import { objectPath } from '../helpers/raw-client.ts';
import { openReplica } from '../helpers/uploads.ts';
import { median } from './measure/statistics.ts';

const ROWS = 1000;
const AT_ONCE = 20;

interface Cost {
  readonly ms: number;
  /** Of this process: proxy and client. */
  readonly cpuMs: number;
}

const rounds = Number(process.argv[2] ?? 9);
const minio = await startMinio();
if (minio === undefined) throw new Error('MinIO is not installed: there is nothing to measure');
const { endpoint, accessKeyId, secretAccessKey } = minio;
const backend = openS3Backend({ endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true });
const bench = await openBench({ store: { backend, close: () => backend.close() } });
for (let from = 0; from < ROWS; from += AT_ONCE) {
  const keys = Array.from({ length: AT_ONCE }, (_, i) => `key/${from + i}`);
  const put = (key: string) =>
    bench.send({ method: 'PUT', path: objectPath(bench.bucket, key), body: randomBytes(1000) });
  await Promise.all(keys.map(put));
}

const costs: Record<'alone' | 'with' | 'without', Cost[]> = { alone: [], with: [], without: [] };
for (let round = 0; round < rounds; round++) {
  costs.with.push(await coldListing(bench, true));
  costs.without.push(await coldListing(bench, false));
  costs.alone.push(await costOf(ownListing));
}
for (const [name, list] of Object.entries(costs)) {
  const [ms = 0, cpu = 0] = [median(list.map((cost) => cost.ms)), median(list.map((cost) => cost.cpuMs))];
  process.stdout.write(`${name.padEnd(8)} ${ms.toFixed(0)} ms, ${cpu.toFixed(0)} ms of processor time\n`);
}
await bench.close();
await minio.stop();

async function coldListing(of: Bench, listsMetadata: boolean): Promise<Cost> {
  const replica = await openReplica({ ...of, capabilities: { ...of.capabilities, listsMetadata } }, backend);
  const path = `/${of.bucket}`;
  await replica.send({ method: 'HEAD', path });
  const cost = await costOf(async () => {
    const { body } = await replica.send({ method: 'GET', path, query: 'list-type=2' });
    return body.toString();
  });
  await replica.proxy.close();
  return cost;
}

async function ownListing(): Promise<string> {
  const query = [['list-type', '2']] as const;
  const signal = AbortSignal.timeout(10_000);
  const response = await backend.send({ method: 'GET', bucket: bench.bucket, query, signal });
  return (await readBody(response, { maxBytes: 10_000_000 })).toString();
}

async function costOf(list: () => Promise<string>): Promise<Cost> {
  const [cpu, begun] = [process.cpuUsage(), performance.now()];
  const page = await list();
  const [ms, { user, system }] = [performance.now() - begun, process.cpuUsage(cpu)];
  if (page.match(/<Contents>/g)?.length !== ROWS) throw new Error('the listing does not have all rows');
  return { ms, cpuMs: (user + system) / 1000 };
}
