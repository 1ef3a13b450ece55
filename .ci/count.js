// Prints "PASSED FAILED SKIPPED" of one machine-readable report. A file that failed without a failing test (it could not be
// loaded, or a hook failed) counts as one failure, and so does a report that is missing or empty.
import { readFileSync } from 'node:fs';

function count(path) {
  const { testResults } = JSON.parse(readFileSync(path, 'utf8'));
  const tests = testResults.flatMap((file) => file.assertionResults);
  const of = (...statuses) => tests.filter(({ status }) => statuses.includes(status)).length;
  const broken = testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'),
  );
  const passed = of('passed');
  return [passed, of('failed') + broken.length + (tests.length === 0 ? 1 : 0), tests.length - passed - of('failed')];
}

try {
  console.log(count(process.argv[2]).join(' '));
} catch {
  console.log('0 1 0');
}
