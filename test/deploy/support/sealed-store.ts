/** A real store outside of all containers, and a look at it behind Sealgate's back. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { runProgram } from '../../e2e/support/program.ts';
import { isInstalled, openStore, type StoreUnderTest } from '../../e2e/support/store-under-test.ts';

export interface Tenant {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface SealedStore {
  readonly store: StoreUnderTest;
  /** Of a server on this store, without its addresses. */
  readonly settings: Readonly<Record<string, string>>;
  /** A directory for files of the test. */
  readonly directory: string;
  /** A new tenant for all buckets, made by the command line on this machine. */
  createTenant(): Promise<Tenant>;
  /** Whether anything kept in the store holds that text. */
  holds(text: string): Promise<boolean>;
  close(): Promise<void>;
}

/** MinIO where it is installed, else moto; undefined where neither is. */
export async function openSealedStore(): Promise<SealedStore | undefined> {
  const name = (['MinIO', 'moto'] as const).find(isInstalled);
  if (name === undefined) return undefined;
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-deploy-'));
  const store = await openStore(name, directory);
  const settings = {
    ...store.settings,
    SEALGATE_STATE: 'sealgate-state',
    SEALGATE_SEAL_KEYS: `s1:${randomBytes(32).toString('base64')}`,
    SEALGATE_LEGACY: 'deny',
  };
  return {
    store,
    settings,
    directory,
    async createTenant() {
      const made = await runProgram(['tenant', 'create', '--bucket', '*', '--json'], { directory, settings });
      if (made.code !== 0) throw new Error(made.stderr);
      const { accessKeyId, secretAccessKey } = JSON.parse(made.stdout);
      return { accessKeyId, secretAccessKey };
    },
    async holds(text) {
      let objects = 0;
      for await (const { content } of store.contents()) {
        objects += 1;
        if (content.includes(text)) return true;
      }
      if (objects === 0) throw new Error('there is nothing in the store');
      return false;
    },
    async close() {
      await store.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function clientOf(endpoint: string, credentials: Tenant): S3Client {
  return new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
}
