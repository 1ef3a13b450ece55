import { globSync, readFileSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { QuietReporter } from './test/helpers/quiet-reporter.ts';

// Four suites: `fast` (npm test, under two minutes), `slow` (large bodies, soak, long property runs), `e2e` (real clients against
// a running proxy) and `deploy` (image, Pod, chart, package and pages, each run). A slow test is named *.slow.test.ts wherever it
// lives.
const shared = {
  testTimeout: 120_000,
  hookTimeout: 120_000,
  teardownTimeout: 10_000,
  // Limits against a test that hangs. A busy machine takes its time; what comes at once is seen at once.
  expect: { poll: { timeout: 60_000, interval: 10 } },
};

/** A file for a machine-readable report, beside the usual one. */
const report = process.env['TEST_REPORT_FILE'];
const shown = process.env['TEST_TICKS'] === undefined ? new QuietReporter() : 'default';

const FAST = globSync('test/**/*.test.ts', { exclude: ['test/**/*.slow.test.ts', 'test/e2e/**', 'test/deploy/**'] });
const MOCKING = FAST.filter((file) => readFileSync(file, 'utf8').includes('vi.mock('));

export default defineConfig({
  test: {
    reporters: report === undefined ? [shown] : [shown, ['json', { outputFile: report }]],
    // More files at once than cores: many tests wait for a time limit that they protect. By default one core is left idle.
    maxWorkers: '150%',
    projects: [
      // Files share their worker's modules, which saves loading them over a hundred times; those that replace modules do not.
      { test: { ...shared, name: 'fast', include: FAST, exclude: MOCKING, isolate: false } },
      { test: { ...shared, name: 'fast-mocking', include: MOCKING } },
      {
        test: {
          ...shared,
          name: 'slow',
          include: ['test/**/*.slow.test.ts'],
          testTimeout: 900_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...shared,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ['test/**/*.slow.test.ts'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          ...shared,
          name: 'deploy',
          include: ['test/deploy/**/*.test.ts'],
          globalSetup: 'test/deploy/support/setup.ts',
          testTimeout: 600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
