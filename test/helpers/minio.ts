/** MinIO as a backend for tests: a real store, which checks every signature. Looked for on PATH, then in ~/go/bin. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openS3Backend } from '../../proxy/backend/s3/s3.ts';
import { waitForStore } from '../../proxy/cli/wait-for-store.ts';
import { type ChildServer, freePort, startChild } from './child-server.ts';

/** `domain`: also serve virtual-host style names below it (`bucket.domain`). */
export interface MinioOptions {
  readonly domain?: string;
}

/** `undefined`, with one printed line, when no minio binary is found. Its data live in a temporary directory. */
export async function startMinio(o: MinioOptions = {}): Promise<ChildServer | undefined> {
  for (const command of ['minio', join(homedir(), 'go/bin/minio')]) {
    const server = await start(command, o);
    if (server !== undefined) return server;
  }
  console.log('minio is not installed: tests against it are left out');
  return undefined;
}

async function start(command: string, o: MinioOptions): Promise<ChildServer | undefined> {
  const port = await freePort();
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-minio-'));
  const accessKeyId = `test${randomBytes(8).toString('hex')}`;
  const secretAccessKey = randomBytes(20).toString('hex');
  const child = await startChild({
    command,
    args: ['server', directory, '--address', `127.0.0.1:${port}`, '--console-address', `127.0.0.1:${await freePort()}`],
    env: {
      MINIO_ROOT_USER: accessKeyId,
      MINIO_ROOT_PASSWORD: secretAccessKey,
      MINIO_BROWSER: 'off',
      MINIO_UPDATE: 'off',
      ...(o.domain === undefined ? {} : { MINIO_DOMAIN: o.domain }),
    },
    endpoint: new URL('/minio/health/ready', endpoint),
    startMs: 30_000,
  });
  if (child === undefined) {
    await rm(directory, { recursive: true, force: true });
    return undefined;
  }
  const server = {
    endpoint,
    accessKeyId,
    secretAccessKey,
    async stop() {
      await child.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
  await untilServing(server);
  return server;
}

/** On a busy machine it says that it is ready and still answers 503 to whom it knows. */
async function untilServing(server: ChildServer): Promise<void> {
  const backend = openS3Backend({ ...server, region: 'us-east-1', pathStyle: true });
  await waitForStore({ backend, state: { bucket: 'none' } }, { warn: () => {} });
  await backend.close();
}
