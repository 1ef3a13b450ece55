/**
 * The soak of a migration: a bucket with versions and locks is sealed where it is, under load from writers and readers, with the job
 * killed several times, and opened again in the same way. Afterwards every object is compared with what its last writer was told.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  PutBucketVersioningCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { SealKeys } from '../../../proxy/keyring/access-keys/seal-keys.ts';
import { runProgram, startServe } from '../../e2e/support/program.ts';
import { s3Client } from '../../helpers/proxy.ts';
import { Clients, type Work } from './clients.ts';
import { type CorpusOptions, storeCorpus } from './corpus.ts';
import { type Job, killAtWork } from './job.ts';
import { differences, type Known } from './known.ts';
import { BUCKET, openSoakStore, type StoreName } from './store.ts';

export interface MigrationSoakOptions extends Omit<CorpusOptions, 'checksums'> {
  readonly store: StoreName;
  readonly kills: number;
  readonly writers: number;
  readonly readers: number;
  /** Of the job, so that a small bucket is not done before it is killed. */
  readonly rate?: string | undefined;
  readonly tell: (line: string) => void;
}

export interface Direction {
  readonly direction: 'encrypt' | 'decrypt';
  /** Objects that were done when the job was killed. */
  readonly killedAt: readonly number[];
  /** Of the run that ended, all killed ones counted. */
  readonly counts: Readonly<Record<string, number>>;
  readonly bytes: number;
  /** At work, as the job's record has them: waiting for a lease is no work. */
  readonly seconds: number;
  /** Of a last run without clients, from the start of the bucket. */
  readonly settled: Readonly<Record<string, number>>;
  readonly clients: Work;
  /** What clients saw meanwhile that they should not have seen. */
  readonly faults: readonly string[];
  /** Objects, settings and older versions that are not as their last writer was told. */
  readonly lost: readonly string[];
  /** Uploads that killed runs left open at the store. */
  readonly openUploads: number;
}

export interface MigrationSoak {
  readonly store: StoreName;
  readonly objects: number;
  readonly bytes: number;
  readonly olderVersions: number;
  readonly directions: readonly Direction[];
  /** `verify --data` after `encrypt`. */
  readonly verified: Readonly<Record<string, number>>;
}

const COMMON = ['--bucket', BUCKET, '--credentials', 'key.json', '--json'] as const;

export async function soakMigration(o: MigrationSoakOptions): Promise<MigrationSoak> {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-migration-'));
  const store = await openSoakStore(o.store, directory);
  const settings = { ...store.settings, SEALGATE_STATE: 'sealgate-state', SEALGATE_SEAL_KEYS: SealKeys.generate() };
  const program = { directory, settings };
  const server = await startServe(program);
  try {
    const created = await runProgram(['tenant', 'create', '--bucket', '*', '--json'], program);
    await writeFile(join(directory, 'key.json'), created.stdout);
    const s3 = s3Client(server.endpoint, JSON.parse(created.stdout), { maxAttempts: 1 });
    const { bare } = store;
    await bare.send(new CreateBucketCommand({ Bucket: BUCKET, ObjectLockEnabledForBucket: true }));
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await bare.send(new PutBucketVersioningCommand({ Bucket: BUCKET, VersioningConfiguration }));
    const { known, bytes } = await storeCorpus(bare, { ...o, checksums: store.checksums });
    const olderVersions = [...known.values()].reduce((sum, { older }) => sum + older.length, 0);
    o.tell(`${known.size} objects, ${bytes} bytes, ${olderVersions} older versions`);
    const soak = { o, program, known, s3, bare };
    const encrypt = await migrate(soak, 'encrypt');
    const verified = await command({ program, args: ['verify', ...COMMON, '--data'] });
    o.tell(`verify: ${JSON.stringify(verified.counts)}`);
    const decrypt = await migrate(soak, 'decrypt');
    s3.destroy();
    const directions = [encrypt, decrypt];
    return { store: o.store, objects: known.size, bytes, olderVersions, directions, verified: verified.counts };
  } finally {
    await server.stop();
    await store.close();
    await rm(directory, { recursive: true, force: true });
  }
}

interface Soak {
  readonly o: MigrationSoakOptions;
  readonly program: Job['program'];
  readonly known: ReadonlyMap<string, Known>;
  /** Through Sealgate, and at the store. */
  readonly s3: S3Client;
  readonly bare: S3Client;
}

async function migrate({ o, program, known, s3, bare }: Soak, direction: Direction['direction']): Promise<Direction> {
  const args = ['migrate', direction, ...COMMON];
  const slowed = { program, args: o.rate === undefined ? args : [...args, '--rate', o.rate] };
  const clients = new Clients(s3, known);
  clients.start({ seed: `${o.seed}:${direction}`, writers: o.writers, readers: o.readers });
  const killedAt: number[] = [];
  let end: Summary;
  try {
    for (let kill = 0; kill < o.kills; kill += 1) {
      const seen = await killAtWork(slowed, { seen: killedAt.at(-1) ?? 0, after: 1_500 + kill * 700 });
      killedAt.push(seen);
      o.tell(`${direction}: killed at ${seen} objects`);
    }
    end = await command({ program, args });
    o.tell(`${direction}: ${JSON.stringify(end)}`);
  } finally {
    await clients.stop();
  }
  const settled = await command({ program, args: [...args, '--restart'] });
  const lost = await differences(direction === 'encrypt' ? s3 : bare, known);
  const { Uploads = [] } = await bare.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
  const { counts, bytes, seconds } = end;
  const { done, faults } = clients;
  const found = { clients: done, faults, lost, openUploads: Uploads.length };
  o.tell(
    `${direction}: ${lost.length} lost, ${faults.length} faults, ${Uploads.length} open uploads: ${JSON.stringify(done)}`,
  );
  o.tell([...lost, ...faults].slice(0, 20).join('\n'));
  return { direction, killedAt, counts, bytes, seconds, settled: settled.counts, ...found };
}

interface Summary {
  readonly outcome: string;
  readonly counts: Record<string, number>;
  readonly bytes: number;
  readonly seconds: number;
  readonly findings: readonly unknown[];
}

async function command({ program, args }: Job): Promise<Summary> {
  const { code, stdout, stderr } = await runProgram(args, program);
  if (stdout === '') throw new Error(`${args[0]} ${args[1]} ended with ${code}: ${stderr}`);
  const summary: Summary = JSON.parse(stdout);
  if (code !== 0) throw new Error(`${args[0]} ${args[1]} ended with ${code}: ${JSON.stringify(summary.findings)}`);
  return summary;
}
