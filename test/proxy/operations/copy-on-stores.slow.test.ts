/** Protects copies on real stores: one that ignores conditions and cannot pin a source, and one that checks everything. */
import { afterAll, beforeAll, describe, it } from 'vitest';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import type { ChildServer } from '../../helpers/child-server.ts';
import { startMinio } from '../../helpers/minio.ts';
import { startMoto } from '../../helpers/moto.ts';
import { AWKWARD_KEYS, copySuite } from './copy-suite.ts';

/** MinIO keeps keys as paths of files: no empty segments, none over 255 bytes, no object beside a folder of its name. */
const AS_PATHS = AWKWARD_KEYS.filter((key) => !/\/\/|^\/|\/$/.test(key) && key.length < 256);

const STORES: readonly (readonly [string, () => Promise<ChildServer | undefined>, readonly string[]])[] = [
  ['moto', startMoto, AWKWARD_KEYS],
  ['MinIO', startMinio, AS_PATHS],
];

for (const [name, start, keys] of STORES) {
  const server = await start();
  describe(`on ${name}`, () => {
    if (server === undefined) {
      it('is not installed', () => undefined);
      return;
    }
    let bench: Bench;
    beforeAll(async () => {
      const { endpoint, accessKeyId, secretAccessKey } = server;
      const backend = openS3Backend({ endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true });
      bench = await openBench({ store: { backend, close: () => backend.close() } });
    });
    afterAll(async () => {
      await bench.close();
      await server.stop();
    });
    copySuite(() => bench, { keys });
  });
}
