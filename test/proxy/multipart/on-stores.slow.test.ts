/**
 * Protects multipart uploads on stores of other makers, over the network: moto_server and MinIO, when they are installed. They
 * differ from the embedded store in ids, ETags, listings, and in what they answer when an upload is gone.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { startMinio } from '../../helpers/minio.ts';
import { startMoto } from '../../helpers/moto.ts';
import { multipartSuite, type SuiteOptions } from './suite.ts';

/** What of S3 these stores do otherwise. */
const QUIRKS: Readonly<Record<string, SuiteOptions>> = {
  moto: { wrongUploadListings: true },
  MinIO: { wrongUploadListings: true, silentAborts: true },
};

const servers = { moto: await startMoto(), MinIO: await startMinio() };

describe.each(Object.entries(servers))('on %s', (name, server) => {
  let bench: Bench;
  beforeAll(async () => {
    if (server === undefined) return;
    const { endpoint, accessKeyId, secretAccessKey } = server;
    const backend = openS3Backend({ endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true });
    bench = await openBench({ store: { backend, close: () => backend.close() } });
  });
  afterAll(async () => {
    await bench?.close();
    await server?.stop();
  });

  describe.runIf(server !== undefined)('multipart', () => multipartSuite(() => bench, QUIRKS[name]));
});
