/**
 * The suites with moto_server as the store: another implementation of S3, over the network, as it is (with the conditions that
 * it ignores) and behind a wrapper that enforces what stricter stores do.
 */
import { afterAll, beforeAll, describe, expect } from 'vitest';
import type { Backend } from '../../../proxy/backend/backend.ts';
import { openS3Backend } from '../../../proxy/backend/s3/s3.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import type { startMoto } from '../../helpers/moto.ts';
import { type StrictBackend, strictBackend } from '../../helpers/strict-backend.ts';
import { type Quirks, runSuites, type SuiteName } from './all.ts';

/** Its paths lose a carriage return, its XML is 1.0 to the letter, and its pages of grouped listings overlap. */
const QUIRKS: Quirks = {
  unstorableKeys: ['line ends'],
  unspellableKeys: ['line ends', 'control characters', 'outermost code points'],
  wrongPages: true,
};

type Moto = Awaited<ReturnType<typeof startMoto>>;

/** Declares the tests; none when moto_server is not installed. */
export function runOnMoto(
  moto: Moto,
  o: { asItIs?: readonly SuiteName[]; strictly?: readonly SuiteName[] } = {},
): void {
  if (moto === undefined) return;
  const open = (): Backend => {
    const { endpoint, accessKeyId, secretAccessKey } = moto;
    return openS3Backend({ endpoint, accessKeyId, secretAccessKey, region: 'us-east-1', pathStyle: true });
  };

  describe('as it is', () => {
    let bench: Bench;
    beforeAll(async () => {
      const backend = open();
      bench = await openBench({ store: { backend, close: () => backend.close() } });
    });
    afterAll(() => bench.close());
    runSuites(() => bench, { quirks: QUIRKS, ...(o.asItIs === undefined ? {} : { only: o.asItIs }) });
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
    runSuites(() => bench, { quirks: QUIRKS, ...(o.strictly === undefined ? {} : { only: o.strictly }) });
  });
}
