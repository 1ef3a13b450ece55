// `count.js REPORT` prints "PASSED FAILED SKIPPED" of a machine-readable report; `count.js failures REPORT` a line for each
// failure. A file that failed without a failing test (it could not be loaded, or a hook failed) counts as one failure, and so
// does a report that is missing or empty.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

function read(path) {
  const { testResults } = JSON.parse(readFileSync(path, 'utf8'));
  const tests = testResults.flatMap((file) => file.assertionResults.map((test) => ({ ...test, file: file.name })));
  const broken = testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every(({ status }) => status !== 'failed'),
  );
  return { tests, broken, failed: tests.filter(({ status }) => status === 'failed') };
}

function count(path) {
  const { tests, broken, failed } = read(path);
  const passed = tests.filter(({ status }) => status === 'passed').length;
  const failures = failed.length + broken.length + (tests.length === 0 ? 1 : 0);
  return [passed, failures, tests.length - passed - failed.length].join(' ');
}

function failures(path) {
  const { broken, failed } = read(path);
  const line = (file, name, message = '') =>
    `${[relative(process.cwd(), file), name].filter(Boolean).join(': ')}: ${message.split('\n', 1)[0].slice(0, 200)}`;
  return [
    ...failed.map(({ file, fullName, failureMessages }) => line(file, fullName, failureMessages[0])),
    ...broken.map(({ name, message }) => line(name, '', message)),
  ].join('\n');
}

const [mode, report] = process.argv[2] === 'failures' ? [failures, process.argv[3]] : [count, process.argv[2]];
try {
  console.log(mode(report));
} catch {
  console.log(mode === count ? '0 1 0' : 'no report');
}
