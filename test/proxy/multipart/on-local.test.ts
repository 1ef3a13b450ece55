/** Protects multipart uploads on the embedded store, with parts of the sizes that S3 has. */
import { describe } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import { multipartSuite } from './suite.ts';

describe('on the embedded store', () => {
  const bench = sharedBench();
  multipartSuite(() => bench);
});
