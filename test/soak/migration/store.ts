/** The stores that a soak of a migration runs on, bare: as programs use them before Sealgate stands in front. */
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { openLocalBackend } from '../../../proxy/backend/local/local.ts';
import { startMinio } from '../../helpers/minio.ts';
import { serveBare } from '../../twin/bare-server.ts';

/** Of the objects. */
export const BUCKET = 'data';

export type StoreName = 'local' | 'minio';

export interface SoakStore {
  /** Settings of Sealgate in front of it. */
  readonly settings: Readonly<Record<string, string>>;
  readonly bare: S3Client;
  readonly checksums: boolean;
  close(): Promise<void>;
}

/** @throws Error when the store's program is not installed */
export function openSoakStore(name: StoreName, directory: string): Promise<SoakStore> {
  return name === 'minio' ? openMinio() : openLocal(join(directory, 'store'));
}

const COMMON = { region: 'us-east-1', forcePathStyle: true, requestChecksumCalculation: 'WHEN_REQUIRED' } as const;

async function openLocal(directory: string): Promise<SoakStore> {
  const backend = await openLocalBackend({ directory });
  const server = await serveBare(backend, { checksums: [] });
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
  const bare = new S3Client({ ...COMMON, endpoint: server.endpoint, credentials });
  return {
    settings: { SEALGATE_BACKEND: `local:${directory}` },
    bare,
    checksums: false,
    async close() {
      bare.destroy();
      await server.close();
      await backend.close();
    },
  };
}

async function openMinio(): Promise<SoakStore> {
  const server = await startMinio();
  if (server === undefined) throw new Error('minio is not installed');
  const { endpoint, accessKeyId, secretAccessKey } = server;
  const bare = new S3Client({ ...COMMON, endpoint: endpoint.origin, credentials: { accessKeyId, secretAccessKey } });
  return {
    settings: {
      SEALGATE_BACKEND: endpoint.origin,
      SEALGATE_BACKEND_ACCESS_KEY_ID: accessKeyId,
      SEALGATE_BACKEND_SECRET_ACCESS_KEY: secretAccessKey,
      SEALGATE_BACKEND_REGION: 'us-east-1',
      SEALGATE_BACKEND_PATH_STYLE: 'true',
    },
    bare,
    checksums: true,
    async close() {
      bare.destroy();
      await server.stop();
    },
  };
}
