/** Protects: what a migration promises, on the embedded store (suite.ts). */
import { openBench } from '../../helpers/bench.ts';
import { bareClient } from './harness.ts';
import { migrateSuite } from './suite.ts';

migrateSuite({
  store: 'embedded',
  async open() {
    const bench = await openBench();
    const { s3: bare, close: closeBare } = await bareClient(bench);
    return {
      bench,
      bare,
      async close() {
        await closeBare();
        await bench.close();
      },
    };
  },
});
