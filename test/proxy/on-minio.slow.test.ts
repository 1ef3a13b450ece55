/**
 * Protects what a client sees with MinIO as the store, where conditions are decided by a real server: of concurrent writers one
 * wins every time, and concurrent counters lose nothing.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openS3Backend } from '../../proxy/backend/s3/s3.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import { startMinio } from '../helpers/minio.ts';
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

  runSuites(() => bench, { only: ['round trips', 'ranges', 'conditions'] });
});
