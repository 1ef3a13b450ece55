/** Protects multipart uploads on the embedded store, with parts of the sizes that S3 has. */
import { afterAll, beforeAll, describe } from 'vitest';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { multipartSuite } from './suite.ts';

describe('on the embedded store', () => {
  let bench: Bench;
  beforeAll(async () => {
    bench = await openBench();
  });
  afterAll(() => bench.close());
  multipartSuite(() => bench);
});
