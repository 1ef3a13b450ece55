/**
 * Protects what a client sees with MinIO as the store, where conditions are decided by a real server: of concurrent writers one
 * wins every time, and concurrent counters lose nothing. And that what only MinIO can do is made use of.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openS3Backend } from '../../proxy/backend/s3/s3.ts';
import { type Bench, openBench, setVersioning } from '../helpers/bench.ts';
import { startMinio } from '../helpers/minio.ts';
import { objectPath } from '../helpers/raw-client.ts';
import { openReplica } from '../helpers/uploads.ts';
import { runSuites } from './suites/all.ts';

const minio = await startMinio();

describe('MinIO', () => {
  if (minio === undefined) {
    test('is not installed', () => undefined);
    return;
  }
  let bench: Bench;
  beforeAll(async () => {
    const { endpoint, accessKeyId, secretAccessKey } = minio;
    const backend = openS3Backend({ endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true });
    bench = await openBench({ store: { backend, close: () => backend.close() } });
  });
  afterAll(async () => {
    await bench.close();
    await minio.stop();
  });

  test('decides conditions of a PUT atomically, so that the races below are run', () => {
    const { conditionalPut, conditionalPutIfMatch, conditionalComplete } = bench.capabilities;
    expect([conditionalPut, conditionalPutIfMatch, conditionalComplete]).toEqual([true, true, true]);
  });

  test('shows metadata in listings, so that a page of unknown objects is two requests, versioned or not', async () => {
    expect(bench.capabilities.listsMetadata).toBe(true);
    for (const versioned of [false, true]) {
      if (versioned) await setVersioning(bench, 'Enabled');
      const keys = Array.from({ length: 60 }, (_, i) => `described/a b+ü%&<${i}`);
      for (const [i, key] of keys.entries()) {
        const path = objectPath(bench.bucket, key);
        const request = {
          method: 'PUT',
          path,
          body: randomBytes(1_000 + i),
          headers: [['x-amz-meta-a', 'b']],
        } as const;
        expect((await bench.send(request)).status).toBe(200);
      }
      const replica = await openReplica(bench);
      const path = `/${bench.bucket}`;
      await replica.send({ method: 'HEAD', path });
      const query = 'list-type=2&prefix=described%2F';
      const { result, requests } = await bench.watch(() => replica.send({ method: 'GET', path, query }));
      await replica.proxy.close();
      expect(result.body.toString()).toBe((await bench.send({ method: 'GET', path, query })).body.toString());
      expect([...result.body.toString().matchAll(/<Size>(\d+)</g)].map(([, size]) => Number(size)).toSorted()).toEqual(
        keys.map((_, i) => 1_000 + i),
      );
      expect(requests.map(({ method, key }) => [method, key])).toEqual([
        ['GET', ''],
        ['GET', ''],
      ]);
    }
    await setVersioning(bench, 'Suspended');
  });

  runSuites(() => bench, { only: ['round trips', 'ranges', 'conditions'] });
});
