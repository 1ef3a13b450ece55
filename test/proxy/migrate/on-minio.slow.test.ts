/**
 * Protects: what a migration promises, on MinIO (suite.ts). MinIO holds an object while a conditional PUT of it runs: it answers no look
 * at the object before the PUT has ended.
 */
import { S3Client } from '@aws-sdk/client-s3';
import { describe, test } from 'vitest';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { openBench } from '../../helpers/bench.ts';
import { startMinio } from '../../helpers/minio.ts';
import { migrateSuite } from './suite.ts';

const minio = await startMinio();

describe('MinIO', () => {
  if (minio === undefined) {
    test('is not installed', () => undefined);
    return;
  }
  migrateSuite({
    store: 'MinIO',
    async open() {
      const { endpoint, accessKeyId, secretAccessKey } = minio;
      const backend = openS3Backend({ endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true });
      const bench = await openBench({ store: { backend, close: () => backend.close() } });
      const bare = new S3Client({
        endpoint: endpoint.origin,
        region: 'us-east-1',
        forcePathStyle: true,
        credentials: { accessKeyId, secretAccessKey },
      });
      return {
        bench,
        bare,
        async close() {
          bare.destroy();
          await bench.close();
          await minio.stop();
        },
      };
    },
  });
});
