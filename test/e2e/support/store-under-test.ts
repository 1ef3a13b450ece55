/**
 * The stores that the program is run on: its embedded one, and real servers where they are installed. Each can be looked into
 * behind the program's back.
 */
import { accessSync, constants, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { GetObjectCommand, ListBucketsCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { startMinio } from '../../helpers/minio.ts';
import { startMoto } from '../../helpers/moto.ts';

export type StoreName = 'embedded store' | 'moto' | 'MinIO';

/** Something that a holder of the store can read. */
export interface Exposed {
  readonly where: string;
  readonly content: Buffer;
}

export interface StoreUnderTest {
  readonly name: StoreName;
  /** SEALGATE_* that name it. */
  readonly settings: Readonly<Record<string, string>>;
  /** A client with the store's own credentials; the embedded store has none. */
  readonly client: S3Client | undefined;
  /** Everything kept: files of the embedded store, or every object with its headers. */
  contents(): AsyncIterable<Exposed>;
  stop(): Promise<void>;
}

export function isInstalled(store: StoreName): boolean {
  if (store === 'embedded store') return true;
  if (store === 'moto') return findOnPath('moto_server') !== undefined;
  return findOnPath('minio', [join(homedir(), 'go/bin')]) !== undefined;
}

export function findOnPath(name: string, others: readonly string[] = []): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), ...others].filter((path) => path !== '');
  return directories
    .map((directory) => join(directory, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** `directory`: where the embedded store may keep its files. */
export async function openStore(name: StoreName, directory: string): Promise<StoreUnderTest> {
  if (name === 'embedded store') return embedded(join(directory, 'store'));
  const server = name === 'moto' ? await startMoto() : await startMinio();
  if (server === undefined) throw new Error(`${name} could not be started`);
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const client = new S3Client({
    endpoint: endpoint.origin,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  return {
    name,
    settings: {
      SEALGATE_BACKEND: endpoint.origin,
      SEALGATE_BACKEND_ACCESS_KEY_ID: accessKeyId,
      SEALGATE_BACKEND_SECRET_ACCESS_KEY: secretAccessKey,
    },
    client,
    contents: () => objectsOf(client),
    async stop() {
      client.destroy();
      await server.stop();
    },
  };
}

function embedded(directory: string): StoreUnderTest {
  return {
    name: 'embedded store',
    settings: { SEALGATE_BACKEND: `local:${directory}` },
    client: undefined,
    contents: () => filesOf(directory),
    async stop() {
      // Its directory goes with the stage's.
    },
  };
}

export async function* filesOf(directory: string): AsyncIterable<Exposed> {
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    yield { where: path.slice(directory.length), content: Buffer.concat([Buffer.from(path), await readFile(path)]) };
  }
}

async function* objectsOf(client: S3Client): AsyncIterable<Exposed> {
  const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
  for (const { Name: bucket } of Buckets) {
    if (bucket === undefined) continue;
    for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket })) {
      for (const { Key: key } of Contents) yield await exposedObject(client, bucket, key ?? '');
    }
  }
}

async function exposedObject(client: S3Client, bucket: string, key: string): Promise<Exposed> {
  const { Body, $metadata: _, ...headers } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
  const body = Buffer.from((await Body?.transformToByteArray()) ?? []);
  const head = Buffer.from(`${bucket}/${key}\n${JSON.stringify(headers)}\n`);
  return { where: `${bucket}/${key}`, content: Buffer.concat([head, body]) };
}
