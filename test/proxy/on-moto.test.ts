/**
 * The suites of what a client sees, with moto_server as the store: another implementation of S3, over the network, as it is
 * (with the conditions that it ignores) and behind a wrapper that enforces what stricter stores do.
 */
import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { Backend } from '../../proxy/backend/backend.ts';
import { openS3Backend } from '../../proxy/backend/s3/s3.ts';
import { type Bench, openBench } from '../helpers/bench.ts';
import { startMoto } from '../helpers/moto.ts';
import { type StrictBackend, strictBackend } from '../helpers/strict-backend.ts';
import { type Quirks, runSuites } from './suites/all.ts';

/** Its paths lose a carriage return, its XML is 1.0 to the letter, and its pages of grouped listings overlap. */
const MOTO: Quirks = {
  unstorableKeys: ['line ends'],
  unspellableKeys: ['line ends', 'control characters', 'outermost code points'],
  wrongPages: true,
};

const moto = await startMoto();

function open(): Backend {
  if (moto === undefined) throw new Error('moto_server is not there');
  const { endpoint, accessKeyId, secretAccessKey } = moto;
  return openS3Backend({ endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true });
}

describe.runIf(moto !== undefined)('moto', () => {
  afterAll(() => moto?.stop());

  describe('as it is', () => {
    let bench: Bench;
    beforeAll(async () => {
      const backend = open();
      bench = await openBench({ store: { backend, close: () => backend.close() } });
    });
    afterAll(() => bench.close());
    runSuites(() => bench, MOTO);
  });

  describe('strictly', () => {
    let bench: Bench;
    let strict: StrictBackend;
    beforeAll(async () => {
      const backend = open();
      strict = strictBackend(backend);
      bench = await openBench({ store: { backend: strict, close: () => backend.close() } });
    });
    afterAll(async () => {
      await bench.close();
      expect(strict.violations).toEqual([]);
    });
    runSuites(() => bench, MOTO);
  });
});
